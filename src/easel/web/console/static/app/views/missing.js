// An address of the console that names no view.

import { html } from "../html.js";
import { to } from "../router.js";
import { t } from "../words.js";

export function Missing() {
  return html`
    <main id="main" class="page">
      <div class="empty">
        <h1 tabindex="-1">${t("title.missing")}</h1>
        <p class="quiet">${t("missing.text")}</p>
        <a class="button" href=${to("draw")}>${t("missing.link")}</a>
      </div>
    </main>
  `;
}
