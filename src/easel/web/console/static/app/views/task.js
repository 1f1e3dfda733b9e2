// One task: its picture large, and everything that belongs to it. Arrow keys lead to its neighbours in the gallery.

import { call, recoveries } from "../api.js";
import { copied } from "../clipboard.js";
import { cancel as cancelDrawn, entries, update as updateDrawn } from "../drawing.js";
import { inWords } from "../failures.js";
import { html, useEffect, useSignal } from "../html.js";
import { deleteAll, isDeletable } from "../many.js";
import { Actions, Facts, NotDrawn } from "../parts/details.js";
import { Frame, shape } from "../parts/frame.js";
import { Icon } from "../parts/icon.js";
import { notify } from "../parts/notice.js";
import { pictureOf } from "../pictures.js";
import { go, to } from "../router.js";
import { follow, isEnded } from "../stream.js";
import { filter, find, tasks, update as updateListed, workOf } from "../tasks.js";
import { date, t } from "../words.js";

export function Task({ id }) {
  const task = useSignal(tasks.value.find((each) => each.id === id) ?? null);
  const fault = useSignal(null);
  const learn = (read) => {
    task.value = { ...task.value, ...read };
    updateListed(read);
    updateDrawn(read);
  };

  useEffect(() => {
    let isLeft = false;
    task.value = tasks.value.find((each) => each.id === id) ?? null;
    fault.value = null;
    const read = (found) => !isLeft && learn(found);
    find(id).then(read, (error) => !isLeft && !task.value && (fault.value = error));
    return () => (isLeft = true);
  }, [id, recoveries.value]);

  const isRunning = task.value?.id === id && !isEnded(task.value);
  useEffect(() => (isRunning ? follow(id, learn, () => null) : undefined), [id, isRunning]);
  useKeys(id);

  return html`
    <main id="main" class="task">
      <${Head} id=${id} />
      ${fault.value && html`<div class="empty"><p class="bad">${inWords(fault.value)}</p></div>`}
      ${task.value?.id === id && html`<${Shown} task=${task.value} learn=${learn} />`}
    </main>
  `;
}

function back() {
  return to("gallery", null, filter.value);
}

function neighbours(id) {
  const at = tasks.value.findIndex((task) => task.id === id);
  return { newer: at > 0 ? tasks.value[at - 1] : null, older: at >= 0 ? (tasks.value[at + 1] ?? null) : null };
}

function useKeys(id) {
  useEffect(() => {
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open")) return;
      const { newer, older } = neighbours(id);
      if (event.key === "ArrowLeft" && newer) go(to("task", newer.id), { replace: true });
      if (event.key === "ArrowRight" && older) go(to("task", older.id), { replace: true });
      if (event.key === "Escape") go(back());
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [id]);
}

function Head({ id }) {
  const { newer, older } = neighbours(id);
  return html`
    <div class="task-head">
      <a class="button is-quiet" href=${back()}><${Icon} name="back" /><span>${t("gallery.back")}</span></a>
      <h1 class="unseen" tabindex="-1">${t("title.task")}</h1>
      <span class="space"></span>
      <${Neighbour} task=${newer} icon="back" label=${t("gallery.newer")} />
      <${Neighbour} task=${older} icon="forward" label=${t("gallery.older")} />
    </div>
  `;
}

function Neighbour({ task, icon, label }) {
  const lead = () => go(to("task", task.id), { replace: true });
  return html`
    <button class="icon-button" aria-label=${label} title=${label} disabled=${!task} onClick=${lead}>
      <${Icon} name=${icon} />
    </button>
  `;
}

function Shown({ task, learn }) {
  const work = workOf(task);
  const picture = pictureOf(task);
  const remove = async () => {
    const { newer, older } = neighbours(task.id);
    if (!(await deleteAll([task]))) return;
    const beside = older ?? newer;
    go(beside ? to("task", beside.id) : back(), { replace: true });
  };
  return html`
    <article class="task-body" style=${shape(task.width, task.height)}>
      <${Frame} work=${work} width=${task.width} height=${task.height} cancel=${() => cancel(task, learn)} update=${learn} />
      <div class="task-side">
        <h2 class="unseen">${t("fact.prompt")}</h2>
        <p class="work-prompt ${task.prompt ? "" : "quiet"}">${task.prompt || t("gallery.noPrompt")}</p>
        <${NotDrawn} picture=${picture} />
        ${picture
          ? html`<${Facts} picture=${picture} update=${learn} taskId=${task.id}><${Origin} task=${task} /><//>`
          : html`<dl class="facts"><${Origin} task=${task} /></dl>`}
        <${Actions} work=${work} remove=${isDeletable(task) ? remove : null} />
      </div>
    </article>
  `;
}

function Origin({ task }) {
  const copyId = async () => notify(t((await copied(task.id)) ? "code.copied" : "do.copy.failed"));
  return html`
    <div>
      <dt>${t("fact.created")}</dt>
      <dd>${date(task.created)}</dd>
    </div>
    <div class="is-wide">
      <dt>${t("fact.task")}</dt>
      <dd>
        <code>${task.id}</code>
        <button class="icon-button" title=${t("fact.task.copy")} aria-label=${t("fact.task.copy")} onClick=${copyId}><${Icon} name="copy" /></button>
      </dd>
    </div>
  `;
}

async function cancel(task, learn) {
  const entry = entries.value.find((each) => each.task?.id === task.id);
  if (entry) return cancelDrawn(entry.key);
  try {
    await call("POST", `v1/tasks/${task.id}/cancel`);
    learn(await call("GET", `v1/tasks/${task.id}`));
  } catch (error) {
    if (error.status !== 409) notify(inWords(error));
  }
  return undefined;
}
