// Groups of accounts and their prices.

import { call } from "../api.js";
import { html } from "../html.js";
import { askFor } from "../parts/form-dialog.js";
import { Icon } from "../parts/icon.js";
import { Fault, Table } from "../parts/table.js";
import { useRead } from "../reading.js";
import { number, t } from "../words.js";
import { amountOf } from "./amounts.js";

function setPrice(reload, group) {
  askFor({
    heading: t("admin.price.set"),
    text: t("admin.price.text"),
    yes: t("form.save"),
    fields: [
      { name: "name", label: t("admin.group"), value: group?.name },
      { name: "price_credits", label: t("admin.price"), value: group?.price_credits ?? "", isAmount: true },
    ],
    act: async ({ name, price_credits }) => {
      await call("POST", "admin/v1/groups", { json: { name, price_credits: amountOf(price_credits) } });
      reload();
    },
  });
}

export function Groups() {
  const { data, fault, reload } = useRead("admin/v1/groups");
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.groups")}</h2>
        <button class="button is-main" onClick=${() => setPrice(reload)}><${Icon} name="plus" /><span>${t("admin.price.set")}</span></button>
      </div>
      ${fault && html`<${Fault} fault=${fault} retry=${reload} />`}
      <${Table}
        label=${t("admin.section.groups")}
        columns=${[t("admin.group"), t("admin.model"), t("admin.price"), t("admin.section.accounts"), ""]}
        numeric=${[3]}
        rows=${data?.data.map((each) => [
          each.name,
          each.model ?? "–",
          each.price_credits === null ? t("admin.price.general") : number(each.price_credits),
          number(each.accounts),
          html`<button class="button is-small" aria-label=${`${t("admin.price.set")}: ${each.name}`} onClick=${() => setPrice(reload, each)}>${t("admin.price.set")}</button>`,
        ])}
      />
    </section>
  `;
}
