// Drives examples/spa in Chromium, as its users and their networks do. Usage: node test_spa.mjs PORT SERVICE LIMITED_SERVICE TOKEN: the port at
// which to serve the page, two services that allow it as an origin, the second with few refreshes a minute and few wrong passwords, and the access token of an administrator. The
// services have a token.refresh_retry_window of 2 s. The last line is "N passed, M failed"; pictures are beside this file.
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { readFile } from "node:fs/promises";
import { checkPage, corners, eventually, expect, launch, picture, report, test } from "./support.mjs";

const [port, service, limitedService, administrator] = process.argv.slice(2);
const RETRY_WINDOW_MS = 2000;
const LANES = 5;
const PASSWORD = "a long walk by the sea";
const EXAMPLE = new URL("../../examples/spa/", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css" };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let accounts = 0;
const newEmail = () => `front-end-${process.pid}-${Date.now()}-${accounts++}@example.com`;

// ---- the page, and the way to the service ----

// http://127.0.0.1:PORT/N/ is the page for the service at port N; all of them are one origin.
function servePages() {
  const pages = createServer(async (request, reply) => {
    const [, servicePort, name] = request.url.split("/");
    const file = name || "index.html";
    const type = TYPES[file.split(".").pop()];
    const text = type ? await readFile(new URL(file, EXAMPLE), "utf8") : "";
    reply.writeHead(type ? 200 : 404, { "Content-Type": type ?? "text/plain", "Cache-Control": "no-cache" });
    reply.end(text.replaceAll("http://127.0.0.1:8080", `http://127.0.0.1:${servicePort}`));
  });
  return new Promise((resolve) => pages.listen(port, "127.0.0.1", () => resolve(pages)));
}

const pageOf = (url) => `http://127.0.0.1:${port}/${new URL(url).port}/`;

// A connection to the service that can be away: nobody listens, and what was open is reset.
async function startLine() {
  const sockets = new Set();
  const listener = createTcpServer((client) => {
    const server = connect(Number(new URL(service).port), "127.0.0.1");
    for (const [one, other] of [
      [client, server],
      [server, client],
    ]) {
      sockets.add(one);
      one.on("data", (bytes) => other.write(bytes));
      one.on("close", () => other.destroy());
      one.on("error", () => {});
    }
  });
  const listen = (at) => new Promise((resolve) => listener.listen(at, "127.0.0.1", resolve));
  await listen(0);
  const { port: at } = listener.address();
  return {
    url: `http://127.0.0.1:${at}`,
    cut() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    mend: () => listen(at),
  };
}

// ---- what a user does ----

const browser = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });

// A lane runs one case after the other in a context of its own, whose tabs are used again, since a new one costs half a second of the
// processor. What a page complains of is a failure.
async function openLane() {
  const context = await browser.newContext({ locale: "en-GB" });
  const lane = { context, idle: [], complaints: [], user: null };
  context.setDefaultTimeout(60_000);
  context.on("weberror", (event) => lane.complaints.push(event.error().stack));
  context.on("console", (message) => {
    if (/Content Security Policy|TrustedHTML|Deprecat/.test(message.text())) lane.complaints.push(message.text());
  });
  context.on("response", (reply) => (lane.user.refused += reply.status() === 429));
  context.on("request", (request) => {
    lane.user.refreshes += request.method() === "POST" && request.url().endsWith("/auth/refresh");
  });
  return lane;
}

async function runCase(lane, url, run) {
  const tabs = [];
  const open = async () => {
    const page = lane.idle.pop() ?? (await lane.context.newPage());
    tabs.push(page);
    await page.goto(pageOf(url));
    return page;
  };
  lane.user = { context: lane.context, email: newEmail(), open, refreshes: 0, refused: 0 };
  await run(lane.user);
  for (const tab of tabs.filter((tab) => !tab.isClosed())) {
    await tab.unrouteAll({ behavior: "ignoreErrors" });
    await tab.evaluate(() => localStorage.clear());
    await tab.goto(`http://127.0.0.1:${port}/0/style.css`); // no page receives events of the next case
    lane.idle.push(tab);
  }
  expect(lane.complaints.length === 0, lane.complaints.join("\n"));
}

