// Shows one operation: its policies, parameters, body and responses.
import { badge, code, el, jsonBlock, lazyDetails, section } from "./dom.js";
import { markdown } from "./markdown.js";
import { policyViews } from "./policies.js";
import { example, facts, marks, resolve, schemaView, typeText } from "./schema.js";
import { tryPanel } from "./try.js";

const PLACES = { path: "Path", query: "Query", header: "Headers" };
const POLICIES_PART = /(^|\n\n)\*\*Policies of this gateway\*\*[\s\S]*$/;

/** Return the view of an operation. */
export function operationView(api, operation) {
  const { document } = api;
  const policies = operation.definition["x-policy"] ?? [];
  const own = (operation.definition.description ?? "").replace(policies.length ? POLICIES_PART : /$^/, "");
  const parameters = (operation.definition.parameters ?? []).map((one) => resolve(document, one));
  return el(
    "div",
    { class: "operation" },
    el(
      "div",
      { class: "reference" },
      el("h1", { tabindex: "-1" }, badge(operation.method, `method ${operation.method.toLowerCase()}`), " ", el("span", { class: "path" }, operation.path)),
      el("p", { class: "muted names" }, code(operation.definition["x-grpc-method"] ?? operation.id)),
      operation.definition.deprecated ? el("p", {}, badge("deprecated", "muted")) : null,
      markdown(own),
      policies.length ? section("policies", "Policies", policyViews(policies)) : null,
      parametersView(document, parameters),
      bodyView(document, operation.definition.requestBody),
      responsesView(document, operation.definition.responses ?? {}),
    ),
    tryPanel(api, operation, parameters),
  );
}

function parametersView(document, parameters) {
  const groups = Object.entries(PLACES).map(([place, label]) => {
    const own = parameters.filter((one) => one.in === place);
    if (!own.length) return null;
    const rows = own.map((one) =>
      el(
        "li",
        {},
        el(
          "div",
          { class: "head" },
          code(one.name),
          el("span", { class: "type" }, typeText(document, one.schema ?? {})),
          marks(one, one.required),
        ),
        facts(document, { ...resolve(document, one.schema), description: one.description }),
      ),
    );
    const list = el("ul", { class: "fields" }, rows);
    return place === "header" ? lazyDetails(label, () => list) : [el("h3", {}, label), list];
  });
  return groups.some(Boolean) ? section("parameters", "Parameters", groups) : null;
}

function bodyView(document, given) {
  if (!given) return null;
  const body = resolve(document, given);
  const parts = Object.entries(body.content ?? {}).map(([type, media]) => [
    el("p", { class: "muted" }, type, body.required ? [" ", badge("required", "required")] : null),
    markdown(body.description),
    media.schema ? schemaView(document, media.schema) : null,
    media.schema ? lazyDetails("Example", () => jsonBlock(media.example ?? example(document, media.schema), "Example of the body")) : null,
  ]);
  return section("body", "Body", parts);
}

function responsesView(document, responses) {
  const rows = Object.entries(responses).map(([status, given]) => {
    const response = resolve(document, given);
    const kind = status.startsWith("2") ? "good" : status === "default" ? "muted" : "bad";
    const summary = [badge(status, kind), " ", el("span", {}, response.description ?? "")];
    const contents = Object.entries(response.content ?? {});
    if (!contents.length) return el("div", { class: "plain" }, summary);
    return lazyDetails(summary, () => contents.map((one) => contentView(document, ...one)));
  });
  return section("responses", "Responses", el("div", { class: "responses" }, rows));
}

function contentView(document, type, media) {
  const schema = media.schema ? resolve(document, media.schema) : null;
  return [
    el("p", { class: "muted" }, type),
    schema ? markdown(schema.description) : null,
    schema ? schemaView(document, schema.contentSchema ?? media.schema) : null,
    media.example === undefined ? null : jsonBlock(media.example, "Example of the response"),
  ];
}
