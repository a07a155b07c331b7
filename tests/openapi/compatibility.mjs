// Which changes between two versions of the API document break a client of the older one (docs/contract.md has the promise).
//
// A client may rely on every call, parameter, status, code, member and header that the older document has. It must take new members,
// codes and headers in replies, and new calls and optional members of bodies do not concern it.
import { flatten, operations, resolve } from "./document.mjs";

const isSubset = (a, b) => a.every((item) => b.includes(item));
const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// ---- schemas ----

const types = (schema) => [schema.type ?? []].flat(); // none: any
const hasTypes = (schema) => schema.type !== undefined;

// Whether what has the types of `a` has those of `b`, which has any type if it names none.
function isOfTypes(a, b) {
  const known = types(b).includes("number") ? [...types(b), "integer"] : types(b);
  return !hasTypes(b) || (hasTypes(a) && isSubset(types(a), known));
}

const least = ["minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"];
const most = ["maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"];
const understood = new Set(
  ("type enum format properties required items anyOf oneOf allOf additionalProperties dependentRequired " +
    "title description example examples deprecated $comment").split(" ").concat(least, most),
);

// A keyword that both sides must have alike, since nothing here can tell the narrower of two values.
function compareOthers(a, b, where, report) {
  for (const name of Object.keys(b)) {
    if (!understood.has(name) && !isSame(a[name], b[name])) report(`${where}: ${name} is ${JSON.stringify(b[name])}`);
  }
}

const alternatives = (schema) => schema.anyOf ?? schema.oneOf ?? [{}];

// Whether `compare` finds nothing with one of the alternatives.
function fitsOne(candidates, compare) {
  return candidates.some((candidate) => {
    const found = [];
    compare(candidate, (sentence) => found.push(sentence));
    return found.length === 0;
  });
}

// Each member of a schema of the older document that the newer one has, by `compare`; what it has no more is reported.
function compareMembers(before, after, [a, b], where, report, compare) {
  for (const [name, schema] of Object.entries(a.properties)) {
    if (!b.properties[name]) report(`${where}/${name}: is gone`);
    else compare({ ...before, schema }, { ...after, schema: b.properties[name] }, `${where}/${name}`, report);
  }
  if (a.items || b.items) compare({ ...before, schema: a.items ?? {} }, { ...after, schema: b.items ?? {} }, `${where}/*`, report);
}

function compareLimits(a, b, where, report) {
  for (const name of least) {
    const none = name.endsWith("inimum") ? -Infinity : 0; // a length and a count are 0 at least
    if (b[name] > (a[name] ?? none)) report(`${where}: ${name} is ${b[name]}, was ${a[name] ?? "none"}`);
  }
  for (const name of most) {
    if (b[name] < (a[name] ?? Infinity)) report(`${where}: ${name} is ${b[name]}, was ${a[name] ?? "none"}`);
  }
}

function compareAdditional(before, after, [a, b], where, report) {
  const [old, now] = [a.additionalProperties ?? true, b.additionalProperties ?? true];
  if (now === true || old === false) return;
  if (now === false) report(`${where}: takes no other members`);
  else compareSent({ ...before, schema: old === true ? {} : old }, { ...after, schema: now }, `${where}/*`, report);
}

