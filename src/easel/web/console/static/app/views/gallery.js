// The gallery: the account's tasks in rows of equal height. Its filter stands in the address.

import { inWords } from "../failures.js";
import { computed, html, signal, useEffect, useLayoutEffect, useRef } from "../html.js";
import { deleteAll, downloadAll, isDeletable } from "../many.js";
import { Choice } from "../parts/choice.js";
import { Icon } from "../parts/icon.js";
import { Search } from "../parts/search.js";
import { pictureOf } from "../pictures.js";
import { go, place, to } from "../router.js";
import { mayDraw, mayRead } from "../session.js";
import { fault, filter, isLoading, isOpen, left, more, next, show, tasks } from "../tasks.js";
import { t } from "../words.js";
import { move, Tile } from "./tile.js";

const STATES = ["", "completed", "processing", "failed"];
const AHEAD_PX = 1200;

/** The ids of the selected tasks, and whether selecting is what a tap does. */
const picked = signal(new Set());
const isPicking = signal(false);
const pickedTasks = computed(() => tasks.value.filter(({ id }) => picked.value.has(id)));
let lastPicked = null;

function pick(id, isRange) {
  const ids = tasks.value.map((task) => task.id);
  const all = new Set(picked.value);
  const isIn = !all.has(id);
  const [from, to_] = [ids.indexOf(lastPicked), ids.indexOf(id)].sort((a, b) => a - b);
  const range = isRange && from >= 0 ? ids.slice(from, to_ + 1) : [id];
  for (const each of range) isIn ? all.add(each) : all.delete(each);
  lastPicked = id;
  picked.value = all;
}

function stopPicking() {
  picked.value = new Set();
  isPicking.value = false;
}

export function Gallery() {
  const query = place.value.query;
  const status = STATES.includes(query.get("status")) ? query.get("status") : "";
  const words = query.get("words") ?? "";
  useEffect(() => {
    if (status !== filter.value.status || words !== filter.value.words) {
      stopPicking();
      left.at_px = 0;
      show({ status, words });
    }
    if (next.value === undefined && mayRead.value) more();
  }, [status, words]);
  useEffect(() => {
    isOpen.value = true;
    const note = () => (left.at_px = scrollY);
    addEventListener("scroll", note, { passive: true });
    return () => {
      removeEventListener("scroll", note);
      isOpen.value = false;
      stopPicking();
    };
  }, []);
  useLayoutEffect(() => scrollTo(0, left.at_px), []);

  if (!mayRead.value) return html`<main id="main" class="page"><${Nothing} heading=${t("title.gallery")} text=${t("gallery.mayNot")} isTop /></main>`;
  return html`
    <main id="main" class="gallery ${isPicking.value || picked.value.size ? "is-picking" : ""}">
      <div class="gallery-head">
        <h1 tabindex="-1">${t("title.gallery")}</h1>
        <${Search}
          label=${t("gallery.search")}
          value=${words}
          find=${(each) => go(to("gallery", null, { status, words: each }), { replace: true })}
        />
        <${Choice}
          name="status"
          label=${t("gallery.filter")}
          isLabelShown=${false}
          options=${STATES.map((each) => [each, t(`gallery.${each || "all"}`)])}
          value=${status}
          choose=${(each) => go(to("gallery", null, { status: each, words }))}
        />
        <button class="button" aria-pressed=${isPicking.value} onClick=${() => (isPicking.value ? stopPicking() : (isPicking.value = true))}>
          ${t(isPicking.value ? "gallery.pick.done" : "gallery.pick")}
        </button>
      </div>
      <${Tiles} />
      <${End} isFiltered=${Boolean(status || words)} />
      ${picked.value.size > 0 && html`<${Picked} />`}
    </main>
  `;
}

