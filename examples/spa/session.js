/*
 * session.js: calls jwtd, and keeps the tokens of a session for all tabs. Copy this file; app.js shows how to use it.
 *
 * A call sends the access token that is stored. When the service answers that it is not valid, one tab refreshes it for all, and
 * the call is sent again. No clock is read: only the service knows whether a token has expired.
 *
 * A session ends by logout, or when the service answers that the refresh token which was presented belongs to none. Nothing else
 * ends it: no answer, the page of a proxy, 429 and 5xx mean "later", and the call is sent again for half a minute.
 */
const STORE = "jwtd.session"; // the last answer with tokens, and an id that the browser gives to the session: one item, one write
const LOCK = "jwtd.refresh";
const ENDED = ["invalid_refresh_token", "refresh_token_reused", "session_expired"];
const ANSWER_MS = 10_000; // the service answers within server.request_timeout, 5 s
const PATIENCE_MS = 30_000;

/** Why a call failed (RFC 9457): status, code, message, errors ([{ pointer, code, detail }]), retryAfter in seconds or 0. */
export class Problem extends Error {
  constructor({ status, retryAfter, body }) {
    super(body?.detail ?? "The service cannot be reached. Check your connection and try again.");
    this.status = status; // 0: there was no answer, and what was asked for may have been done
    this.code = body?.code ?? "no_answer";
    this.errors = body?.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

const load = () => JSON.parse(localStorage.getItem(STORE));
const loadSame = ({ id }) => (load()?.id === id ? load() : null);
const store = (session) => localStorage.setItem(STORE, JSON.stringify(session));

/**
 * @param {string} service its URL without a slash at the end; "" where a proxy serves it on the page's own origin
 * @param {{ onChange?: (problem?: Problem) => void, onWait?: (seconds: number, problem: Problem) => void }} [listeners]
 *   onChange: somebody was logged in or out, in whatever tab; with the problem if the service has ended the session.
 *   onWait: a call is sent again in so many seconds; 0: it has been.
 */
export function connect(service, { onChange = () => {}, onWait = () => {} } = {}) {
  // Never fails: no answer has status 0, and so has what is not from jwtd (the HTML of a proxy or of a hotel's Wi-Fi).
  async function send(method, path, { body, token, key }) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (key && method !== "GET") headers["Idempotency-Key"] = key;
    try {
      const reply = await fetch(service + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        credentials: "omit",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const retryAfter = Number(reply.headers.get("Retry-After"));
      return { status: reply.status, retryAfter, body: reply.status === 204 ? null : await reply.json() };
    } catch {
      return { status: 0, retryAfter: 0, body: null };
    }
  }

  // Repeats what is answered "later", unless that is later than a user waits.
  async function patiently(attempt) {
    const end = performance.now() + PATIENCE_MS;
    for (let seconds = 1; ; seconds = Math.min(seconds * 2, 8)) {
      const reply = await attempt();
      const isLater = reply.status === 0 || reply.status >= 500 || reply.retryAfter > 0;
      const wait = (reply.retryAfter || seconds) * (1 + Math.random() / 4); // clients that were refused together come back apart
      if (seconds > 1) onWait(0);
      if (!isLater || performance.now() + wait * 1000 > end) return reply;
      onWait(Math.ceil(wait), new Problem(reply));
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }

  // Whoever has waited for longer than an answer takes goes on without the lock, which a tab has that the system suspended. Then
  // two tabs present one token, and the service gives both the same successor.
  function oneTabAtATime(task) {
    return navigator.locks.request(LOCK, { signal: AbortSignal.timeout(ANSWER_MS) }, task).catch((error) => {
      if (error.name !== "TimeoutError") throw error;
      return task();
    });
  }

  // Presents what the store holds now, once, and puts there what is answered, unless the store has changed meanwhile: a tab that
  // was suspended must not overwrite what others have stored since, nor bring a session back that was logged out.
  async function exchange(stale) {
    const presented = loadSame(stale);
    if (presented?.access_token !== stale.access_token) return { status: 204 };
    const reply = await send("POST", "/auth/refresh", { body: { refresh_token: presented.refresh_token } });
    if (load()?.refresh_token !== presented.refresh_token) return { status: 204 };
    if (reply.body?.refresh_token) store({ ...reply.body, id: presented.id });
    if (reply.status === 401 && ENDED.includes(reply.body?.code)) forget(new Problem(reply));
    return reply;
  }

  // Returns the session with another access token than `stale` has; null: it has ended, or is another user's. Calls of one tab
  // share a refresh, which waits without the lock.
  let refreshing = null;
  async function refresh(stale) {
    refreshing ??= patiently(() => oneTabAtATime(() => exchange(stale))).finally(() => (refreshing = null));
    const reply = await refreshing;
    if (![200, 204, 401].includes(reply.status)) throw new Problem(reply);
    return loadSame(stale);
  }

  /** Runs `attempt` with the access token, and once more with a new one if that is refused. For calls to other services. */
  async function withToken(attempt, isRefused = (reply) => reply.status === 401) {
    const session = load();
    const reply = await attempt(session?.access_token);
    const fresh = session && isRefused(reply) ? await refresh(session) : null;
    return fresh ? attempt(fresh.access_token) : reply;
  }

  /** Returns the reply's body, or throws a Problem. Whoever repeats a call that had no answer passes the same `key`.
   * @type {(method: string, path: string, body?: object, key?: string) => Promise<any>} */
  async function call(method, path, body, key = crypto.randomUUID()) {
    const reply = await withToken(
      (token) => patiently(() => send(method, path, { body, token, key })),
      (reply) => reply.body?.code === "invalid_token",
    );
    if (reply.status === 0 || reply.status >= 400) throw new Problem(reply);
    return reply.body;
  }

  async function login(fields, key) {
    store({ ...(await call("POST", "/auth/login", fields, key)), id: crypto.randomUUID() });
    onChange();
  }

  // Forgets the tokens first: whoever leaves a shared computer does not wait. Returns whether the service has ended the session.
  async function logout(all = false) {
    const body = { refresh_token: load()?.refresh_token, all };
    forget();
    return (await patiently(() => send("POST", "/auth/logout", { body }))).status === 204;
  }

  function forget(problem) {
    localStorage.removeItem(STORE);
    onChange(problem);
  }

  // What other tabs store and remove; a refresh changes no user. A page that the "back" button restores has missed these events.
  const idOf = (item) => JSON.parse(item)?.id;
  addEventListener("storage", (event) => {
    if (event.key === null || (event.key === STORE && idOf(event.oldValue) !== idOf(event.newValue))) onChange();
  });
  addEventListener("pageshow", (event) => event.persisted && onChange());

  return { call, withToken, login, logout, forget, exists: () => load() !== null };
}
