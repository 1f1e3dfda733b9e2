// A tile of the gallery: a task's picture or its state, and under it the prompt.

import { now_s } from "../clock.js";
import { inWords, wasCancelled } from "../failures.js";
import { html } from "../html.js";
import { Bar, Picture } from "../parts/frame.js";
import { Icon } from "../parts/icon.js";
import { linkEnd_s, pictureOf } from "../pictures.js";
import { to } from "../router.js";
import { isEnded } from "../stream.js";
import { update } from "../tasks.js";
import { age, span, t } from "../words.js";

const RATIO_MIN = 0.7;
const RATIO_MAX = 1.8;

export function Tile({ task, isPicked, isPicking, pick }) {
  const ratio = Math.min(RATIO_MAX, Math.max(RATIO_MIN, task.width / task.height));
  const address = to("task", task.id);
  const open = (event) => {
    if (!isPicking && !event.shiftKey) return;
    event.preventDefault();
    pick(task.id, event.shiftKey);
  };
  return html`
    <li class="tile ${isPicked ? "is-picked" : ""}" data-id=${task.id} style=${{ "--ratio": ratio }}>
      <a class="tile-link" href=${address} onClick=${open} aria-label=${label(task)}>
        <span class="tile-picture"><${Content} task=${task} /></span>
      </a>
      <label class="tile-pick">
        <input
          type="checkbox"
          checked=${isPicked}
          aria-label=${t("gallery.pick.one", { prompt: promptOf(task) })}
          onClick=${(event) => pick(task.id, event.shiftKey)}
        />
      </label>
      <p class="tile-prompt ${task.prompt ? "" : "quiet"}" title=${task.prompt}>${promptOf(task)}</p>
      <p class="tile-facts"><${State} task=${task} /></p>
    </li>
  `;
}

/** What a tile says besides its prompt: nothing if it has a picture. */
function note(task) {
  if (!isEnded(task)) return t("state.unfinished");
  if (task.status === "failed") return wasCancelled(task) ? t("state.cancelled") : inWords(task.error);
  return pictureOf(task) ? "" : t("state.gone");
}

function label(task) {
  return [promptOf(task), note(task)].filter(Boolean).join(", ");
}

/** A task's prompt in words: refused and deleted ones are not kept. */
function promptOf(task) {
  return task.prompt || t("gallery.noPrompt");
}

function Content({ task }) {
  if (!isEnded(task)) {
    return html`<${Bar} done=${task.progress} total=${task.status === "pending" ? 0 : 100} label=${t("state.unfinished")} />`;
  }
  const picture = pictureOf(task);
  if (!picture) {
    const icon = task.status !== "failed" ? "missing" : wasCancelled(task) ? "close" : "warning";
    return html`<span class="tile-note"><${Icon} name=${icon} />${note(task)}</span>`;
  }
  return html`
    <${Picture}
      key=${task.id}
      task=${task}
      url=${task.thumbnail_url ?? picture.url}
      instead=${picture.url}
      alt=""
      width=${picture.width}
      height=${picture.height}
      update=${update}
      isLazy
    />
  `;
}

function State({ task }) {
  const made = age(task.created, now_s.value);
  const picture = pictureOf(task);
  if (!picture) return made;
  const left_s = linkEnd_s(picture.url) - now_s.value;
  const link = left_s > 0 ? t("gallery.link", { span: span(left_s) }) : `${t("fact.link")} ${t("fact.link.expired")}`;
  return html`<span class="age">${made} <span class="dot">·</span> </span>${link}`;
}

/** Move the focus from a tile with an arrow key, as the tiles lie on the screen. Returns whether the key was one. */
export function move(key, tile) {
  const links = [...tile.parentElement.querySelectorAll(".tile-link")];
  const here = links.indexOf(tile.querySelector(".tile-link"));
  let target;
  if (key === "ArrowRight") target = links[here + 1];
  else if (key === "ArrowLeft") target = links[here - 1];
  else if (key === "Home") target = links[0];
  else if (key === "End") target = links.at(-1);
  else if (key === "ArrowDown" || key === "ArrowUp") target = nearest(links, here, key === "ArrowDown" ? 1 : -1);
  else return false;
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
  return true;
}

/** The tile of the next row that lies most nearly below or above. */
function nearest(links, here, direction) {
  const middle = (box) => box.left + box.width / 2;
  const from = links[here].getBoundingClientRect();
  let best;
  let row;
  for (let at = here + direction; at >= 0 && at < links.length; at += direction) {
    const box = links[at].getBoundingClientRect();
    if (Math.abs(box.top - from.top) < 2) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 2) break;
    const away = Math.abs(middle(box) - middle(from));
    if (!best || away < best.away) best = { away, link: links[at] };
  }
  return best?.link;
}
