// A choice of one among many, as the browser's own list.

import { html } from "../html.js";

/** `options` are pairs of a value and its label. */
export function Select({ label, options, value, choose }) {
  return html`
    <select class="field select" aria-label=${label} value=${value} onChange=${(event) => choose(event.target.value)}>
      ${options.map(([each, text]) => html`<option key=${each} value=${each} selected=${each === value}>${text}</option>`)}
    </select>
  `;
}
