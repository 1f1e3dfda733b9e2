// The pictures that are forming: the latest preview of each task that is followed, until its picture is there.

import { signal } from "./html.js";
import { onLeaving } from "./session.js";

const KEPT_MAX = 8;

/** Addresses of previews by the ids of their tasks. They work in this tab only. */
export const previews = signal(new Map());

onLeaving(() => [...previews.peek().keys()].forEach(forget));

/** Show the preview of an event instead of the one before. */
export async function show({ id, media_type, b64_json }) {
  const bytes = Uint8Array.from(atob(b64_json), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: media_type }));
  // Decoded beforehand, so that the one before stays until this one can be seen.
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    return URL.revokeObjectURL(url);
  }
  const before = new Map(previews.peek());
  forgetIn(before, id);
  before.set(id, url);
  for (const oldest of [...before.keys()].slice(0, -KEPT_MAX)) forgetIn(before, oldest);
  previews.value = before;
  return undefined;
}

/** Forget the preview of a task. */
export function forget(id) {
  if (!previews.peek().has(id)) return;
  const left = new Map(previews.peek());
  forgetIn(left, id);
  previews.value = left;
}

function forgetIn(map, id) {
  if (map.has(id)) URL.revokeObjectURL(map.get(id));
  map.delete(id);
}
