// app.js: the page. session.js talks to the service; here forms become calls, and what was refused stands beside its field.
import { connect } from "./session.js";

const element = (id) => document.getElementById(id);
const say = (text) => (element("status").textContent = text);
const time = (text) => new Date(text).toLocaleString();

const session = connect(document.querySelector("meta[name=jwtd]").content, {
  onChange(problem) {
    say(problem ? `You have been logged out. ${problem.message}` : "");
    for (const form of document.forms) form.reset();
    document.querySelector("h1").focus(); // what had it is hidden now
    show();
  },
  onWait: (seconds, problem) =>
    (element("waiting").textContent = seconds ? `${problem.message} Trying again in ${seconds} s.` : ""),
});

// ---- what was refused ----

function textOf({ message, retryAfter }) {
  return retryAfter ? `${message} Next try: ${new Date(Date.now() + retryAfter * 1000).toLocaleTimeString()}.` : message;
}

function addError(form, place, textContent) {
  const id = `${form.id}-${place.name}-wrong`;
  place.after(Object.assign(document.createElement("p"), { id, textContent, className: "wrong" }));
  return element(id);
}

function removeErrors(form) {
  form.querySelectorAll(".wrong").forEach((paragraph) => paragraph.remove());
  for (const field of form.elements) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

// A pointer (RFC 6901) names a member of the body, and so the field. What is about no field stands at the button.
function showProblem(form, problem) {
  for (const { pointer, detail } of problem.errors) {
    const field = form.elements[pointer.slice(1)];
    if (!field) continue;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", addError(form, field, detail).id);
  }
  if (problem.code === "password_change_required") element("forced").disabled = false;
  const first = form.querySelector("[aria-invalid]");
  if (first) first.focus();
  else addError(form, form.querySelector("button"), textOf(problem)).role = "alert";
}

// ---- forms and buttons ----

// What is pressed twice is done once.
async function run(node, work, onProblem) {
  if (node.ariaBusy === "true") return;
  node.ariaBusy = "true";
  try {
    await work();
  } catch (problem) {
    if (node.isConnected && !node.closest("[hidden]")) onProblem(problem); // else the session has ended, which has been said
  } finally {
    node.ariaBusy = "false";
  }
}

// `send` gets the fields as an object, and a key that stays the same until they change or the work is done.
function onSubmit(id, done, send) {
  const form = element(id);
  let key = null;
  const work = async () => {
    removeErrors(form);
    key ??= crypto.randomUUID();
    await send(Object.fromEntries(new FormData(form)), key);
    key = null;
    form.reset();
    say(done);
  };
  form.addEventListener("input", () => (key = null));
  form.addEventListener("reset", () => removeErrors(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form, work, (problem) => showProblem(form, problem));
  });
}

function onClick(button, done, work) {
  const onProblem = (problem) => say(textOf(problem));
  button.addEventListener("click", () => run(button, async () => say((await work()) ?? done), onProblem));
}

onSubmit("login", "You are logged in.", (fields, key) => session.login(fields, key));
onSubmit("register", "Your account has been created.", async ({ email, password }, key) => {
  await session.call("POST", "/auth/register", { email, password }, key);
  await session.login({ email, password });
});
onSubmit("email", "Your address has been changed.", (fields, key) => session.call("PATCH", "/auth/me", fields, key).then(showMe));
onSubmit("password", "Your password has been changed, and all other sessions have ended.", async (fields, key) => {
  await session.call("POST", "/auth/password", fields, key);
  reload();
});
onSubmit("delete", "Your account has been deleted.", (fields, key) =>
  session.call("DELETE", "/auth/me", fields, key).then(() => session.forget()),
);

const unheard = "You are logged out here. The service could not be told: there, your session ends after a week without use.";
onClick(element("logout"), "You are logged out.", async () => ((await session.logout()) ? null : unheard));
onClick(element("logout-all"), "You are logged out everywhere.", async () => ((await session.logout(true)) ? null : unheard));
onClick(element("reload"), "", load);

// ---- what is shown ----

function showMe(me) {
  element("me-email").textContent = me.email;
  element("me-created_at").textContent = time(me.created_at);
  for (const field of document.querySelectorAll(".account")) field.defaultValue = me.email;
}

function itemOf({ id, user_agent, ip, last_used_at, current }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = "End this session";
  onClick(button, "The session has ended.", async () => {
    await session.call("DELETE", `/auth/sessions/${id}`);
    reload();
  });
  const used = current ? "this session" : `last used ${time(last_used_at)}`;
  item.append(`${user_agent ?? "Unknown browser"}, ${ip ?? "unknown address"}, ${used}`, current ? "" : button);
  return item;
}

async function load() {
  const [me, { sessions }] = await Promise.all([session.call("GET", "/auth/me"), session.call("GET", "/auth/sessions")]);
  showMe(me);
  element("sessions").replaceChildren(...sessions.map(itemOf));
}

const reload = () => load().catch((problem) => session.exists() && say(textOf(problem)));

function show() {
  element("guest").hidden = session.exists();
  element("user").hidden = !session.exists();
  element("forced").disabled = true; // until a login is answered that the password must be changed
  for (const shown of document.querySelectorAll("dd, ul")) shown.replaceChildren(); // of whoever was logged in before
  if (session.exists()) reload();
}

show();
session.call("GET", "/auth/policy").then(({ password }) => {
  for (const place of document.querySelectorAll(".least")) place.textContent = `, at least ${password.min_length} characters`;
}, console.warn); // then the form says so when the password is too short
