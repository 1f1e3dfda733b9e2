// The corner of the account: whose key it is, what it may do, and what the reader chose for this browser.

import { html, signal } from "../html.js";
import { inWords } from "../failures.js";
import { forAllTabs } from "../kept.js";
import { credits, mayDraw, mayOperate, mayRead, session, signOut } from "../session.js";
import { chooseLanguage, date, language, LANGUAGES, t } from "../words.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";
import { notify } from "./notice.js";

const theme = signal(forAllTabs.read("theme", "auto"));

function chooseTheme(name) {
  theme.value = name;
  forAllTabs.write("theme", name === "auto" ? null : name);
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

async function leave() {
  try {
    await signOut();
  } catch (error) {
    notify(inWords(error));
  }
}

function rights() {
  if (mayOperate.value) return t("account.may.admin");
  if (mayDraw.value && mayRead.value) return t("account.may.both");
  if (mayDraw.value) return t("account.may.generate");
  return t(mayRead.value ? "account.may.read" : "account.may.none");
}

export function Preferences() {
  return html`
    <${Choice}
      name="language"
      label=${t("account.language")}
      options=${Object.entries(LANGUAGES)}
      value=${language.value}
      choose=${chooseLanguage}
    />
    <${Choice}
      name="theme"
      label=${t("account.theme")}
      options=${["auto", "light", "dark"].map((each) => [each, t(`account.theme.${each}`)])}
      value=${theme.value}
      choose=${chooseTheme}
    />
  `;
}

export function Account() {
  const { account, key, version } = session.value;
  return html`
    <button class="account-button" popovertarget="account" aria-label=${t("account.open", { account })}>
      <${Icon} name="user" />
    </button>
    <div id="account" class="account" popover role="dialog" aria-label=${t("account.heading")}>
      <h2>${account}</h2>
      <dl class="facts is-rows">
        <dt>${t("account.key")}</dt>
        <dd>${key.name} <code>…${key.ends}</code></dd>
        <dt>${t("account.may")}</dt>
        <dd>${rights()}</dd>
        ${key.expires_at &&
        html`
          <dt>${t("account.until")}</dt>
          <dd>${date(key.expires_at)}</dd>
        `}
        ${credits.value !== null &&
        html`
          <dt>${t("account.credits")}</dt>
          <dd>${t("credits", { count: credits.value })}</dd>
        `}
      </dl>
      <${Preferences} />
      <div class="row is-between">
        <small class="quiet">${t("account.version", { version })}</small>
        <button class="button" onClick=${leave}>${t("account.signout")}</button>
      </div>
    </div>
  `;
}
