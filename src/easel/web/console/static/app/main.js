// The console's page: asks who is signed in, and shows the view that the address names.

import { recoveries } from "./api.js";
import { effect, html, render, signal, untracked, useEffect, useRef } from "./html.js";
import { Account } from "./parts/account.js";
import { Icon, Mark } from "./parts/icon.js";
import { Notices } from "./parts/notice.js";
import { Question } from "./parts/question.js";
import { place, to } from "./router.js";
import { ask, credits, mayOperate, session } from "./session.js";
import { load, loadBeforehand, viewName, viewOf } from "./views.js";
import { SignIn } from "./views/signin.js";
import { preferredLanguage, speak, t } from "./words.js";

const TABS = [
  ["draw", "brush"],
  ["gallery", "gallery"],
  ["code", "code"],
  ["usage", "chart"],
];
const ADMIN_TABS = [...TABS, ["admin", "gauge"]];

const isReady = signal(false);

function Page() {
  if (!isReady.value || session.value === null) return html`<${Notices} />`;
  const isIn = session.value.signed_in;
  return html`
    ${isIn ? html`<${SignedIn} />` : html`<${SignIn} />`}
    <${Notices} />
    <${Question} />
  `;
}

function SignedIn() {
  const { view, id } = place.value;
  const name = viewName(view);
  const View = viewOf(name);
  useEffect(() => {
    load(name);
  }, [name, recoveries.value]);
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    // The gallery goes on where it was left.
    if (name !== "gallery") scrollTo(0, 0);
    // A reader who follows a link is told where it led, and keyboards go on from there.
    const main = document.querySelector("main");
    if (!main?.contains(document.activeElement)) main?.querySelector("h1")?.focus({ preventScroll: true });
  }, [view, id, View]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <header class="head">
      <a class="home" href=${to("draw")}><${Mark} /><span>Easel</span></a>
      <nav class="tabs" aria-label=${t("nav")}>
        ${(mayOperate.value ? ADMIN_TABS : TABS).map(
          ([name, icon]) => html`
            <a key=${name} href=${to(name)} aria-current=${isAt(name, view) ? "page" : undefined}>
              <${Icon} name=${icon} /><span>${t(`nav.${name}`)}</span>
            </a>
          `,
        )}
        <a href="docs"><${Icon} name="book" /><span>${t("nav.api")}</span></a>
      </nav>
      <div class="head-end">
        ${credits.value !== null &&
        html`<span class="credits" title=${t("account.credits")}>${t("credits", { count: credits.value })}</span>`}
        <${Account} />
      </div>
    </header>
    ${View && html`<${View} key=${view} id=${id} />`}
  `;
}

function skip(event) {
  event.preventDefault();
  document.querySelector("h1")?.focus();
}

function isAt(name, view) {
  return view === name || (name === "gallery" && view === "task") || (name === "draw" && view === "signin");
}

effect(() => {
  const isIn = session.value?.signed_in ?? true;
  const name = viewName(place.value.view);
  const title = isIn ? (name === "signin" ? "draw" : name) : "signin";
  document.title = `${t(`title.${title}`)} · Easel`;
});

untracked(async () => {
  render(html`<${Page} />`, document.getElementById("app"));
  await Promise.all([speak(preferredLanguage()).catch(() => speak("en")), ask()]);
  isReady.value = true;
  performance.mark("easel.shown");
  loadBeforehand();
});
