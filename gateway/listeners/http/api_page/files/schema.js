// Shows JSON Schemas, and makes examples of values. A part of a schema is built when it is opened, so a schema
// may refer to itself.
import { badge, code, el, lazyDetails } from "./dom.js";
import { markdown } from "./markdown.js";

const MOST_REFERENCES = 16;
const DEEPEST_EXAMPLE = 6;
const COMPOSED = { oneOf: "one of", anyOf: "any of", allOf: "all of" };
const LIMITS = [
  ["minimum", (value) => `≥ ${value}`],
  ["exclusiveMinimum", (value) => `> ${value}`],
  ["maximum", (value) => `≤ ${value}`],
  ["exclusiveMaximum", (value) => `< ${value}`],
  ["multipleOf", (value) => `a multiple of ${value}`],
  ["minItems", (value) => `at least ${value} elements`],
  ["maxItems", (value) => `at most ${value} elements`],
  ["minProperties", (value) => `at least ${value} entries`],
  ["maxProperties", (value) => `at most ${value} entries`],
  ["uniqueItems", () => "no duplicates"],
];
// Texts that examples are chosen from. The first one that fits the pattern and the length is used.
const SAMPLES = ["example", "example-1", "b1gexample", "a1", "1s", "0", "1", "a", "id,name", "aaaaaaaaaaaaaaaaaaaa"];
const FORMATS = { "date-time": "2026-01-31T12:00:00Z", byte: "aGVsbG8=" };

/** Return the value that a reference inside the document refers to. */
export function resolve(document, value) {
  let found = value;
  for (let turn = 0; found && typeof found.$ref === "string" && turn < MOST_REFERENCES; turn += 1) {
    const names = found.$ref.replace(/^#\//, "").split("/");
    const target = names.reduce((here, name) => here?.[name.replace(/~1/g, "/").replace(/~0/g, "~")], document);
    const { $ref, ...others } = found;
    found = target ? { ...target, ...others } : {};
  }
  return found ?? {};
}

/** Return a short text for the type of a schema. */
export function typeText(document, given) {
  const schema = resolve(document, given);
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  if (schema.type === "array") return `list of ${typeText(document, schema.items ?? {})}`;
  if (schema.type === "object" && isMap(schema)) return `map to ${typeText(document, schema.additionalProperties)}`;
  if (schema.type === "object" && given?.$ref) return given.$ref.split(/[/.]/).at(-1);
  if (schema.type) return schema.format ? `${schema.type} (${schema.format})` : schema.type;
  const composed = Object.keys(COMPOSED).find((name) => schema[name]);
  return composed ? COMPOSED[composed] : schema.enum ? "enum" : "any";
}

function isMap(schema) {
  return typeof schema.additionalProperties === "object" && !Object.keys(schema.properties ?? {}).length;
}

/** Return the constraints of a value as a list of elements. */
export function constraints(document, given) {
  const schema = resolve(document, given);
  const shown = [];
  const options = schema.anyOf ?? schema.oneOf ?? [];
  const length = options.some((one) => one.maxLength !== undefined) ? "" : lengthText(schema);
  if (length) shown.push(length);
  for (const [keyword, write] of LIMITS) {
    if (schema[keyword] !== undefined && schema[keyword] !== false) shown.push(write(schema[keyword]));
  }
  if (schema.const !== undefined) shown.push(["always ", code(JSON.stringify(schema.const))]);
  if (schema.default !== undefined) shown.push(["default ", code(JSON.stringify(schema.default))]);
  if (schema.pattern) shown.push(["matches ", code(schema.pattern)]);
  if (schema.propertyNames) shown.push(...constraints(document, schema.propertyNames).map((one) => ["keys: ", one]));
  if (isMap(schema)) {
    shown.push(...constraints(document, schema.additionalProperties).map((one) => ["values: ", one]));
  }
  if (schema.type === "array") {
    shown.push(...constraints(document, schema.items ?? {}).map((one) => ["each: ", one]));
  }
  const limits = options.map((one) => (one.type || one.$ref ? [] : constraints(document, one)));
  if (limits.length && limits.every((one) => one.length)) {
    shown.push(limits.map((one, index) => [index ? " or " : "", one.map((part, at) => [at ? ", " : "", part])]));
  }
  return shown;
}

function lengthText({ minLength, maxLength }) {
  if (minLength === undefined && maxLength === undefined) return "";
  if (maxLength === 0) return "empty";
  if (minLength === maxLength) return `${minLength} characters`;
  if (maxLength === undefined) return minLength === 1 ? "not empty" : `at least ${minLength} characters`;
  return minLength ? `${minLength} to ${maxLength} characters` : `at most ${maxLength} characters`;
}

/** Return the facts of a value below its name: constraints, enum values and description. */
export function facts(document, given) {
  const schema = resolve(document, given);
  const found = constraints(document, given);
  const values = schema.enum ?? schema.items?.enum;
  return [
    found.length ? el("ul", { class: "constraints" }, found.map((one) => el("li", {}, one))) : null,
    values ? el("p", { class: "enum" }, "One of ", values.map((one, at) => [at ? ", " : "", code(String(one))])) : null,
    el("div", { class: "about" }, markdown(schema.description)),
  ];
}

/** Return the element that shows a schema with its fields. */
export function schemaView(document, given) {
  const schema = resolve(document, given);
  const parts = [];
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length) {
    const required = new Set(schema.required ?? []);
    const rows = properties.map(([name, one]) => fieldView(document, name, one, required.has(name)));
    parts.push(el("ul", { class: "fields" }, rows));
  }
  for (const [keyword, label] of Object.entries(COMPOSED)) {
    const options = (schema[keyword] ?? []).filter((one) => one.$ref || one.type || one.properties || one.oneOf);
    if (options.length) {
      const views = options.map((one) => lazyDetails(optionName(document, one), () => schemaView(document, one)));
      parts.push(el("p", { class: "muted" }, `${label}:`), views);
    }
  }
  const inner = schema.type === "array" ? schema.items : isMap(schema) ? schema.additionalProperties : null;
  if (inner && !properties.length) parts.push(el("p", { class: "type" }, typeText(document, given)), nested(document, inner));
  return parts.length ? parts : [el("p", { class: "type" }, typeText(document, given)), facts(document, given)];
}

