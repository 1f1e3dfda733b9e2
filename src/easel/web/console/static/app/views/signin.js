// Signing in: with a key, or with the one-time link that `easel serve` and `easel console` print.

import { Lost } from "../api.js";
import { inWords } from "../failures.js";
import { html, useEffect, useRef, useSignal } from "../html.js";
import { Preferences } from "../parts/account.js";
import { Icon, Mark } from "../parts/icon.js";
import { go, place, to } from "../router.js";
import { hasEnded, signIn } from "../session.js";
import { span, t } from "../words.js";

export function SignIn() {
  const fault = useSignal(null);
  const isBusy = useSignal(false);
  const isShown = useSignal(false);
  const input = useRef(null);

  const enter = async (proof, wrong) => {
    isBusy.value = true;
    fault.value = null;
    try {
      await signIn(proof);
      if (place.value.view === "signin") go(to("draw"), { replace: true });
    } catch (error) {
      fault.value = faultText(error, wrong);
      isBusy.value = false;
      input.current?.focus();
    }
  };

  useEffect(() => {
    const link = place.value.view === "signin" && place.value.query.get("link");
    if (!link) return;
    // The token leaves the address and the history at once.
    go(to("signin"), { replace: true });
    enter({ link }, "signin.link.wrong");
  }, []);

  const submit = (event) => {
    event.preventDefault();
    const key = input.current.value.trim();
    if (key) enter({ key }, "signin.wrong");
    else fault.value = t("signin.empty");
  };
  const told = fault.value ?? (hasEnded.value ? t("signin.ended") : null);

  return html`
    <main id="main" class="signin">
      <div class="signin-card">
        <${Mark} />
        <h1 tabindex="-1">${t("signin.heading")}</h1>
        <p class="quiet">${t("signin.lead")}</p>
        <form onSubmit=${submit} novalidate>
          <label class="label" for="key">${t("signin.key")}</label>
          <div class="field-with-button">
            <input
              id="key"
              ref=${input}
              class="field figure"
              type=${isShown.value ? "text" : "password"}
              placeholder="sk-easel-…"
              autocomplete="off"
              autocapitalize="none"
              spellcheck="false"
              aria-invalid=${Boolean(fault.value)}
              aria-describedby="key-fault"
            />
            <button
              type="button"
              class="icon-button"
              aria-label=${t(isShown.value ? "signin.hide" : "signin.show")}
              aria-pressed=${isShown.value}
              onClick=${() => (isShown.value = !isShown.value)}
            >
              <${Icon} name=${isShown.value ? "hidden" : "eye"} />
            </button>
          </div>
          <p id="key-fault" class="fault" role="alert">${told}</p>
          <button class="button is-main is-wide" disabled=${isBusy.value}>
            ${t(isBusy.value ? "signin.busy" : "signin.button")}
          </button>
        </form>
        <p class="signin-help quiet">${withCode(t("signin.help"))}</p>
      </div>
      <div class="signin-preferences"><${Preferences} /></div>
    </main>
  `;
}

function faultText(error, wrong) {
  if (error instanceof Lost) return t("failure.lost");
  if (error.status === 401 || error.status === 400 || error.status === 410) return t(wrong);
  if (error.status === 429) return t("signin.many", { wait: span(error.retryAfter_s ?? 1) });
  return inWords(error);
}

/** A text whose parts between backticks are code. */
function withCode(text) {
  return text.split("`").map((part, nth) => (nth % 2 ? html`<code>${part}</code>` : part));
}
