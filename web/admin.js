// The administrators' page: find an account, see its sessions and events, change what it may do. All that comes from accounts is put in as
// text, each in a direction of its own (bdi), so that no name is markup or turns its surroundings round.
"use strict";

const PAGE = 20;
const SHORT = 80; // characters of a text in a list
const byId = (id) => document.getElementById(id);

let user = null; // that is shown: { body, etag }
let filter = null; // the session whose events are shown, or null
let turn = 0; // of what is shown: a reply that comes after the next one was asked for is dropped

// ---- elements ----

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

const words = (text) => element("bdi", text);

function short(text) {
  const characters = [...text];
  return words(characters.length > SHORT ? `${characters.slice(0, SHORT).join("")}…` : text);
}

const time = (text) => element("time", new Date(text).toLocaleString(), { datetime: text, title: text });

function button(label, action) {
  const made = element("button", label, { type: "button" });
  made.addEventListener("click", () => run(action));
  return made;
}

// A card with a first line and facts: [[name, value], ...]; those without a value are left out.
function card(title, facts, actions = []) {
  const list = facts.filter(([, value]) => value).map(([name, value]) => element("div", [element("dt", name), element("dd", value)]));
  return element("li", [element("p", title, { class: "card-title" }), element("dl", list), ...actions]);
}

function say(text, isBad = false) {
  byId("message").textContent = text;
  byId("message").className = isBad ? "bad" : "";
}

