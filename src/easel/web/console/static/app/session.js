// Who is signed in. The cookie is out of the page's reach; the service describes its session.
// Tabs share the cookie, so a tab that signs in or out tells the others.

import { call, Lost, recoveries, refusals } from "./api.js";
import { isSeen } from "./clock.js";
import { batch, computed, effect, signal, untracked } from "./html.js";
import { forThisTab } from "./kept.js";

/** The session's description, or null while it is not known. */
export const session = signal(null);
export const credits = signal(null);
/** Whether the session ended without being asked to. */
export const hasEnded = signal(false);

export const mayDraw = computed(() => may("generate"));
export const mayRead = computed(() => may("read"));
export const mayOperate = computed(() => may("admin"));

const news = "BroadcastChannel" in window ? new BroadcastChannel("easel") : null;
const leaving = new Set();

function may(scope) {
  return session.value?.key?.scopes.includes(scope) ?? false;
}

/** Call `forgetting` when the account changes or leaves. */
export function onLeaving(forgetting) {
  leaving.add(forgetting);
}

function enter(description) {
  const before = session.value;
  batch(() => {
    // The draft and the drawing wait for the same account to come back, and are not for another.
    if (description.signed_in) {
      const known = forThisTab.read("account");
      if (known !== null && known !== description.account) forget();
      forThisTab.write("account", description.account);
      hasEnded.value = false;
    } else if (before?.signed_in) {
      hasEnded.value = true;
    }
    session.value = description;
  });
}

function forget() {
  credits.value = null;
  for (const each of leaving) each();
}

/** Ask who is signed in. The first answer is on its way since before the modules were loaded. */
export async function ask() {
  const early = await globalThis.earlySession;
  globalThis.earlySession = null;
  if (typeof early?.signed_in === "boolean") {
    enter(early);
    return;
  }
  try {
    enter(await call("GET", "console/session"));
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
  }
}

/** Sign in with `{key}` or `{link}`. Raises Refused, Lost. */
export async function signIn(proof) {
  enter(await call("POST", "console/session", { json: proof }));
  news?.postMessage("changed");
}

export async function signOut() {
  const left = await call("DELETE", "console/session");
  forget();
  forThisTab.write("account", null);
  enter(left);
  hasEnded.value = false;
  news?.postMessage("changed");
}

let asking = null;

/** Read the credits that are left. A key that may not read has none to show. */
export function refreshCredits() {
  if (!untracked(() => mayRead.value)) return;
  asking ??= call("GET", "v1/credits")
    .then(({ data }) => (credits.value = Math.min(data.token.remaining_credits, data.user.remaining_credits)))
    .catch(() => null)
    .finally(() => (asking = null));
}

news?.addEventListener("message", ask);
effect(() => {
  if (isSeen.value && session.value?.signed_in) untracked(refreshCredits);
});
// The values below are read to be told of changes; at the start nothing has changed.
effect(() => {
  if (refusals.value + recoveries.value > 0) untracked(ask);
});
