// The form of a drawing.

import { draw } from "../drawing.js";
import {
  chosenPixels, cost, fields, FORMATS, isCustom, isGood, isPromptGood, isSeedGood, isSizeGood, limits, orders,
  PICTURES_MAX, promptLength, randomSeed,
} from "../form.js";
import { html, useLayoutEffect, useRef } from "../html.js";
import { Choice } from "../parts/choice.js";
import { Icon } from "../parts/icon.js";
import { said } from "../parts/notice.js";
import { pixels } from "../sizes.js";
import { credits, mayDraw, mayRead, session } from "../session.js";
import { number, t } from "../words.js";

const SHAPE_EM = 1.5;
const isApple = /Mac|iPhone|iPad/.test(navigator.platform);

function submit(event) {
  event?.preventDefault();
  if (!isGood.value || !mayDraw.value) {
    document.querySelector("#form [aria-invalid=true]")?.focus();
    if (!isPromptGood.value) document.getElementById("prompt").focus();
    return;
  }
  const ordered = orders();
  draw(ordered);
  said.value = t("draw.sent", { count: ordered.length });
  if (matchMedia("(max-width: 60rem)").matches) {
    document.getElementById("stage")?.scrollIntoView({ block: "start", behavior: "auto" });
  }
}

function onKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
}

export function Form() {
  return html`
    <form id="form" class="form" aria-label=${t("draw.form")} onSubmit=${submit} onKeyDown=${onKey} novalidate>
      <div class="form-fields">
        <${Prompt} />
        <${Size} />
        <${Seed} />
        <div class="form-pair">
          <${Count} />
          <${Choice}
            name="format"
            label=${t("draw.format")}
            options=${FORMATS.map((each) => [each, each === "webp" ? "WebP" : each.toUpperCase()])}
            value=${fields.format.value}
            choose=${(format) => (fields.format.value = format)}
          />
        </div>
        <${Strict} />
      </div>
      <${Send} />
    </form>
  `;
}

