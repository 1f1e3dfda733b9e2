// The form as code.

import { copied } from "../clipboard.js";
import { fields, isGood, orders } from "../form.js";
import { forAllTabs } from "../kept.js";
import { html, signal } from "../html.js";
import { coloured } from "../parts/colours.js";
import { Choice } from "../parts/choice.js";
import { Icon } from "../parts/icon.js";
import { notify } from "../parts/notice.js";
import { to } from "../router.js";
import { base, SAMPLES } from "../samples.js";
import { t } from "../words.js";

const NAMES = { curl: "curl", python: "Python", javascript: "JavaScript", openai: "OpenAI SDK" };

const which = signal(forAllTabs.read("code", "curl"));

function choose(name) {
  which.value = name;
  forAllTabs.write("code", name);
}

async function copy(text) {
  notify(t((await copied(text)) ? "code.copied" : "do.copy.failed"));
}

export function Code() {
  const name = which.value in SAMPLES ? which.value : "curl";
  const isExample = !isGood.value;
  const written = isExample ? [{ model: "z-image-turbo", prompt: t("draw.example.1"), size: "1:1" }] : orders();
  const text = SAMPLES[name](written, base());
  return html`
    <main id="main" class="page code">
      <h1 tabindex="-1">${t("title.code")}</h1>
      <p class="quiet">
        ${t(isExample && !fields.prompt.value ? "code.empty" : "code.lead")} <a href=${to("draw")}>${t("code.edit")}</a>
      </p>
      <div class="code-head">
        <${Choice} name="code" label=${t("code.which")} isLabelShown=${false} options=${Object.entries(NAMES)} value=${name} choose=${choose} />
        <button class="button" onClick=${() => copy(text)}><${Icon} name="copy" /><span>${t("code.copy")}</span></button>
      </div>
      <pre class="listing" tabindex="0" aria-label=${NAMES[name]}><code>${coloured(text)}</code></pre>
      <p class="quiet">${t(`code.needs.${name}`)}</p>
    </main>
  `;
}
