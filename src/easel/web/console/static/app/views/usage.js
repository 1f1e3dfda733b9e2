// What the account used: credits by day, tasks by outcome, and both by key, as charts, tables and CSV.

import { textOf } from "../api.js";
import { html } from "../html.js";
import { inWords } from "../failures.js";
import { Bars } from "../parts/chart.js";
import { Choice } from "../parts/choice.js";
import { Icon } from "../parts/icon.js";
import { notify } from "../parts/notice.js";
import { Fault, Table } from "../parts/table.js";
import { save } from "../pictures.js";
import { useRead } from "../reading.js";
import { go, place, to } from "../router.js";
import { credits, mayRead } from "../session.js";
import { day, number, t } from "../words.js";

const DAYS = ["7", "30", "90", "365"];
const BARS_MAX = 92;
const WEEK = 7;
const OUTCOMES = ["completed", "cancelled", "refused", "failed"];

function period(days) {
  const iso = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  return `from=${iso(days - 1)}&to=${iso(0)}`;
}

/** The days in bars: weeks, if there are many. */
function barsOf(days) {
  if (days.length <= BARS_MAX) return days.map((each) => ({ name: day(each.day), values: each }));
  const weeks = [];
  for (let end = days.length; end > 0; end -= WEEK) {
    const week = days.slice(Math.max(0, end - WEEK), end);
    const sum = (name) => week.reduce((total, each) => total + each[name], 0);
    const values = Object.fromEntries(["credits_used", ...OUTCOMES].map((name) => [name, sum(name)]));
    weeks.unshift({ name: t("usage.week", { day: day(week[0].day) }), values });
  }
  return weeks;
}

async function takeAway(query) {
  try {
    save(new Blob([await textOf(`v1/usage.csv?${query}`)], { type: "text/csv" }), `easel-usage-${query.replace(/from=|to=/g, "").replace("&", "-")}.csv`);
  } catch (error) {
    notify(inWords(error));
  }
}

export function Usage() {
  if (!mayRead.value) {
    return html`<main id="main" class="page"><div class="empty"><h1 tabindex="-1">${t("title.usage")}</h1><p class="quiet">${t("usage.mayNot")}</p></div></main>`;
  }
  return html`<${Charts} />`;
}

function Charts() {
  const asked = place.value.query.get("days");
  const days = DAYS.includes(asked) ? asked : "30";
  const query = period(Number(days));
  const { data, fault, reload } = useRead(`v1/usage?${query}`);
  return html`
    <main id="main" class="operate">
      <div class="operate-head">
        <h1 tabindex="-1">${t("title.usage")}</h1>
        <${Choice}
          name="days"
          label=${t("usage.period")}
          isLabelShown=${false}
          options=${DAYS.map((each) => [each, t("span.day", { count: Number(each) })])}
          value=${days}
          choose=${(each) => go(to("usage", null, { days: each }), { replace: true })}
        />
        <button class="button" onClick=${() => takeAway(query)}><${Icon} name="download" /><span>${t("usage.csv")}</span></button>
      </div>
      ${fault && html`<${Fault} fault=${fault} retry=${reload} />`}
      <${Sums} total=${data?.total} />
      ${data ? html`<${Days} data=${data} />` : html`<div class="panel chart-space" aria-busy="true"></div><div class="panel chart-space" aria-busy="true"></div>`}
      ${data && html`<${Keys} keys=${data.keys} />`}
      <p class="quiet">${t("usage.note")}</p>
    </main>
  `;
}

function Sums({ total }) {
  const shown = (value) => (value === undefined || value === null ? "–" : number(value));
  const facts = [
    ["usage.left", shown(credits.value)],
    ["usage.spent", shown(total?.credits_used)],
    ["usage.completed", shown(total?.completed)],
    ["usage.others", shown(total && total.cancelled + total.refused + total.failed)],
  ];
  return html`
    <dl class="sums">
      ${facts.map(([name, value]) => html`<div class="panel" key=${name}><dt>${t(name)}</dt><dd class="figure">${value}</dd></div>`)}
    </dl>
  `;
}

function Days({ data }) {
  const rows = barsOf(data.days);
  const outcomes = OUTCOMES.map((name) => [name, t(`usage.outcome.${name}`)]);
  return html`
    <section class="panel"><${Bars} label=${t("usage.byDay")} rows=${rows} series=${[["credits_used", t("usage.credits")]]} unit="credits" /></section>
    <section class="panel"><${Bars} label=${t("usage.byOutcome")} rows=${rows} series=${outcomes} /></section>
  `;
}

function Keys({ keys }) {
  const most = Math.max(...keys.map((key) => key.credits_used), 0);
  const rows = keys.map((key) => [
    html`<span>${key.name || t("usage.unnamed")} <code class="quiet">…${key.ends}</code></span>`,
    html`<span class="share"><i style=${{ inlineSize: `${most ? (100 * key.credits_used) / most : 0}%` }}></i></span>${number(key.credits_used)}`,
    ...OUTCOMES.map((name) => number(key[name])),
  ]);
  return html`
    <section class="panel">
      <h2>${t("usage.byKey")}</h2>
      <${Table}
        label=${t("usage.byKey")}
        columns=${[t("usage.key"), t("usage.credits"), ...OUTCOMES.map((name) => t(`usage.outcome.${name}`))]}
        numeric=${[1, 2, 3, 4, 5]}
        rows=${rows}
        empty=${t("usage.none")}
      />
    </section>
  `;
}