async function submit(page, form, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill(`#${form} [name=${name}]`, value);
  await page.click(`#${form} button`);
}

const register = (page, email, password = PASSWORD) => submit(page, "register", { email, password });
const login = (page, email, password = PASSWORD) => submit(page, "login", { email, password });

const statusOf = (page) => page.textContent("#status");
const isSaid = (page, text) => eventually(async () => (await statusOf(page)).includes(text), `"${text}" is not said`);
const isUser = (page, email) =>
  eventually(
    async () => (await page.textContent("#me-email")) === email && (await page.isVisible("#user")),
    `${email} is not shown`,
  );
const isGuest = (page) => page.waitForSelector("#guest", { state: "visible" });

// `count` tabs of a user who is logged in.
async function openTabs(user, count) {
  const page = await user.open();
  await register(page, user.email);
  await isSaid(page, "has been created");
  const tabs = [page];
  while (tabs.length < count) tabs.push(await user.open());
  for (const tab of tabs) await isUser(tab, user.email);
  return tabs;
}

const stored = (page) => page.evaluate(() => JSON.parse(localStorage["jwtd.session"] ?? "null"));

// As the service sees it, the access token is over.
const expire = (page) =>
  page.evaluate(() => {
    localStorage["jwtd.session"] = JSON.stringify({ ...JSON.parse(localStorage["jwtd.session"]), access_token: "e.x.p" });
  });

// Presses "Reload", and waits until the user is there again: the page forgets him first.
async function goOn(page, email) {
  await page.evaluate(() => document.getElementById("me-email").replaceChildren());
  await page.click("#reload");
  await page.waitForSelector("#reload[aria-busy=false]");
  await isUser(page, email);
  expect((await stored(page)).access_token !== "e.x.p", "the token is the old one");
}

async function tellsUser(page, email) {
  await expire(page);
  await goOn(page, email);
}

// The next `count` requests of this kind reach the service, which does what they ask for; their answers do not come back.
async function loseAnswers(page, path, count, method = "POST") {
  const lost = { count: 0 };
  await page.route(`**${path}`, async (route) => {
    if (route.request().method() !== method || lost.count === count) return route.fallback();
    lost.count++;
    lost.status = (await route.fetch()).status();
    await route.abort();
  });
  return lost;
}

// The next refresh of this tab reaches the service; its answer comes when the function that is returned is called.
async function holdAnswer(page) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route(
    "**/auth/refresh",
    async (route) => {
      const reply = await route.fetch();
      const headers = { ...reply.headers(), "access-control-allow-origin": "*" }; // which the service gives to a browser only
      await released;
      await route.fulfill({ response: reply, headers }).catch(() => {}); // the tab may have given up
    },
    { times: 1 },
  );
  return release;
}

async function requirePasswordChange(id) {
  const headers = { Authorization: `Bearer ${administrator}`, "Content-Type": "application/json" };
  headers["If-Match"] = (await fetch(`${service}/users/${id}`, { headers })).headers.get("ETag");
  const body = '{"password_change_required":true}';
  const reply = await fetch(`${service}/users/${id}`, { method: "PATCH", headers, body });
  expect(reply.status === 200, `the change cannot be required: ${reply.status}`);
}

// The debugger stops all of the tab: scripts, timers, answers. (The browser's own "frozen" is for tabs without a lock.) Returns what wakes it.
async function suspend(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("Debugger.enable");
  const paused = new Promise((resolve) => client.once("Debugger.paused", resolve));
  client.send("Runtime.evaluate", { expression: "debugger" }).catch(() => {});
  await paused;
  return async () => {
    await client.send("Debugger.resume");
    await client.detach();
  };
}

// ---- what must hold ----

