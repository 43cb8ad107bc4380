// Tries a call. The gateway makes the call for the page, because the REST listener has another origin.
import { code, el } from "./dom.js";
import { responseView } from "./response.js";
import { example, resolve, typeText } from "./schema.js";

const JSON_TYPE = "application/json";

/** Return the panel in which a person fills in an operation and calls it. */
export function tryPanel(api, operation, parameters) {
  const inputs = parameters.map((one, index) => ({ parameter: one, control: control(api.document, one, `p-${index}`) }));
  const body = bodyControl(api, operation);
  const output = el("div", { class: "output", "aria-live": "polite" });
  const send = el("button", { type: "submit", class: "primary" }, "Send");
  const copy = el("button", { type: "button", click: () => showCommand(api, operation, inputs, body, output) }, "curl");
  const form = el(
    "form",
    {
      novalidate: true,
      submit: async (event) => {
        event.preventDefault();
        if (checkForm(form, output)) await sendCall(api, operation, inputs, body, output, send);
      },
    },
    inputRows(inputs, "path"),
    inputRows(inputs, "query"),
    headerRows(inputs),
    body ? [el("label", { for: "request-body" }, "Body"), body] : null,
    el("div", { class: "buttons" }, send, copy),
  );
  const note = api.tryState.is_possible ? null : el("p", { class: "note" }, sentence(api.tryState.reason));
  send.disabled = !api.tryState.is_possible;
  return el("aside", { class: "try", "aria-labelledby": "try-heading" }, el("h2", { id: "try-heading" }, "Try it"), note, form, output);
}

function control(document, parameter, id) {
  const schema = resolve(document, parameter.schema);
  const about = { id, name: parameter.name, required: parameter.required === true };
  const values = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  if (values) {
    const options = ["", ...values].map((one) => el("option", { value: one }, one === "" ? "–" : String(one)));
    return el("select", about, options);
  }
  if (schema.type === "array" || schema.type === "object") {
    const form = schema.type === "array" ? "one value on each line" : "key=value on each line";
    return el("textarea", { ...about, rows: "2", placeholder: form, spellcheck: "false" });
  }
  const placeholder = parameter.in === "path" ? "" : typeText(document, parameter.schema ?? {});
  return el("input", { ...about, type: "text", autocomplete: "off", spellcheck: "false", placeholder });
}

function inputRows(inputs, place) {
  return inputs
    .filter(({ parameter }) => parameter.in === place)
    .map(({ parameter, control }) => [
      el("label", { for: control.id }, parameter.name, parameter.required ? el("span", { class: "star", title: "required" }, " *") : null),
      control,
    ]);
}

function headerRows(inputs) {
  const rows = inputRows(inputs, "header");
  return rows.length ? el("details", {}, el("summary", {}, "Headers"), el("div", { class: "inside" }, rows)) : null;
}

function bodyControl(api, operation) {
  const content = operation.definition.requestBody && resolve(api.document, operation.definition.requestBody).content;
  if (!content) return null;
  const media = content[JSON_TYPE];
  const text = media?.schema ? JSON.stringify(media.example ?? example(api.document, media.schema), null, 2) : "";
  const area = el("textarea", { id: "request-body", rows: String(Math.min(Math.max(text.split("\n").length + 3, 6), 24)), spellcheck: "false" });
  area.value = text;
  return area;
}

function checkForm(form, output) {
  const missing = [...form.elements].find((one) => one.required && !one.value);
  for (const one of form.elements) one.toggleAttribute("aria-invalid", one === missing);
  if (missing) {
    output.replaceChildren(el("p", { class: "note" }, code(missing.name), " is required."));
    missing.focus();
  }
  return !missing;
}

/** Return the call that the form describes, without the token. */
function readCall(operation, inputs, body) {
  let { path } = operation;
  const query = [];
  const headers = [];
  for (const { parameter, control } of inputs) {
    const { name } = parameter;
    const value = control.value.trim();
    if (parameter.in === "path") {
      const isRest = (parameter.description ?? "").includes("Matches the rest of the path");
      const encoded = isRest ? value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(value);
      path = path.replace(`{${name}}`, () => encoded);
    } else if (value && parameter.in === "header") {
      headers.push([name, value]);
    } else if (value) {
      query.push(...queryPairs(parameter, value));
    }
  }
  const text = query.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  const content = body?.value.trim() ? body.value : null;
  if (content !== null) headers.unshift(["Content-Type", JSON_TYPE]);
  return { method: operation.method, path: text ? `${path}?${text}` : path, headers, body: content };
}

function queryPairs({ name, schema }, value) {
  if (schema?.type !== "array" && schema?.type !== "object") return [[name, value]];
  const lines = value.split("\n").filter((line) => line.trim());
  if (schema.type === "array") return lines.map((line) => [name, line.trim()]);
  return lines.map((line) => [`${name}[${line.split("=")[0].trim()}]`, line.split("=").slice(1).join("=").trim()]);
}

async function sendCall(api, operation, inputs, body, output, send) {
  const call = readCall(operation, inputs, body);
  const token = api.readToken();
  if (token) call.headers.push(["Authorization", `Bearer ${token}`]);
  output.replaceChildren(el("p", {}, "Waiting for the response…"));
  send.disabled = true;
  try {
    const response = await fetch("try", {
      method: "POST",
      headers: { "Content-Type": JSON_TYPE, "X-Try-Call": "1" },
      body: JSON.stringify(call),
      cache: "no-store",
    });
    const result = await response.json();
    output.replaceChildren(response.ok ? el("div", {}, responseView(result)) : el("p", { class: "note bad" }, `The call was not made: ${result.error}`));
  } catch {
    output.replaceChildren(el("p", { class: "note bad" }, "The call was not made: the gateway did not respond."));
  } finally {
    send.disabled = false;
  }
}

/** Show the call as a command for a shell. It has the variable TOKEN instead of the token. */
function showCommand(api, operation, inputs, body, output) {
  const call = readCall(operation, inputs, body);
  const headers = call.headers.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
  if (api.readToken()) headers.push('-H "Authorization: Bearer $TOKEN"');
  const parts = [`curl -X ${call.method} ${quote(api.server + call.path)}`, ...headers];
  if (call.body !== null) parts.push(`-d ${quote(call.body)}`);
  const text = parts.join(" \\\n  ");
  const done = el("span", { role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      done.textContent = " copied";
    } catch {
      done.textContent = " select the text to copy it";
    }
  };
  const button = el("button", { type: "button", click: copy }, "Copy");
  output.replaceChildren(el("pre", { tabindex: "0", role: "region", "aria-label": "Command" }, text), button, done);
}

function quote(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}

function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

