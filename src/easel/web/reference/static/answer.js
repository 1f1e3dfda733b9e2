// Shows an answer as it arrives: its status, a few headers, and its body as JSON, text, events or a picture.

import { element } from "./elements.js";

const CHARACTERS_MAX = 200_000;
const SHOWN_HEADERS = ["content-type", "content-length", "retry-after", "x-ratelimit-remaining", "location", "x-request-id"];

/** Show an answer in `place`, and return when it has arrived. */
export async function show(answer, place, took_ms) {
  const headers = SHOWN_HEADERS.filter((name) => answer.headers.has(name)).map((name) =>
    element("li", {}, element("code", {}, name), ` ${answer.headers.get(name)}`),
  );
  const kind = `status s${String(answer.status)[0]}`;
  const status = element("p", { role: "status" }, element("b", { class: kind }, String(answer.status)), ` ${answer.statusText}, ${took_ms} ms`);
  place.replaceChildren(status, element("ul", { class: "headers" }, ...headers));
  const type = answer.headers.get("content-type") ?? "";
  if (type.startsWith("image/")) place.append(await picture(answer));
  else if (answer.body) await text(answer, type, place);
}

async function picture(answer) {
  const url = URL.createObjectURL(await answer.blob());
  return element("img", { src: url, alt: "The picture", onLoad: () => URL.revokeObjectURL(url) });
}

async function text(answer, type, place) {
  const code = element("code");
  place.append(element("pre", { tabindex: "0", "aria-label": "The body of the answer" }, code));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let whole = "";
  for (let part; !(part = await reader.read()).done; ) {
    whole += part.value;
    // Events are shown one by one, all else at once.
    if (type.startsWith("text/event-stream")) code.textContent = cut(whole);
    if (whole.length > CHARACTERS_MAX) await reader.cancel();
  }
  code.textContent = cut(type.startsWith("application/json") ? indented(whole) : whole);
}

function cut(text) {
  return text.length > CHARACTERS_MAX ? `${text.slice(0, CHARACTERS_MAX)}\n…` : text;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