// What a client sends must still be taken.
function compareSent(before, after, where, report) {
  const [a, b] = [flatten(before.document, before.schema), flatten(after.document, after.schema)];
  if (!isOfTypes(a, b)) report(`${where}: takes ${types(b)}, no longer ${types(a)}`);
  if (b.enum && !isSubset(a.enum ?? [undefined], b.enum)) report(`${where}: takes fewer values`);
  if ((b.format ?? a.format) !== a.format) report(`${where}: must be ${b.format}`);
  compareLimits(a, b, where, report);
  for (const name of b.required) if (!a.required.includes(name)) report(`${where}/${name}: is required`);
  for (const [name, others] of Object.entries(b.dependentRequired ?? {})) {
    const known = [...a.required, ...(a.dependentRequired?.[name] ?? [])];
    for (const other of others) if (!known.includes(other)) report(`${where}/${name}: requires ${other}`);
  }
  compareAdditional(before, after, [a, b], where, report);
  if (b.anyOf || b.oneOf) {
    for (const schema of alternatives(a)) {
      const compare = (now, found) => compareSent({ ...before, schema }, { ...after, schema: now }, where, found);
      if (!fitsOne(alternatives(b), compare)) report(`${where}: an alternative is gone`);
    }
  }
  compareMembers(before, after, [a, b], where, report, compareSent);
  compareOthers(a, b, where, report);
}

// What a client receives must still be what it knows. Of codes there may be new ones, but what a client switches on stays.
function compareReceived(before, after, where, report) {
  const [a, b] = [flatten(before.document, before.schema), flatten(after.document, after.schema)];
  const isCode = where.endsWith("/code");
  if (!isOfTypes(b, a)) report(`${where}: is ${types(b)}, was ${types(a)}`);
  if (a.enum && !isCode && !isSubset(b.enum ?? [undefined], a.enum)) report(`${where}: may have other values`);
  if (a.enum && isCode && !isSubset(a.enum, b.enum ?? a.enum)) report(`${where}: a code is gone`);
  if (b.format !== a.format) report(`${where}: format is ${b.format}, was ${a.format}`);
  compareLimits(b, a, where, report);
  for (const name of a.required) if (!b.required.includes(name)) report(`${where}/${name}: may be missing`);
  if (a.anyOf || a.oneOf) {
    for (const schema of alternatives(b)) {
      const compare = (old, found) => compareReceived({ ...before, schema: old }, { ...after, schema }, where, found);
      if (!fitsOne(alternatives(a), compare)) report(`${where}: may be something else`);
    }
  }
  compareMembers(before, after, [a, b], where, report, compareReceived);
  compareOthers(b, a, where, report);
}

// ---- calls ----

// Whoever was let in is let in: some alternative asks for no more than the client has.
function compareSecurity(a, b, where, report) {
  for (const old of a) {
    const suffices = (now) => Object.entries(now).every(([scheme, roles]) => old[scheme] && isSubset(roles, old[scheme]));
    if (!b.some(suffices) && b.length > 0) report(`${where}: asks for other credentials than ${JSON.stringify(old)}`);
  }
  if (a.length === 0 && b.length > 0 && !b.some((now) => Object.keys(now).length === 0)) report(`${where}: asks for credentials`);
}

function compareParameters(before, after, where, report) {
  const read = ({ document, operation }) => new Map(
    (operation.parameters ?? []).map((parameter) => resolve(document, parameter)).map((each) => [`${each.in} ${each.name}`, each]),
  );
  const [a, b] = [read(before), read(after)];
  for (const [name, parameter] of a) {
    if (!b.has(name)) report(`${where}: parameter ${name} is gone`);
    else {
      compareSent({ ...before, schema: parameter.schema }, { ...after, schema: b.get(name).schema }, `${where}: ${name}`, report);
    }
  }
  for (const [name, parameter] of b) {
    if (parameter.required && !a.get(name)?.required) report(`${where}: parameter ${name} is required`);
  }
}

function compareBodies(before, after, where, report) {
  const [a, b] = [before.operation.requestBody, after.operation.requestBody];
  if (b?.required && !a?.required) report(`${where}: a body is required`);
  for (const [type, { schema }] of Object.entries(a?.content ?? {})) {
    const now = b?.content[type];
    if (!now) report(`${where}: takes no ${type}`);
    else compareSent({ ...before, schema }, { ...after, schema: now.schema }, where, report);
  }
}

const isSuccess = (status) => Number(status) < 400;

