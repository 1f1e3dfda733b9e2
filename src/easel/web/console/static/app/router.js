// Which view is shown: it stands in the address's fragment, so back and forward work, and no request tells of it.

import { signal } from "./html.js";

/** The shown place: a view's name, a task's id, and the filters of the gallery. */
export const place = signal(read());

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = null] = path.split("/");
  return { view: view || "draw", id, query: new URLSearchParams(query) };
}

addEventListener("hashchange", () => {
  place.value = read();
});

/** The address of a place, for links. */
export function to(view, id = null, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value);
  const path = view === "draw" ? "" : [view, id].filter(Boolean).join("/");
  return `#/${path}${filled.length ? `?${new URLSearchParams(filled)}` : ""}`;
}

/** Go to an address. `replace` leaves no trace of the present one. */
export function go(address, { replace = false } = {}) {
  if (replace) {
    history.replaceState(history.state, "", address);
    place.value = read();
  } else if (location.hash !== address) {
    location.hash = address;
  }
}
