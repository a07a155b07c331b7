// Checks the API document: test_document.mjs PROGRAM KEPT [EXCHANGES]
//
// PROGRAM is jwtd, whose `openapi` prints the document; KEPT the document that clients rely on (tools/openapi.sh); EXCHANGES what the
// service tests recorded.
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { breakingChanges } from "./compatibility.mjs";
import { resolve } from "./document.mjs";
import { makeChecker, readExchanges } from "./exchanges.mjs";

const [program, keptFile, exchanges] = process.argv.slice(2);
const counts = { passed: 0, failed: 0 };

async function test(name, body) {
  try {
    await body();
    counts.passed++;
  } catch (error) {
    counts.failed++;
    console.log(`${name}:\n  ${error.message}`);
  }
}

function expectNone(problems) {
  if (problems.length > 0) throw new Error(problems.slice(0, 40).join("\n  "));
}

const source = execFileSync(program, ["openapi"], { encoding: "utf8", maxBuffer: 1 << 24 });
const document = JSON.parse(source);
const kept = JSON.parse(readFileSync(keptFile, "utf8"));

await test("a linter finds nothing", async () => {
  // there is no license to name; every error code has its example, and every header its component, whoever uses it; GET / is 303 only
  const rules = { "info-license": "off", "no-unused-components": "off", "operation-2xx-response": "off" };
  const config = await createConfig({ extends: ["recommended-strict"], rules });
  const problems = await lintFromString({ source, absoluteRef: "/openapi.json", config });
  expectNone(problems.map((problem) => `${problem.ruleId}: ${problem.message} ${problem.location[0]?.pointer}`));
});

await test("clients of the kept document go on working", () => expectNone(breakingChanges(kept, document)));

// ---- the check for compatibility itself ----

const login = (copy) => copy.paths["/auth/login"].post;
const schema = (copy, name) => copy.components.schemas[name];
const email = (copy) => schema(copy, "RegisterRequest").properties.email;
const roles = (copy) => schema(copy, "UserChangeRequest").properties.roles;
const metadata = (copy) => schema(copy, "ChangeAccountRequest").properties.metadata;

// A copy of the response, which is a component that others share, in its place.
function response(copy, path, method, status) {
  const { responses } = copy.paths[path][method];
  return (responses[status] = structuredClone(resolve(copy, responses[status])));
}

const codes = (response) => response.content["application/problem+json"].schema.allOf[1].properties.code.enum;

