// Lets the reader try each call: a form for its parameters and its body, and below it the answer of this service.
//
// The forms are made of the OpenAPI document when the first of them is opened.

import { show } from "./answer.js";
import { account, authority, type, typed } from "./authority.js";
import { element } from "./elements.js";

let operations = null;

/** The operations of the document by their ids: `{method, path, parameters, body, needsKey}`. */
function all() {
  operations ??= fetch("openapi.json")
    .then((answer) => answer.json())
    .then((document) => new Map(Object.entries(document.paths).flatMap(([path, item]) => operationsOf(document, path, item))))
    .catch((error) => {
      operations = null;
      throw error;
    });
  return operations;
}

function operationsOf(document, path, item) {
  const methods = Object.entries(item).filter(([, each]) => each.operationId);
  return methods.map(([method, each]) => {
    const content = each.requestBody?.content?.["application/json"];
    const example = content?.example ?? Object.values(content?.examples ?? {})[0]?.value;
    const parameters = [...(item.parameters ?? []), ...(each.parameters ?? [])].map((one) => resolved(document, one));
    const needsKey = (each.security ?? document.security ?? []).length > 0;
    return [each.operationId, { method: method.toUpperCase(), path, parameters, body: content && example, needsKey }];
  });
}

function resolved(document, node) {
  if (!node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((found, part) => found[part], document);
}

async function open(section, button, place) {
  if (place.hasChildNodes()) {
    place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", String(!place.hidden));
    return;
  }
  button.disabled = true;
  try {
    const [known, name] = await Promise.all([all(), account()]);
    place.append(formOf(section.id, known.get(section.id), name));
    place.hidden = false;
    button.setAttribute("aria-expanded", "true");
    place.querySelector("input, textarea, button")?.focus();
  } catch {
    place.replaceChildren(element("p", { class: "s4", role: "alert" }, "The document could not be read. Try again."));
    place.hidden = false;
  }
  button.disabled = false;
}

function formOf(id, operation, name) {
  const answer = element("div", { class: "answer" });
  const send = element("button", { class: "button is-main" }, "Send");
  const stop = element("button", { class: "button", type: "button", hidden: true }, "Stop");
  const fields = operation.parameters.map((parameter) => parameterField(id, parameter));
  const body = operation.body && bodyField(id, operation.body);
  const form = element(
    "form",
    { class: "try", "aria-label": `Try ${operation.method} ${operation.path}`, onSubmit: (event) => (event.preventDefault(), run()) },
    operation.needsKey && keyField(id, name),
    ...fields.map(({ label }) => label),
    body?.label,
    element("p", { class: "try-buttons" }, send, stop),
    answer,
  );
  const run = async () => {
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    send.disabled = true;
    stop.hidden = false;
    try {
      await call(operation, fields, body?.input.value, answer, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) answer.replaceChildren(element("p", { class: "s4", role: "alert" }, `No answer: ${error.message}`));
    }
    send.disabled = false;
    stop.hidden = true;
  };
  return form;
}

function keyField(id, name) {
  const hint = name === null ? "It is not stored" : `Empty: the console's session of ${name}. It is not stored`;
  const input = element("input", {
    id: `try-key-${id}`, type: "password", class: "try-key", value: typed(), autocomplete: "off", spellcheck: "false", placeholder: "sk-easel-…",
    onInput: () => {
      type(input.value);
      for (const other of document.querySelectorAll(".try-key")) if (other !== input) other.value = input.value;
    },
  });
  return labelled("API key", hint, input);
}

function parameterField(id, parameter) {
  const { name, in: place, required, schema = {}, example } = parameter;
  const input = element("input", {
    id: `try-${id}-${name}`,
    value: place === "path" ? String(example ?? "") : "",
    placeholder: place === "path" || example === undefined ? null : String(example),
    list: schema.enum ? `try-${id}-${name}-values` : null,
    autocomplete: "off",
    spellcheck: "false",
  });
  const label = labelled(name, required ? `in ${place}, required` : `in ${place}`, input);
  if (schema.enum) {
    const values = schema.enum.filter((value) => value !== "").map((value) => element("option", { value: String(value) }));
    label.append(element("datalist", { id: `try-${id}-${name}-values` }, ...values));
  }
  return { label, input, name, place };
}

function bodyField(id, example) {
  const text = JSON.stringify(example, null, 2);
  const input = element("textarea", { id: `try-${id}-body`, rows: String(Math.min(14, text.split("\n").length + 1)), spellcheck: "false", value: text });
  return { label: labelled("Body", "JSON", input), input };
}

function labelled(name, hint, input) {
  const label = element("label", { for: input.id }, element("b", {}, name), ` ${hint}`);
  return element("div", { class: "try-field" }, label, input);
}

async function call(operation, fields, body, place, signal) {
  const { headers, credentials } = authority();
  const query = new URLSearchParams();
  let path = operation.path;
  for (const { input, name, place: where } of fields) {
    const value = input.value.trim();
    if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && where === "query") query.set(name, value);
    else if (value) headers[name] = value;
  }
  if (body !== undefined) headers["content-type"] = "application/json";
  // Relative, so that the page also works under a path prefix of a reverse proxy.
  const address = `.${path}${query.size ? `?${query}` : ""}`;
  place.replaceChildren(element("p", { role: "status" }, "Waiting for the answer …"));
  const began_ms = performance.now();
  const answer = await fetch(address, { method: operation.method, headers, credentials, body, signal, cache: "no-store" });
  await show(answer, place, Math.round(performance.now() - began_ms));
}

for (const section of document.querySelectorAll("section[data-operation]")) {
  const heading = section.querySelector("h3.try-heading");
  const place = element("div", { class: "try-place", hidden: true });
  const title = section.querySelector("h2").textContent;
  const button = element("button", { class: "button", type: "button", "aria-expanded": "false", "aria-label": `Try it here: ${title}` }, "Try it here");
  button.addEventListener("click", () => open(section, button, place));
  heading.append(" ", button);
  heading.after(place);
}
