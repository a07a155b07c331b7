// The administrators' page: find an account, see its sessions and events, change what it may do. All that comes from accounts is put in as
// text, each in a direction of its own (bdi), so that no name is markup or turns its surroundings round.
"use strict";

const PAGE = 20;
const SHORT = 80; // characters of a text in a list
const byId = (id) => document.getElementById(id);

// The account that is shown: { body, etag }, or null. An action gets it when its button is pressed, and is about that account, in that version,
// whatever is shown when the question is answered or the reply comes.
let shown = null;
const emails = new Map(); // of accounts by their ids
let newest = {}; // of each part of the page the last reading, by which an earlier one that ends later is known

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

function say(content, isBad = false) {
  byId("message").replaceChildren(...[content].flat());
  byId("message").className = isBad ? "bad" : "";
}

// Names the account, since another one may be shown by now.
const sayOf = (account, text, isBad = false) => say([words(account.body.email), ": ", text], isBad);

// Runs what a click asks for, of an account or of none; what fails is said.
async function run(action, account = null) {
  say("");
  document.body.setAttribute("aria-busy", "true");
  try {
    await action(account);
  } catch (problem) {
    if (problem instanceof Late || (account && !service.isOpen())) return; // that the session has ended has been said
    if (!(problem instanceof Problem)) throw problem;
    const text = problem.errors.length > 0 ? problem.errors.map((error) => error.detail).join(" ") : problem.message;
    if (account) sayOf(account, text, true);
    else say(text, true);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

// What is read is not wanted any more.
class Late extends Error {}

// Reads for a part of the page. Ends with Late, whatever the reply is, if the part was read again or the page has been left meanwhile.
async function read(part, path) {
  const mine = (newest[part] = {});
  try {
    return await service.call("GET", path);
  } finally {
    if (newest[part] !== mine) throw new Late();
  }
}

// Nothing of what was shown can be acted on, an open question is not answered, and what is being read is dropped.
function leave() {
  shown = null;
  newest = {};
  byId("account").hidden = true;
  byId("more-events").hidden = true;
  for (const list of ["sessions", "events", "facts"]) byId(list).replaceChildren();
  if (byId("confirm").open) byId("confirm").close("");
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
  byId("confirm-no").focus(); // Enter pressed twice must not confirm
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
  return (await read("users", `users?${parameters}`)).body;
}

// What is no whole address may be the beginning of one.
async function findExact(text) {
  try {
    return await listUsers({ email: text });
  } catch (problem) {
    if (problem.code !== "invalid_parameter") throw problem;
    return { users: [], next: null };
  }
}

// The one with this address, else those whose address begins so.
async function find(text) {
  byId("users").replaceChildren();
  byId("found").textContent = "";
  byId("more-users").hidden = true;
  const exact = text.includes("@") ? await findExact(text) : { users: [], next: null };
  const query = exact.users.length === 0 && text !== "" ? { prefix: text } : {};
  showUsers(exact.users.length > 0 ? exact : await listUsers(query), query);
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

const pathOf = (account, rest = "") => `users/${account.body.id}${rest}`;
const isShown = (account) => shown?.body.id === account.body.id;

function showAccount(reply) {
  shown = reply;
  const account = shown.body;
  emails.set(account.id, account.email);
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

// What cannot be read is said where it would be: the rest of the account is there all the same.
async function fill(list, read) {
  try {
    await read();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    byId(list).replaceChildren(element("li", problem.message, { class: "bad" }));
  }
}

async function readSessions(account) {
  const { sessions } = (await read("sessions", pathOf(account, "/sessions"))).body;
  const cards = sessions.map((session) =>
    card(
      session.current ? "This session" : ["Last used ", time(session.last_used_at)],
      [
        ["From", session.ip],
        ["Client", session.user_agent && short(session.user_agent)],
        ["Opened", time(session.created_at)],
        ["Ends", time(session.expires_at)],
      ],
      [button("Events of this session", () => showEvents(account, session.id))],
    ),
  );
  byId("sessions").replaceChildren(...(cards.length > 0 ? cards : [element("li", "No session is open.")]));
}

// The address of an account that acts, or its id if there is none any more.
async function readEmail(id) {
  try {
    emails.set(id, (await service.call("GET", `users/${id}`)).body.email);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
  return emails.get(id) ?? id;
}

// An account that acts is a link to it.
function actor(text) {
  const [kind, id] = text.split(":", 2);
  if (kind !== "user" && kind !== "admin") return words(text);
  const link = element("a", words(emails.get(id) ?? id), { href: `#${id}` });
  if (!emails.has(id)) readEmail(id).then((email) => link.replaceChildren(words(email)));
  return element("span", [`${kind} `, link]);
}

function eventCard(event) {
  const detail = Object.keys(event.detail ?? {}).length > 0 && short(JSON.stringify(event.detail));
  return card(
    [element("strong", event.event), " ", time(event.at)],
    [
      ["By", event.actor && actor(event.actor)],
      ["Why", event.reason && short(event.reason)],
      ["From", event.ip],
      ["Client", event.user_agent && short(event.user_agent)],
      ["Session", event.session_id],
      ["Request", event.request_id && short(event.request_id)],
      ["Detail", detail],
    ],
  );
}

async function addEvents(account, session, cursor) {
  const parameters = new URLSearchParams({ limit: PAGE, ...(session && { session }), ...(cursor && { cursor }) });
  const { events, next } = (await read("events", `${pathOf(account, "/events")}?${parameters}`)).body;
  if (!cursor) byId("events").replaceChildren();
  byId("events").append(...events.map(eventCard));
  if (byId("events").children.length === 0) byId("events").append(element("li", "Nothing is known."));
  byId("more-events").hidden = next === null;
  byId("more-events").onclick = () => run(() => addEvents(account, session, next));
}

// Of one session, or all.
async function showEvents(account, session = null) {
  byId("filter").hidden = session === null;
  byId("filter-text").textContent = `Of session ${session}.`;
  await fill("events", () => addEvents(account, session));
}

const readLists = (account) => Promise.all([fill("sessions", () => readSessions(account)), showEvents(account)]);

async function open(id) {
  const account = await read("account", `users/${id}`);
  show("account", "");
  showAccount(account);
  byId("title").focus();
  await readLists(account);
}

// Changes the account if it is as it was shown when that was decided. Returns the reply, or null: it is another, and shown as it is.
async function change(account, method, body) {
  try {
    return await service.call(method, pathOf(account), { body, etag: account.etag });
  } catch (problem) {
    if (problem.code !== "precondition_failed" || !isShown(account)) throw problem;
    await open(account.body.id);
    sayOf(account, "Somebody else has changed this account meanwhile. It is shown as it is now: decide anew.", true);
    return null;
  }
}

async function set(account, members, done) {
  const changed = await change(account, "PATCH", members);
  if (changed === null) return;
  sayOf(account, done);
  if (!isShown(account)) return;
  showAccount(changed);
  await readLists(changed);
}

const email = (account) => words(account.body.email);

async function toggleDisabled(account) {
  if (account.body.disabled) return set(account, { disabled: false }, "the account can log in again.");
  if (await confirmed(["Disable ", email(account), "? All its sessions end, and it cannot log in."], "Disable"))
    await set(account, { disabled: true }, "the account is disabled, and its sessions have ended.");
}

async function togglePassword(account) {
  if (account.body.password_change_required)
    return set(account, { password_change_required: false }, "the account may keep its password.");
  if (await confirmed(["Require a new password of ", email(account), "? All its sessions end."], "Require"))
    await set(account, { password_change_required: true }, "the next login must set a new password.");
}

async function setRoles(account) {
  const roles = byId("roles-text").value.split(/[\s,]+/);
  await set(account, { roles: roles.filter(Boolean) }, "the roles are set.");
}

async function endSessions(account) {
  if (!(await confirmed(["End all sessions of ", email(account), "?"], "End them"))) return;
  await service.call("POST", pathOf(account, "/sessions/revoke"));
  sayOf(account, "all sessions have ended.");
  if (isShown(account)) await readLists(account);
}

async function remove(account) {
  if (!(await confirmed(["Delete ", email(account), " and all its sessions, for ever?"], "Delete"))) return;
  if ((await change(account, "DELETE")) === null) return;
  if (isShown(account)) {
    history.replaceState(null, "", location.pathname); // without the event by which the page follows
    await follow();
  }
  sayOf(account, "the account is deleted.");
}

// ---- the page ----

// #ID shows an account, anything else the search.
function follow() {
  leave();
  const id = location.hash.slice(1);
  if (!service.isOpen()) return show("login", "Log in");
  if (/^[0-9a-f-]{36}$/.test(id)) {
    show(null, "Account");
    return run(() => open(id));
  }
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
  emails.set(me.id, me.email);
  await follow();
}

function on(type, id, action) {
  byId(id).addEventListener(type, (event) => {
    event.preventDefault();
    run(action, shown);
  });
}

service.onEnd((problem) => {
  leave();
  emails.clear();
  byId("users").replaceChildren();
  show("login", "Log in");
  if (problem) say("Your session has ended. Log in again.", true);
});
on("submit", "login", () => login(byId("login")));
on("submit", "search", () => find(byId("search-text").value.trim()));
on("submit", "roles", setRoles);
on("click", "toggle-disabled", toggleDisabled);
on("click", "toggle-password", togglePassword);
on("click", "end-sessions", endSessions);
on("click", "delete", remove);
on("click", "filter-off", (account) => showEvents(account));
on("click", "logout", () => service.logout());
addEventListener("hashchange", () => {
  say("");
  follow();
});
addEventListener("pagehide", () => service.logout());
follow();
