// What moderation decided about prompts and pictures. It shows no prompt, only what was found and which rule found it.

import { html } from "../html.js";
import { Choice } from "../parts/choice.js";
import { Fault, Table } from "../parts/table.js";
import { useRead } from "../reading.js";
import { go, place, to } from "../router.js";
import { date, has, t } from "../words.js";
import { AccountSearch } from "./account-search.js";

const OUTCOMES = ["", "refused", "unjudged", "waved_through"];
const EVERY_MS = 10_000;

/** A decision in words: what was judged, and with which outcome. */
export function decided({ stage, outcome }) {
  return `${t(`admin.stage.${stage}`)}: ${t(`admin.outcome.${outcome}`)}`;
}

/** What decided: the layer of moderation. */
export function layerName(layer) {
  return has(`admin.layer.${layer}`) ? t(`admin.layer.${layer}`) : layer;
}

function asLabel(text) {
  return text[0].toUpperCase() + text.slice(1);
}

export function Decisions() {
  const query = place.value.query;
  const outcome = OUTCOMES.includes(query.get("outcome")) ? query.get("outcome") : "";
  const account = query.get("account") ?? "";
  const asked = new URLSearchParams({ limit: 100, account, outcome });
  const { data, fault, reload } = useRead(`admin/v1/moderation?${asked}`, EVERY_MS);
  const set = (changes) => go(to("admin", "moderation", { account, outcome, ...changes }), { replace: true });
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.moderation")}</h2>
        <${AccountSearch} value=${account} find=${(name) => set({ account: name })} />
        <${Choice}
          name="outcome"
          label=${t("admin.decision")}
          isLabelShown=${false}
          options=${OUTCOMES.map((each) => [each, asLabel(t(`admin.outcome.${each || "all"}`))])}
          value=${outcome}
          choose=${(each) => set({ outcome: each })}
        />
      </div>
      ${fault && html`<${Fault} fault=${fault} retry=${reload} />`}
      <${Table}
        label=${t("admin.section.moderation")}
        columns=${[t("chart.when"), t("admin.account"), t("admin.decision"), t("admin.category"), t("admin.layer"), t("admin.rule"), t("fact.task")]}
        rows=${data?.data.map((each) => [
          date(each.at),
          each.account,
          decided(each),
          each.category ?? "–",
          layerName(each.layer),
          html`<code>${each.rule}</code>`,
          each.task_id ? html`<code>${each.task_id.replace("task-unified-", "…")}</code>` : "–",
        ])}
        empty=${t("admin.decisions.none")}
      />
    </section>
  `;
}