const breaking = {
  "a path is gone": (copy) => delete copy.paths["/auth/me"],
  "a method is gone": (copy) => delete copy.paths["/auth/me"].delete,
  "a call has another name": (copy) => (login(copy).operationId = "login"),
  "a call asks for a token": (copy) => (login(copy).security = [{ bearer: [] }]),
  "a call asks for a role": (copy) => (copy.paths["/auth/me"].get.security = [{ bearer: ["admin"] }]),
  "a call asks for another kind of credentials": (copy) => (copy.paths["/auth/me"].get.security = [{ service: [] }]),
  "a call takes a token only, no longer a body": (copy) => copy.paths["/auth/logout"].post.security.pop(),
  "any method is one method": (copy) => delete copy.paths["/auth/verify"].get["x-any-method"],
  "a parameter is gone": (copy) => copy.paths["/auth/verify"].get.parameters.pop(),
  "a parameter is required": (copy) =>
    login(copy).parameters.push({ name: "x", in: "query", required: true, schema: { type: "string" } }),
  "a parameter takes less": (copy) => (copy.paths["/auth/revocations"].get.parameters[0].schema.maximum = 10),
  "a parameter has another type": (copy) => (copy.paths["/auth/revocations"].get.parameters[0].schema.type = "string"),
  "a body is required": (copy) => (copy.paths["/auth/logout"].post.requestBody.required = true),
  "a body is of another media type": (copy) =>
    (login(copy).requestBody.content = { "application/x-www-form-urlencoded": login(copy).requestBody.content["application/json"] }),
  "a member of a body is required": (copy) => schema(copy, "LogoutRequest").required.push("refresh_token"),
  "a new member of a body is required": (copy) => {
    schema(copy, "LoginRequest").properties.otp = { type: "string" };
    schema(copy, "LoginRequest").required.push("otp");
  },
  "a member of a body is gone": (copy) => delete schema(copy, "LogoutRequest").properties.all,
  "a member of a body has another type": (copy) => (schema(copy, "LogoutRequest").properties.all.type = "string"),
  "a member of a body may be less long": (copy) => (schema(copy, "LoginRequest").properties.password.maxLength = 72),
  "a member of a body must be longer": (copy) => (schema(copy, "LoginRequest").properties.password.minLength = 12),
  "a member of a body takes few values": (copy) => (schema(copy, "LogoutRequest").properties.all.enum = [true]),
  "a member of a body requires another one": (copy) => (schema(copy, "ChangeAccountRequest").dependentRequired.name = ["current_password"]),
  "a member of a body must be of another pattern": (copy) => (roles(copy).items.pattern = "^[a-z]+$"),
  "a member of a body must be of a pattern": (copy) => (email(copy).pattern = "@example[.]org$"),
  "a member of a body must be one value": (copy) => (schema(copy, "LogoutRequest").properties.all.const = true),
  "a list of a body may have fewer elements": (copy) => (roles(copy).maxItems = 1),
  "a list of a body must have an element": (copy) => (roles(copy).minItems = 1),
  "a list of a body must have no element twice": (copy) => (roles(copy).uniqueItems = true),
  "an object of a body may have fewer members": (copy) => (metadata(copy).maxProperties = 10),
  "an object of a body may have no other members": (copy) => (metadata(copy).additionalProperties = false),
  "an object of a body may have members of one type": (copy) => (metadata(copy).additionalProperties = { type: "string" }),
  "a body may have no other members": (copy) => (schema(copy, "LoginRequest").additionalProperties = false),
  "a body must be one of several": (copy) => (schema(copy, "LogoutRequest").anyOf = [{ required: ["all"] }, { required: ["refresh_token"] }]),
  "a body must not be something": (copy) => (schema(copy, "LogoutRequest").not = { required: ["all"] }),
  "a call loses an error status": (copy) => delete copy.paths["/auth/me"].get.responses[401],
  "a call loses the error status of its own code": (copy) => delete copy.paths["/auth/register"].post.responses[409],
  "a call loses one of the codes of a status": (copy) => codes(response(copy, "/auth/me", "get", 401)).shift(),
  "an error no longer has a header": (copy) => delete response(copy, "/auth/login", "post", 429).headers["Retry-After"],
  "no error has a header any more": (copy) => {
    for (const [path, item] of Object.entries(copy.paths)) {
      for (const [method, { responses }] of Object.entries(item)) {
        for (const status of ["429", "503"]) if (responses[status]) delete response(copy, path, method, status).headers["Retry-After"];
      }
    }
  },
  "a header of an error may be missing": (copy) => (response(copy, "/auth/me", "get", 401).headers["WWW-Authenticate"] = { schema: { type: "string" } }),
  "a header has another type": (copy) => (copy.components.headers["Retry-After"].schema.type = "string"),
  "a member of a reply may be of another kind": (copy) => {
    const { ip } = schema(copy, "Session").properties;
    ip.anyOf.push({ format: "hostname" });
  },
  "the elements of a list of a reply may be anything": (copy) => delete schema(copy, "User").properties.roles.items,
  "a security scheme is another one": (copy) => (copy.components.securitySchemes.bearer.scheme = "dpop"),
  "any path is one segment": (copy) => delete copy.paths["/auth/verify/{path}"].get["x-any-path"],
  "the service is elsewhere": (copy) => (copy.servers[0].url = "/v2"),
  "a success is another success": (copy) => {
    const { responses } = copy.paths["/auth/register"].post;
    responses[200] = responses[201];
    delete responses[201];
  },
  "there is a second success": (copy) => (login(copy).responses[202] = login(copy).responses[200]),
  "a reply is of another media type": (copy) =>
    (login(copy).responses[200].content = { "application/jwt": login(copy).responses[200].content["application/json"] }),
  "a header of a reply is gone": (copy) => delete copy.paths["/auth/register"].post.responses[201].headers.Location,
  "a header of a reply may be missing": (copy) => (copy.components.headers.Location.required = false),
  "a member of a reply is gone": (copy) => delete schema(copy, "User").properties.email,
  "a member of a reply may be missing": (copy) => schema(copy, "User").required.shift(),
  "a member of a reply may be null": (copy) => (schema(copy, "User").properties.email.type = ["string", "null"]),
  "a member of a reply has another type": (copy) => (schema(copy, "Tokens").properties.expires_in.type = "string"),
  "a member of a reply has another format": (copy) => (schema(copy, "User").properties.id.format = "uri"),
  "a member of a reply has new values": (copy) => schema(copy, "Tokens").properties.token_type.enum.push("DPoP"),
  "a member deep in a reply is gone": (copy) => delete schema(copy, "Session").properties.current,
  "a member of errors is gone": (copy) => delete schema(copy, "FieldProblem").properties.pointer,
  "an error code is gone": (copy) => delete copy.components.examples.email_taken,
  "an error code has another status": (copy) => (copy.components.examples.email_taken.value.status = 422),
  "a schema has another name": (copy) => {
    copy.components.schemas.Account = copy.components.schemas.User;
    delete copy.components.schemas.User;
    return JSON.parse(JSON.stringify(copy).replaceAll("#/components/schemas/User\"", "#/components/schemas/Account\""));
  },
  "a security scheme has another name": (copy) => {
    copy.components.securitySchemes.token = copy.components.securitySchemes.bearer;
    delete copy.components.securitySchemes.bearer;
  },
};

