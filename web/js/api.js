// Requests to the arena's own API. Every POST carries an Idempotency-Key, so that sending it again after a lost
// connection is safe: the server answers a repeated key with what it answered the first time.
import { banner } from "./dom.js";

export class ApiError extends Error {
  constructor(status, code, sentence, body) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
    this.sentence = sentence;
    this.body = body;
  }
}

const PAUSES_MS = [400, 1000, 2500, 5000];
const BUSY = new Set([502, 503, 504]);
const ANSWER_WITHIN_MS = 20000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// randomUUID exists only on secure origins, and an arena on a private network may be plain http.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function readError(response) {
  let body = null;
  try { body = await response.json(); } catch { /* a proxy's page, or nothing: the status has to do */ }
  const error = body?.error ?? {};
  const fallback = response.status === 429 ? "too_many" : BUSY.has(response.status) ? "busy" : "internal";
  return new ApiError(response.status, error.code ?? fallback, error.message, body);
}

async function once(path, options, within) {
  const response = await fetch(path, {
    credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(within), ...options,
  });
  if (!response.ok) throw await readError(response);
  return response.json();
}

// Tries again when nothing came back, or the server said that it is busy; never after an answer of substance.
async function patiently(path, options, within = ANSWER_WITHIN_MS) {
  let gaveUp = false; // a try that may still be under way there
  for (let attempt = 0; ; attempt++) {
    try {
      const body = await once(path, options, within);
      banner(null);
      return body;
    } catch (error) {
      const lost = !(error instanceof ApiError);
      const again = BUSY.has(error.status) || (gaveUp && error.code === "conflict");
      if (!lost && !again) { banner(null); throw error; }
      gaveUp ||= lost;
      if (attempt === PAUSES_MS.length) throw lost ? new ApiError(0, "offline") : error;
      if (lost) banner("The connection to the arena is lost. Trying again…");
      await sleep(PAUSES_MS[attempt]);
    }
  }
}

// `within`: milliseconds that the answer may take, where it is long in the making.
export const get = (path, within = ANSWER_WITHIN_MS) => patiently(path, {}, within);

const send = (path, body, key) => patiently(path, {
  method: "POST",
  headers: { "Content-Type": "application/json", "Idempotency-Key": key },
  body: JSON.stringify(body),
});

// Send a failed request again with the same key: pass the key that the first try was given. An administrator may be
// asked for the password first.
export async function post(path, body = {}, key = newKey()) {
  try {
    return await send(path, body, key);
  } catch (error) {
    if (error.code !== "confirm_required") throw error;
    const { askPassword } = await import("./confirm.js");
    if (!await askPassword((password) => send("/api/account/confirm", { password }, newKey()))) throw error;
    return send(path, body, newKey());
  }
}

const at = (id, action = "") => `/api/battles/${encodeURIComponent(id)}${action}`;

export const battles = {
  start: (prompt, more, key) => post("/api/battles", { prompt, ...more }, key),
  list: () => get("/api/battles"),
  read: (id) => get(at(id)),
  ask: (id, prompt, key) => post(at(id, "/turns"), { prompt }, key),
  vote: (id, vote, key) => post(at(id, "/vote"), vote, key),
  rate: (id, feedback, key) => post(at(id, "/feedback"), feedback, key),
  reveal: (id, key) => post(at(id, "/reveal"), {}, key),
  keepPrivate: (id, wish) => post(at(id, "/private"), { private: wish }),
  act: (id, action) => post(at(id, `/${action}`)),
  events: (id) => at(id, "/events"),
};
