// Follows one task by its stream of events, until it ends. The stream shows the current state, so a break loses nothing.

import { call, listen, Refused } from "./api.js";
import { forget, show } from "./previews.js";

const AGAIN_MS = 1000;
const PREVIEW = "image.generation.preview";

/** Follow a task. `tell` gets it whenever it changes, `gone` the refusal if it cannot be read. Returns what stops it. */
export function follow(id, tell, gone) {
  const abort = new AbortController();
  const hear = (task) => {
    if (abort.signal.aborted) return;
    if (task.object === PREVIEW) show(task);
    if (!task.status) return;
    if (isEnded(task)) abort.abort();
    if (task.status === "failed") forget(id);
    tell(task);
  };
  run();
  return () => abort.abort();

  async function run() {
    while (!abort.signal.aborted) {
      let wait_ms = AGAIN_MS;
      try {
        await listen(`v1/tasks/${id}/events?previews=true`, hear, abort.signal);
        // The stream does not say why it ended. A read of the task does.
        if (!abort.signal.aborted) hear(await call("GET", `v1/tasks/${id}`, { signal: abort.signal }));
      } catch (error) {
        if (error.retryAfter_s) wait_ms = error.retryAfter_s * 1000;
        if (!abort.signal.aborted && error instanceof Refused && [401, 403, 404].includes(error.status)) {
          abort.abort();
          gone(error);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
    }
  }
}

export function isEnded(task) {
  return task.status === "completed" || task.status === "failed";
}