const harmless = {
  "there is a new path": (copy) => (copy.paths["/new"] = copy.paths["/auth/me"]),
  "a call needs no token any more": (copy) => (copy.paths["/auth/me"].get.security = []),
  "there is a new optional parameter": (copy) => login(copy).parameters.push({ name: "x", in: "query", schema: { type: "string" } }),
  "a member of a body may be longer": (copy) => (schema(copy, "LoginRequest").properties.password.maxLength = 4096),
  "a member of a body may be missing": (copy) => schema(copy, "LoginRequest").required.pop(),
  "there is a new optional member of a body": (copy) => (schema(copy, "LoginRequest").properties.otp = { type: "string" }),
  "there is a new member of a reply": (copy) => (schema(copy, "User").properties.x = { type: "string" }),
  "there is a new code": (copy) => (copy.components.examples.teapot = { value: { status: 418 } }),
  "a call has a new code": (copy) => schema(copy, "FieldProblem").properties.code.enum.push("too_old"),
  "a call may answer with another error": (copy) => (login(copy).responses[410] = login(copy).responses[401]),
  "an error has a further code, which lacks a header": (copy) => {
    const changed = response(copy, "/auth/me", "get", 401);
    codes(changed).push("teapot");
    changed.headers["WWW-Authenticate"] = { schema: { type: "string" } };
  },
  "an object of a body may have more members": (copy) => (metadata(copy).maxProperties = undefined),
  "a list of a body may be empty": (copy) => (roles(copy).minItems = 0),
  "a member of a body may be anything": (copy) => delete schema(copy, "LogoutRequest").properties.all.type,
  "a member of a body may be one of several types": (copy) => (schema(copy, "LogoutRequest").properties.all.type = ["boolean", "null"]),
  "there is a new header of a reply": (copy) => (login(copy).responses[200].headers["X-New"] = { schema: { type: "string" } }),
  "a reply may be 304": (copy) => (copy.paths["/auth/me"].get.responses[304] = { description: "x" }),
  "words are other words": (copy) => (login(copy).summary = "Log in"),
};

for (const [name, change] of Object.entries(breaking)) {
  await test(`breaking: ${name}`, () => {
    const copy = structuredClone(document), changed = change(copy);
    const found = breakingChanges(document, changed?.openapi ? changed : copy);
    if (found.length === 0) throw new Error("was not found");
  });
}

for (const [name, change] of Object.entries(harmless)) {
  await test(`harmless: ${name}`, () => {
    const copy = structuredClone(document);
    change(copy);
    expectNone(breakingChanges(document, copy));
  });
}

// ---- what the service replied ----

const session = {
  id: "0198c0de-7b3a-7000-8000-000000000001",
  created_at: "2026-11-22T10:00:00.000Z",
  last_used_at: "2026-11-22T10:00:00.000Z",
  expires_at: "2026-11-29T10:00:00.000Z",
  ip: null,
  user_agent: "curl",
  current: true,
};
const good = {
  method: "GET",
  path: "/auth/sessions?x",
  status: "200",
  type: "application/json",
  code: "-",
  headers: ["x-request-id", "date", "ratelimit", "ratelimit-policy"],
  body: JSON.stringify({ sessions: [session] }),
};
const problem = {
  ...good,
  status: "401",
  type: "application/problem+json",
  code: "invalid_token",
  headers: ["www-authenticate"],
  body: JSON.stringify({ type: "/docs#x", title: "x", status: 401, detail: "x", code: "invalid_token", request_id: "x" }),
};
const withBody = (exchange, change) => ({ ...exchange, body: JSON.stringify({ ...JSON.parse(exchange.body), ...change }) });

const check = makeChecker(document);

const undeclared = {
  "a path that only a longer one is like": { ...good, path: "/auth/sessions/x/y" },
  "a status": { ...good, status: "202" },
  "a media type": { ...good, type: "text/plain" },
  "no body": { ...good, type: "-", body: "-" },
  "a body where there is none": { ...good, method: "DELETE", path: `/auth/sessions/${session.id}`, status: "204" },
  "a member more": withBody(good, { x: 1 }),
  "a member more, deep": withBody(good, { sessions: [{ ...session, x: 1 }] }),
  "a member less": withBody(good, { sessions: [{ ...session, current: undefined }] }),
  "a member of another type": withBody(good, { sessions: [{ ...session, current: "yes" }] }),
  "a member of another format": withBody(good, { sessions: [{ ...session, id: "7" }] }),
  "a null": withBody(good, { sessions: [{ ...session, id: null }] }),
  "a code of another call": withBody(problem, { code: "email_taken" }),
  "a member more in a problem": withBody(problem, { sql: "x" }),
  "a header less": { ...problem, headers: ["x-request-id"] },
  "a header more": { ...good, headers: ["x-powered-by"] },
};

for (const [name, exchange] of Object.entries({ "a list": good, "a problem": problem, "HEAD": { ...good, method: "HEAD" } })) {
  await test(`declared: ${name}`, () => expectNone([check(exchange)].filter(Boolean)));
}
for (const [name, exchange] of Object.entries(undeclared)) {
  await test(`undeclared: ${name}`, () => {
    if (!check(exchange)) throw new Error("was not found");
  });
}

if (exchanges) {
  await test("every reply is one that the document declares", async () => {
    const problems = new Set();
    for await (const exchange of readExchanges(exchanges)) {
      const problem = check(exchange);
      if (problem) problems.add(`${exchange.method} ${exchange.path} ${exchange.status} ${exchange.code}: ${problem}`);
    }
    expectNone([...problems]);
  });
}

console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
