// Short messages: they show for a while at the bottom, and screen readers read them.

import { isConnected } from "../api.js";
import { effect, html, signal } from "../html.js";
import { t } from "../words.js";
import { Icon } from "./icon.js";

const SHOWN_MS = 4000;

const notice = signal(null);
/** What only screen readers are told, such as how far a drawing is. */
export const said = signal("");
let timer = null;

export function notify(text) {
  clearTimeout(timer);
  notice.value = text;
  timer = setTimeout(() => (notice.value = null), SHOWN_MS);
}

let wasLost = false;
effect(() => {
  const isBack = isConnected.value && wasLost;
  wasLost = !isConnected.value;
  if (isBack) setTimeout(() => notify(t("found")));
});

export function Notices() {
  return html`
    <div class="notices">
      <div role="status" aria-live="polite">
        ${notice.value && html`<p class="notice" key=${notice.value}>${notice.value}</p>`}
      </div>
      <div role="alert">
        ${!isConnected.value && html`<p class="notice is-bad"><${Icon} name="warning" />${t("lost")}</p>`}
      </div>
    </div>
    <p class="unseen" role="status" aria-live="polite">${said.value}</p>
  `;
}
