// One account: its balance, its group, its keys, and the secrets that sign its callbacks.

import { call, newKey } from "../api.js";
import { html, useState } from "../html.js";
import { inWords } from "../failures.js";
import { askFor, showOnce } from "../parts/form-dialog.js";
import { Icon } from "../parts/icon.js";
import { notify } from "../parts/notice.js";
import { asked } from "../parts/question.js";
import { Fault } from "../parts/table.js";
import { usePages, useRead } from "../reading.js";
import { to } from "../router.js";
import { date, number, t } from "../words.js";
import { amountOf } from "./amounts.js";
import { createKey, Secret } from "./key-forms.js";
import { KeyTable } from "./keys.js";

export function Account({ id }) {
  const { data: account, fault, reload } = useRead(`admin/v1/accounts/${id}`);
  const pages = usePages(`admin/v1/keys?account_id=${id}&limit=100`);
  if (fault && !account) return html`<${Fault} fault=${fault} retry=${reload} />`;
  // All at once, so that nothing is pushed down.
  if (!account || !(pages.rows || pages.fault)) return html`<section class="panel chart-space" aria-busy="true"></section>`;
  return html`
    <section class="panel">
      <div class="panel-head">
        <a class="button is-quiet" href=${to("admin", "accounts")}><${Icon} name="back" /><span>${t("admin.section.accounts")}</span></a>
      </div>
      <div class="panel-head">
        <h2>${account.name}</h2>
        <${Actions} account=${account} reload=${reload} />
      </div>
      <dl class="facts">
        ${[
          ["available", number(account.available_credits)],
          ["reserved", number(account.reserved_credits)],
          ["used", number(account.used_credits)],
          ["group", account.group],
          ["opened", date(account.created)],
        ].map(([name, value]) => html`<div key=${name}><dt>${t(`admin.${name}`)}</dt><dd class="figure">${value}</dd></div>`)}
      </dl>
    </section>
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.keys")}</h2>
        <button class="button is-main" onClick=${() => createKey(account, pages.reload)}><${Icon} name="plus" /><span>${t("admin.key.new")}</span></button>
      </div>
      <${KeyTable} pages=${pages} />
    </section>
    <${CallbackSecrets} account=${account} />
  `;
}

function Actions({ account, reload }) {
  const post = async (path, json, headers = {}) => {
    await call("POST", `admin/v1/accounts/${account.id}/${path}`, { json, headers });
    reload();
  };
  const grant = () => {
    const once = { "idempotency-key": newKey() };
    askFor({
      heading: t("admin.grant.heading", { account: account.name }),
      yes: t("admin.grant"),
      fields: [{ name: "credits", label: t("admin.credits"), isAmount: true }],
      act: ({ credits }) => post("grants", { credits: amountOf(credits) }, once),
    });
  };
  const takeBack = () => {
    const once = { "idempotency-key": newKey() };
    askFor({
      heading: t("admin.take.heading", { account: account.name }),
      text: t("admin.take.text", { count: account.available_credits }),
      yes: t("admin.take"),
      fields: [
        { name: "credits", label: t("admin.credits"), isAmount: true },
        { name: "reason", label: t("admin.reason") },
      ],
      act: ({ credits, reason }) => {
        const amount = amountOf(credits);
        return post("adjustments", { credits: typeof amount === "number" ? -Math.abs(amount) : amount, reason }, once);
      },
    });
  };
  const assign = () =>
    askFor({
      heading: t("admin.assign.heading", { account: account.name }),
      text: t("admin.assign.text"),
      yes: t("form.save"),
      fields: [{ name: "group", label: t("admin.group"), value: account.group }],
      act: ({ group }) => post("group", { group }),
    });
  const link = async () => {
    try {
      const made = await call("POST", `admin/v1/accounts/${account.id}/console-links`);
      const text = t("admin.link.text", { count: Math.round(made.lifetime_s / 60), key: String(made.key_id) });
      showOnce({ heading: t("admin.link.heading", { account: account.name }), content: html`<p>${text}</p><${Secret} text=${made.url} />` });
    } catch (error) {
      notify(inWords(error));
    }
  };
  return html`
    <a class="button is-quiet" href=${to("admin", "audit", { account: account.name })}>${t("admin.audit.of")}</a>
    <button class="button" onClick=${link}>${t("admin.link")}</button>
    <button class="button" onClick=${grant}>${t("admin.grant")}</button>
    <button class="button" onClick=${takeBack}>${t("admin.take")}</button>
    <button class="button" onClick=${assign}>${t("admin.assign")}</button>
  `;
}

function CallbackSecrets({ account }) {
  const [shown, setShown] = useState(null);
  const act = async (method, path) => {
    try {
      setShown(await call(method, `admin/v1/accounts/${account.id}/${path}`, method === "POST" ? { json: {} } : {}));
    } catch (error) {
      notify(inWords(error));
    }
  };
  const rotate = async () => {
    const question = { heading: t("admin.secret.rotate.heading"), text: t("admin.secret.rotate.text"), yes: t("admin.secret.rotate"), no: t("form.cancel") };
    if (await asked(question)) act("POST", "callback-secret/rotate");
  };
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.secret")}</h2>
        <button class="button" onClick=${() => (shown ? setShown(null) : act("GET", "callback-secret"))}>${t(shown ? "admin.secret.hide" : "admin.secret.show")}</button>
        <button class="button" onClick=${rotate}>${t("admin.secret.rotate")}</button>
      </div>
      <p class="quiet">${t("admin.secret.text")}</p>
      ${shown?.secrets.map((text) => html`<${Secret} key=${text} text=${text} />`)}
      ${shown?.overlap_until && html`<p class="quiet">${t("admin.secret.overlap", { date: date(shown.overlap_until) })}</p>`}
    </section>
  `;
}
