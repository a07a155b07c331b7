// How the administrators' page calls the service. The tokens are in the memory of this page only: no other page of this origin finds them,
// and no other tab uses them, so that a refresh token is presented by one tab. The session ends with the page.
"use strict";

const ANSWER_MS = 15_000; // the service answers within server.request_timeout
const ENDED = ["invalid_refresh_token", "refresh_token_reused", "session_expired"]; // what else is answered to a refresh ends no session

// Why a call failed (RFC 9457). status 0: there was no answer, and what was asked for may have been done.
class Problem extends Error {
  constructor({ status, body, retryAfter }) {
    const text = body?.detail ?? "The service cannot be reached, and may have done what it was asked for. Try again.";
    super(retryAfter > 0 ? `${text} (${retryAfter} s)` : text);
    this.status = status;
    this.code = body?.code ?? "no_answer";
    this.errors = body?.errors ?? [];
  }
}

const service = (() => {
  let session = null; // the last answer with tokens; the same object until the session ends
  let refreshing = null;
  let onEnd = () => {};
  const unanswered = new Map(); // of changes that had no final answer, the Idempotency-Key that each was sent with

  // Never fails: without an answer, or with one that is not the service's, status is 0. Paths are relative, so that the page works below a
  // prefix of a proxy.
  async function send(method, path, { body, etag, token, key } = {}) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (etag) headers["If-Match"] = etag;
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (key) headers["Idempotency-Key"] = key;
    try {
      const reply = await fetch(path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const retryAfter = Number(reply.headers.get("Retry-After"));
      const isEmpty = reply.status === 204;
      return { status: reply.status, retryAfter, etag: reply.headers.get("ETag"), body: isEmpty ? null : await reply.json() };
    } catch {
      return { status: 0, retryAfter: 0, etag: null, body: null };
    }
  }

  function forget(problem) {
    session = null;
    unanswered.clear();
    onEnd(problem);
  }

  // An answer to a session that has been left meanwhile is dropped.
  async function refresh(presented) {
    const reply = await send("POST", "auth/refresh", { body: { refresh_token: presented.refresh_token } });
    if (session !== presented) return;
    if (reply.status === 200 && reply.body?.refresh_token) Object.assign(session, reply.body);
    else if (reply.status === 401 && ENDED.includes(reply.body?.code)) forget(new Problem(reply));
    else throw new Problem(reply.status < 400 ? { status: 0 } : reply);
  }

  // An access token that has expired is refreshed, once for all calls that wait.
  async function sendWithToken(method, path, options) {
    const mine = session;
    const reply = await send(method, path, { ...options, token: mine?.access_token });
    if (reply.body?.code !== "invalid_token" || mine === null) return reply;
    refreshing ??= refresh(mine).finally(() => (refreshing = null));
    await refreshing;
    return session === mine ? send(method, path, { ...options, token: mine.access_token }) : reply;
  }

  // On plain http, too, where there is no crypto.randomUUID.
  const makeKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // Sends a change with an Idempotency-Key of its own; one that is asked for again because it had no answer, or was put off, with the key
  // that it had before, so that it is done once.
  async function sendOnce(method, path, options) {
    const change = JSON.stringify([method, path, options]);
    const key = unanswered.get(change) ?? makeKey();
    unanswered.set(change, key);
    const reply = await sendWithToken(method, path, { ...options, key });
    const isLater = reply.status === 0 || reply.status >= 500 || reply.retryAfter > 0;
    if (!isLater) unanswered.delete(change);
    return reply;
  }

  // Returns body and etag of the reply, or throws a Problem.
  async function call(method, path, options = {}) {
    const reply = await (method === "GET" ? sendWithToken : sendOnce)(method, path, options);
    if (reply.status === 0 || reply.status >= 400) throw new Problem(reply);
    return reply;
  }

  async function login(credentials) {
    session = (await call("POST", "auth/login", { body: credentials })).body;
  }

  // Returns at once; the request outlives the page.
  function logout() {
    if (session === null) return;
    const body = JSON.stringify({ refresh_token: session.refresh_token });
    fetch("auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }).catch(() => {});
    forget();
  }

  return { call, login, logout, isOpen: () => session !== null, onEnd: (listener) => (onEnd = listener) };
})();
