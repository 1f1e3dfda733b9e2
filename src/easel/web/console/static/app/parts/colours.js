// Colours for code: strings, words of the languages, and numbers. It need not understand more.

import { html } from "../html.js";

const WORDS =
  "import|from|as|def|return|for|in|while|if|raise|with|None|True|await|async|function|const|let|of|throw|new|do|done|curl|class";
const TOKEN = new RegExp(
  String.raw`(?<string>f?"(?:[^"\\\n]|\\.)*"|'(?:[^'\\]|\\.)*'|${"`"}[^${"`"}]*${"`"})|(?<word>\b(?:${WORDS})\b)|(?<number>\b\d+\b)`,
  "g",
);

/** The text in pieces, with a class for each kind. */
export function coloured(text) {
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    pieces.push(text.slice(end, found.index));
    const [kind] = Object.entries(found.groups).find(([, part]) => part !== undefined);
    pieces.push(html`<span class="code-${kind}">${found[0]}</span>`);
    end = found.index + found[0].length;
  }
  return [...pieces, text.slice(end)];
}
