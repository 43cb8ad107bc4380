// Shows the response to a tried call. The violations of an error are shown as a table.
import { badge, code, el, jsonBlock, lazyDetails } from "./dom.js";

/** Return the elements for a response. */
export function responseView(result) {
  const parsed = parse(result);
  const kind = result.status < 300 ? "good" : "bad";
  const warnings = result.headers.filter(([name]) => name.toLowerCase() === "warning").map(([, value]) => value);
  return [
    el("p", { class: "status" }, badge(`${result.status} ${result.reason}`, kind), el("span", { class: "muted" }, ` ${result.duration_ms} ms`)),
    warnings.length ? el("ul", { class: "warnings" }, warnings.map((one) => el("li", {}, badge("warning", "warn"), " ", warningText(one)))) : null,
    result.status >= 400 && parsed ? errorView(parsed) : null,
    result.is_cut ? el("p", { class: "note" }, "The response is cut, because it is too long or took too long.") : null,
    result.body ? jsonBlock(parsed ?? result.body, "Body of the response") : el("p", { class: "muted" }, "The response has no body."),
    lazyDetails("Headers of the response", () => el("dl", {}, result.headers.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))),
  ];
}

function parse(result) {
  const type = result.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  try {
    return type.startsWith("application/json") ? JSON.parse(result.body) : null;
  } catch {
    return null;
  }
}

function warningText(value) {
  return value.replace(/^\d{3} \S+ "(.*)"$/, "$1").replace(/\\(.)/g, "$1");
}

function errorView(status) {
  const details = Array.isArray(status.details) ? status.details : [];
  const violations = details.flatMap((one) => one.fieldViolations ?? []);
  const information = details.find((one) => String(one["@type"]).endsWith(".ErrorInfo"));
  return el(
    "div",
    { class: "error" },
    information?.reason ? el("p", {}, code(information.reason)) : null,
    violations.length ? violationTable(violations) : el("p", {}, String(status.message ?? "")),
  );
}

function violationTable(violations) {
  const rows = violations.map((one) =>
    el(
      "tr",
      {},
      el("td", {}, one.field ? code(one.field) : "–"),
      el("td", {}, one.description ?? "", one.reason ? el("div", { class: "rule" }, one.reason) : null),
    ),
  );
  const heads = ["Field", "What is wrong"].map((one) => el("th", { scope: "col" }, one));
  const caption = violations.length === 1 ? "1 violation" : `${violations.length} violations`;
  return el(
    "table",
    { class: "violations" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads)),
    el("tbody", {}, rows),
  );
}
