// Shows the policies of an operation, the extension `x-policy` of the document.
import { badge, code, el, lazyDetails } from "./dom.js";

const EFFECTS = {
  deny: "A call that breaks a rule is denied.",
  warn: "A call that breaks a rule gets a warning.",
  audit: "A call that breaks a rule is only recorded.",
};

/** Return the elements for the policies of an operation. */
export function policyViews(policies) {
  return policies.map((policy) =>
    el(
      "article",
      { class: `policy ${EFFECTS[policy.action] ? policy.action : ""}` },
      el("h3", {}, policy.policy, " ", badge(policy.action, policy.action)),
      el("p", {}, policy.description ? `${policy.description} ` : "", policy.rules ? el("span", { class: "muted" }, EFFECTS[policy.action]) : ""),
      policy.when ? el("p", {}, "Only for requests with ", code(policy.when)) : null,
      ruleList(policy.rules ?? []),
      setList(policy),
      policy.parameters ? lazyDetails("Parameters", () => parameterList(policy.parameters)) : null,
    ),
  );
}

function ruleList(rules) {
  if (!rules.length) return null;
  const rows = rules.map((rule) =>
    el(
      "li",
      {},
      el("div", { class: "head" }, rule.field ? code(rule.field) : null, el("span", { class: "rule" }, rule.name), badge(rule.severity, "muted")),
      el("p", {}, hasText(rule) ? placeholders(rule.message) : ["Must meet ", code(rule.assert)]),
      rule.fix ? el("p", { class: "fix" }, placeholders(rule.fix)) : null,
      hasText(rule) ? lazyDetails("Condition", () => el("pre", { tabindex: "0" }, rule.assert)) : null,
    ),
  );
  return el("ul", { class: "rules" }, rows);
}

/** Return whether the message of a rule says something before there is a request. */
function hasText(rule) {
  return Boolean(rule.message) && !/^\{.*\}$/.test(rule.message);
}

/** Return the nodes of a text in which parts in braces depend on the request. */
function placeholders(message) {
  return message.split(/(\{[^{}]*\})/).map((part) =>
    /^\{.*\}$/.test(part) ? el("code", { class: "placeholder", title: "depends on the request" }, part.slice(1, -1)) : part,
  );
}

function setList(policy) {
  const sets = policy.sets ?? [];
  const verb = policy.action === "audit" ? "Would set " : "Sets ";
  return sets.length
    ? el(
        "ul",
        { class: "rules" },
        sets.map((one) => el("li", {}, verb, code(one.field), " to ", code(one.value ?? '""'), one.when ? [" when ", code(one.when)] : null)),
      )
    : null;
}

function parameterList(parameters) {
  const rows = Object.entries(parameters).flatMap(([name, value]) => [el("dt", {}, code(name)), el("dd", {}, code(JSON.stringify(value)))]);
  return el("dl", {}, rows);
}
