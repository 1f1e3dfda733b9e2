// The form as programs: each is complete and runs as it stands, with the key in EASEL_API_KEY.

import { pixels } from "./sizes.js";

const WAIT_S = 60;

/** The programs for orders that differ only in their seeds. `base` is the address of the service, without a slash. */
export const SAMPLES = { curl, python, javascript, openai };

/** The address of the service, as this page was reached. */
export function base() {
  return new URL(".", document.baseURI).href.replace(/\/$/, "");
}

function shell(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function seeds(orders) {
  return orders[0].seed === undefined ? null : orders.map(({ seed }) => seed);
}

/** A value as Python writes it. JSON's strings are Python's, too, once no escape names half a character. */
function pythonic(value) {
  return value === true ? "True" : JSON.stringify(value);
}

function fieldsOf(orders) {
  const { seed, ...rest } = orders[0];
  return orders.length === 1 && seed !== undefined ? { ...rest, seed } : rest;
}

function curl(orders, base) {
  const fields = fieldsOf(orders);
  const body = JSON.stringify(fields);
  const command = (data, indent) =>
    [
      `${indent}curl ${shell(`${base}/v1/images/generations`)} \\`,
      `${indent}  --header "Authorization: Bearer $EASEL_API_KEY" \\`,
      `${indent}  --header 'Content-Type: application/json' \\`,
      `${indent}  --header 'Prefer: wait=${WAIT_S}' \\`,
      `${indent}  --data ${data}`,
    ].join("\n");
  if (orders.length === 1) return `${command(shell(body), "")}\n`;
  const each = seeds(orders);
  if (!each) return `for number in ${orders.map((_, nth) => nth + 1).join(" ")}; do\n${command(shell(body), "  ")}\ndone\n`;
  const data = `${shell(`${body.slice(0, -1)},"seed":`)}$seed'}'`;
  return `for seed in ${each.join(" ")}; do\n${command(data, "  ")}\ndone\n`;
}

function python(orders, base) {
  const fields = Object.entries(fieldsOf(orders)).map(([name, value]) => `    "${name}": ${pythonic(value)},`);
  const each = seeds(orders);
  const isMany = orders.length > 1;
  const loop = each ? `for seed in ${JSON.stringify(each)}:` : `for number in range(${orders.length}):`;
  const order = each ? `{**order, "seed": seed}` : "order";
  const file = orders[0].output_format ?? "webp";
  const work = [
    `task = call("/v1/images/generations", ${isMany ? order : "order"})`,
    `while task["status"] in ("pending", "processing"):`,
    `    task = call(f"/v1/tasks/{task['id']}?wait=${WAIT_S}")`,
    `if task["status"] == "failed":`,
    `    raise SystemExit(task["error"]["message"])`,
    `picture = task["result_data"][0]`,
    `urllib.request.urlretrieve(picture["url"], f"picture-{picture['seed']}.${file}")`,
    `print(picture["url"])`,
  ];
  return [
    "import json",
    "import os",
    "import urllib.request",
    "",
    "",
    "def call(path, body=None):",
    "    request = urllib.request.Request(",
    `        ${JSON.stringify(base)} + path,`,
    "        data=None if body is None else json.dumps(body).encode(),",
    "        headers={",
    `            "Authorization": "Bearer " + os.environ["EASEL_API_KEY"],`,
    `            "Content-Type": "application/json",`,
    `            "Prefer": "wait=${WAIT_S}",`,
    "        },",
    "    )",
    "    with urllib.request.urlopen(request) as answer:",
    "        return json.load(answer)",
    "",
    "",
    "order = {",
    ...fields,
    "}",
    ...(isMany ? [loop, ...work.map((line) => `    ${line}`)] : work),
    "",
  ].join("\n");
}

function javascript(orders, base) {
  const fields = JSON.stringify(fieldsOf(orders), null, 2);
  const each = seeds(orders);
  const isMany = orders.length > 1;
  const loop = each ? `for (const seed of ${JSON.stringify(each)}) {` : `for (let number = 0; number < ${orders.length}; number++) {`;
  const order = isMany && each ? "{ ...order, seed }" : "order";
  const file = orders[0].output_format ?? "webp";
  const work = [
    `let task = await call("/v1/images/generations", ${order});`,
    `while (task.status === "pending" || task.status === "processing") {`,
    `  task = await call(\`/v1/tasks/\${task.id}?wait=${WAIT_S}\`);`,
    "}",
    `if (task.status === "failed") throw new Error(task.error.message);`,
    "const [picture] = task.result_data;",
    "const file = await fetch(picture.url);",
    `await writeFile(\`picture-\${picture.seed}.${file}\`, Buffer.from(await file.arrayBuffer()));`,
    "console.log(picture.url);",
  ];
  return [
    `import { writeFile } from "node:fs/promises";`,
    "",
    "async function call(path, body) {",
    `  const answer = await fetch(${JSON.stringify(base)} + path, {`,
    `    method: body ? "POST" : "GET",`,
    "    headers: {",
    "      Authorization: `Bearer ${process.env.EASEL_API_KEY}`,",
    `      "Content-Type": "application/json",`,
    `      Prefer: "wait=${WAIT_S}",`,
    "    },",
    "    body: body && JSON.stringify(body),",
    "  });",
    "  if (!answer.ok) throw new Error(await answer.text());",
    "  return answer.json();",
    "}",
    "",
    `const order = ${fields};`,
    ...(isMany ? [loop, ...work.map((line) => `  ${line}`), "}"] : work),
    "",
  ].join("\n");
}

function openai(orders, base) {
  const { model, prompt, size, output_format = "webp", nsfw_check, seed } = orders[0];
  const [width, height] = pixels(size);
  const extra = { ...(seed === undefined ? {} : { seed }), ...(nsfw_check ? { nsfw_check } : {}) };
  const extras = Object.entries(extra).map(([name, value]) => `"${name}": ${pythonic(value)}`);
  return [
    "import base64",
    "import os",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(`${base}/openai/v1`)}, api_key=os.environ["EASEL_API_KEY"])`,
    "answer = client.images.generate(",
    `    model=${JSON.stringify(model)},`,
    `    prompt=${JSON.stringify(prompt)},`,
    `    size="${width}x${height}",`,
    `    output_format="${output_format}",`,
    ...(orders.length > 1 ? [`    n=${orders.length},`] : []),
    ...(extras.length ? [`    extra_body={${extras.join(", ")}},`] : []),
    ")",
    "for number, picture in enumerate(answer.data, 1):",
    `    with open(f"picture-{number}.${output_format}", "wb") as file:`,
    "        file.write(base64.b64decode(picture.b64_json))",
    "",
  ].join("\n");
}
