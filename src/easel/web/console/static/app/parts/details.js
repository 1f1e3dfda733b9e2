// What belongs to a picture: its prompt, its facts, and what can be done with it.

import { copied } from "../clipboard.js";
import { now_s } from "../clock.js";
import { draw, retry } from "../drawing.js";
import { inWords } from "../failures.js";
import { costOf, fields, fill, randomSeed, seedAfter } from "../form.js";
import { html } from "../html.js";
import { download, fileName, linkEnd_s, pictureOf, renewed } from "../pictures.js";
import { go, to } from "../router.js";
import { mayDraw } from "../session.js";
import { isEnded } from "../stream.js";
import { span, t } from "../words.js";
import { Icon } from "./icon.js";
import { notify } from "./notice.js";

const VARIATIONS = 4;

export function NotDrawn({ picture }) {
  if (!picture?.not_drawn?.length) return null;
  return html`
    <p class="not-drawn">
      ${t("fact.notDrawn")} ${picture.not_drawn.map((words, nth) => html`<q key=${nth}>${words}</q> `)}
    </p>
  `;
}

export function Facts({ picture, update, taskId, children }) {
  return html`
    <dl class="facts">
      <div>
        <dt>${t("fact.size")}</dt>
        <dd>${picture.width} × ${picture.height}</dd>
      </div>
      <div>
        <dt>${t("fact.seed")}</dt>
        <dd>
          <span class="figure">${picture.seed}</span>
          ${fields.seed.value !== String(picture.seed) &&
          html`
            <button class="icon-button" title=${t("do.keepSeed")} aria-label=${t("do.keepSeed")} onClick=${() => (fields.seed.value = String(picture.seed))}>
              <${Icon} name="lock" />
            </button>
          `}
        </dd>
      </div>
      ${picture.engine &&
      html`
        <div>
          <dt>${t("fact.engine")}</dt>
          <dd>${picture.engine}</dd>
        </div>
      `}
      <${LinkLife} url=${picture.url} update=${update} taskId=${taskId} />
      ${children}
    </dl>
  `;
}

function LinkLife({ url, update, taskId }) {
  const left_s = linkEnd_s(url) - now_s.value;
  const renew = async () => {
    try {
      update(await renewed(taskId));
      notify(t("fact.link.renewed"));
    } catch (error) {
      notify(inWords(error));
    }
  };
  return html`
    <div>
      <dt>${t("fact.link")}</dt>
      <dd>
        ${left_s > 0
          ? t("fact.link.left", { span: span(left_s) })
          : html`
              <span class="bad">${t("fact.link.expired")}</span>
              <button class="text-button" onClick=${renew}>${t("fact.link.renew")}</button>
            `}
      </dd>
    </div>
  `;
}

function exactly(order, picture) {
  const { model, prompt, size, output_format, nsfw_check } = order;
  return { model, prompt, size, output_format, nsfw_check, seed: picture?.seed ?? order.seed };
}

function start(orders) {
  go(to("draw"));
  draw(orders.map((order) => JSON.parse(JSON.stringify(order))));
}

async function copyLink(url) {
  const works = t("do.copied", { span: span(linkEnd_s(url) - Date.now() / 1000) });
  notify((await copied(url)) ? works : t("do.copy.failed"));
}

/** What can be done with a task. `remove` deletes it, where that is offered. */
export function Actions({ work, remove }) {
  const { order, task, error } = work;
  const picture = task && pictureOf(task);
  const hasEnded = Boolean(error || (task && isEnded(task)));
  const again = () => start([exactly(order, picture)]);
  const vary = () => {
    const first = randomSeed();
    start(Array.from({ length: VARIATIONS }, (_, nth) => ({ ...exactly(order, picture), seed: seedAfter(first, nth) })));
  };
  const reuse = () => {
    fill(exactly(order, picture));
    if (!picture) fields.seed.value = "";
    go(to("draw"));
    requestAnimationFrame(() => document.getElementById("prompt")?.focus());
  };
  const save = () => download(picture.url, fileName(picture.url, order.prompt, picture.seed));
  return html`
    <div class="actions">
      ${picture && html`<${Action} icon="download" label=${t("do.download")} act=${save} isMain />`}
      ${picture && html`<${Action} icon="link" label=${t("do.copy")} act=${() => copyLink(picture.url)} />`}
      ${error && work.key && html`<${Action} icon="again" label=${t("do.retry")} act=${() => retry(work.key)} isMain />`}
      ${hasEnded && order.prompt && !(error && work.key) && mayDraw.value &&
      html`<${Action} icon="again" label=${t("do.again")} tip=${t("do.tip.again")} act=${again} />`}
      ${picture && mayDraw.value && html`<${Action} icon="vary" label=${t("do.vary")} tip=${t("do.tip.vary", { count: VARIATIONS, cost: t("draw.cost", { count: costOf(VARIATIONS) }) })} act=${vary} />`}
      ${order.prompt && html`<${Action} icon="reuse" label=${t("do.reuse")} tip=${t("do.tip.reuse")} act=${reuse} />`}
      ${remove && html`<${Action} icon="trash" label=${t("do.delete")} act=${remove} isDanger />`}
    </div>
  `;
}

function Action({ icon, label, tip, act, isMain, isDanger }) {
  const kind = isMain ? "is-main" : isDanger ? "is-dangerous" : "";
  return html`
    <button class="action ${kind}" title=${tip} onClick=${act}><${Icon} name=${icon} /><span>${label}</span></button>
  `;
}

