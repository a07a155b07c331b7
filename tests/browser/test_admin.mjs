// The page /admin of a service in Chromium: an administrator finds an account, sees its sessions and events, and changes what it may do; as a
// phone and as a screen, in light and in dark, and by keyboard alone; with names that are markup, turn the direction of writing, or have no end.
// Usage: node test_admin.mjs URL ADMINISTRATOR PASSWORD: of a service without limits, and an administrator of it.
import { checkPage, corners, eventually, expect, launch, picture, report, test, views } from "./support.mjs";

const [url, administrator, password] = process.argv.slice(2);
const unique = `${process.pid}-${Date.now()}`;
const MARKUP = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
const RIGHT_TO_LEFT = "\u202egro.elpmaxe\u2066 \u05d0\u05d1\u05d2";

// ---- the service, as another administrator uses it ----

let token = null;

async function api(method, path, body, headers = {}) {
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers["Authorization"] = `Bearer ${token}`;
  const reply = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await reply.text();
  return { status: reply.status, etag: reply.headers.get("ETag"), body: text ? JSON.parse(text) : null };
}

const login = (email, userAgent = "a test") => api("POST", "/auth/login", { email, password }, { "User-Agent": userAgent });

async function createAccount(name, members = {}) {
  const email = `${name}-${unique}@example.org`;
  const made = await api("POST", "/users", { email, password, ...members });
  expect(made.status === 201, JSON.stringify(made));
  return { email, id: made.body.id };
}

async function change(account, members) {
  const { etag } = await api("GET", `/users/${account.id}`);
  const changed = await api("PATCH", `/users/${account.id}`, members, { "If-Match": etag });
  expect(changed.status === 200, JSON.stringify(changed));
}

// ---- the page ----

async function open(browser) {
  const context = await browser.newContext({ viewport: views[2], colorScheme: views[2].colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const noise = [];
  const expected = /^Failed to load resource: (net::ERR_FAILED|the server responded with a status of (4|502))/;
  page.on("console", (message) => {
    if (!expected.test(message.text())) noise.push(message.text());
  });
  page.on("pageerror", (error) => noise.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith("data:")) noise.push(`request: ${request.url()}`);
  });
  await page.goto(`${url}/admin`);
  return { page, noise };
}

const says = (page, text) =>
  eventually(async () => (await page.locator("#message").textContent()).includes(text), `the page does not say "${text}"`);

async function logIn(page, email, word = password) {
  await page.getByLabel("E-mail address", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(word);
  await page.getByRole("button", { name: "Log in" }).click();
}

async function find(page, text) {
  await page.getByLabel("E-mail address, or how it begins").fill(text);
  await page.getByRole("button", { name: "Find" }).click();
}

async function openAccount(page, account) {
  await page.getByRole("link", { name: "Accounts" }).click();
  await find(page, account.email);
  await page.locator(`#users a[href="#${account.id}"]`).click();
  await eventually(async () => (await page.locator("#title").textContent()) === account.email, "the account is not shown");
}

// As the address bar and the history do.
const go = (page, account) => page.evaluate((id) => (location.hash = id), account.id);
const shows = (page, account) =>
  eventually(async () => (await page.locator("#title").textContent()) === account.email, `${account.email} is not shown`);

// Holds the requests of a method whose path begins so, from now on. Returns what sends them and waits for their replies.
async function hold(page, method, path) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const held = [];
  const pattern = new RegExp(`${path}([/?].*)?$`);
  await page.route(pattern, async (route) => {
    if (route.request().method() !== method) return route.continue();
    held.push(route.request());
    await released;
    await route.continue();
  });
  return {
    begun: (count) => eventually(() => held.length >= count, `${count} of ${path} are not asked for`),
    release: async () => {
      release();
      await Promise.all(held.map(async (request) => (await request.response())?.finished()));
      await page.unroute(pattern);
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50))); // the page has seen them
    },
  };
}

// The next request of a method whose path ends so reaches the service, which does what it asks for; its answer does not come back.
async function loseAnswer(page, method, path) {
  let isLost = false;
  await page.route(`**${path}`, async (route) => {
    if (route.request().method() !== method || isLost) return route.fallback();
    isLost = true;
    await route.fetch();
    await route.abort();
  });
}

