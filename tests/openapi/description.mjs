// GitHub's description: finds the operation of a call, and turns the description's schemas (OpenAPI 3.0) into validators.

import { readFileSync } from "node:fs";

const KEPT = ["type", "enum", "required", "minimum", "maximum", "minLength", "maxLength", "pattern",
  "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"];
// `email` is left out: GitHub's own addresses of Apps (`1+x[bot]@users.noreply.github.com`) do not fit it.
const FORMATS = new Set(["date-time", "date", "uri", "uri-template", "int32", "int64", "double"]);
const ROOT = "gh";

export class Description {
  constructor(file, { Ajv, addFormats }) {
    this.whole = JSON.parse(readFileSync(file, "utf8"));
    this.ajv = this.#validator(Ajv, addFormats, {});
    // Values in a query are text: `per_page=100` is a number all the same.
    this.coercing = this.#validator(Ajv, addFormats, { coerceTypes: true });
    this.compiled = new Map();
    this.operations = Object.entries(this.whole.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => this.#operation(method.toUpperCase(), path, operation)));
    this.webhooks = new Map(Object.entries(this.whole["x-webhooks"]).map(([key, { post }]) => [key, post]));
  }

  #validator(Ajv, addFormats, options) {
    const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false, inlineRefs: false, ...options });
    addFormats(ajv);
    const schemas = Object.fromEntries(
      Object.entries(this.whole.components.schemas).map(([name, schema]) => [name, convert(schema)]));
    return ajv.addSchema({ $id: ROOT, components: { schemas } });
  }

  // Follows references until there is the thing itself.
  resolve(node) {
    let at = node;
    while (at?.$ref) at = at.$ref.slice(2).split("/").reduce((inner, key) => inner[key], this.whole);
    return at;
  }

  #operation(method, path, operation) {
    const parameters = (operation.parameters ?? []).map((one) => this.resolve(one));
    const many = new Set(parameters.filter((one) => one["x-multi-segment"]).map((one) => one.name));
    const parts = path.slice(1).split("/").map((part) => {
      const name = /^\{(.+)\}$/.exec(part)?.[1];
      if (name) return many.has(name) ? ".+" : "[^/]+";
      return part.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, "[^/]+");
    });
    const fixed = parts.filter((part) => !part.endsWith("+")).length;
    return { method, path, operation, parameters, fixed, pattern: new RegExp(`^/${parts.join("/")}$`) };
  }

  // The operation of a call; the one with the most fixed words wins.
  find(method, path) {
    const fitting = this.operations.filter((one) => one.method === method && one.pattern.test(path));
    return fitting.sort((a, b) => b.fixed - a.fixed)[0];
  }

  // What is wrong with a value, as sentences. `where` names the schema for the cache.
  wrong(where, schema, value, { coerce = false } = {}) {
    const key = `${coerce}:${where}`;
    if (!this.compiled.has(key)) this.compiled.set(key, (coerce ? this.coercing : this.ajv).compile(convert(schema)));
    const check = this.compiled.get(key);
    if (check(value)) return [];
    // `anyOf` and `if` only say that something below them is wrong.
    const all = check.errors.filter((one) => one.keyword !== "if");
    const causes = all.filter((one) => one.keyword !== "anyOf");
    return (causes.length ? causes : all).map((one) => `${one.instancePath || "/"} ${one.message}${detail(one)}`);
  }

  // Fields of a value that its schema does not name anywhere.
  unnamed(schema, value) {
    const found = [];
    this.#walk([schema], value, "", found);
    return found.map((path) => `${path} is not a field of it`);
  }

  #walk(schemas, value, path, found) {
    const flat = schemas.flatMap((one) => this.#branches(one));
    if (Array.isArray(value)) {
      const items = flat.flatMap((one) => (one.items ? [one.items] : []));
      if (items.length) value.forEach((one, index) => this.#walk(items, one, `${path}/${index}`, found));
    } else if (value !== null && typeof value === "object") {
      const more = flat.map((one) => one.additionalProperties).filter(Boolean);
      const isOpen = more.length > 0 || flat.every((one) => !one.properties);
      for (const [name, inner] of Object.entries(value)) {
        const named = flat.flatMap((one) => (Object.hasOwn(one.properties ?? {}, name) ? [one.properties[name]] : []));
        if (named.length) this.#walk(named, inner, `${path}/${name}`, found);
        else if (!isOpen) found.push(`${path}/${name}`);
        else if (more.some((one) => one !== true)) this.#walk(more.filter((one) => one !== true), inner, `${path}/${name}`, found);
      }
    }
  }

  // A schema with all that it is put together from.
  #branches(schema) {
    const itself = this.resolve(schema);
    const inner = [...(itself.allOf ?? []), ...(itself.anyOf ?? []), ...(itself.oneOf ?? [])];
    return [itself, ...inner.flatMap((one) => this.#branches(one))];
  }
}

function detail(error) {
  if (error.keyword === "enum") return `: ${error.params.allowedValues.slice(0, 12).join(", ")}`;
  if (error.keyword === "additionalProperties") return `: ${error.params.additionalProperty}`;
  return "";
}

// One OpenAPI 3.0 schema as a JSON Schema.
function convert(schema) {
  if (schema.$ref) return { $ref: `${ROOT}${schema.$ref}` };
  const out = {};
  for (const key of KEPT) if (schema[key] !== undefined) out[key] = schema[key];
  // A default of "" under a format says that nothing may stand there.
  if (FORMATS.has(schema.format) && schema.default !== "") out.format = schema.format;
  if (schema.properties) {
    out.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => [name, convert(inner)]));
  }
  if (schema.items) out.items = convert(schema.items);
  if (schema.not) out.not = convert(schema.not);
  if (schema.additionalProperties !== undefined) {
    const more = schema.additionalProperties;
    out.additionalProperties = typeof more === "object" ? convert(more) : more;
  }
  if (schema.allOf) out.allOf = schema.allOf.map(convert);
  // The branches of the description's `oneOf` overlap (a user fits more than one of them), so one or more may fit.
  const anyOf = [schema.anyOf, schema.oneOf].filter(Boolean).map((list) => ({ anyOf: list.map(convert) }));
  if (anyOf.length) out.allOf = [...(out.allOf ?? []), ...anyOf];
  return schema.nullable ? nullable(out) : out;
}

function nullable(out) {
  if (out.allOf || out.not || !out.type) return { anyOf: [{ type: "null" }, out] };
  const orNull = { ...out, type: [out.type, "null"] };
  if (out.enum) orNull.enum = [...new Set([...out.enum, null])];
  return orNull;
}
