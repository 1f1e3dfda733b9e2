// The account's tasks, newest first: a page at a time, as far as the reader has scrolled.

import { call, isConnected, recoveries } from "./api.js";
import { isSeen } from "./clock.js";
import { batch, computed, effect, signal, untracked } from "./html.js";
import { mayRead, onLeaving, session } from "./session.js";
import { sizeName } from "./sizes.js";
import { isEnded } from "./stream.js";

const PAGE = 50;
const PAGE_MIN = 20;
const POLL_MS = 2000;
const BATCH_MAX = 50;

/** What is shown: `status` and `words`, both may be empty. */
export const filter = signal({ status: "", words: "" });
export const tasks = signal([]);
export const isLoading = signal(false);
export const fault = signal(null);
/** Where the next page begins: undefined before the first page, null after the last. */
export const next = signal(undefined);
/** Whether the gallery is on the screen. */
export const isOpen = signal(false);
/** How far the reader had scrolled when the gallery was left. */
export const left = { at_px: 0 };

let reading = null;

onLeaving(() => show(filter.peek()));

/** Show what a filter lets through, from the start. */
export function show(wanted) {
  reading?.abort();
  batch(() => {
    filter.value = wanted;
    tasks.value = [];
    next.value = undefined;
    fault.value = null;
    isLoading.value = false;
  });
}

async function read(cursor, abort) {
  const page = await call("GET", pageAddress(cursor), { signal: abort });
  return { ...page, data: page.data.filter((task) => !isErased(task)) };
}

/** Whether a task was deleted: its prompt is gone. A refused prompt was never kept, but its refusal is shown. */
function isErased(task) {
  return !task.prompt && isEnded(task) && !isRefused(task);
}

function isRefused(task) {
  return task.error?.code === "content_policy_violation";
}

function pageAddress(cursor) {
  const { status, words } = filter.peek();
  const query = new URLSearchParams({ limit: PAGE });
  if (cursor) query.set("cursor", cursor);
  if (status) query.set("status", status);
  if (words) query.set("words", words);
  return `console/tasks?${query}`;
}

/** Read the next page, if there is one. */
export async function more() {
  if (isLoading.peek() || next.peek() === null) return;
  isLoading.value = true;
  const abort = (reading = new AbortController());
  try {
    // One answer looks through a limited number of tasks, and may find few or none that the filter lets through.
    for (let found = 0; found < PAGE_MIN && next.peek() !== null; ) {
      const page = await read(next.peek(), abort.signal);
      if (abort.signal.aborted) return;
      found += page.data.length;
      append(page);
    }
  } catch (error) {
    if (!abort.signal.aborted) fault.value = error;
  } finally {
    if (reading === abort) isLoading.value = false;
  }
}

function append(page) {
  batch(() => {
    const known = new Set(tasks.peek().map(({ id }) => id));
    tasks.value = [...tasks.peek(), ...page.data.filter(({ id }) => !known.has(id))];
    next.value = page.next;
    fault.value = null;
  });
}

/** Read the first page again, and put what is new before what is there. */
export async function refresh() {
  if (isLoading.peek()) return;
  if (next.peek() === undefined) return more();
  const wanted = filter.peek();
  try {
    const page = await read(null);
    if (filter.peek() !== wanted) return;
    const fresh = new Map(page.data.map((task) => [task.id, task]));
    const rest = tasks.peek().map((task) => fresh.get(task.id) ?? task);
    const known = new Set(rest.map(({ id }) => id));
    const isJoined = page.data.some(({ id }) => known.has(id)) || !rest.length || page.next === null;
    batch(() => {
      tasks.value = isJoined ? [...page.data.filter(({ id }) => !known.has(id)), ...rest] : page.data;
      if (!isJoined || !rest.length) next.value = page.next;
    });
  } catch {
    // What is shown stays; the connection's own message says why.
  }
}

/** Note a task as it was read anew. Fields that only the console's list has are kept. */
export function update(task) {
  tasks.value = tasks.peek().map((each) => (each.id === task.id ? { ...each, ...task } : each));
}

/** Take tasks out of the list. */
export function drop(ids) {
  const gone = new Set(ids);
  tasks.value = tasks.peek().filter(({ id }) => !gone.has(id));
}

/** Read one task with its prompt. Raises Refused, Lost. */
export function find(id) {
  return call("GET", `console/tasks/${encodeURIComponent(id)}`);
}

/** Delete a task. One that has not ended is cancelled first. Raises Refused, Lost. */
export async function remove(task) {
  if (!isEnded(task)) await call("POST", `v1/tasks/${task.id}/cancel`).catch(() => null);
  await call("DELETE", `v1/tasks/${task.id}`);
}

/** A task of the list as the frame and the details take it. */
export function workOf(task) {
  const { prompt, width, height, seed, output_format, nsfw_check } = task;
  const order = { model: task.model, prompt, size: sizeName(width, height), seed: seed ?? undefined };
  if (output_format && output_format !== "webp") order.output_format = output_format;
  if (nsfw_check) order.nsfw_check = true;
  return { order, task };
}

const unfinished = computed(() =>
  isOpen.value && isSeen.value && session.value?.signed_in
    ? tasks.value
        .filter((task) => !isEnded(task))
        .slice(0, BATCH_MAX)
        .map(({ id }) => id)
        .join(" ")
    : "",
);

effect(() => {
  if (!unfinished.value) return undefined;
  const timer = setInterval(poll, POLL_MS);
  return () => clearInterval(timer);
});

async function poll() {
  const ids = unfinished.peek().split(" ").filter(Boolean);
  if (!ids.length || !isConnected.peek()) return;
  try {
    const { data } = await call("POST", "v1/tasks/batch", { json: { task_ids: ids } });
    batch(() => data.forEach(update));
  } catch {
    // The next look is two seconds away.
  }
}

// The list is brought up to date when the gallery comes into view, and when the connection comes back.
effect(() => {
  const mayLook = isOpen.value && isSeen.value && mayRead.value && recoveries.value >= 0;
  if (mayLook) untracked(refresh);
});
