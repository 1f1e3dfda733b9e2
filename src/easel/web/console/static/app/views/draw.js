// Drawing: the form, and beside it the stage with what this tab draws.

import { cancel, chosen, chosenKey, entries, isUnfinished, update } from "../drawing.js";
import { wasCancelled } from "../failures.js";
import { fields } from "../form.js";
import { html, useEffect, useRef } from "../html.js";
import { Actions, Facts, NotDrawn } from "../parts/details.js";
import { Bar, Frame, shape, stageOf } from "../parts/frame.js";
import { Icon, Mark } from "../parts/icon.js";
import { said } from "../parts/notice.js";
import { address, pictureOf } from "../pictures.js";
import { mayDraw } from "../session.js";
import { pixels } from "../sizes.js";
import { t } from "../words.js";
import { Form } from "./form.js";

const EXAMPLES = 4;
const LONG = 150;
/** Beside a picture that is at most so wide for its height there is room for the text. */
const TALL = 1.2;

export function Draw() {
  return html`
    <main id="main" class="draw">
      <h1 class="unseen" tabindex="-1">${t("title.draw")}</h1>
      <${Form} />
      <section id="stage" class="stage" aria-label=${t("stage")}>
        ${chosen.value ? html`<${Work} key=${chosen.value.key} work=${chosen.value} />` : html`<${Empty} />`}
        ${entries.value.length > 1 && html`<${Strip} />`}
      </section>
    </main>
  `;
}

function Empty() {
  const begin = (text) => {
    fields.prompt.value = text;
    document.getElementById("prompt").focus();
  };
  return html`
    <div class="empty">
      <${Mark} />
      <h2>${t("draw.empty.heading")}</h2>
      ${mayDraw.value &&
      html`
        <p class="quiet">${t("draw.empty.text")}</p>
        <ul class="examples">
          ${Array.from({ length: EXAMPLES }, (_, nth) => t(`draw.example.${nth + 1}`)).map(
            (text) => html`<li key=${text}><button class="example" onClick=${() => begin(text)}>${text}</button></li>`,
          )}
        </ul>
      `}
    </div>
  `;
}

function Work({ work }) {
  const picture = work.task && pictureOf(work.task);
  const [width, height] = picture ? [picture.width, picture.height] : pixels(work.order.size);
  const isRunning = isUnfinished(work);
  const stop = isRunning ? () => cancel(work.key) : null;
  const wasRunning = useRef(isRunning);
  useEffect(() => {
    if (wasRunning.current && !isRunning) said.value = t(picture ? "state.completed" : "state.failed");
    wasRunning.current = isRunning;
  }, [isRunning]);
  return html`
    <article class="work ${width <= TALL * height ? "is-tall" : ""}" style=${shape(width, height)}>
      <${Frame} work=${work} width=${width} height=${height} cancel=${stop} update=${update} />
      <div class="work-text">
        <p class="work-prompt" tabindex=${work.order.prompt.length > LONG ? "0" : undefined}>${work.order.prompt}</p>
        <${NotDrawn} picture=${picture} />
        ${picture && html`<${Facts} picture=${picture} update=${update} taskId=${work.task.id} />`}
        ${!isRunning && html`<${Actions} work=${work} />`}
      </div>
    </article>
  `;
}

function Strip() {
  return html`
    <ul class="strip" aria-label=${t("stage.strip")}>
      ${entries.value.map((entry, nth) => html`<li key=${entry.key}><${Small} entry=${entry} nth=${nth} /></li>`)}
    </ul>
  `;
}

function Small({ entry, nth }) {
  const picture = entry.task && pictureOf(entry.task);
  const [width, height] = pixels(entry.order.size);
  const isChosen = entry === chosen.value;
  const label = t("stage.one", { count: nth + 1 });
  const { text, done, total } = stageOf(entry);
  return html`
    <button
      class="small"
      aria-label=${isUnfinished(entry) ? `${label}: ${text}` : label}
      aria-current=${isChosen}
      style=${{ aspectRatio: `${width} / ${height}` }}
      onClick=${() => (chosenKey.value = entry.key)}
    >
      ${picture && html`<img src=${address(picture.url)} alt="" decoding="async" />`}
      ${!picture && !isUnfinished(entry) && html`<${Icon} name=${entry.task && wasCancelled(entry.task) ? "close" : "warning"} />`}
      ${isUnfinished(entry) && html`<${Bar} done=${done} total=${total} label=${label} />`}
    </button>
  `;
}
