// Speaks to the service: the public API with the session's cookie, and the few endpoints of the console.
// All addresses are relative to the page, so that the page works below a proxy's sub-path.

import { signal } from "./html.js";

const PING_FIRST_MS = 1000;
const PING_MAX_MS = 10_000;

/** Whether the service answers. */
export const isConnected = signal(true);
/** Counts how often the connection came back, for what must be read again then. */
export const recoveries = signal(0);
/** Counts refusals of the session, for whoever must ask who is signed in. */
export const refusals = signal(0);

/** An answer that refuses. `code` is the API's. */
export class Refused extends Error {
  constructor(status, error, retryAfter_s) {
    super(error.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error.code ?? "unknown_error";
    /** The field that is wrong, if it is one. */
    this.param = error.param ?? null;
    this.retryAfter_s = retryAfter_s;
  }
}

/** No answer: the service or the network is away. */
export class Lost extends Error {}

/** Send a request, and return the answer's JSON. Raises Refused, Lost. */
export async function call(method, address, { json, headers = {}, signal: abort } = {}) {
  const request = { method, headers: { accept: "application/json", ...headers }, signal: abort };
  if (json !== undefined) {
    request.headers["content-type"] = "application/json";
    request.body = JSON.stringify(json);
  }
  return unlessLost(abort, async () => parse(await (await accepted(address, request)).text()));
}

/** Read an answer that is a text, such as CSV. Raises Refused, Lost. */
export function textOf(address) {
  return unlessLost(null, async () => (await accepted(address, { headers: {} })).text());
}

/** Read a stream of events: the data of each, decoded, until it ends. Raises Refused, Lost.

    An EventSource cannot send the header by which the service knows the page where browsers do not tell the origin of
    requests, which is everywhere but on https and on this machine. */
export async function listen(address, tell, abort) {
  await unlessLost(abort, async () => {
    const answer = await accepted(address, { headers: { accept: "text/event-stream" }, signal: abort });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part; !(part = await reader.read()).done; ) {
      const events = (text + part.value).split("\n\n");
      text = events.pop();
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event);
        if (data) tell(JSON.parse(data[1]));
      }
    }
  });
}

async function accepted(address, request) {
  const answer = await fetch(address, {
    ...request,
    headers: { "x-easel-console": "1", ...request.headers },
    cache: "no-store",
  });
  isConnected.value = true;
  if (answer.ok) return answer;
  const { error = {} } = parse(await answer.text());
  if (answer.status === 401 && !address.startsWith("console/session")) refusals.value++;
  throw new Refused(answer.status, error, Number(answer.headers.get("retry-after")) || null);
}

async function unlessLost(abort, work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refused || abort?.aborted) throw error;
    lose();
    throw new Lost();
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

let pinging = false;

/** Note that the service did not answer, and ask until it does. */
function lose() {
  isConnected.value = false;
  if (!pinging) ping(PING_FIRST_MS);
}

async function ping(wait_ms) {
  pinging = true;
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, wait_ms);
    addEventListener("online", () => (clearTimeout(timer), resolve()), { once: true });
  });
  try {
    await fetch("healthz", { cache: "no-store" });
  } catch {
    return ping(Math.min(PING_MAX_MS, wait_ms * 1.5));
  }
  pinging = false;
  isConnected.value = true;
  recoveries.value++;
}

/** A new idempotency key, for a request that may be sent again. */
export function newKey() {
  return `console-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