function Tiles() {
  const remove = (id) => {
    const chosen = picked.value.size ? pickedTasks.value : tasks.value.filter((task) => task.id === id);
    deleteAll(chosen).then((isDone) => isDone && stopPicking());
  };
  const onKey = (event) => {
    const tile = event.target.closest("[data-id]");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    if (move(event.key, tile)) event.preventDefault();
    else if (event.key === " " && event.target.matches("a")) {
      event.preventDefault();
      pick(tile.dataset.id, event.shiftKey);
    } else if (event.key === "Delete") remove(tile.dataset.id);
    else if (event.key === "Escape") stopPicking();
  };
  if (!tasks.value.length) return null;
  return html`
    <ul class="tiles" aria-describedby="gallery-keys" onKeyDown=${onKey}>
      ${tasks.value.map(
        (task) => html`
          <${Tile} key=${task.id} task=${task} isPicked=${picked.value.has(task.id)} isPicking=${isPicking.value || picked.value.size > 0} pick=${pick} />
        `,
      )}
      <li class="tiles-rest" aria-hidden="true"></li>
    </ul>
    <p id="gallery-keys" class="unseen">${t("gallery.keys")}</p>
  `;
}

/** The end of the list: when it comes near, the next page is read. */
function End({ isFiltered }) {
  const end = useRef(null);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry.isIntersecting && more(), { rootMargin: `${AHEAD_PX}px` });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [tasks.value.length]);
  const isAll = next.value === null;
  return html`
    <div ref=${end} class="gallery-end" aria-busy=${isLoading.value}>
      ${fault.value && html`<p class="bad">${inWords(fault.value)} <button class="text-button" onClick=${more}>${t("do.retry")}</button></p>`}
      ${!isAll && !fault.value && tasks.value.length > 0 && html`<p class="quiet">${t("gallery.more")}</p>`}
      ${isAll && tasks.value.length > 0 && html`<p class="quiet">${t("gallery.end", { count: tasks.value.length })}</p>`}
      ${isAll && !tasks.value.length && (isFiltered ? html`<${NoMatch} />` : html`<${NoTasks} />`)}
    </div>
  `;
}

function Nothing({ heading, text, isTop, children }) {
  return html`
    <div class="empty">
      ${isTop ? html`<h1 tabindex="-1">${heading}</h1>` : html`<h2>${heading}</h2>`}
      <p class="quiet">${text}</p>
      ${children}
    </div>
  `;
}

function NoMatch() {
  return html`
    <${Nothing} heading=${t("gallery.none")} text=${t("gallery.none.text")}>
      <a class="button" href=${to("gallery")}>${t("gallery.none.clear")}</a>
    <//>
  `;
}

function NoTasks() {
  return html`
    <${Nothing} heading=${t("gallery.empty")} text=${t("gallery.empty.text")}>
      ${mayDraw.value && html`<a class="button is-main" href=${to("draw")}>${t("missing.link")}</a>`}
    <//>
  `;
}

function Picked() {
  const count = picked.value.size;
  const all = () => (picked.value = new Set(tasks.value.map(({ id }) => id)));
  return html`
    <div class="picked" role="toolbar" aria-label=${t("gallery.picked", { count })}>
      <strong role="status">${t("gallery.picked", { count })}</strong>
      <button class="button is-quiet" onClick=${all}>${t("gallery.pick.all")}</button>
      <span class="space"></span>
      <button class="button" disabled=${!pickedTasks.value.some(pictureOf)} onClick=${() => downloadAll(pickedTasks.value)}><${Icon} name="download" /><span>${t("do.download")}</span></button>
      <button class="button is-danger" disabled=${!pickedTasks.value.some(isDeletable)} onClick=${async () => (await deleteAll(pickedTasks.value)) && stopPicking()}>
        <${Icon} name="trash" /><span>${t("do.delete")}</span>
      </button>
      <button class="icon-button" aria-label=${t("gallery.pick.done")} onClick=${stopPicking}><${Icon} name="close" /></button>
    </div>
  `;
}
