// The audit log: who changed what, when, and from where.

import { html } from "../html.js";
import { More, Table } from "../parts/table.js";
import { usePages } from "../reading.js";
import { date, has, t } from "../words.js";

export function Audit() {
  const pages = usePages("admin/v1/audit?limit=100");
  return html`
    <section class="panel">
      <h2>${t("admin.section.audit")}</h2>
      ${pages.rows &&
      html`
        <${Table}
          label=${t("admin.section.audit")}
          columns=${[t("chart.when"), t("admin.who"), t("admin.origin"), t("admin.action"), t("admin.subject"), t("admin.details")]}
          rows=${pages.rows.map((entry) => [
            date(entry.at),
            entry.key_id === null ? entry.operator : t("admin.who.key", { id: String(entry.key_id) }),
            entry.details.address ?? "–",
            has(`admin.action.${entry.action}`) ? t(`admin.action.${entry.action}`) : entry.action,
            entry.subject,
            details(entry.details),
          ])}
        />
      `}
      <${More} pages=${pages} />
    </section>
  `;
}

function details(known) {
  const shown = Object.entries(known).filter(([name]) => name !== "address");
  return shown.map(([name, value]) => `${name.replaceAll("_", " ")} ${[value].flat().join(" + ")}`).join(", ") || "–";
}
