// The frame: a finished picture, or how far it is, at the size that it will have. So nothing jumps when it arrives.

import { isConnected, recoveries } from "../api.js";
import { inWords, wasCancelled } from "../failures.js";
import { effect, html, signal, useEffect, useState } from "../html.js";
import { address, pictureOf, renewed } from "../pictures.js";
import { forget, previews } from "../previews.js";
import { isEnded } from "../stream.js";
import { sentences, span, t } from "../words.js";
import { Icon } from "./icon.js";
import { said } from "./notice.js";

const SAY_EVERY_MS = 3000;

/** `work` is `{order, task, error, isCancelling}`. `update` is told of the task with a fresh link.

    The element around it has the style of `shape`, which tells the sizes of the picture. */
export function Frame({ work, width, height, cancel, update }) {
  const { task, error } = work;
  const preview = !error && task?.status !== "failed" ? previews.value.get(task?.id) : null;
  return html`
    <div class="frame">
      ${preview && html`<img class="preview" src=${preview} alt="" />`}
      <${Content} work=${work} width=${width} height=${height} cancel=${cancel} update=${update} />
    </div>
  `;
}

function Content({ work, width, height, cancel, update }) {
  const { task, error, order } = work;
  if (error) return html`<${Message} icon="warning" heading=${t("state.failed")} text=${inWords(error)} />`;
  if (!task || !isEnded(task)) return html`<${Progress} work=${work} cancel=${cancel} isSeen=${previews.value.has(task?.id)} />`;
  if (task.status === "failed") {
    const heading = t(wasCancelled(task) ? "state.cancelled" : "state.failed");
    const text = wasCancelled(task) ? t("state.notCharged") : sentences(inWords(task.error), t("state.notCharged"));
    return html`<${Message} icon=${wasCancelled(task) ? "close" : "warning"} heading=${heading} text=${text} />`;
  }
  const picture = pictureOf(task);
  if (!picture) return html`<${Message} icon="missing" heading=${t("state.gone")} text=${t("state.gone.text")} />`;
  return html`
    <${Picture} key=${task.id} task=${task} url=${picture.url} alt=${order.prompt} width=${width} height=${height} update=${update} />
  `;
}

/** The picture's sides, for the style sheet. */
export function shape(width, height) {
  return { "--width": width, "--height": height };
}

/** A picture that appears when it is there. If it does not come, its link may have expired: the task is read again.
    If it still does not come, the picture of the link `instead` is shown, if there is one. */
export function Picture({ task, url, instead, alt, width, height, update, isLazy = false }) {
  const [isShown, setShown] = useState(false);
  const [isBroken, setBroken] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const retry = () => {
    setBroken(false);
    setAttempt(attempt + 1);
  };
  const fail = async () => {
    if (attempt === 1 && instead) return setAttempt(2);
    if (attempt > 0) return setBroken(true);
    try {
      update(await renewed(task.id));
      setAttempt(1);
    } catch {
      setBroken(true);
    }
  };
  // When the connection is back, the picture can be.
  useEffect(() => {
    if (isBroken) retry();
  }, [recoveries.value]);
  if (isBroken) {
    return html`
      <${Message} icon="missing" heading=${t("state.broken")}>
        ${!isLazy && html`<button class="button is-small" onClick=${retry}>${t("do.retry")}</button>`}
      <//>
    `;
  }
  return html`
    <img
      key=${attempt}
      class="picture ${isShown ? "is-shown" : ""}"
      src=${address(attempt > 1 && instead ? instead : url)}
      alt=${alt}
      width=${width}
      height=${height}
      loading=${isLazy ? "lazy" : "eager"}
      decoding="async"
      onLoad=${() => setShown(true)}
      onAnimationEnd=${() => forget(task.id)}
      onError=${fail}
    />
  `;
}

function Message({ icon, heading, text, children }) {
  return html`
    <div class="frame-message">
      <${Icon} name=${icon} />
      <p class="frame-heading">${heading}</p>
      ${text && html`<p>${text}</p>`}
      ${children}
    </div>
  `;
}

/** What an unfinished drawing is at: `{text, about, done, total}`. */
export function stageOf({ task }) {
  if (!task) return { text: t("state.sending"), done: 0, total: 0 };
  const info = task.task_info ?? {};
  const about = info.estimated_time ? t("state.about", { span: span(info.estimated_time) }) : "";
  if (task.status === "pending") {
    const place = info.queue_position;
    const text = place === undefined ? t("state.waiting") : t("state.place", { count: place });
    return { text, about, done: 0, total: 0 };
  }
  const done = info.steps_done ?? 0;
  const total = info.steps_total ?? 0;
  if (!total) return { text: t("state.drawing"), about, done: task.progress, total: 100 };
  if (done >= total) return { text: t("state.finishing"), about: "", done, total };
  return { text: t("state.step", { count: done + 1, total }), about, done, total };
}

const spoken = signal("");
let spokenAt_ms = 0;

// Screen readers are told of the progress now and then, not of every step.
effect(() => {
  const text = spoken.value;
  const now_ms = performance.now();
  if (!text || now_ms - spokenAt_ms < SAY_EVERY_MS) return;
  spokenAt_ms = now_ms;
  said.value = text;
});

/** How far a drawing is, over its preview if there is one to see. */
function Progress({ work, cancel, isSeen }) {
  const { text, about, done, total } = stageOf(work);
  useEffect(() => {
    spoken.value = [text, about].filter(Boolean).join(", ");
  });
  return html`
    <div class="frame-progress ${isSeen ? "is-over" : ""}">
      <div class="frame-words">
        <p class="stage-text">${isConnected.value ? text : t("state.lost")}</p>
        <p class="stage-about">${isConnected.value ? about : ""}</p>
        ${cancel &&
        html`<button class="button is-small" disabled=${work.isCancelling} onClick=${cancel}>${t("do.cancel")}</button>`}
      </div>
      <${Bar} done=${done} total=${total} label=${text} />
    </div>
  `;
}

/** A bar of progress, with a segment for each step if there are few. Without a total, it only shows that time passes. */
export function Bar({ done, total, label }) {
  const value = total ? Math.round((100 * done) / total) : undefined;
  const few = total > 1 && total <= 60;
  return html`
    <div
      class="bar ${total ? "" : "is-waiting"}"
      role="progressbar"
      aria-label=${label}
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${value}
    >
      ${few
        ? Array.from({ length: total }, (_, nth) => html`<i key=${nth} class=${stepClass(nth, done)}></i>`)
        : html`<i class="is-done" style=${{ flexGrow: value ?? 0 }}></i><i style=${{ flexGrow: 100 - (value ?? 0) }}></i>`}
    </div>
  `;
}

function stepClass(nth, done) {
  if (nth < done) return "is-done";
  return nth === done ? "is-now" : "";
}
