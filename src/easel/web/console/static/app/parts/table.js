// Tables. On narrow screens, a row becomes a card, and each cell a line that names its column.

import { inWords } from "../failures.js";
import { html } from "../html.js";
import { t } from "../words.js";

const WHOLE_MAX = 24;

/** A text that is not broken into lines unless it is long: a narrow column would take it apart letter by letter. */
export function wholeClass(text) {
  return typeof text === "string" && text.length <= WHOLE_MAX ? "is-whole" : "";
}

/** `rows` are lists of cells. The columns of `numeric` are figures. `empty` is said when there are no rows. */
export function Table({ label, columns, rows, numeric = [], empty }) {
  if (rows && !rows.length) return html`<p class="quiet table-empty">${empty ?? t("table.empty")}</p>`;
  const kind = (nth) => (numeric.includes(nth) ? "is-number figure" : "");
  // The roles are named because cards would lose them.
  return html`
    <table class="table" role="table" aria-label=${label} aria-busy=${!rows}>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map((name, nth) => html`<th key=${nth} role="columnheader" scope="col" class=${kind(nth)}>${name || html`<span class="unseen">${t("table.actions")}</span>`}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${(rows ?? []).map(
          (cells, nth) => html`
            <tr key=${nth} role="row">
              ${cells.map((cell, place) => html`<td key=${place} role="cell" class="${kind(place)} ${wholeClass(cell)} ${columns[place] ? "" : "is-actions"}" data-label=${columns[place]}>${cell}</td>`)}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

/** What is said under a list: that it could not be read, or that there is more. */
export function More({ pages }) {
  if (pages.fault) return html`<${Fault} fault=${pages.fault} retry=${pages.reload} />`;
  if (pages.rows === null) return html`<p class="quiet table-empty" role="status">${t("table.loading")}</p>`;
  if (pages.isAll) return null;
  return html`<p class="table-more"><button class="button" onClick=${pages.more}>${t("table.more")}</button></p>`;
}

/** A fault of reading, and a way to try again. */
export function Fault({ fault, retry }) {
  return html`
    <p class="bad" role="alert">${inWords(fault)} <button class="text-button" onClick=${retry}>${t("do.retry")}</button></p>
  `;
}