// The codes of an error.
function codesOf({ document, response }) {
  const contents = Object.values(response.content ?? {}).map(({ schema }) => flatten(document, schema));
  return contents.flatMap((schema) => schema.properties.code?.enum ?? []);
}

// A further code of an error may do without a header, which then may be missing, but is not gone.
function compareHeaders(before, after, where, report) {
  const hasFurtherCode = !isSubset(codesOf(after), codesOf(before));
  for (const [name, reference] of Object.entries(before.response.headers ?? {})) {
    const header = resolve(before.document, reference), now = resolve(after.document, after.response.headers?.[name]);
    if (!now) {
      report(`${where}: header ${name} is gone`);
      continue;
    }
    if (header.required && !now.required && !hasFurtherCode) report(`${where}: header ${name} may be missing`);
    if (header.required) {
      compareReceived({ ...before, schema: header.schema }, { ...after, schema: now.schema }, `${where}: ${name}`, report);
    }
  }
}

function compareResponse(before, after, where, report) {
  compareHeaders(before, after, where, report);
  for (const [type, { schema }] of Object.entries(before.response.content ?? {})) {
    const now = after.response.content?.[type];
    if (!now) report(`${where}: no ${type}`);
    else if (schema) compareReceived({ ...before, schema }, { ...after, schema: now.schema }, where, report);
  }
}

function compareResponses(before, after, where, report) {
  const [a, b] = [before.operation.responses, after.operation.responses];
  for (const status of Object.keys(a)) {
    const response = resolve(before.document, a[status]), now = resolve(after.document, b[status]);
    if (now) compareResponse({ ...before, response }, { ...after, response: now }, `${where} ${status}`, report);
    else report(`${where}: no longer answers ${status}`);
  }
  for (const status of Object.keys(b)) {
    // 304 comes to who asks for it by If-None-Match only
    if (isSuccess(status) && status !== "304" && !a[status]) report(`${where}: answers ${status}`);
  }
}

// ---- the document ----

// Error codes, and the names by which generated clients know things.
function compareNames(a, b, report) {
  for (const [code, { value }] of Object.entries(a.components.examples)) {
    const now = b.components.examples[code];
    if (!now) report(`error code ${code} is gone`);
    else if (now.value.status !== value.status) report(`error code ${code}: status is ${now.value.status}, was ${value.status}`);
  }
  for (const name of Object.keys(a.components.schemas)) if (!b.components.schemas[name]) report(`schema ${name} is gone`);
  for (const [name, scheme] of Object.entries(a.components.securitySchemes)) {
    const now = b.components.securitySchemes[name];
    const members = ["type", "scheme", "in", "name"];
    if (!now) report(`security scheme ${name} is gone`);
    else if (members.some((member) => now[member] !== scheme[member])) report(`security scheme ${name} is another one`);
  }
  const urls = (document) => document.servers.map(({ url }) => url);
  if (!isSubset(urls(a), urls(b))) report(`the service is at ${urls(b)}, was at ${urls(a)}`);
}

// A sentence for each change that breaks a client.
export function breakingChanges(a, b) {
  const found = [], report = (sentence) => found.push(sentence);
  for (const { path, method, operation } of operations(a)) {
    const now = b.paths[path]?.[method], where = `${method} ${path}`;
    if (!now) {
      report(`${where}: is gone`);
      continue;
    }
    const before = { document: a, operation }, after = { document: b, operation: now };
    if (operation.operationId !== now.operationId) report(`${where}: its name is ${now.operationId}, was ${operation.operationId}`);
    if (operation["x-any-method"] && !now["x-any-method"]) report(`${where}: takes one method only`);
    if (operation["x-any-path"] && !now["x-any-path"]) report(`${where}: takes one segment only`);
    compareSecurity(operation.security, now.security, where, report);
    compareParameters(before, after, where, report);
    compareBodies(before, after, where, report);
    compareResponses(before, after, where, report);
  }
  compareNames(a, b, report);
  return found;
}
