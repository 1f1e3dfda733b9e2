// Verifies callbacks from Easel. Needs only Node (18 or later).
//
// Copy this file into your project, or run it to see callbacks arrive:
//
//     EASEL_CALLBACK_SECRET=whsec_… node verify.mjs 8080
//
// It answers plain HTTP on 127.0.0.1. Put your domain's TLS proxy in front of it.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

const TOLERANCE_S = 300 // the sender's clock and yours may differ by this much; an older message may be a replay
const BODY_BYTES_MAX = 1_000_000

/** The request is not a valid callback for you, or too old. Answer 400 and do nothing. */
export class Rejected extends Error {}

/**
 * Returns the webhook-id of a callback, or throws Rejected.
 *
 * secret: the text that begins with `whsec_`. headers: an object with lower-case names, such as Node's request.headers.
 * body: a Buffer with the received bytes, unparsed.
 */
export function verify (secret, headers, body, nowS = Date.now() / 1000) {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const signatures = headers['webhook-signature']
  if (!id || !timestamp || !signatures) throw new Rejected('a webhook header is missing')
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new Rejected('webhook-timestamp is not a whole number')
  if (Math.abs(nowS - Number(timestamp)) > TOLERANCE_S) throw new Rejected('webhook-timestamp is too far from the current time')

  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  // While a secret is being replaced, there are two signatures. One that matches is enough.
  for (const each of signatures.split(' ')) {
    const [version, text = ''] = each.split(',')
    const given = Buffer.from(text, 'base64')
    if (version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)) return id
  }
  throw new Rejected('no signature matches')
}

const seen = new Set() // in your service: a unique column of a table, kept for some days

async function receive (request, response) {
  const parts = []
  let length = 0
  for await (const part of request) {
    length += part.length
    if (length > BODY_BYTES_MAX) return request.destroy()
    parts.push(part)
  }
  const body = Buffer.concat(parts)
  let id
  try {
    id = verify(process.env.EASEL_CALLBACK_SECRET, request.headers, body)
  } catch (reason) {
    if (!(reason instanceof Rejected)) throw reason
    console.log(`rejected: ${reason.message}`)
    return response.writeHead(400).end()
  }
  if (!seen.has(id)) { // an id arrives again after a lost answer or a redelivery
    seen.add(id)
    const task = JSON.parse(body)
    console.log(task.id, task.status) // in your service: queue it, and process it later
  }
  response.writeHead(204).end()
}

const isProgram = process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isProgram) {
  const server = createServer((request, response) => {
    receive(request, response).catch((error) => {
      console.error(error)
      response.destroy()
    })
  })
  server.listen(Number(process.argv[2]), '127.0.0.1', () => {
    console.log(`listening at http://127.0.0.1:${server.address().port}`)
  })
}
