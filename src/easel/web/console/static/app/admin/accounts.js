// The accounts, and opening a new one.

import { call } from "../api.js";
import { html } from "../html.js";
import { askFor } from "../parts/form-dialog.js";
import { Icon } from "../parts/icon.js";
import { Search } from "../parts/search.js";
import { More, Table, wholeClass } from "../parts/table.js";
import { usePages } from "../reading.js";
import { go, place, to } from "../router.js";
import { date, number, t } from "../words.js";
import { amountOf } from "./amounts.js";

function open() {
  askFor({
    heading: t("admin.account.new"),
    text: t("admin.account.new.text"),
    yes: t("admin.account.open"),
    fields: [
      { name: "name", label: t("admin.account.name") },
      { name: "credits", label: t("admin.account.credits"), hint: t("form.optional"), isAmount: true },
      { name: "group", label: t("admin.group"), hint: t("form.optional") },
    ],
    act: async ({ name, credits, group }) => {
      const body = { name };
      if (credits) body.credits = amountOf(credits);
      if (group) body.group = group;
      const account = await call("POST", "admin/v1/accounts", { json: body });
      go(to("admin", "accounts", { account: account.id }));
    },
  });
}

export function Accounts() {
  const part = place.value.query.get("name") ?? "";
  const pages = usePages(`admin/v1/accounts?${new URLSearchParams({ limit: 100, name: part })}`);
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.accounts")}</h2>
        <${Search} label=${t("admin.find.account")} value=${part} find=${(name) => go(to("admin", "accounts", { name }), { replace: true })} />
        <button class="button is-main" onClick=${open}><${Icon} name="plus" /><span>${t("admin.account.new")}</span></button>
      </div>
      ${pages.rows &&
      html`
        <${Table}
          label=${t("admin.section.accounts")}
          columns=${["account", "group", "available", "reserved", "used", "keys", "opened"].map((each) => t(`admin.${each}`))}
          numeric=${[2, 3, 4, 5]}
          rows=${pages.rows.map((each) => [
            html`<a class=${wholeClass(each.name)} href=${to("admin", "accounts", { account: each.id })}>${each.name}</a>`,
            each.group,
            number(each.available_credits),
            number(each.reserved_credits),
            number(each.used_credits),
            number(each.keys),
            date(each.created),
          ])}
        />
      `}
      <${More} pages=${pages} />
    </section>
  `;
}
