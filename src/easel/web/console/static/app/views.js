// The views by their names. Drawing is here from the start; the others are loaded when they are wanted, or beforehand
// when there is time.

import { signal } from "./html.js";
import { mayOperate } from "./session.js";
import { Draw } from "./views/draw.js";
import { learn } from "./words.js";

const LOADERS = new Map([
  ["gallery", async () => (await import("./views/gallery.js")).Gallery],
  ["task", async () => (await import("./views/task.js")).Task],
  ["code", async () => (await import("./views/code.js")).Code],
  ["usage", async () => (await Promise.all([import("./views/usage.js"), learn("operating")]))[0].Usage],
  ["admin", async () => (await Promise.all([import("./views/admin.js"), learn("operating")]))[0].Admin],
  ["missing", async () => (await import("./views/missing.js")).Missing],
]);
const BEFOREHAND_MS = 1500;

const loaded = signal(new Map([["draw", Draw], ["signin", Draw]]));

/** The name of the view for an address: `missing` if there is none. */
export function viewName(name) {
  return LOADERS.has(name) || loaded.value.has(name) ? name : "missing";
}

/** The view's component. null while it is being loaded. */
export function viewOf(name) {
  return loaded.value.get(name) ?? null;
}

/** Load a view. One that does not come because the connection is lost is asked for again later. */
export async function load(name) {
  if (loaded.peek().has(name)) return;
  try {
    const view = await LOADERS.get(name)();
    loaded.value = new Map(loaded.peek()).set(name, view);
  } catch {
    // Whoever shows it loads it again when the connection is back.
  }
}

/** Load all views when the first one has been shown for a while. */
export function loadBeforehand() {
  const wanted = [...LOADERS.keys()].filter((name) => name !== "admin" || mayOperate.value);
  setTimeout(() => wanted.forEach(load), BEFOREHAND_MS);
}
