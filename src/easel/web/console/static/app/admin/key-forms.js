// What is done to keys: creating them, which shows their text once, limiting and revoking them.

import { call } from "../api.js";
import { copied } from "../clipboard.js";
import { inWords } from "../failures.js";
import { html } from "../html.js";
import { askFor, showOnce } from "../parts/form-dialog.js";
import { Icon } from "../parts/icon.js";
import { notify } from "../parts/notice.js";
import { asked } from "../parts/question.js";
import { t } from "../words.js";
import { dayOf, endOfDay_s, limitOf } from "./amounts.js";

const SCOPES = ["generate", "read", "admin"];

function limitFields(key = {}) {
  const shown = (value) => (value === null || value === undefined ? "" : String(value));
  return [
    { name: "credit_limit", label: t("admin.key.spends"), hint: t("form.unlimited"), value: shown(key.credit_limit), isAmount: true },
    { name: "creates_per_minute", label: t("admin.key.rate"), hint: t("form.usual"), value: shown(key.creates_per_minute), isAmount: true },
    { name: "unfinished_max", label: t("admin.key.unfinished"), hint: t("form.usual"), value: shown(key.unfinished_max), isAmount: true },
    { name: "expires_at", label: t("admin.key.expires"), hint: t("form.never"), value: dayOf(key.expires_at), type: "date" },
  ];
}

function limitsOf(values) {
  const { credit_limit, creates_per_minute, unfinished_max, expires_at } = values;
  return {
    credit_limit: limitOf(credit_limit),
    creates_per_minute: limitOf(creates_per_minute),
    unfinished_max: limitOf(unfinished_max),
    expires_at: endOfDay_s(expires_at),
  };
}

/** Create a key of an account, and show its text. */
export function createKey(account, reload) {
  askFor({
    heading: t("admin.key.new.of", { account: account.name }),
    yes: t("admin.key.create"),
    fields: [
      { name: "name", label: t("admin.key.name"), hint: t("form.optional") },
      { name: "scopes", label: t("admin.key.scopes"), type: "checkbox", value: ["generate", "read"], options: SCOPES.map((each) => [each, t(`admin.scope.${each}`)]) },
      ...limitFields(),
    ],
    act: async (values) => {
      const body = { name: values.name, scopes: values.scopes, ...limitsOf(values) };
      const made = await call("POST", `admin/v1/accounts/${account.id}/keys`, { json: body });
      reload();
      showKey(made);
    },
  });
}

function showKey(made) {
  showOnce({
    heading: t("admin.key.made"),
    content: html`<p>${t("admin.key.once")}</p><${Secret} text=${made.key} />`,
  });
}

/** A secret text with a button that copies it. */
export function Secret({ text }) {
  const copy = async () => notify(t((await copied(text)) ? "code.copied" : "do.copy.failed"));
  return html`
    <div class="secret">
      <code>${text}</code>
      <button class="icon-button" aria-label=${t("code.copy")} onClick=${copy}><${Icon} name="copy" /></button>
    </div>
  `;
}

/** Change the limits of a key. */
export function limitKey(key, reload) {
  askFor({
    heading: t("admin.key.limit.heading", { key: key.name || `…${key.ends}` }),
    yes: t("form.save"),
    fields: limitFields(key),
    act: async (values) => {
      const limits = limitsOf(values);
      // The hour of an expiry that stays is not lost.
      if (values.expires_at === dayOf(key.expires_at)) delete limits.expires_at;
      await call("POST", `admin/v1/keys/${key.id}/limits`, { json: limits });
      reload();
    },
  });
}

/** Ask, and revoke a key. */
export async function revokeKey(key, reload) {
  const isMeant = await asked({
    heading: t("admin.key.revoke.heading", { key: key.name || `…${key.ends}` }),
    text: t("admin.key.revoke.text"),
    yes: t("admin.key.revoke"),
    no: t("form.cancel"),
  });
  if (!isMeant) return;
  try {
    await call("POST", `admin/v1/keys/${key.id}/revoke`);
  } catch (error) {
    notify(inWords(error));
  }
  reload();
}
