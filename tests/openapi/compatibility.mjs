// Which changes between two versions of the API document break a client of the older one (docs/contract.md has the promise).
//
// A client may rely on every call, parameter, status of success, member and header that the older document has. It must take new
// members, codes and headers in replies, and new calls and optional members of bodies do not concern it.
import { flatten, operations, resolve } from "./document.mjs";

const types = (schema) => [schema.type ?? "any"].flat().sort();
const isSubset = (a, b) => a.every((item) => b.includes(item));

// What a client sends must still be taken.
function compareSent(before, after, where, report) {
  const [a, b] = [flatten(before.document, before.schema), flatten(after.document, after.schema)];
  if (!isSubset(types(a), types(b))) report(`${where}: takes ${types(b)}, no longer ${types(a)}`);
  if (b.enum && !isSubset(a.enum ?? [null], b.enum)) report(`${where}: takes fewer values`);
  if ((b.format ?? a.format) !== a.format) report(`${where}: must be ${b.format}`);
  for (const [name, isNarrower] of [
    ["minLength", (old, now) => now > (old ?? 0)],
    ["minimum", (old, now) => now > (old ?? -Infinity)],
    ["maxLength", (old, now) => now < (old ?? Infinity)],
    ["maximum", (old, now) => now < (old ?? Infinity)],
  ]) {
    if (b[name] !== undefined && isNarrower(a[name], b[name])) report(`${where}: ${name} is ${b[name]}, was ${a[name] ?? "none"}`);
  }
  for (const name of b.required) if (!a.required.includes(name)) report(`${where}/${name}: is required`);
  for (const [name, schema] of Object.entries(a.properties)) {
    if (!b.properties[name]) report(`${where}/${name}: is gone`);
    else compareSent({ ...before, schema }, { ...after, schema: b.properties[name] }, `${where}/${name}`, report);
  }
  if (a.items && b.items) compareSent({ ...before, schema: a.items }, { ...after, schema: b.items }, `${where}/*`, report);
}

// What a client receives must still be what it knows. `isCode`: a value of errors[].code or code, of which there may be new ones.
function compareReceived(before, after, where, report) {
  const [a, b] = [flatten(before.document, before.schema), flatten(after.document, after.schema)];
  const isCode = where.endsWith("/code");
  if (!isSubset(types(b), types(a))) report(`${where}: is ${types(b)}, was ${types(a)}`);
  if (a.enum && !isCode && !isSubset(b.enum ?? [null], a.enum)) report(`${where}: may have other values`);
  if (b.format !== a.format) report(`${where}: format is ${b.format}, was ${a.format}`);
  for (const name of a.required) if (!b.required.includes(name)) report(`${where}/${name}: may be missing`);
  for (const [name, schema] of Object.entries(a.properties)) {
    if (!b.properties[name]) report(`${where}/${name}: is gone`);
    else compareReceived({ ...before, schema }, { ...after, schema: b.properties[name] }, `${where}/${name}`, report);
  }
  for (const [index, schema] of (a.anyOf ?? []).entries()) {
    if (b.anyOf?.[index]) compareReceived({ ...before, schema }, { ...after, schema: b.anyOf[index] }, where, report);
  }
  if (a.items && b.items) compareReceived({ ...before, schema: a.items }, { ...after, schema: b.items }, `${where}/*`, report);
}

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

// A header of an error belongs to its codes, and a further code may do without it.
function compareResponse(before, after, where, report) {
  const headers = isSuccess(where.split(" ").at(-1)) ? before.response.headers : {};
  for (const [name, header] of Object.entries(headers ?? {})) {
    const now = resolve(after.document, after.response.headers?.[name]);
    if (!now) report(`${where}: header ${name} is gone`);
    else if (resolve(before.document, header).required && !now.required) report(`${where}: header ${name} may be missing`);
  }
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
    else if (isSuccess(status)) report(`${where}: no longer answers ${status}`);
  }
  for (const status of Object.keys(b)) {
    // 304 comes to who asks for it by If-None-Match only
    if (isSuccess(status) && status !== "304" && !a[status]) report(`${where}: answers ${status}`);
  }
}

// Error codes, and the names by which generated clients know things.
function compareNames(a, b, report) {
  for (const [code, { value }] of Object.entries(a.components.examples)) {
    const now = b.components.examples[code];
    if (!now) report(`error code ${code} is gone`);
    else if (now.value.status !== value.status) report(`error code ${code}: status is ${now.value.status}, was ${value.status}`);
  }
  for (const name of Object.keys(a.components.schemas)) if (!b.components.schemas[name]) report(`schema ${name} is gone`);
  for (const name of Object.keys(a.components.securitySchemes)) {
    if (!b.components.securitySchemes[name]) report(`security scheme ${name} is gone`);
  }
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
    compareSecurity(operation.security, now.security, where, report);
    compareParameters(before, after, where, report);
    compareBodies(before, after, where, report);
    compareResponses(before, after, where, report);
  }
  compareNames(a, b, report);
  return found;
}
