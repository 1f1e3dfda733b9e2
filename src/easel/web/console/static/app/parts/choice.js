// A choice of one among few, as a row of buttons. It is a group of radio buttons for keyboards and screen readers.

import { html } from "../html.js";

/** `options` are pairs of a value and its label. */
export function Choice({ name, label, isLabelShown = true, options, value, choose, class: class_ = "" }) {
  return html`
    <fieldset class="choice ${class_}">
      <legend class=${isLabelShown ? "label" : "unseen"}>${label}</legend>
      <div class="choice-row">
        ${options.map(
          ([each, text]) => html`
            <label key=${each}>
              <input type="radio" name=${name} value=${each} checked=${each === value} onChange=${() => choose(each)} />
              <span>${text}</span>
            </label>
          `,
        )}
      </div>
    </fieldset>
  `;
}
