// With which authority calls are tried: a key that the reader typed, or the console's session. A typed key stays in the
// memory of this page: it is stored nowhere, and a reload forgets it.

let key = "";
let session = null;

/** What the fields for the key hold. All of them show the same key. */
export function typed() {
  return key;
}

export function type(text) {
  key = text.trim();
}

/** Who is signed in to the console, or null. Without a console there is no such address. */
export function account() {
  session ??= fetch("console/session", { cache: "no-store", headers: { "x-easel-console": "1", accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : {}))
    .then((told) => (told.signed_in ? told.account : null))
    .catch(() => null);
  return session;
}

/** The part of a request that carries the authority. */
export function authority() {
  if (key) return { headers: { authorization: `Bearer ${key}` }, credentials: "omit" };
  return { headers: { "x-easel-console": "1" }, credentials: "same-origin" };
}
