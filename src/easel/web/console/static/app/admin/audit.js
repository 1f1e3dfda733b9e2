// The audit log: who changed what, when, and from where. Its filters stand in the address, and are those of `easel audit`.

import { html } from "../html.js";
import { Choice } from "../parts/choice.js";
import { Select } from "../parts/select.js";
import { More, Table, wholeClass } from "../parts/table.js";
import { usePages } from "../reading.js";
import { go, place, to } from "../router.js";
import { date, has, number, t } from "../words.js";
import { AccountSearch } from "./account-search.js";

const ACTIONS = [
  "account_created", "key_created", "key_limited", "key_revoked", "credits_granted", "credits_adjusted", "credits_repaired",
  "group_assigned", "group_price_set", "price_set", "console_link_created", "callback_secret_rotated",
  "callback_redelivered", "installation_restored", "secret_reset",
];
const PERIODS = ["", "1d", "7d", "30d"];
const FILTERS = ["account", "action", "operator", "key_id", "since"];

function shownFilters() {
  return Object.fromEntries(FILTERS.map((name) => [name, place.value.query.get(name) ?? ""]));
}

function filtered(changes) {
  return to("admin", "audit", { ...shownFilters(), ...changes });
}

export function Audit() {
  const shown = shownFilters();
  const query = new URLSearchParams({ limit: 100, ...Object.fromEntries(Object.entries(shown).filter(([, value]) => value)) });
  const pages = usePages(`admin/v1/audit?${query}`);
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.audit")}</h2>
        <${Filters} shown=${shown} />
      </div>
      <${Who} shown=${shown} />
      ${pages.rows &&
      html`
        <${Table}
          label=${t("admin.section.audit")}
          columns=${[t("chart.when"), t("admin.who"), t("admin.origin"), t("admin.action"), t("admin.subject"), t("admin.account"), t("admin.details")]}
          rows=${pages.rows.map(row)}
          empty=${t("admin.audit.none")}
        />
      `}
      <${More} pages=${pages} />
    </section>
  `;
}

function Filters({ shown }) {
  const set = (name) => (value) => go(filtered({ [name]: value }), { replace: true });
  return html`
    <${AccountSearch} value=${shown.account} find=${set("account")} />
    <${Select}
      label=${t("admin.action")}
      options=${[["", `${t("admin.action")}: ${t("admin.filter.any")}`], ...ACTIONS.map((each) => [each, t(`admin.action.${each}`)])]}
      value=${shown.action}
      choose=${set("action")}
    />
    <${Choice}
      name="since"
      label=${t("admin.since")}
      isLabelShown=${false}
      options=${PERIODS.map((each) => [each, t(`admin.since.${each || "all"}`)])}
      value=${shown.since}
      choose=${set("since")}
    />
  `;
}

/** Whose entries are shown, if not everybody's. Each name in the list leads here. */
function Who({ shown }) {
  if (!shown.operator && !shown.key_id) return null;
  const who = shown.operator || t("admin.who.key", { id: shown.key_id });
  return html`
    <p class="panel-note">
      ${t("admin.filter.who", { who })} <a href=${filtered({ operator: "", key_id: "" })}>${t("admin.filter.free")}</a>
    </p>
  `;
}

function row(entry) {
  const who = entry.key_id === null ? { operator: entry.operator, key_id: "" } : { operator: "", key_id: String(entry.key_id) };
  return [
    date(entry.at),
    plainLink(filtered(who), who.operator || t("admin.who.key", { id: who.key_id })),
    entry.details.address ?? "–",
    has(`admin.action.${entry.action}`) ? t(`admin.action.${entry.action}`) : entry.action,
    entry.subject,
    entry.account === null ? "–" : plainLink(filtered({ account: entry.account }), entry.account),
    details(entry.details),
  ];
}

function plainLink(address, text) {
  return html`<a class="is-plain ${wholeClass(text)}" href=${address}>${text}</a>`;
}

function details(known) {
  const shown = Object.entries(known).filter(([name]) => name !== "address");
  const named = (name) => (has(`admin.detail.${name}`) ? t(`admin.detail.${name}`) : name.replaceAll("_", " "));
  const said = (name, value) => [value].flat().map((each) => word(name, each)).join(" + ");
  return shown.map(([name, value]) => `${named(name)} ${said(name, value)}`).join(", ") || "–";
}

function word(name, value) {
  if (name === "scopes" && has(`admin.scope.${value}`)) return t(`admin.scope.${value}`);
  return typeof value === "number" ? number(value) : value;
}
