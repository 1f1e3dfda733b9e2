// Operating the service: its sections, and who may see them.

import { Account } from "../admin/account.js";
import { Accounts } from "../admin/accounts.js";
import { Audit } from "../admin/audit.js";
import { Callbacks } from "../admin/callbacks.js";
import { Decisions } from "../admin/decisions.js";
import { Groups } from "../admin/groups.js";
import { Health } from "../admin/health.js";
import { Keys } from "../admin/keys.js";
import { Overview } from "../admin/overview.js";
import { html, useEffect, useRef } from "../html.js";
import { FormDialog } from "../parts/form-dialog.js";
import { place, to } from "../router.js";
import { mayOperate } from "../session.js";
import { language, t } from "../words.js";

const SECTIONS = new Map([
  ["overview", Overview],
  ["accounts", Accounts],
  ["keys", Keys],
  ["groups", Groups],
  ["callbacks", Callbacks],
  ["moderation", Decisions],
  ["health", Health],
  ["audit", Audit],
]);

export function Admin({ id }) {
  if (!mayOperate.value) {
    return html`<main id="main" class="page"><div class="empty"><h1 tabindex="-1">${t("title.admin")}</h1><p class="quiet">${t("admin.mayNot")}</p></div></main>`;
  }
  const name = SECTIONS.has(id) ? id : "overview";
  const account = name === "accounts" ? Number(place.value.query.get("account")) : 0;
  const Section = SECTIONS.get(name);
  const sections = useRef(null);
  // On a phone the sections stand in one line, of which the shown one must be in sight.
  useEffect(() => {
    const link = sections.current?.querySelector("[aria-current]");
    if (link) sections.current.scrollLeft = link.offsetLeft - (sections.current.clientWidth - link.offsetWidth) / 2;
  }, [name, language.value]);
  return html`
    <main id="main" class="operate">
      <div class="operate-head"><h1 tabindex="-1">${t("title.admin")}</h1></div>
      <nav class="sections" ref=${sections} aria-label=${t("admin.sections")}>
        ${[...SECTIONS.keys()].map(
          (each) => html`<a key=${each} href=${to("admin", each === "overview" ? null : each)} aria-current=${each === name ? "page" : undefined}>${t(`admin.section.${each}`)}</a>`,
        )}
      </nav>
      ${account ? html`<${Account} key=${account} id=${account} />` : html`<${Section} key=${name} />`}
      <${FormDialog} />
    </main>
  `;
}
