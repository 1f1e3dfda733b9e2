// Templates: `html` makes elements of tagged strings. Texts in them are text, never markup.

import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

export { render } from "../vendor/preact.js";
export { useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-hooks.js";
export { batch, computed, effect, signal, untracked, useSignal } from "../vendor/signals.js";

export const html = htm.bind(h);
