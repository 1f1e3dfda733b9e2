// The latest callbacks of all accounts, and delivering them again.

import { call } from "../api.js";
import { now_s } from "../clock.js";
import { inWords } from "../failures.js";
import { html } from "../html.js";
import { Choice } from "../parts/choice.js";
import { showOnce } from "../parts/form-dialog.js";
import { notify } from "../parts/notice.js";
import { Fault, Table } from "../parts/table.js";
import { useRead } from "../reading.js";
import { go, place, to } from "../router.js";
import { age, date, has, number, t } from "../words.js";
import { AccountSearch } from "./account-search.js";

const STATES = ["", "delivering", "failed", "delivered"];
const EVERY_MS = 5000;

export function Callbacks() {
  const query = place.value.query;
  const state = STATES.includes(query.get("state")) ? query.get("state") : "";
  const account = query.get("account") ?? "";
  const { data, fault, reload } = useRead(`admin/v1/callbacks?${new URLSearchParams({ limit: 100, account, state })}`, EVERY_MS);
  const set = (changes) => go(to("admin", "callbacks", { account, state, ...changes }), { replace: true });
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
        <${AccountSearch} value=${account} find=${(name) => set({ account: name })} />
        <${Choice}
          name="state"
          label=${t("admin.state")}
          isLabelShown=${false}
          options=${STATES.map((each) => [each, t(`admin.callback.${each || "all"}`)])}
          value=${state}
          choose=${(each) => set({ state: each })}
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
          outcome(each.last_outcome, each.last_status_code),
          age(each.created, now_s.value),
          html`<${Acts} callback=${each} again=${again} />`,
        ])}
        empty=${t("admin.callbacks.none")}
      />
    </section>
  `;
}

/** How an attempt ended, in words. */
function outcome(name, status) {
  if (!name) return "–";
  return [has(`admin.attempt.${name}`) ? t(`admin.attempt.${name}`) : name, status].filter(Boolean).join(" ");
}

function Acts({ callback, again }) {
  const { task_id, state } = callback;
  return html`
    <button class="button is-small" aria-label=${`${t("admin.callback.attempts")}: ${task_id}`} onClick=${() => show(task_id)}>${t("admin.callback.attempts")}</button>
    ${state !== "delivering" &&
    html`<button class="button is-small" aria-label=${`${t("admin.callback.again")}: ${task_id}`} onClick=${() => again(task_id)}>${t("admin.callback.again")}</button>`}
  `;
}

/** Show where a callback goes, and every attempt to deliver it. */
async function show(task) {
  try {
    const { attempts, url } = await call("GET", `admin/v1/callbacks/${task}`);
    const table = html`
      <${Table}
        label=${t("admin.callback.attempts.of")}
        columns=${[t("chart.when"), t("admin.outcome"), t("admin.callback.took")]}
        numeric=${[2]}
        rows=${attempts.map((each) => [date(each.at), outcome(each.outcome, each.status_code), each.duration_ms === null ? "–" : t("admin.seconds", { count: each.duration_ms / 1000 })])}
        empty=${t("admin.callback.attempts.none")}
      />
    `;
    showOnce({ heading: t("admin.callback.attempts.of"), content: html`<p><code>${url}</code></p>${table}` });
  } catch (error) {
    notify(inWords(error));
  }
}