function optionName(document, one) {
  const type = resolve(document, one).properties?.["@type"];
  return (type?.const ?? one.$ref ?? typeText(document, one)).split("/").at(-1).replace(/-Packed$/, "");
}

function fieldView(document, name, given, isRequired) {
  const schema = resolve(document, given);
  return el(
    "li",
    {},
    el("div", { class: "head" }, code(name), el("span", { class: "type" }, typeText(document, given)), marks(schema, isRequired)),
    facts(document, given),
    nested(document, given),
  );
}

export function marks(schema, isRequired) {
  return [isRequired ? badge("required", "required") : null, schema.deprecated ? badge("deprecated", "muted") : null];
}

/** Return an element that shows the fields of a value when it is opened; null if the value has none. */
function nested(document, given) {
  const schema = resolve(document, given);
  const inner = schema.type === "array" ? schema.items : isMap(schema) ? schema.additionalProperties : null;
  if (inner) return nested(document, inner);
  const options = ["oneOf", "anyOf", "allOf"].some((name) => (schema[name] ?? []).some((one) => one.$ref));
  if (!Object.keys(schema.properties ?? {}).length && !options) return null;
  return lazyDetails(`fields of ${typeText(document, given)}`, () => schemaView(document, given));
}

/** Return an example of a value: the one of the document, or one that meets the constraints where possible. */
export function example(document, given, depth = 0) {
  const schema = resolve(document, given);
  const shown = schema.example ?? schema.examples?.[0] ?? schema.const ?? schema.default;
  if (shown !== undefined) return shown;
  if (schema.enum) return schema.enum.find((one) => !String(one).endsWith("_UNSPECIFIED")) ?? schema.enum[0];
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case "object":
      return objectExample(document, schema, depth);
    case "array":
      return depth > DEEPEST_EXAMPLE || !schema.minItems ? [] : [example(document, schema.items ?? {}, depth + 1)];
    case "integer":
    case "number":
      return Math.max(schema.minimum ?? 0, 0);
    case "boolean":
      return false;
    case "string":
      return textExample(schema);
    default: {
      const option = (schema.oneOf ?? schema.anyOf ?? [])[0];
      return option && depth <= DEEPEST_EXAMPLE ? example(document, option, depth + 1) : {};
    }
  }
}

function objectExample(document, schema, depth) {
  const made = {};
  if (depth > DEEPEST_EXAMPLE) return made;
  const required = new Set(schema.required ?? []);
  for (const [name, one] of Object.entries(schema.properties ?? {})) {
    const inner = resolve(document, one);
    if (inner.deprecated || (depth > 1 && !required.has(name))) continue;
    made[name] = name === "uri" ? "https://storage.yandexcloud.net/bucket/image.iso" : example(document, one, depth + 1);
  }
  return made;
}

function textExample(schema) {
  if (FORMATS[schema.format]) return FORMATS[schema.format];
  let pattern;
  try {
    pattern = new RegExp(schema.pattern ?? "", "u");
  } catch {
    return "";
  }
  const fits = (text) => pattern.test(text) && text.length >= (schema.minLength ?? 0) && text.length <= (schema.maxLength ?? Infinity);
  return SAMPLES.find(fits) ?? "";
}
