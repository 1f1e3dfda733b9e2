// A chart of bars over time, in SVG. What a bar stands for is read above the chart, and all of it in a table below.

import { html, useState } from "../html.js";
import { number, t } from "../words.js";
import { Table } from "./table.js";

const GRID = 4;

/** `rows` are `{name, values}`, and `series` pairs of a name in `values` and its label. The bars of a row are stacked. */
export function Bars({ label, rows, series, unit }) {
  const [at, setAt] = useState(null);
  const sums = rows.map(({ values }) => series.reduce((sum, [name]) => sum + values[name], 0));
  const top = ceiling(Math.max(...sums, 0));
  const total = series.reduce((sum, [name]) => sum + rows.reduce((all, { values }) => all + values[name], 0), 0);
  const shown = at === null ? null : rows[at];
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * rows.length);
    setAt(Math.min(rows.length - 1, Math.max(0, place)));
  };
  return html`
    <figure class="chart">
      <figcaption>
        <h2>${label}</h2>
        <p class="chart-read figure" aria-hidden="true">${shown ? told(shown, series, unit) : t("chart.total", { total: amount(total, unit) })}</p>
      </figcaption>
      ${series.length > 1 && html`<${Legend} series=${series} />`}
      <div class="chart-body">
        <div class="chart-scale figure" aria-hidden="true">
          ${[top, top / 2, 0].map((each) => html`<span key=${each}>${number(each)}</span>`)}
        </div>
        <svg
          class="chart-bars"
          viewBox="0 0 ${rows.length} 100"
          preserveAspectRatio="none"
          role="img"
          aria-label=${`${label}. ${t("chart.total", { total: amount(total, unit) })}. ${t("chart.tableBelow")}`}
          onPointerMove=${point}
          onPointerDown=${point}
          onPointerLeave=${() => setAt(null)}
        >
          ${Array.from({ length: GRID + 1 }, (_, nth) => html`<line key=${`line-${nth}`} class="chart-line" x1="0" x2=${rows.length} y1=${(100 * nth) / GRID} y2=${(100 * nth) / GRID} />`)}
          ${at !== null && html`<rect class="chart-here" x=${at} y="0" width="1" height="100" />`}
          ${rows.map((row, nth) => html`<${Stack} key=${row.name} nth=${nth} row=${row} series=${series} top=${top} />`)}
        </svg>
        <div class="chart-names" aria-hidden="true">
          ${[0, Math.floor((rows.length - 1) / 2), rows.length - 1].map((nth) => html`<span key=${nth}>${rows[nth]?.name}</span>`)}
        </div>
      </div>
      <details class="chart-table">
        <summary>${t("chart.table")}</summary>
        <div class="chart-scroll" tabindex="0" role="group" aria-label=${label}>
          <${Table}
            label=${label}
            columns=${[t("chart.when"), ...series.map(([, text]) => text)]}
            numeric=${series.map((_, nth) => nth + 1)}
            rows=${[...rows].reverse().map(({ name, values }) => [name, ...series.map(([each]) => number(values[each]))])}
          />
        </div>
      </details>
    </figure>
  `;
}

function Legend({ series }) {
  return html`
    <ul class="legend">
      ${series.map(([name, text]) => html`<li key=${name}><i class="series-${name}" aria-hidden="true"></i>${text}</li>`)}
    </ul>
  `;
}

function Stack({ nth, row, series, top }) {
  let below = 0;
  return series.map(([name]) => {
    const height = (100 * row.values[name]) / top;
    below += height;
    return height > 0 && html`<rect key=${name} class="series-${name}" x=${nth + 0.12} width="0.76" y=${100 - below} height=${height} />`;
  });
}

/** The least round number that is not below the highest bar. */
function ceiling(highest) {
  if (highest <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(highest));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((times) => times * step).find((round) => round >= highest * 0.9999) ?? 10 * step;
}

function amount(value, unit) {
  const shown = Math.round(value * 1e6) / 1e6;
  return unit ? t(unit, { count: shown }) : number(shown);
}

function told({ name, values }, series, unit) {
  if (series.length === 1) return `${name}: ${amount(values[series[0][0]], unit)}`;
  const parts = series.filter(([each]) => values[each]).map(([each, text]) => `${text} ${number(values[each])}`);
  return `${name}: ${parts.join(", ") || number(0)}`;
}