// The next request of this path reaches the service; its answer comes with `release`, which waits until the page has it.
async function holdAnswer(page, path) {
  let release, begin;
  const begun = new Promise((resolve) => (begin = resolve));
  const released = new Promise((resolve) => (release = resolve));
  const hold = async (route) => {
    const response = await route.fetch();
    begin(route.request());
    await released;
    await route.fulfill({ response });
  };
  await page.route(`**${path}`, hold, { times: 1 });
  return {
    begun: () => begun,
    release: async () => {
      release();
      await (await (await begun).response()).finished();
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
    },
  };
}

// What is read next is refused, as with an access token that has expired.
function expire(page) {
  const refusal = { status: 401, contentType: "application/problem+json", body: '{"code":"invalid_token"}' };
  return page.route("**/users?*", (route) => route.fulfill(refusal), { times: 1 });
}

async function confirm(page, button, answer) {
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.locator("dialog").getByRole("button", { name: answer, exact: true }).click();
}

// The style sheet has rules for a size and rules for a scheme, and none for both.
async function look(page, name) {
  for (const view of corners) {
    await page.setViewportSize(view);
    await page.emulateMedia({ colorScheme: view.colorScheme });
    await picture(page, `admin-${name}-${view.name}`);
    await test(`${name} as ${view.name}: nothing is too wide, and axe finds nothing`, () => checkPage(page));
  }
}

const browser = await launch();
token = (await login(administrator)).body.access_token;
const plain = await createAccount("plain");
const bystander = await createAccount("bystander");
const other = await createAccount("other");
const markup = await createAccount("o'hara+&");
const turned = await createAccount("turned");
const endless = await createAccount("endless");
const renewed = await createAccount("renewed", { roles: ["admin"] });
await change(renewed, { password_change_required: true });
await change(markup, { name: MARKUP, admin_metadata: { note: MARKUP } });
await change(turned, { name: RIGHT_TO_LEFT });
await change(endless, { name: "W".repeat(120), metadata: { text: "W".repeat(4000) } });
await login(markup.email, MARKUP);
const many = `many-${unique}`;
for (let i = 0; i < 23; i++) await api("POST", "/users", { email: `${many}-${i}@example.org` });

const { page, noise } = await open(browser);

await test("a wrong password is said, and who is no administrator is not let in", async () => {
  await logIn(page, administrator, "not the password");
  await says(page, "wrong");
  await logIn(page, plain.email);
  await says(page, "not an administrator's");
  expect(!(await page.locator("#accounts").isVisible()), "accounts are shown");
});
await look(page, "login");

await test("who must set a new password does so at the login", async () => {
  await logIn(page, renewed.email);
  await page.getByLabel("New password").fill("a longer walk by the sea");
  await page.getByRole("button", { name: "Log in" }).click();
  await eventually(async () => (await page.locator("#me").textContent()) === renewed.email, "nobody is logged in");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.locator("#login").waitFor();
  expect(!(await page.getByLabel("New password").isVisible()), "the next one is asked for a new password, too");
});

await test("an administrator gets the accounts, and is named", async () => {
  await logIn(page, administrator);
  await page.locator("#users li").first().waitFor();
  expect((await page.locator("#me").textContent()) === administrator, "somebody else is named");
});

await test("an address is found whole, whatever its case, and by how it begins", async () => {
  await find(page, plain.email.toUpperCase());
  await eventually(async () => (await page.locator("#found").textContent()) === "1 account", "not one account");
  expect((await page.locator("#users a").getAttribute("href")) === `#${plain.id}`, "another account");
  await find(page, `${many}-1@`);
  await page.getByRole("link", { name: `${many}-1@example.org` }).waitFor();
  expect((await page.locator("#users a").count()) === 1, "not one account");
  await find(page, "nobody@example.org");
  await eventually(async () => (await page.locator("#found").textContent()).startsWith("No account"), "somebody is found");
});

