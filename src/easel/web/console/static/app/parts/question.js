// A question in a dialog, answered with yes or no.

import { html, signal, useEffect, useRef } from "../html.js";

const question = signal(null);

/** Ask, and return whether the answer was yes. Escape means no. */
export function asked({ heading, text, yes, no }) {
  return new Promise((answer) => {
    question.value = { heading, text, yes, no, answer };
  });
}

export function Question() {
  const dialog = useRef(null);
  const now = question.value;
  useEffect(() => {
    if (now) dialog.current.showModal();
  }, [now]);
  if (!now) return null;
  const close = () => {
    const isYes = dialog.current.returnValue === "yes";
    question.value = null;
    now.answer(isYes);
  };
  return html`
    <dialog class="question" ref=${dialog} onClose=${close} aria-labelledby="question">
      <form method="dialog">
        <h2 id="question">${now.heading}</h2>
        <p>${now.text}</p>
        <div class="row is-end">
          <button class="button" value="no" autofocus>${now.no}</button>
          <button class="button is-danger" value="yes">${now.yes}</button>
        </div>
      </form>
    </dialog>
  `;
}
