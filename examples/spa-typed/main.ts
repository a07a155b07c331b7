// main.ts: uses the API by its types. `npm ci && npm run types && npm run check` compiles it.
import { connectTyped, Problem, type Code, type FieldProblem, type User } from "./api.ts";

const session = connectTyped("http://127.0.0.1:8080");

// A language of one's own: by `code`, and where there is none yet, the sentence of the service.
const german: { [C in Code<"post", "/auth/register">]?: string } = {
  email_taken: "Mit dieser E-Mail-Adresse gibt es schon ein Konto.",
  rate_limited: "Zu viele Versuche. Bitte warten Sie einen Augenblick.",
};

const germanFields: { [C in FieldProblem["code"]]?: (field: FieldProblem) => string } = {
  required: () => "Bitte ausfüllen.",
  invalid_email: () => "Das ist keine E-Mail-Adresse.",
  too_short: ({ min }) => `Mindestens ${min} Zeichen.`,
  too_long: ({ max }) => `Höchstens ${max} Bytes.`,
};

const sentence = (problem: Problem) => german[problem.code as keyof typeof german] ?? problem.message;
const fieldSentence = (field: FieldProblem) => germanFields[field.code]?.(field) ?? field.detail;

export async function register(email: string, password: string): Promise<string> {
  try {
    const user = await session.call("post", "/auth/register", { body: { email, password }, key: crypto.randomUUID() });
    return `Willkommen, ${user.email}, seit ${new Date(user.created_at).toLocaleString("de")}.`;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const fields: FieldProblem[] = problem.errors;
    return [sentence(problem), ...fields.map((field) => `${field.pointer}: ${fieldSentence(field)}`)].join("\n");
  }
}

export async function whoAmI(): Promise<User> {
  return session.call("get", "/auth/me", {});
}

export async function endOtherSessions(): Promise<void> {
  const { sessions } = await session.call("get", "/auth/sessions", {});
  const others = sessions.filter((one) => !one.current);
  await Promise.all(others.map((one) => session.call("delete", "/auth/sessions/{id}", { params: { id: one.id } })));
}

// What the compiler finds. Each of these lines is an error, or the example would not compile.
export async function mistakes(): Promise<void> {
  // @ts-expect-error there is no such path
  await session.call("get", "/auth/em", {});
  // @ts-expect-error this path does not take this method
  await session.call("delete", "/auth/login", {});
  // @ts-expect-error a member is missing
  await session.call("post", "/auth/login", { body: { email: "ada@example.com" } });
  // @ts-expect-error a parameter is missing
  await session.call("delete", "/auth/sessions/{id}", {});
  // @ts-expect-error a user has no such member
  (await session.call("get", "/auth/me", {})).username;
}
