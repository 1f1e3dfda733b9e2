// Failures in plain words, in the page's language. The service's own sentences are English, and a code is enough for most;
// the sentence is added where it says more: which rule a value breaks, or what a code means that the page does not know.

import { has, span, t } from "./words.js";
import { Lost } from "./api.js";

const REFUSED = /The (prompt|image) was refused: ([a-z-]+)/;

/** What a task's or an answer's error means for the reader. `field` is the label of the field that is wrong. */
export function inWords(error, field = null) {
  if (error instanceof Lost) return t("failure.lost");
  const { code } = error;
  if (code === "content_policy_violation") return refusal(error.message);
  const message = (error.message ?? "").replace(/\.$/, "");
  if (code === "invalid_request") return t(field ? "failure.invalid_request.field" : "failure.invalid_request", { field, message });
  return t(has(`failure.${code}`) ? `failure.${code}` : "failure.other", { message, wait: span(error.retryAfter_s ?? 1) });
}

/** What moderation refused, and as what. Its message has both, in words that the API promises. */
function refusal(message) {
  const [, stage, category] = REFUSED.exec(message ?? "") ?? [];
  if (!stage) return t("failure.content_policy_violation");
  const name = `failure.category.${category}`;
  return t(`failure.refused.${stage}`, { category: has(name) ? t(name) : category });
}

export function wasCancelled(task) {
  return task?.error?.code === "request_cancelled";
}
