// How the service is: the queue, the workers, what failed, callbacks, moderation and storage.

import { now_s } from "../clock.js";
import { html } from "../html.js";
import { Fault, Table } from "../parts/table.js";
import { useRead } from "../reading.js";
import { to } from "../router.js";
import { age, bytes, number, span, t } from "../words.js";
import { decided, layerName } from "./decisions.js";

const EVERY_MS = 3000;

export function Overview() {
  const { data, fault, reload } = useRead("admin/v1/overview", EVERY_MS);
  return html`
    ${fault && !data && html`<${Fault} fault=${fault} retry=${reload} />`}
    <${Sums} data=${data} />
    ${data ? html`<${Lists} data=${data} />` : html`<section class="panel chart-space" aria-busy="true"></section>`}
  `;
}

function Lists({ data }) {
  return html`
    <section class="panel">
      <h2>${t("admin.workers")}</h2>
      <${Workers} workers=${data.workers} />
    </section>
    <div class="panels">
      <section class="panel">
        <h2>${t("admin.failures")}</h2>
        <${Table}
          label=${t("admin.failures")}
          columns=${[t("admin.code"), t("admin.tasks")]}
          numeric=${[1]}
          rows=${data.failures.map(({ code, tasks }) => [html`<code>${code}</code>`, number(tasks)])}
          empty=${t("admin.failures.none")}
        />
      </section>
      <section class="panel">
        <h2>${t("admin.moderation")}</h2>
        <${Table}
          label=${t("admin.moderation")}
          columns=${[t("admin.decision"), t("admin.category"), t("admin.layer"), t("admin.count")]}
          numeric=${[3]}
          rows=${data.moderation.map((each) => [decided(each), each.category ?? "–", layerName(each.layer), number(each.decisions)])}
          empty=${t("admin.moderation.none")}
        />
      </section>
      <section class="panel">
        <h2>${t("admin.engines")}</h2>
        <${Table}
          label=${t("admin.engines")}
          columns=${[t("admin.engine"), t("admin.pictures"), t("admin.mean")]}
          numeric=${[1, 2]}
          rows=${data.engines.map((each) => [each.engine, number(each.pictures), t("admin.seconds", { count: Math.round((each.mean_draw_ms ?? 0) / 10) / 100 })])}
          empty=${t("admin.engines.none")}
        />
      </section>
    </div>
    <p class="quiet">${t("account.version", { version: data.version })}</p>
  `;
}

function Sums({ data }) {
  const { queue, workers, engines, callbacks, storage } = data ?? {};
  const paused = workers?.filter((worker) => worker.paused_because).length;
  const facts = [
    ["admin.waiting", queue && number(queue.waiting), queue?.waiting > 0 && t("admin.waiting.longest", { span: span(queue.oldest_waiting_s) })],
    ["admin.drawing", queue && number(queue.taken)],
    ["admin.live", workers && number(workers.length), paused ? t("admin.live.paused", { count: paused }) : null],
    ["admin.hour", engines && number(engines.reduce((sum, each) => sum + each.pictures, 0))],
    ["admin.callbacks", callbacks && number(callbacks.delivering), callbacks && html`<a href=${to("admin", "callbacks", { state: "failed" })}>${t("admin.callbacks.failed", { count: callbacks.failed })}</a>`],
    ["admin.stored", storage && bytes(storage.bytes), storage && t("admin.stored.pictures", { count: storage.pictures })],
  ];
  return html`
    <dl class="sums" aria-busy=${!data}>
      ${facts.map(
        ([name, value, note]) => html`
          <div class="panel" key=${name}>
            <dt>${t(name)}</dt>
            <dd class="figure">${value ?? "–"}</dd>
            <dd><small>${note || "\u00a0"}</small></dd>
          </div>
        `,
      )}
    </dl>
  `;
}

function Workers({ workers }) {
  const rows = workers.map((worker) => [
    t("admin.worker.name", { id: String(worker.id) }),
    html`<${State} worker=${worker} />`,
    worker.engine ?? "–",
    worker.device ?? "–",
    html`<${Tasks} tasks=${worker.tasks} />`,
    worker.pictures_last_hour === null ? "–" : number(worker.pictures_last_hour),
    age(worker.started, now_s.value),
  ]);
  return html`
    <${Table}
      label=${t("admin.workers")}
      columns=${["worker", "state", "engine", "device", "held", "hour", "started"].map((each) => t(`admin.${each}`))}
      numeric=${[5]}
      rows=${rows}
      empty=${t("admin.workers.none")}
    />
  `;
}

function State({ worker }) {
  if (worker.paused_because) return html`<span class="state is-bad" title=${worker.paused_because}>${t("admin.state.paused")}: ${worker.paused_because}</span>`;
  return html`<span class="state is-good">${t(worker.tasks.length ? "admin.state.drawing" : "admin.state.idle")}</span>`;
}

function Tasks({ tasks }) {
  if (!tasks.length) return "–";
  return html`<span><code>${tasks[0].replace("task-unified-", "…")}</code>${tasks.length > 1 ? ` +${number(tasks.length - 1)}` : ""}</span>`;
}
