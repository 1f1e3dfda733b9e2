// The drawing of this tab: its orders, and what became of them. It outlives a reload.
//
// Each order has an idempotency key that is stored before the order is sent. However the sending breaks off, sending it
// again finds the same task, which is drawn and charged once.

import { Lost, Refused, call, isConnected, newKey, recoveries } from "./api.js";
import { isSeen } from "./clock.js";
import { batch, computed, effect, signal, untracked } from "./html.js";
import { forThisTab } from "./kept.js";
import { onLeaving, refreshCredits, session } from "./session.js";
import { follow, isEnded } from "./stream.js";

const POLL_MS = 1000;
const POLL_UNSEEN_MS = 5000;

/** The entries: `{key, order, task, error, isCancelling}`, oldest first. */
export const entries = signal(forThisTab.read("drawing", []));
export const chosenKey = signal(entries.value[0]?.key ?? null);
export const chosen = computed(() => entries.value.find(({ key }) => key === chosenKey.value) ?? entries.value[0]);

effect(() => {
  const kept = entries.value.map(({ key, order, task, error }) => ({ key, order, task, error }));
  forThisTab.write("drawing", kept.length ? kept : null);
});

onLeaving(() => {
  entries.value = [];
});

export function isUnfinished(entry) {
  return !entry.error && !(entry.task && isEnded(entry.task));
}

function change(key, changes) {
  entries.value = entries.value.map((entry) => (entry.key === key ? { ...entry, ...changes } : entry));
}

function learn(task) {
  const entry = entries.value.find((each) => each.task?.id === task.id);
  if (!entry) return;
  change(entry.key, { task });
  if (isEnded(task)) refreshCredits();
}

/** Order pictures. What the tab has finished before is left to the gallery. */
export async function draw(orders) {
  const fresh = orders.map((order) => ({ key: newKey(), order, task: null, error: null }));
  batch(() => {
    entries.value = [...fresh, ...entries.value.filter(isUnfinished)];
    chosenKey.value = fresh[0].key;
  });
  await send();
}

let sending = false;

/** Send what was not sent, one after another, so that the pictures keep their order. */
export async function send() {
  if (sending) return;
  sending = true;
  try {
    for (let next; (next = entries.value.find((entry) => !entry.task && !entry.error)); ) {
      if (!(await sendOne(next))) break;
    }
  } finally {
    sending = false;
  }
  refreshCredits();
}

async function sendOne({ key, order }) {
  try {
    const task = await call("POST", "v1/images/generations", { json: order, headers: { "idempotency-key": key } });
    change(key, { task });
    if (entries.value.find((entry) => entry.key === key)?.isCancelling) cancel(key);
    return true;
  } catch (error) {
    if (error instanceof Lost) return false;
    if (error instanceof Refused && error.status === 401) return false;
    change(key, { error: { code: error.code, message: error.message, retryAfter_s: error.retryAfter_s } });
    return true;
  }
}

/** Send a refused order again. It has not used up its key, and a fault may have hidden that it was accepted. */
export function retry(key) {
  const wasAccepted = Boolean(entries.value.find((each) => each.key === key)?.task);
  const fresh = wasAccepted ? newKey() : key;
  batch(() => {
    change(key, { key: fresh, task: null, error: null, isCancelling: false });
    chosenKey.value = fresh;
  });
  return send();
}

/** Cancel an order. One that is being sent is cancelled when it has arrived. */
export async function cancel(key) {
  const entry = entries.value.find((each) => each.key === key);
  if (!entry) return;
  change(key, { isCancelling: true });
  if (!entry.task) return;
  try {
    await call("POST", `v1/tasks/${entry.task.id}/cancel`);
  } catch (error) {
    if (!(error instanceof Refused && error.status === 409)) change(key, { isCancelling: false });
    if (error instanceof Lost) return;
  }
  // The task says how it ended: cancelled, or finished just before.
  try {
    learn(await call("GET", `v1/tasks/${entry.task.id}`));
  } catch {
    // Whoever follows the task will hear of it.
  }
}

/** Take an entry out of the tab's drawing. */
export function dismiss(key) {
  entries.value = entries.value.filter((entry) => entry.key !== key);
}

/** Forget a task that was deleted. */
export function forget(ids) {
  if (entries.value.some(({ task }) => task && ids.includes(task.id))) {
    entries.value = entries.value.filter(({ task }) => !task || !ids.includes(task.id));
  }
}

/** Show a task as it was read anew, such as with a fresh link. */
export const update = learn;

// Following: one stream for the chosen task, and one request a second for all others, because a browser has only six
// connections for all tabs. An unseen tab holds none.

const unfinishedIds = computed(() =>
  entries.value
    .filter((entry) => entry.task && isUnfinished(entry))
    .map(({ task }) => task.id)
    .join(" "),
);
const streamedId = computed(() => {
  if (!isSeen.value || !session.value?.signed_in) return null;
  const ids = unfinishedIds.value.split(" ").filter(Boolean);
  const ofChosen = chosen.value?.task?.id;
  return ids.includes(ofChosen) ? ofChosen : (ids[0] ?? null);
});

effect(() => {
  const id = streamedId.value;
  if (id === null) return undefined;
  return follow(id, learn, (refusal) => {
    const entry = entries.value.find(({ task }) => task?.id === id);
    if (entry && refusal.status !== 401) change(entry.key, { error: { code: refusal.code, message: refusal.message } });
  });
});

const polledIds = computed(() => {
  if (!session.value?.signed_in) return "";
  return unfinishedIds.value
    .split(" ")
    .filter((id) => id && id !== streamedId.value)
    .join(" ");
});

effect(() => {
  if (!polledIds.value) return undefined;
  const timer = setInterval(poll, isSeen.value ? POLL_MS : POLL_UNSEEN_MS);
  return () => clearInterval(timer);
});

async function poll() {
  const ids = polledIds.value.split(" ").filter(Boolean);
  if (!ids.length || !isConnected.value) return;
  try {
    const { data } = await call("POST", "v1/tasks/batch", { json: { task_ids: ids } });
    batch(() => data.forEach(learn));
  } catch {
    // The next look is a second away.
  }
}

// What a reload or a lost connection interrupted is sent when someone is signed in, and again when the service is back.
effect(() => {
  const mayBegin = session.value?.signed_in && recoveries.value >= 0;
  if (mayBegin) untracked(send);
});
