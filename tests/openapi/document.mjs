// What the checks of an OpenAPI document share: finding things in it.

// The object that a reference leads to, or the object itself.
export function resolve(document, object) {
  while (object?.$ref) {
    object = object.$ref.slice(2).split("/").reduce((at, name) => at[name.replaceAll("~1", "/")], document);
  }
  return object;
}

const methods = ["get", "post", "put", "patch", "delete", "head", "options"];

// { path, method, operation } of each.
export function operations(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })),
  );
}

// Parts of a schema by allOf count as one.
export function flatten(document, schema) {
  const { allOf = [], ...own } = resolve(document, schema) ?? {};
  const parts = [own, ...allOf.map((part) => flatten(document, part))];
  return {
    ...Object.assign({}, ...parts),
    properties: Object.assign({}, ...parts.map((part) => part.properties)),
    required: parts.flatMap((part) => part.required ?? []),
  };
}
