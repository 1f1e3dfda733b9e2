// The time, for texts that age. Ticks only while the page is seen.

import { signal } from "./html.js";

const TICK_MS = 10_000;

/** Seconds since 1970, every ten seconds. */
export const now_s = signal(Date.now() / 1000);
export const isSeen = signal(!document.hidden);

const tick = () => (now_s.value = Date.now() / 1000);

setInterval(() => document.hidden || tick(), TICK_MS);
document.addEventListener("visibilitychange", () => {
  isSeen.value = !document.hidden;
  if (isSeen.value) tick();
});
