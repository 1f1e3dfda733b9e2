// Keys: all of them, or those of one account.

import { now_s } from "../clock.js";
import { html } from "../html.js";
import { More, Table, wholeClass } from "../parts/table.js";
import { usePages } from "../reading.js";
import { dayOnly, number, t } from "../words.js";
import { limitKey, revokeKey } from "./key-forms.js";

export function Keys() {
  const pages = usePages("admin/v1/keys?limit=100");
  return html`
    <section class="panel">
      <div class="panel-head"><h2>${t("admin.section.keys")}</h2></div>
      <${KeyTable} pages=${pages} hasAccount />
    </section>
  `;
}

export function KeyTable({ pages, hasAccount = false }) {
  const account = hasAccount ? [t("admin.account")] : [];
  return html`
    ${pages.rows &&
    html`
      <${Table}
        label=${t("admin.section.keys")}
        columns=${[t("admin.key"), t("admin.number"), ...account, t("admin.key.may"), t("admin.spent"), t("admin.key.limits"), t("admin.state"), ""]}
        numeric=${[1, hasAccount ? 4 : 3]}
        rows=${pages.rows.map((key) => [
          html`<span class=${wholeClass(key.name)}>${key.name} <code class="quiet">…${key.ends}</code></span>`,
          String(key.id),
          ...(hasAccount ? [key.account] : []),
          key.scopes.map((each) => t(`admin.scope.${each}`)).join(", "),
          key.credit_limit === null ? number(key.used_credits) : t("admin.spent.of", { used: key.used_credits, limit: key.credit_limit }),
          limits(key),
          html`<${State} keyRow=${key} />`,
          html`<${Actions} keyRow=${key} reload=${pages.reload} />`,
        ])}
        empty=${t("admin.keys.none")}
      />
    `}
    <${More} pages=${pages} />
  `;
}

function limits(key) {
  const parts = [
    key.creates_per_minute !== null && t("admin.limit.rate", { count: key.creates_per_minute }),
    key.unfinished_max !== null && t("admin.limit.unfinished", { count: key.unfinished_max }),
    key.models !== null && key.models.join(", "),
  ];
  return parts.filter(Boolean).join(", ") || "–";
}

function isOver(key) {
  return key.revoked_at !== null || (key.expires_at !== null && key.expires_at <= now_s.value);
}

function State({ keyRow: key }) {
  if (key.revoked_at !== null) return html`<span class="state">${t("admin.key.revoked", { date: dayOnly(key.revoked_at) })}</span>`;
  if (isOver(key)) return html`<span class="state">${t("admin.key.expired", { date: dayOnly(key.expires_at) })}</span>`;
  const text = key.expires_at === null ? t("admin.key.valid") : t("admin.key.until", { date: dayOnly(key.expires_at) });
  return html`<span class="state is-good">${text}</span>`;
}

function Actions({ keyRow: key, reload }) {
  if (key.revoked_at !== null) return null;
  const named = key.name || `…${key.ends}`;
  return html`
    <button class="button is-small" aria-label=${`${t("admin.key.limit")}: ${named}`} onClick=${() => limitKey(key, reload)}>${t("admin.key.limit")}</button>
    <button class="button is-small is-danger" aria-label=${`${t("admin.key.revoke")}: ${named}`} onClick=${() => revokeKey(key, reload)}>${t("admin.key.revoke")}</button>
  `;
}
