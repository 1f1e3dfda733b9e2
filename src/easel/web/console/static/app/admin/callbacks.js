// The latest callbacks of all accounts, and delivering them again.

import { call } from "../api.js";
import { now_s } from "../clock.js";
import { inWords } from "../failures.js";
import { html } from "../html.js";
import { Choice } from "../parts/choice.js";
import { notify } from "../parts/notice.js";
import { Fault, Table } from "../parts/table.js";
import { useRead } from "../reading.js";
import { go, place, to } from "../router.js";
import { age, number, t } from "../words.js";

const STATES = ["", "delivering", "failed", "delivered"];
const EVERY_MS = 5000;

export function Callbacks() {
  const asked = place.value.query.get("state");
  const state = STATES.includes(asked) ? asked : "";
  const { data, fault, reload } = useRead(`admin/v1/callbacks?limit=100&state=${state}`, EVERY_MS);
  const again = async (task) => {
    try {
      await call("POST", `admin/v1/callbacks/${task}/redeliver`);
      notify(t("admin.callback.again.done"));
    } catch (error) {
      notify(inWords(error));
    }
    reload();
  };
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.section.callbacks")}</h2>
        <${Choice}
          name="state"
          label=${t("admin.state")}
          isLabelShown=${false}
          options=${STATES.map((each) => [each, t(`admin.callback.${each || "all"}`)])}
          value=${state}
          choose=${(each) => go(to("admin", "callbacks", { state: each }), { replace: true })}
        />
      </div>
      ${fault && html`<${Fault} fault=${fault} retry=${reload} />`}
      <${Table}
        label=${t("admin.section.callbacks")}
        columns=${[t("admin.account"), t("fact.task"), t("admin.state"), t("admin.attempts"), t("admin.outcome"), t("admin.created"), ""]}
        numeric=${[3]}
        rows=${data?.data.map((each) => [
          each.account,
          html`<code>${each.task_id.replace("task-unified-", "…")}</code>`,
          html`<span class="state ${each.state === "failed" ? "is-bad" : each.state === "delivered" ? "is-good" : ""}">${t(`admin.callback.${each.state}`)}</span>`,
          number(each.attempts),
          [each.last_outcome, each.last_status_code].filter(Boolean).join(" ") || "–",
          age(each.created, now_s.value),
          each.state !== "delivering" &&
            html`<button class="button is-small" aria-label=${`${t("admin.callback.again")}: ${each.task_id}`} onClick=${() => again(each.task_id)}>${t("admin.callback.again")}</button>`,
        ])}
        empty=${t("admin.callbacks.none")}
      />
    </section>
  `;
}