await test("a list that goes on says so, and goes on", async () => {
  await find(page, many);
  await eventually(async () => (await page.locator("#found").textContent()) === "20 accounts, and more", "not a page");
  await page.getByRole("button", { name: "More accounts" }).click();
  await eventually(async () => (await page.locator("#found").textContent()) === "23 accounts", "not all");
  expect(!(await page.locator("#more-users").isVisible()), "there is more");
});

await test("a name is shown as text, whatever it is", async () => {
  for (const [account, name] of [
    [turned, RIGHT_TO_LEFT],
    [endless, "W".repeat(120)],
    [markup, MARKUP],
  ]) {
    await openAccount(page, account);
    await eventually(async () => (await page.locator("#facts bdi").first().textContent()) === name, `not ${name}`);
  }
  expect((await page.locator("#facts").textContent()).includes(JSON.stringify(MARKUP)), "the metadata is missing");
  await page.locator("#sessions .card-title").waitFor();
  expect((await page.locator("#sessions").textContent()).includes(MARKUP.slice(0, 20)), "the client is missing");
  expect((await page.locator("img, main script").count()) === 0, "an element came out of a text");
  expect((await page.title()) !== "owned", "a script came out of a text");
});

await test("events say what happened, and of which session", async () => {
  await page.locator("#events strong").first().waitFor();
  expect((await page.locator("#events").textContent()).includes("session_opened"), await page.locator("#events").textContent());
  await page.getByRole("button", { name: "Events of this session" }).click();
  await eventually(
    async () => !(await page.locator("#events").textContent()).includes("user_created"),
    "events of the account are still shown",
  );
  expect((await page.locator("#events strong").first().textContent()) === "session_opened", "the session's event is missing");
  await page.getByRole("button", { name: "Show all" }).click();
  await eventually(async () => (await page.locator("#events").textContent()).includes("user_created"), "not all events");
});
await test("events are one list, and name who did it", async () => {
  const lefts = await page.locator("#events > li").evaluateAll((cards) => cards.map((one) => one.getBoundingClientRect().left));
  expect(lefts.length > 1 && new Set(lefts).size === 1, `columns at ${lefts.join()}`);
  const by = page.locator("#events li", { hasText: "user_created" }).locator("a");
  await eventually(async () => (await by.textContent()) === administrator, "the administrator is not named");
  expect(/^#[0-9a-f-]{36}$/.test(await by.getAttribute("href")), "nothing leads to the administrator");
});

await test("what locks an account is told from what is over by itself", async () => {
  expect(/account_locked/.test(await page.locator("#account").textContent()), "nothing explains account_locked");
});

await test("the session of the one who looks is named so", async () => {
  await openAccount(page, { id: (await api("GET", "/auth/me")).body.id, email: administrator });
  await page.locator("#sessions .card-title", { hasText: "This session" }).waitFor();
  await openAccount(page, markup);
});
await look(page, "account");
await page.setViewportSize(views[0]);
await openAccount(page, endless);
await picture(page, "admin-endless");
await test("what has no end fits into a phone", () => checkPage(page));
await openAccount(page, turned);
await picture(page, "admin-turned");
await openAccount(page, markup);

await test("sessions are ended, an account is disabled and enabled, roles are set", async () => {
  await confirm(page, "End all sessions", "End them");
  await page.getByText("No session is open.").waitFor();
  await confirm(page, "Disable", "Cancel");
  expect((await login(markup.email)).status === 200, "it was disabled without a confirmation");
  await confirm(page, "Disable", "Disable");
  await says(page, "is disabled");
  expect((await login(markup.email)).status !== 200, "a disabled account can log in");
  await page.getByRole("button", { name: "Enable", exact: true }).click();
  await says(page, "can log in again");
  expect((await login(markup.email)).status === 200, "an enabled account cannot log in");
  await page.getByLabel("Roles, separated by blanks").fill("editor, reviewer");
  await page.getByRole("button", { name: "Set roles" }).click();
  await says(page, "roles are set.");
  const { body } = await api("GET", `/users/${markup.id}`);
  expect(body.roles.join() === "editor,reviewer", body.roles.join());
});

await test("a role that cannot be is refused with words", async () => {
  await page.getByLabel("Roles, separated by blanks").fill("-no");
  await page.getByRole("button", { name: "Set roles" }).click();
  await eventually(async () => (await page.locator("#message.bad").textContent()) !== "", "nothing is said");
});

await test("a new password can be required", async () => {
  await confirm(page, "Require a new password", "Require");
  await says(page, "must set a new password");
  const refused = await login(markup.email);
  expect(refused.body.code === "password_change_required", JSON.stringify(refused));
});

await test("the change of another administrator is not overwritten", async () => {
  await openAccount(page, plain);
  await change(plain, { roles: ["theirs"] });
  await page.getByLabel("Roles, separated by blanks").fill("mine");
  await page.getByRole("button", { name: "Set roles" }).click();
  await says(page, "Somebody else has changed this account");
  expect((await page.locator("#roles-text").inputValue()) === "theirs", "the other change is not shown");
});

await test("an action is of the account that its question named, or of none", async () => {
  await go(page, bystander);
  await shows(page, bystander);
  await go(page, plain);
  await shows(page, plain);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.goBack();
  await shows(page, bystander);
  const dialog = page.locator("dialog[open]");
  if (await dialog.isVisible()) await dialog.getByRole("button", { name: "Delete", exact: true }).click();
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
  for (const one of [plain, bystander]) expect((await api("GET", `/users/${one.id}`)).status === 200, `${one.email} is deleted`);
});

await test("a late reply of an account that was left shows nothing and changes nothing", async () => {
  const late = await hold(page, "GET", markup.id);
  await go(page, markup);
  await late.begun(1);
  await go(page, other);
  await shows(page, other);
  await late.release();
  await page.getByLabel("Roles, separated by blanks").fill("of-other");
  await page.getByRole("button", { name: "Set roles" }).click();
  await says(page, "roles are set.");
  expect((await api("GET", `/users/${other.id}`)).body.roles.join() === "of-other", "the shown account is unchanged");
  expect((await api("GET", `/users/${markup.id}`)).body.roles.join() !== "of-other", "another account is changed");
});

await test("late lists of an account that was left are not shown", async () => {
  await login(plain.email, "the client of plain");
  const late = await hold(page, "GET", `${plain.id}/(sessions|events)`);
  await go(page, plain);
  await late.begun(2);
  await go(page, other);
  await shows(page, other);
  await page.getByText("No session is open.").waitFor();
  await late.release();
  expect(!(await page.locator("#account").textContent()).includes("the client of plain"), "lists of another account");
});

await test("what had no answer and is asked for again is done once", async () => {
  await openAccount(page, renewed);
  const { id } = renewed;
  for (const [button, method, path, done] of [
    ["Disable", "PATCH", `/users/${id}`, "is disabled"],
    ["End all sessions", "POST", `/users/${id}/sessions/revoke`, "all sessions have ended"],
    ["Delete", "DELETE", `/users/${id}`, "is deleted"],
  ]) {
    const label = button === "End all sessions" ? "End them" : button;
    await loseAnswer(page, method, path);
    await confirm(page, button, label);
    await says(page, "may have done what it was asked for");
    await confirm(page, button, label);
    await says(page, done);
  }
});

await test("what had an answer and is asked for again is done again", async () => {
  await openAccount(page, bystander);
  for (let i = 0; i < 2; i++) {
    const session = (await login(bystander.email)).body.access_token;
    await confirm(page, "End all sessions", "End them");
    await says(page, "all sessions have ended");
    const me = await fetch(`${url}/auth/me`, { headers: { Authorization: `Bearer ${session}` } });
    expect(me.status === 401, `the session lives on: ${me.status}`);
  }
});

await test("what has become of an action is said of its account", async () => {
  await go(page, plain);
  await shows(page, plain);
  const late = await hold(page, "PATCH", plain.id);
  await page.getByLabel("Roles, separated by blanks").fill("of-plain");
  await page.getByRole("button", { name: "Set roles" }).click();
  await late.begun(1);
  await go(page, other);
  await shows(page, other);
  await late.release();
  await says(page, plain.email);
  await shows(page, other);
  expect((await page.locator("#roles-text").inputValue()) === "of-other", "the roles of another account");
  expect((await api("GET", `/users/${plain.id}`)).body.roles.join() === "of-plain", "the roles are not set");
});

await test("an account is found, opened and kept from being deleted by keyboard alone", async () => {
  await page.getByRole("link", { name: "Accounts" }).focus();
  await page.keyboard.press("Enter");
  await eventually(() => page.locator("#search").isVisible(), "the search is not shown");
  await page.keyboard.press("Tab"); // from the heading, which has the focus, into the search
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(turned.email);
  await page.keyboard.press("Enter");
  await page.locator(`#users a[href="#${turned.id}"]`).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await eventually(async () => (await page.locator("#title").textContent()) === turned.email, "the account is not shown");
  for (const key of ["Escape", "Enter"]) { // a second Enter must not confirm what the first has asked for
    await page.getByRole("button", { name: "Delete" }).focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press(key);
    await page.locator("dialog[open]").waitFor({ state: "detached" });
  }
  expect((await api("GET", `/users/${turned.id}`)).status === 200, "the account is deleted");
});

await test("an account is deleted when that is confirmed", async () => {
  await shows(page, turned);
  await confirm(page, "Delete", "Delete");
  await says(page, "deleted");
  expect((await api("GET", `/users/${turned.id}`)).status === 404, "the account is still there");
});

await test("what others answer in place of the service ends no session", async () => {
  const isFound = () =>
    eventually(async () => (await page.locator("#found").textContent()) === "20 accounts, and more", "nothing is found");
  await page.getByRole("link", { name: "Accounts" }).click();
  await find(page, many);
  await isFound();
  for (const answer of [
    { status: 401, body: '{"message":"Unauthorized"}' },
    { status: 200, body: '{"message":"Welcome to our hotel"}' },
    { status: 502, body: "<h1>502</h1>" },
  ]) {
    await expire(page);
    await page.route("**/auth/refresh", (route) => route.fulfill({ contentType: "application/json", ...answer }), { times: 1 });
    await find(page, many);
    await page.locator("#message.bad").waitFor();
    await find(page, many);
    await isFound();
  }
});

await test("an access token that has expired is refreshed", async () => {
  await expire(page);
  const [refreshed] = await Promise.all([page.waitForResponse("**/auth/refresh"), find(page, many)]);
  expect(refreshed.status() === 200, "the refresh is refused");
  await eventually(async () => (await page.locator("#found").textContent()) === "20 accounts, and more", "nothing is found");
});

await test("a logout is not undone by a refresh that is under way", async () => {
  const late = await holdAnswer(page, "/auth/refresh");
  await expire(page);
  await find(page, many);
  await late.begun();
  await page.getByRole("button", { name: "Log out" }).click();
  await late.release();
  await go(page, plain);
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(await page.locator("#login").isVisible(), "somebody is logged in");
  expect((await page.locator("#message").textContent()) === "", "the page calls with what the refresh has answered");
  await page.evaluate(() => (location.hash = ""));
});

await test("a session that another administrator ends is said to have ended", async () => {
  await logIn(page, administrator);
  await openAccount(page, plain);
  const { id } = (await api("GET", "/auth/me")).body;
  await api("POST", `/users/${id}/sessions/revoke`);
  token = (await login(administrator)).body.access_token;
  await page.getByLabel("Roles, separated by blanks").fill("late");
  await page.getByRole("button", { name: "Set roles" }).click();
  await page.locator("#login").waitFor();
  await says(page, "Your session has ended");
  await logIn(page, administrator);
  await shows(page, plain);
  await page.getByRole("link", { name: "Accounts" }).click();
});

await test("whoever leaves the page is logged out", async () => {
  await page.unrouteAll(); // a request that Playwright intercepts does not outlive its page
  const used = page.waitForRequest((request) => request.headers().authorization !== undefined);
  await find(page, many);
  const authorization = (await used).headers().authorization;
  const me = async () => (await fetch(`${url}/auth/me`, { headers: { authorization } })).status;
  expect((await me()) === 200, "the token is not good");
  await page.reload();
  expect(await page.locator("#login").isVisible(), "there is no login");
  await eventually(async () => (await me()) === 401, "the session has not ended");
});

await test("nothing is complained of, and nothing is loaded from elsewhere", () => expect(noise.length === 0, noise.join("; ")));
await browser.close();
report();
