// A task's picture: its address in this page, how long its link works, and its file's name.

import { call } from "./api.js";

/** The picture of a finished task: its engine, size, seed and link. null if there is none, or none any more. */
export function pictureOf(task) {
  return task.result_data?.[0] ?? null;
}

/** The address of a picture or a thumbnail on the page's own origin, wherever the order was placed. */
export function address(url) {
  return url.slice(url.search(/\/(pictures|thumbnails)\//) + 1);
}

/** When a link ends, in seconds since 1970. It stands in the link. */
export function linkEnd_s(url) {
  return Number(/\/pictures\/(\d+)\./.exec(url)?.[1] ?? Infinity);
}

/** A file's name that says what the picture is. */
export function fileName(url, prompt, seed) {
  const words = (prompt ?? "").normalize("NFC").match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const name = [...words.join("-")].slice(0, 40).join("").replace(/-$/, "") || "easel";
  return `${name}-${seed}.${url.split(".").pop()}`;
}

/** Fetch a picture into the reader's downloads. */
export function download(url, name) {
  const link = document.createElement("a");
  link.href = address(url);
  link.download = name;
  link.click();
}

/** Give the reader a file that this page made. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The task with fresh links, to its picture and to its thumbnail. */
export function renewed(id) {
  return call("GET", `console/tasks/${id}`);
}
