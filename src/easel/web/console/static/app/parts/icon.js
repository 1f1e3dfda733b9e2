// The icons: strokes on a grid of 24, in the colour of the text beside them.

import { html } from "../html.js";

const STROKES = {
  again: "M20 11a8 8 0 1 0-2.3 6.2 M20 5v6h-6",
  back: "M15 5l-7 7 7 7",
  book: "M4 5.5A2.5 2.5 0 0 1 6.5 3H20v18H6.5A2.5 2.5 0 0 1 4 18.5z M4 18.5A2.5 2.5 0 0 1 6.5 16H20",
  brush: "M14.5 6.5 18 3l3 3-3.5 3.5 M14.5 6.5 6 15l3 3 8.5-8.5z M6 15c-2 .6-2.4 3-4 5 3 .8 6 .3 7-2",
  chart: "M4 20V4 M4 20h16 M8.5 16v-4 M13 16V8 M17.5 16v-6",
  check: "M5 12.5 10 17l9-10",
  close: "M6 6l12 12 M18 6 6 18",
  code: "M8.5 6 3 12l5.5 6 M15.5 6 21 12l-5.5 6",
  copy: "M9 9h11v12H9z M5.5 15H4V3h11v2.5",
  dice: "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z M8 8h.01 M16 8h.01 M12 12h.01 M8 16h.01 M16 16h.01",
  download: "M12 3v12 M7 10.5l5 5 5-5 M4 20h16",
  eye: "M2 12s3.6-7 10-7 10 7 10 7-3.6 7-10 7S2 12 2 12z M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
  forward: "M9 5l7 7-7 7",
  gallery: "M3 3h8v8H3z M13 3h8v5h-8z M13 10h8v11h-8z M3 13h8v8H3z",
  gauge: "M4 18a9 9 0 1 1 16 0 M12 15l4-5 M12 16.5h.01",
  hidden: "M4 4l16 16 M9.9 5.2A10 10 0 0 1 12 5c6.4 0 10 7 10 7a17 17 0 0 1-3 3.7 M6.5 6.7A16 16 0 0 0 2 12s3.6 7 10 7a9.6 9.6 0 0 0 4.7-1.2 M9.9 10a3 3 0 0 0 4.1 4.1",
  link: "M10 14a4.5 4.5 0 0 0 6.4 0l3.3-3.3a4.5 4.5 0 0 0-6.4-6.4L12 5.6 M14 10a4.5 4.5 0 0 0-6.4 0l-3.3 3.3a4.5 4.5 0 0 0 6.4 6.4L12 18.4",
  lock: "M5 11h14v10H5z M8 11V7.5a4 4 0 0 1 8 0V11",
  minus: "M5 12h14",
  missing: "M3 4l18 16 M8 4h13v13 M16 20H3V7 M3 17l5-5 5 5",
  open: "M5 11h14v10H5z M8 11V7.5a4 4 0 0 1 7.7-1.5",
  plus: "M12 5v14 M5 12h14",
  reuse: "M4 20h4L19.5 8.5a2.8 2.8 0 0 0-4-4L4 16z M13.5 6.5l4 4",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z M15.5 15.5 21 21",
  trash: "M4 6.5h16 M9 6.5V4h6v2.5 M6 6.5 7 21h10l1-14.5 M10 11v5.5 M14 11v5.5",
  user: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z M4 21c.5-4 3.6-6 8-6s7.5 2 8 6",
  vary: "M3 7h3.5c5 0 6 10 11 10H21 M18 14l3 3-3 3 M3 17h3.5c1.9 0 3.2-1.4 4.3-3 M13.7 10c1-1.6 2.2-3 3.8-3H21 M18 4l3 3-3 3",
  warning: "M12 4 2.5 20h19z M12 10v5 M12 17.5h.01",
};

/** An icon. It is decoration: what it means is said beside it. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${STROKES[name]} /></svg>`;
}

/** The mark of Easel. */
export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <path class="mark-legs" d="M16 2v4 M11 21 7 30 M21 21l4 9 M16 22v6" />
    <rect class="mark-board" x="5" y="6" width="22" height="15" rx="1.5" />
    <circle class="mark-sun" cx="20.5" cy="11" r="2.3" />
    <path class="mark-hill" d="M7 19.5 13 12l4 4.5 2-2 4.5 5z" />
    <path class="mark-legs" d="M4 22h24" />
  </svg>`;
}
