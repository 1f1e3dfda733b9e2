// What is done with several tasks at once.

import { Refused } from "./api.js";
import { forget } from "./drawing.js";
import { notify } from "./parts/notice.js";
import { asked } from "./parts/question.js";
import { download, fileName, pictureOf } from "./pictures.js";
import { mayDraw, refreshCredits } from "./session.js";
import { drop, remove } from "./tasks.js";
import { t } from "./words.js";

const BETWEEN_DOWNLOADS_MS = 250;

/** Whether a task can be deleted: of a refused one nothing is kept. */
export function isDeletable(task) {
  return mayDraw.value && Boolean(task.prompt);
}

/** Ask, and delete tasks. Returns whether the reader said yes. */
export async function deleteAll(picked) {
  const tasks = picked.filter(isDeletable);
  const count = tasks.length;
  if (!count) return false;
  const isMeant = await asked({
    heading: t("delete.heading", { count }),
    text: t("delete.text", { count }),
    yes: t("delete.yes"),
    no: t("delete.no"),
  });
  if (!isMeant) return false;
  const gone = [];
  for (const task of tasks) {
    try {
      await remove(task);
      gone.push(task.id);
    } catch (error) {
      // Whoever deleted it before has done the same.
      if (error instanceof Refused && error.status === 404) gone.push(task.id);
    }
  }
  drop(gone);
  forget(gone);
  refreshCredits();
  const failed = count - gone.length;
  const told = [gone.length && t("delete.done", { count: gone.length }), failed && t("delete.failed", { count: failed })];
  notify(told.filter(Boolean).join(" "));
  return true;
}

/** Fetch all pictures of tasks, one after another, because browsers drop downloads that start together. */
export async function downloadAll(tasks) {
  const drawn = tasks.filter(pictureOf);
  notify(t("download.done", { count: drawn.length }));
  for (const task of drawn) {
    const { url, seed } = pictureOf(task);
    download(url, fileName(url, task.prompt, seed));
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_DOWNLOADS_MS));
  }
}
