// What the service tests recorded (tests/service/support/recorder.h), against the document.
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { operations, resolve } from "./document.mjs";

// Of what every reply may have, or that belongs to HTTP itself and not to this API.
const undescribed = new Set(
  ("access-control-allow-origin access-control-expose-headers access-control-allow-methods access-control-allow-headers " +
    "access-control-max-age allow cache-control connection content-encoding content-length content-security-policy content-type " +
    "cross-origin-opener-policy " +
    "date referrer-policy transfer-encoding vary x-content-type-options x-accel-buffering").split(" "),
);

// As the document, but a reply must have no member that it does not name: a client must take more, this service must not send it.
function closed(document) {
  const copy = structuredClone(document);
  for (const schema of Object.values(copy.components.schemas)) if (schema.properties) schema.additionalProperties = false;
  return copy;
}

function makeValidator(document) {
  const ajv = new Ajv({ strict: false, allErrors: false, formats: { "idn-email": /^[^@\s]+@[^@\s]+$/, password: true } });
  const compiled = new Map();
  addFormats(ajv);
  ajv.addSchema(closed(document), "document");
  return (pointer, value) => {
    if (!compiled.has(pointer)) compiled.set(pointer, ajv.compile({ $ref: `document#${pointer}` }));
    const validate = compiled.get(pointer);
    return validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: "body" });
  };
}

const escape = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1").replaceAll("%", "%25").replaceAll("{", "%7B").replaceAll("}", "%7D");

const id = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";

// Literal paths first, as the more specific ones.
function makeFinder(document) {
  const patterns = operations(document).map(({ path, method, operation }) => ({
    path,
    method,
    operation,
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace("{path}", ".*").replaceAll(/\{\w+\}/g, id)}$`),
  }));
  patterns.sort((a, b) => a.path.split("{").length - b.path.split("{").length);
  return (method, path) => {
    const wanted = method === "HEAD" ? "GET" : method;
    const takes = ({ method, operation }) => method.toUpperCase() === wanted || operation["x-any-method"];
    return patterns.find((each) => takes(each) && each.pattern.test(path));
  };
}

// A path without an operation, a preflight, a file of a page, what only the operator's listener has, what the library answers by itself, and a second reply on a connection.
function isOutside({ method, status, code }, path, found) {
  const codes = ["not_found", "method_not_allowed", "bad_request", "header_too_large", "request_timeout", "overloaded", "out_of_memory"];
  if (!found && /^\/(docs|admin|debug)\/.|^\/metrics$/.test(path)) return true;
  if (method === "-" || (!found && (method === "OPTIONS" || codes.includes(code)))) return true;
  return ["400", "413", "414", "431", "505"].includes(status) && code === "-";
}

export function makeChecker(document) {
  const validate = makeValidator(document), find = makeFinder(document);

  function checkHeaders(response, names, isDirect) {
    const described = new Map(Object.entries(response.headers ?? {}).map(([name, header]) => [name.toLowerCase(), header]));
    for (const [name, header] of described) {
      if (resolve(document, header).required && !names.includes(name)) return `lacks ${name}`;
    }
    if (isDirect) return null;
    const other = names.find((name) => !described.has(name) && !undescribed.has(name));
    return other ? `has ${other}` : null;
  }

  function checkBody({ method, type, body }, response, pointer) {
    if (type === "-") return method === "HEAD" || !response.content ? null : "has no body";
    if (!response.content?.[type]) return `has a body of ${type}`;
    if (method === "HEAD" || !response.content[type].schema) return null;
    try {
      return validate(`${pointer}/content/${escape(type)}/schema`, JSON.parse(body));
    } catch (error) {
      return error.message;
    }
  }

  // What is wrong with an exchange, or null.
  return function check(exchange) {
    const path = exchange.path.replace(/^http:\/\/x/, "").replace(/\?.*/, "");
    const found = find(exchange.method, path);
    if (isOutside(exchange, path, found)) return null;
    if (!found) return "no operation";
    let pointer = `/paths/${escape(found.path)}/${found.method}/responses/${exchange.status}`;
    let response = found.operation.responses[exchange.status];
    if (!response) return "a status that is not declared";
    if (response.$ref) {
      pointer = response.$ref.slice(1);
      response = resolve(document, response);
    }
    return checkHeaders(response, exchange.headers, exchange.status === "408" || exchange.status === "431") ?? checkBody(exchange, response, pointer);
  };
}

export async function* readExchanges(file) {
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const [method, path, status, type, code, headers, body] = line.split("\t");
    yield { method, path, status, type, code, headers: headers.split(","), body };
  }
}
