// api.ts: session.js of examples/spa with the types of the API, which `npm run types` makes of /openapi.json (jwtd.d.ts). A path, a member
// or a code that does not exist does not compile.
import { connect, Problem } from "../spa/session.js";
import type { components, paths } from "./jwtd.d.ts";

export type User = components["schemas"]["User"];
export type FieldProblem = components["schemas"]["FieldProblem"];

type Method = "get" | "post" | "patch" | "delete";
type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends { [N in M]: object } ? P : never }[keyof paths];
type Operation<M extends Method, P extends PathOf<M>> = paths[P] extends { [N in M]: infer O } ? O : never;
type Responses<O> = O extends { responses: infer R } ? R[keyof R] : never;

type Json<T> = T extends { content: { "application/json": infer J } } ? J : never;
type Body<O> = O extends { requestBody: infer R }
  ? { body: Json<R> }
  : O extends { requestBody?: infer R }
    ? { body?: Json<R> }
    : never;
type Params<O> = O extends { parameters: { path: infer P extends Record<string, string> } }
  ? { params: P }
  : { params?: undefined };
type Reply<R> = Json<R> | (R extends { content?: never } ? null : never);
type CodeIn<R> = R extends { content: { "application/problem+json": { code?: infer C } } } ? C : never;

/** The codes of the problems that a call may be refused with. Later versions of jwtd may have more. */
export type Code<M extends Method, P extends PathOf<M>> = Extract<CodeIn<Responses<Operation<M, P>>>, string>;

export function connectTyped(...args: Parameters<typeof connect>) {
  const session = connect(...args);

  /** Returns the reply's body, null for none; throws a Problem. `params` are for the {names} in the path. */
  async function call<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    options: { key?: string } & Body<Operation<M, P>> & Params<Operation<M, P>>,
  ): Promise<Reply<Responses<Operation<M, P>>>> {
    const target = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(options.params?.[name] ?? ""));
    return session.call(method.toUpperCase(), target, options.body, options.key);
  }

  return { ...session, call };
}

export { Problem };
