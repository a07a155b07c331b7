// How the administrators' page calls the service. The tokens are in the memory of this page only: no other page of this origin finds them,
// and no other tab uses them, so that a refresh token is presented by one tab. The session ends with the page.
"use strict";

const ANSWER_MS = 15_000; // the service answers within server.request_timeout

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
  let tokens = null;
  let refreshing = null;
  let onEnd = () => {};

  // Never fails: without an answer, or with one that is not the service's, status is 0. Paths are relative, so that the page works below a
  // prefix of a proxy.
  async function send(method, path, { body, etag, token } = {}) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (etag) headers["If-Match"] = etag;
    if (token) headers["Authorization"] = `Bearer ${token}`;
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
    tokens = null;
    onEnd(problem);
  }

  async function refresh() {
    const reply = await send("POST", "auth/refresh", { body: { refresh_token: tokens.refresh_token } });
    if (reply.status === 200) tokens = reply.body;
    else if (reply.status === 401) forget(new Problem(reply));
    else throw new Problem(reply);
  }

  // Returns body and etag of the reply, or throws a Problem. An access token that has expired is refreshed, once for all calls that wait.
  async function call(method, path, options = {}) {
    let reply = await send(method, path, { ...options, token: tokens?.access_token });
    if (reply.body?.code === "invalid_token" && tokens !== null) {
      refreshing ??= refresh().finally(() => (refreshing = null));
      await refreshing;
      reply = await send(method, path, { ...options, token: tokens?.access_token });
    }
    if (reply.status === 0 || reply.status >= 400) throw new Problem(reply);
    return reply;
  }

  async function login(credentials) {
    tokens = (await call("POST", "auth/login", { body: credentials })).body;
  }

  // Returns at once; the request outlives the page.
  function logout() {
    if (tokens === null) return;
    const body = JSON.stringify({ refresh_token: tokens.refresh_token });
    fetch("auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }).catch(() => {});
    forget();
  }

  return { call, login, logout, isOpen: () => tokens !== null, onEnd: (listener) => (onEnd = listener) };
})();