const cases = {
  async "a user registers, changes address and password, ends a session, logs out everywhere and deletes the account"(user) {
    const [page] = await openTabs(user, 1);
    const other = await browser.newContext({ userAgent: "<b>Another</b> browser" });
    const elsewhere = await other.newPage();
    await elsewhere.goto(pageOf(service));
    await login(elsewhere, user.email);
    await isUser(elsewhere, user.email);
    await page.click("#reload");
    await page.click("text=End this session");
    await isSaid(page, "session has ended");
    await elsewhere.click("#reload");
    await isGuest(elsewhere);
    await isSaid(elsewhere, "You have been logged out.");

    const email = newEmail();
    await submit(page, "email", { email, current_password: PASSWORD });
    await isSaid(page, "address has been changed");
    await submit(page, "password", { current_password: PASSWORD, new_password: "another walk by the sea" });
    await isSaid(page, "password has been changed");
    await tellsUser(page, email);
    await page.click("#logout-all");
    await isGuest(page);
    await login(page, email, "another walk by the sea");
    await isUser(page, email);
    await submit(page, "delete", { current_password: "another walk by the sea" });
    await isGuest(page);
    await isSaid(page, "has been deleted");
    await other.close();
  },

  async "all that is wrong stands beside its field, and the first has the focus"(user) {
    const page = await user.open();
    const label = page.locator("label[for=register-password]");
    await eventually(async () => (await label.textContent()).includes("at least 8 characters"), "the policy is not told");
    await register(page, "nobody", "short");
    await page.waitForSelector("#register .wrong");
    for (const [field, words] of [
      ["email", "name@example.org"],
      ["password", "at least 8 characters"],
    ]) {
      expect((await page.getAttribute(`#register-${field}`, "aria-invalid")) === "true", `${field} is not marked`);
      const described = await page.getAttribute(`#register-${field}`, "aria-describedby");
      expect((await page.textContent(`#${described}`)).includes(words), `${field} is not described`);
    }
    expect((await page.evaluate(() => document.activeElement.id)) === "register-email", "the focus is elsewhere");
    await login(page, newEmail());
    await page.waitForSelector("#login [role=alert]");
    await register(page, `${user.email} `);
    await isUser(page, user.email);
    expect((await page.locator("#register .wrong").count()) === 0, "the complaint is still there");
  },

  async "who must change the password is asked for a new one at the login, with what the service refuses beside it"(user) {
    const [page] = await openTabs(user, 1);
    const { id } = await page.evaluate(async (url) => {
      const { access_token } = JSON.parse(localStorage["jwtd.session"]);
      return (await fetch(`${url}/auth/me`, { headers: { Authorization: `Bearer ${access_token}` } })).json();
    }, service);
    await requirePasswordChange(id);
    await page.click("#reload");
    await isGuest(page);
    expect(await page.isHidden("#login-new"), "it is asked for before anything is known");
    await login(page, user.email);
    await page.waitForSelector("#login-new", { state: "visible" });
    expect((await page.textContent("#login [role=alert]")).includes("choose a new one"), "it is not said why");
    await submit(page, "login", { new_password: PASSWORD });
    await page.waitForSelector("#login-new[aria-invalid=true]");
    await submit(page, "login", { new_password: "another walk by the sea" });
    await isUser(page, user.email);
    await page.click("#logout");
    await isGuest(page);
    expect(await page.isHidden("#login-new"), "the next user is asked for a new password");
    await login(page, user.email, "another walk by the sea");
    await isUser(page, user.email);
  },

  async "what was refused is not shown to who logs in next"(user) {
    const [page] = await openTabs(user, 1);
    await submit(page, "email", { email: "nobody", current_password: PASSWORD });
    await page.waitForSelector("#email .wrong");
    await page.click("#logout");
    await isGuest(page);
    await login(page, user.email);
    await isUser(page, user.email);
    expect((await page.locator(".wrong, [aria-invalid], [aria-describedby]").count()) === 0, "the complaint is still there");
  },

  async "a wrong current password is said at its field and logs nobody out"(user) {
    const [page] = await openTabs(user, 1);
    await submit(page, "password", { current_password: "wrong", new_password: "another walk by the sea" });
    await page.waitForSelector("#password-current[aria-invalid=true]");
    expect(user.refreshes === 0, "a wrong password asks for a refresh");
    await goOn(page, user.email);
  },

  async "three tabs that refresh at once go on with one session"(user) {
    const tabs = await openTabs(user, 3);
    for (let round = 1; round <= 5; round++) {
      await expire(tabs[0]);
      await Promise.all(tabs.map((tab) => goOn(tab, user.email)));
    }
    // A store that another process has just written may be read late; then the service gives the same successor.
    expect(user.refreshes >= 5 && user.refreshes <= 15, `${user.refreshes} refreshes`);
    console.log(`three tabs, 5 rounds: ${user.refreshes} refreshes`);
  },

  async "a tab waits for the refresh of another"(user) {
    const tabs = await openTabs(user, 2);
    const answer = await holdAnswer(tabs[0]);
    for (const tab of tabs) await expire(tab);
    await tabs[0].click("#reload");
    await eventually(() => user.refreshes === 1, "no refresh");
    const refused = tabs[1].waitForResponse((reply) => reply.url().endsWith("/auth/me") && reply.status() === 401);
    await tabs[1].click("#reload");
    await refused;
    await pause(500); // in which a tab that does not wait asks
    expect(user.refreshes === 1, `${user.refreshes} refreshes at the same time`);
    answer();
    for (const tab of tabs) await tab.waitForSelector("#reload[aria-busy=false]");
    for (const tab of tabs) await isUser(tab, user.email);
  },

  async "a refresh whose answer is lost is repeated"(user) {
    const [page] = await openTabs(user, 1);
    const lost = await loseAnswers(page, "/auth/refresh", 1);
    await tellsUser(page, user.email);
    expect(lost.status === 200 && user.refreshes === 2, `${lost.status}, ${user.refreshes} refreshes`);
    await tellsUser(page, user.email);
  },

  async "a refresh whose answers are lost for longer than the retry window is repeated"(user) {
    const [page] = await openTabs(user, 1);
    const lost = await loseAnswers(page, "/auth/refresh", 3); // 1 + 2 + 4 s
    await tellsUser(page, user.email);
    expect(lost.count === 3, `${lost.count} answers are lost`);
    await tellsUser(page, user.email);
  },

  async "a registration and a login whose answers are lost are repeated, and done once"(user) {
    const page = await user.open();
    const lost = [await loseAnswers(page, "/auth/register", 1), await loseAnswers(page, "/auth/login", 1)];
    await register(page, user.email);
    await isUser(page, user.email);
    expect(lost[0].status === 201 && lost[1].status === 200, `${lost[0].status}, ${lost[1].status}`);
  },

  async "a change whose answer is lost is sent again, and done once"(user) {
    const [page] = await openTabs(user, 1);
    const email = newEmail();
    await loseAnswers(page, "/auth/me", 1, "PATCH");
    await submit(page, "email", { email, current_password: PASSWORD });
    await isSaid(page, "address has been changed");
    await loseAnswers(page, "/auth/password", 1);
    await submit(page, "password", { current_password: PASSWORD, new_password: "another walk by the sea" });
    await isSaid(page, "password has been changed");
    const lost = await loseAnswers(page, "/auth/me", 1, "DELETE");
    await submit(page, "delete", { current_password: "another walk by the sea" });
    await isGuest(page);
    await isSaid(page, "has been deleted");
    expect(lost.status === 204, `${lost.status}`);
  },

  async "a tab that is closed before the answer is stored leaves a session that another tab goes on with, long after"(user) {
    const [page] = await openTabs(user, 1);
    const lost = await loseAnswers(page, "/auth/refresh", 1);
    await expire(page);
    await page.click("#reload");
    await eventually(() => lost.status === 200, "nothing is lost");
    await page.close();
    await pause(RETRY_WINDOW_MS + 200);
    const later = await user.open();
    await isUser(later, user.email);
    await tellsUser(later, user.email);
  },

  async "nobody is logged out while the service is away for ten seconds"(user, line) {
    const tabs = await openTabs(user, 2);
    await expire(tabs[0]);
    line.cut();
    for (const tab of tabs) await tab.click("#reload");
    await submit(tabs[0], "email", { email: user.email, current_password: PASSWORD });
    await eventually(async () => (await tabs[1].textContent("#waiting")).includes("Trying again"), "nobody is told");
    await pause(10_000);
    await line.mend();
    await isSaid(tabs[0], "address has been changed");
    for (const tab of tabs) await goOn(tab, user.email);
    expect((await tabs[1].textContent("#waiting")) === "", "it is still said that one must wait");
  },

  async "limits are waited out"(user) {
    const tabs = await openTabs(user, 3);
    for (let round = 1; round <= 3; round++) {
      await expire(tabs[0]);
      await Promise.all(tabs.map((tab) => goOn(tab, user.email)));
    }
    expect(user.refused > 0, "no limit was met");
  },

  async "a locked account is told when, and goes on where it is logged in"(user) {
    const [page] = await openTabs(user, 1);
    const other = await browser.newContext();
    const elsewhere = await other.newPage();
    await elsewhere.goto(pageOf(limitedService));
    for (let i = 0; i < 4; i++) {
      await login(elsewhere, user.email, `wrong password ${i}`);
      await eventually(async () => (await elsewhere.getAttribute("#login", "aria-busy")) === "false", "no answer");
    }
    expect((await elsewhere.textContent("#login [role=alert]")).includes("Next try: "), "it is not told when");
    await tellsUser(page, user.email);
    await other.close();
  },

  async "a tab whose timers are throttled while it waits for the service holds up no other"(user) {
    const [throttled, page] = await openTabs(user, 2);
    const timers = () => {
      const waiting = [];
      window.setTimeout = (run) => waiting.push(run);
      window.fireTimers = () => waiting.splice(0).forEach((run) => run());
    };
    await throttled.evaluate(timers);
    let refused = 0;
    await throttled.route("**/auth/refresh", (route) => {
      if (refused++) return route.fallback();
      const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After", "Retry-After": "1" };
      return route.fulfill({ status: 503, headers, contentType: "application/problem+json", body: '{"code":"overloaded"}' });
    });
    await expire(throttled);
    await throttled.click("#reload");
    await eventually(async () => refused === 1 && (await throttled.textContent("#waiting")) !== "", "it does not wait");
    expect((await page.evaluate(() => navigator.locks.query())).held.length === 0, "it waits with the lock");
    await goOn(page, user.email);
    await tellsUser(page, user.email);
    await throttled.evaluate(() => fireTimers());
    await eventually(async () => (await throttled.getAttribute("#reload", "aria-busy")) === "false", "it still waits");
    await goOn(throttled, user.email);
    expect(refused === 1, "it refreshed once more");
  },

  async "a tab that the system suspends amid a refresh holds up the others for ten seconds, and spoils nothing when it wakes"(
    user,
  ) {
    const [suspended, page] = await openTabs(user, 2);
    const answer = await holdAnswer(suspended);
    await expire(suspended);
    await suspended.click("#reload");
    await eventually(() => user.refreshes === 1, "no refresh");
    const wake = await suspend(suspended);
    const begin = Date.now();
    await goOn(page, user.email);
    console.log(`with a suspended tab: ${Date.now() - begin} ms`);
    await pause(RETRY_WINDOW_MS + 200);
    await tellsUser(page, user.email);
    const before = await stored(page);
    answer();
    await wake();
    await goOn(suspended, user.email);
    expect((await stored(page)).refresh_token === before.refresh_token, "it has overwritten the store");
    await tellsUser(page, user.email);
  },

  async "a clock that is an hour off, and is set right and beyond, logs nobody out"(user) {
    await user.context.clock.setSystemTime(Date.now() - 3600_000);
    const [page, other] = await openTabs(user, 2);
    await tellsUser(page, user.email);
    await user.context.clock.setSystemTime(Date.now() + 3600_000);
    await tellsUser(other, user.email);
    await goOn(page, user.email);
  },

  async "logging out in one tab logs out all, and a refresh that is under way does not spoil the next login"(user) {
    const [page, other, third] = await openTabs(user, 3);
    const answer = await holdAnswer(other);
    await expire(other);
    await other.click("#reload");
    await eventually(() => user.refreshes === 1, "no refresh");
    await page.click("#logout");
    for (const tab of [page, other, third]) await isGuest(tab);
    const someone = newEmail();
    await register(third, someone);
    await isUser(third, someone);
    answer();
    await eventually(async () => (await other.getAttribute("#reload", "aria-busy")) === "false", "the answer is not there");
    for (const tab of [page, other, third]) await goOn(tab, someone);
    await tellsUser(third, someone);
  },

  async "what others answer in place of the service logs nobody out"(user) {
    const [page] = await openTabs(user, 1);
    const answers = [
      { status: 401, contentType: "text/html", body: "<h1>401</h1>" },
      { status: 200, contentType: "text/html", body: "<h1>Welcome to our hotel</h1>" },
      { status: 502, contentType: "text/html", body: "<h1>502</h1>" },
      { status: 500, contentType: "application/json", body: "{}" },
    ];
    await page.route("**/auth/refresh", (route) => {
      const answer = answers.hold-- > 0 && answers.shift();
      return answer ? route.fulfill({ ...answer, headers: { "Access-Control-Allow-Origin": "*" } }) : route.fallback();
    });
    while (answers.length > 0) {
      answers.hold = 2; // at a time, since each is waited out for twice as long as the one before
      await tellsUser(page, user.email);
    }
  },

  async "a tab that the back button restores goes on with what the store holds by now"(user) {
    const [stale, page] = await openTabs(user, 2);
    const leave = () => stale.goto(`http://127.0.0.1:${port}/0/style.css`);
    await stale.evaluate(() => (window.wasHere = true));
    await leave();
    for (let i = 0; i < 3; i++) await tellsUser(page, user.email);
    await stale.goBack({ waitUntil: "commit" });
    await isUser(stale, user.email);
    expect(await stale.evaluate(() => window.wasHere), "it was loaded anew");
    await tellsUser(stale, user.email);
    await leave();
    await page.click("#logout");
    await isGuest(page);
    await stale.goBack({ waitUntil: "commit" });
    await isGuest(stale);
    expect(await stale.evaluate(() => window.wasHere), "it was loaded anew");
  },

  async "a session that has ended elsewhere is said to have ended, in all tabs"(user) {
    const [page, other] = await openTabs(user, 2);
    const { access_token } = await stored(page);
    await fetch(`${service}/auth/logout`, {
      method: "POST",
      headers: { Authorization: `Bearer ${access_token}`, "Content-Type": "application/json" },
      body: "{}",
    });
    await page.click("#reload");
    await isGuest(page);
    await isGuest(other);
    await isSaid(page, "You have been logged out. The session has ended");
  },
};

