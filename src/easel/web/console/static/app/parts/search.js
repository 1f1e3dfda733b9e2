// A field that searches: what is typed counts when the reader pauses.

import { html, useEffect, useRef } from "../html.js";
import { Icon } from "./icon.js";

const TYPING_MS = 300;

/** `find` gets what is typed, without blanks around it. `suggestions` are texts that the browser offers. */
export function Search({ id, label, value, find, suggestions }) {
  const timer = useRef(0);
  const input = useRef(null);
  const typed = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => find(input.current.value.trim()), TYPING_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (input.current.value.trim() !== value) input.current.value = value;
  }, [value]);
  return html`
    <div class="search" role="search">
      <${Icon} name="search" />
      <input
        ref=${input}
        class="field"
        type="search"
        aria-label=${label}
        placeholder=${label}
        autocomplete="off"
        list=${suggestions && `${id}-list`}
        onInput=${typed}
      />
      ${suggestions && html`<datalist id="${id}-list">${suggestions.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
    </div>
  `;
}
