// A form in a dialog: it stays open with the reason if what it asks for is refused.

import { Refused } from "../api.js";
import { inWords } from "../failures.js";
import { html, signal, useEffect, useRef, useState } from "../html.js";
import { t } from "../words.js";

const form = signal(null);

/** Ask for values and act on them. `fields` are `{name, label, hint, type, value, options, required, min, step}`.

    `act` gets the values as texts, or as lists of texts for `options` of which several may be chosen. */
export function askFor({ heading, text, fields, yes, act }) {
  form.value = { heading, text, fields, yes, act };
}

/** Show something once, such as a new key. `content` is what stands in the dialog. */
export function showOnce({ heading, content }) {
  form.value = { heading, content };
}

export function FormDialog() {
  const now = form.value;
  return now && html`<${Dialog} key=${now.heading} now=${now} />`;
}

function Dialog({ now }) {
  const dialog = useRef(null);
  const [fault, setFault] = useState(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const close = () => dialog.current?.close();
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    try {
      await now.act(valuesOf(event.target, now.fields));
      if (form.value === now) close();
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  };
  const param = fault instanceof Refused ? fault.param : null;
  return html`
    <dialog class="question form-dialog" ref=${dialog} onClose=${() => form.value === now && (form.value = null)} aria-labelledby="form-dialog">
      <h2 id="form-dialog">${now.heading}</h2>
      ${now.text && html`<p>${now.text}</p>`}
      ${now.content
        ? html`${now.content}<div class="row is-end"><button class="button is-main" onClick=${close}>${t("form.done")}</button></div>`
        : html`
            <form onSubmit=${submit} novalidate>
              ${now.fields.map((field, nth) => html`<${Field} key=${field.name} field=${field} isFirst=${nth === 0} isWrong=${param === field.name} />`)}
              <p id="form-fault" class="fault" role="alert">${fault && inWords(fault, now.fields.find(({ name }) => name === param)?.label)}</p>
              <div class="row is-end">
                <button type="button" class="button" onClick=${close}>${t("form.cancel")}</button>
                <button class="button is-main" disabled=${isBusy}>${now.yes}</button>
              </div>
            </form>
          `}
    </dialog>
  `;
}

function Field({ field, isFirst, isWrong }) {
  const id = `form-${field.name}`;
  const { label, hint, type = "text", value = "", options } = field;
  if (options) {
    return html`
      <fieldset class="form-field">
        <legend class="label">${label}</legend>
        ${options.map(
          ([each, text]) => html`
            <label class="check" key=${each}>
              <input type=${type} name=${field.name} value=${each} defaultChecked=${[value].flat().includes(each)} />
              <span>${text}</span>
            </label>
          `,
        )}
      </fieldset>
    `;
  }
  return html`
    <div class="form-field">
      <label class="label" for=${id}>${label}${hint && html` <span class="quiet">${hint}</span>`}</label>
      <input
        id=${id}
        class="field"
        name=${field.name}
        type=${type}
        inputmode=${field.isAmount ? "decimal" : undefined}
        defaultValue=${value}
        list=${field.suggestions && `${id}-list`}
        autocomplete="off"
        autofocus=${isFirst}
        aria-invalid=${isWrong}
        aria-describedby="form-fault"
      />
      ${field.suggestions && html`<datalist id="${id}-list">${field.suggestions.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
    </div>
  `;
}

function valuesOf(element, fields) {
  const data = new FormData(element);
  return Object.fromEntries(
    fields.map(({ name, options, type }) => [name, options && type === "checkbox" ? data.getAll(name) : String(data.get(name) ?? "").trim()]),
  );
}