// Runs what a click asks for; what fails is said.
async function run(action) {
  say("");
  document.body.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    say(problem.errors.length > 0 ? problem.errors.map((error) => error.detail).join(" ") : problem.message, true);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

function show(id, title) {
  for (const part of ["login", "accounts", "account"]) byId(part).hidden = part !== id;
  byId("bar").hidden = id === "login";
  byId("title").replaceChildren(title);
  byId("title").focus();
}

function confirmed(text, label) {
  const dialog = byId("confirm");
  byId("confirm-text").replaceChildren(...[text].flat());
  byId("confirm-yes").textContent = label;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// ---- accounts ----

const state = (account) =>
  [account.disabled && "disabled", account.password_change_required && "must set a new password"].filter(Boolean).join(", ");

function userCard(account) {
  const facts = [
    ["Name", account.name && short(account.name)],
    ["Roles", account.roles.join(" ")],
    ["State", state(account)],
    ["Created", time(account.created_at)],
  ];
  return card(element("a", short(account.email), { href: `#${account.id}` }), facts);
}

async function listUsers(query, cursor) {
  const parameters = new URLSearchParams({ limit: PAGE, ...query, ...(cursor && { cursor }) });
  return (await service.call("GET", `users?${parameters}`)).body;
}

// The one with this address, else those whose address begins so.
async function find(text) {
  const mine = ++turn;
  const exact = text.includes("@") ? await listUsers({ email: text }) : { users: [], next: null };
  const query = exact.users.length === 0 && text !== "" ? { prefix: text } : {};
  const page = exact.users.length > 0 ? exact : await listUsers(query);
  if (mine !== turn) return;
  byId("users").replaceChildren();
  showUsers(page, query);
}

function showUsers({ users, next }, query) {
  byId("users").append(...users.map(userCard));
  const count = byId("users").children.length;
  byId("found").textContent =
    count === 0 ? "No account has such an address." : `${count} ${count === 1 ? "account" : "accounts"}${next ? ", and more" : ""}`;
  byId("more-users").hidden = next === null;
  byId("more-users").onclick = () => run(async () => showUsers(await listUsers(query, next), query));
}

// ---- one account ----

const path = (rest = "") => `users/${user.body.id}${rest}`;

function showUser() {
  const account = user.body;
  const json = (value) => Object.keys(value ?? {}).length > 0 && words(JSON.stringify(value));
  const facts = [
    ["Name", account.name && words(account.name)],
    ["State", state(account) || "active"],
    ["Roles", account.roles.join(" ")],
    ["Id", account.id],
    ["Created", time(account.created_at)],
    ["Changed", time(account.updated_at)],
    ["Metadata", json(account.metadata)],
    ["Administrators' metadata", json(account.admin_metadata)],
  ].filter(([, value]) => value);
  byId("facts").replaceChildren(...facts.map(([name, value]) => element("div", [element("dt", name), element("dd", value)])));
  byId("title").replaceChildren(words(account.email));
  byId("toggle-disabled").textContent = account.disabled ? "Enable" : "Disable";
  byId("toggle-password").textContent = account.password_change_required ? "Keep the password" : "Require a new password";
  byId("roles-text").value = account.roles.join(" ");
}

async function readUser(id) {
  user = await service.call("GET", `users/${id}`);
}

// What cannot be read is said where it would be: the rest of the account is there all the same.
async function fill(list, read) {
  try {
    await read();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    byId(list).replaceChildren(element("li", problem.message, { class: "bad" }));
  }
}

async function readSessions() {
  const { sessions } = (await service.call("GET", path("/sessions"))).body;
  const cards = sessions.map((session) =>
    card(
      ["Last used ", time(session.last_used_at)],
      [
        ["From", session.ip],
        ["Client", session.user_agent && short(session.user_agent)],
        ["Opened", time(session.created_at)],
        ["Ends", time(session.expires_at)],
      ],
      [button("Events of this session", () => showEvents(session.id))],
    ),
  );
  byId("sessions").replaceChildren(...(cards.length > 0 ? cards : [element("li", "No session is open.")]));
}

function eventCard(event) {
  const detail = Object.keys(event.detail ?? {}).length > 0 && short(JSON.stringify(event.detail));
  return card(
    [element("strong", event.event), " ", time(event.at)],
    [
      ["By", event.actor && short(event.actor)],
      ["Why", event.reason && short(event.reason)],
      ["From", event.ip],
      ["Client", event.user_agent && short(event.user_agent)],
      ["Session", event.session_id],
      ["Request", event.request_id && short(event.request_id)],
      ["Detail", detail],
    ],
  );
}

async function addEvents(cursor) {
  const parameters = new URLSearchParams({ limit: PAGE, ...(filter && { session: filter }), ...(cursor && { cursor }) });
  const { events, next } = (await service.call("GET", `${path("/events")}?${parameters}`)).body;
  if (!cursor) byId("events").replaceChildren();
  byId("events").append(...events.map(eventCard));
  if (byId("events").children.length === 0) byId("events").append(element("li", "Nothing is known."));
  byId("more-events").hidden = next === null;
  byId("more-events").onclick = () => run(() => addEvents(next));
}

const readLists = () => Promise.all([fill("sessions", readSessions), fill("events", addEvents)]);

async function showEvents(session) {
  filter = session;
  byId("filter").hidden = session === null;
  byId("filter-text").textContent = `Of session ${session}.`;
  await fill("events", addEvents);
}

async function open(id) {
  const mine = ++turn;
  await readUser(id);
  if (mine !== turn) return;
  show("account", "");
  showUser();
  byId("title").focus();
  await Promise.all([fill("sessions", readSessions), showEvents(null)]);
}

// Reads everything again that a change may have changed.
async function readAgain() {
  await readUser(user.body.id);
  showUser();
  await readLists();
}

async function change(members, done) {
  try {
    await service.call("PATCH", path(), { body: members, etag: user.etag });
  } catch (problem) {
    if (problem.code !== "precondition_failed") throw problem;
    await readAgain();
    say("Somebody else has changed this account meanwhile. It is shown as it is now: decide anew.", true);
    return;
  }
  await readAgain();
  say(done);
}

const email = () => words(user.body.email);

async function toggleDisabled() {
  if (user.body.disabled) return change({ disabled: false }, "The account can log in again.");
  if (await confirmed(["Disable ", email(), "? All its sessions end, and it cannot log in."], "Disable"))
    await change({ disabled: true }, "The account is disabled, and its sessions have ended.");
}

async function togglePassword() {
  if (user.body.password_change_required) return change({ password_change_required: false }, "The account may keep its password.");
  if (await confirmed(["Require a new password of ", email(), "? All its sessions end."], "Require"))
    await change({ password_change_required: true }, "The next login must set a new password.");
}

async function endSessions() {
  if (!(await confirmed(["End all sessions of ", email(), "?"], "End them"))) return;
  await service.call("POST", path("/sessions/revoke"));
  await readAgain();
  say("All sessions have ended.");
}

async function remove() {
  if (!(await confirmed(["Delete ", email(), " and all its sessions, for ever?"], "Delete"))) return;
  await service.call("DELETE", path(), { etag: user.etag });
  history.replaceState(null, "", location.pathname); // without the event by which the page follows
  await follow();
  say("The account is deleted.");
}

// ---- the page ----

// #ID shows an account, anything else the search.
function follow() {
  const id = location.hash.slice(1);
  if (!service.isOpen()) return show("login", "Log in");
  if (/^[0-9a-f-]{36}$/.test(id)) return run(() => open(id));
  const text = byId("search-text").value.trim();
  show("accounts", "Accounts");
  return run(() => find(text));
}

async function login(form) {
  const credentials = { email: form.email.value.trim(), password: form.password.value };
  if (form.new_password.value !== "") credentials.new_password = form.new_password.value;
  try {
    await service.login(credentials);
  } catch (problem) {
    if (problem.code === "password_change_required") byId("new-password").hidden = false;
    throw problem;
  }
  form.reset();
  byId("new-password").hidden = true;
  const me = (await service.call("GET", "auth/me")).body;
  if (!me.roles.includes("admin")) {
    service.logout();
    return say("This account is not an administrator's.", true);
  }
  byId("me").textContent = me.email;
  await follow();
}

function onSubmit(id, action) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    run(() => action(event.target.elements));
  });
}

function onClick(id, action) {
  byId(id).addEventListener("click", () => run(action));
}

service.onEnd((problem) => {
  user = null;
  turn++;
  for (const list of ["users", "sessions", "events", "facts"]) byId(list).replaceChildren();
  show("login", "Log in");
  if (problem) say("Your session has ended. Log in again.", true);
});
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  run(() => login(event.target));
});
onSubmit("search", ({ text }) => find(text.value.trim()));
onSubmit("roles", ({ roles }) => change({ roles: roles.value.split(/[\s,]+/).filter(Boolean) }, "The roles are set."));
onClick("toggle-disabled", toggleDisabled);
onClick("toggle-password", togglePassword);
onClick("end-sessions", endSessions);
onClick("delete", remove);
onClick("filter-off", () => showEvents(null));
onClick("logout", () => service.logout());
addEventListener("hashchange", () => {
  say("");
  follow();
});
addEventListener("pagehide", () => service.logout());
follow();