function Prompt() {
  const area = useRef(null);
  const text = fields.prompt.value;
  // Where the browser cannot size the field by its content, the page does.
  useLayoutEffect(() => {
    if (CSS.supports("field-sizing", "content")) return;
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight + 2}px`;
  }, [text]);
  const max = limits.value.prompt_characters_max;
  const isLong = promptLength.value > max;
  return html`
    <div class="prompt">
      <label class="label" for="prompt">${t("draw.prompt")}</label>
      <textarea
        id="prompt"
        ref=${area}
        class="field"
        rows="4"
        value=${text}
        placeholder=${t("draw.prompt.hint")}
        aria-describedby="prompt-count"
        aria-invalid=${isLong}
        onInput=${(event) => (fields.prompt.value = event.target.value)}
      ></textarea>
      <p id="prompt-count" class="prompt-count ${isLong ? "bad" : ""}">
        <span aria-hidden="true">${number(promptLength.value)} / ${number(max)}</span>
        <span class="unseen">${t("draw.count", { count: promptLength.value, max })}</span>
      </p>
    </div>
  `;
}

function Size() {
  const [width, height] = chosenPixels.value;
  const names = session.value.aspect_ratios;
  return html`
    <fieldset class="sizes">
      <legend class="label">
        ${t("draw.size")} <span class="quiet figure">${isSizeGood.value ? `${width} × ${height}` : ""}</span>
      </legend>
      <div class="sizes-grid">
        ${names.map((name) => html`<${Shape} key=${name} name=${name} label=${name} shape=${pixels(name)} />`)}
        <${Shape} name="custom" label=${t("draw.size.custom")} shape=${null} />
      </div>
      ${isCustom.value &&
      html`
        <div class="sides">
          <${Side} name="width" />
          <span aria-hidden="true">×</span>
          <${Side} name="height" />
        </div>
        <p id="side-fault" class="fault" role="alert">
          ${!isSizeGood.value && t("draw.size.wrong", { min: limits.value.side_px_min, max: limits.value.side_px_max })}
        </p>
      `}
    </fieldset>
  `;
}

function Shape({ name, label, shape }) {
  const [width, height] = shape ?? [1, 1];
  const scale = SHAPE_EM / Math.max(width, height);
  return html`
    <label class="shape">
      <input
        type="radio"
        name="size"
        value=${name}
        checked=${fields.size.value === name}
        onChange=${() => (fields.size.value = name)}
      />
      <span class="shape-card">
        <span class="shape-space">
          <i
            class=${shape ? "" : "is-custom"}
            style=${{ width: `${width * scale}em`, height: `${height * scale}em` }}
          ></i>
        </span>
        <span class="shape-name">${label}</span>
      </span>
    </label>
  `;
}

function Side({ name }) {
  const { side_px_min, side_px_max } = limits.value;
  return html`
    <label class="side">
      <span class="unseen">${t(`draw.${name}`)}</span>
      <input
        class="field figure"
        type="number"
        inputmode="numeric"
        min=${side_px_min}
        max=${side_px_max}
        value=${fields[name].value}
        aria-describedby="side-fault"
        aria-invalid=${!isSizeGood.value}
        onInput=${(event) => (fields[name].value = event.target.valueAsNumber || 0)}
      />
    </label>
  `;
}

function Seed() {
  const seed = fields.seed;
  const isKept = seed.value !== "";
  return html`
    <div>
      <label class="label" for="seed">${t("draw.seed")}</label>
      <div class="field-with-button">
        <input
          id="seed"
          class="field figure"
          inputmode="numeric"
          autocomplete="off"
          placeholder=${t("draw.seed.random")}
          value=${seed.value}
          aria-describedby="seed-fault"
          aria-invalid=${!isSeedGood.value}
          onInput=${(event) => (seed.value = event.target.value)}
        />
        <button
          type="button"
          class="icon-button"
          title=${t("draw.seed.dice")}
          aria-label=${t("draw.seed.dice")}
          onClick=${() => (seed.value = String(randomSeed()))}
        >
          <${Icon} name="dice" />
        </button>
        <button
          type="button"
          class="icon-button ${isKept ? "is-on" : ""}"
          title=${t(isKept ? "draw.seed.free" : "draw.seed.keep")}
          aria-label=${t("draw.seed.keep")}
          aria-pressed=${isKept}
          onClick=${() => (seed.value = isKept ? "" : String(randomSeed()))}
        >
          <${Icon} name=${isKept ? "lock" : "open"} />
        </button>
      </div>
      <p id="seed-fault" class="fault" role="alert">${!isSeedGood.value && t("draw.seed.wrong")}</p>
    </div>
  `;
}

function Count() {
  const count = fields.count;
  const step = (by) => (count.value = Math.max(1, Math.min(PICTURES_MAX, count.value + by)));
  return html`
    <div role="group" aria-labelledby="count-label">
      <span id="count-label" class="label">${t("draw.number")}</span>
      <div class="stepper">
        <button type="button" class="icon-button" aria-label=${t("draw.number.less")} disabled=${count.value === 1} onClick=${() => step(-1)}>
          <${Icon} name="minus" />
        </button>
        <output class="figure" aria-live="polite">${count.value}</output>
        <button type="button" class="icon-button" aria-label=${t("draw.number.more")} disabled=${count.value === PICTURES_MAX} onClick=${() => step(1)}>
          <${Icon} name="plus" />
        </button>
      </div>
    </div>
  `;
}

function Strict() {
  return html`
    <label class="switch">
      <span>
        <span>${t("draw.strict")}</span>
        <small class="quiet">${t("draw.strict.hint")}</small>
      </span>
      <input
        type="checkbox"
        role="switch"
        checked=${fields.strict.value}
        onChange=${(event) => (fields.strict.value = event.target.checked)}
      />
    </label>
  `;
}

function Send() {
  const left = credits.value;
  const isShort = left !== null && left < cost.value;
  return html`
    <div class="form-send">
      ${!mayDraw.value && html`<p class="hint is-bad">${t("draw.mayNot")}</p>`}
      ${mayDraw.value && !mayRead.value && html`<p class="hint">${t("draw.mayNotRead")}</p>`}
      ${isShort && html`<p class="hint is-bad">${t("draw.short", { left, cost: t("draw.cost", { count: cost.value }) })}</p>`}
      <button class="button is-main is-wide" disabled=${!mayDraw.value || !isGood.value}>
        <span>${t("draw.button")}</span>
        <span class="button-cost">${t("draw.cost", { count: cost.value })}</span>
        <kbd aria-hidden="true">${isApple ? "⌘" : "Ctrl"} ↵</kbd>
      </button>
    </div>
  `;
}
