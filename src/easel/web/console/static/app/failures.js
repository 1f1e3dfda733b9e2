// Failures in plain words.

import { has, span, t } from "./words.js";
import { Lost } from "./api.js";

/** What a task's or an answer's error means for the reader. The API's own message stands in for unknown codes. */
export function inWords(error) {
  if (error instanceof Lost) return t("failure.lost");
  const name = `failure.${error.code}`;
  if (error.code === "invalid_request" || !has(name)) return error.message;
  return t(name, { wait: span(error.retryAfter_s ?? 1) });
}

export function wasCancelled(task) {
  return task?.error?.code === "request_cancelled";
}