// ---- how it is shown ----

cases["the page is readable as phone and screen, in light and dark, and needs no mouse"] = async (user) => {
  const page = await user.open();
  await register(page, "nobody", "short");
  await page.waitForSelector("#register .wrong");
  await checkViews(page, "spa-guest");
  await page.focus("#register-email");
  for (const text of [user.email, PASSWORD]) {
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await isUser(page, user.email);
  await isSaid(page, "has been created");
  await checkViews(page, "spa-user");
};

async function checkViews(page, name) {
  for (const view of corners) {
    await page.setViewportSize(view);
    await page.emulateMedia({ colorScheme: view.colorScheme });
    await picture(page, `${name}-${view.name}`);
    await checkPage(page).catch((error) => expect(false, `${name}-${view.name}: ${error.message}`));
  }
}

const pages = await servePages();
const line = await startLine();
const services = {
  "nobody is logged out while the service is away for ten seconds": line.url,
  "limits are waited out": limitedService,
  "a locked account is told when, and goes on where it is logged in": limitedService,
};
const queue = Object.entries(cases).filter(([name]) => name.includes(process.env.ONLY ?? ""));

async function runLane() {
  let lane = await openLane();
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [name, run] = next;
    let failed = true;
    await test(name, async () => {
      await runCase(lane, services[name] ?? service, (user) => run(user, line));
      failed = false;
    });
    if (!failed && !name.includes("clock")) continue; // which stays set
    await lane.context.close(); // in which state it is nobody knows
    lane = await openLane();
  }
}

await Promise.all(Array.from({ length: LANES }, runLane));
await browser.close();
line.cut();
pages.closeAllConnections();
pages.close();
report();
