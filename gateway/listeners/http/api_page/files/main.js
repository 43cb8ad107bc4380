// Loads the OpenAPI document, lists its operations and shows the one that the URL names.
import { badge, code, el } from "./dom.js";
import { firstSentence, markdown } from "./markdown.js";
import { operationView } from "./operation.js";
import { resolve } from "./schema.js";

const HTTP_METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const byId = (id) => window.document.getElementById(id);

/** Return the operations of the document in its order. */
function listOperations(document) {
  const found = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of HTTP_METHODS.filter((one) => item[one])) {
      const definition = item[method];
      const id = definition.operationId ?? `${method} ${path}`;
      const tag = definition.tags?.[0] ?? "";
      found.push({ id, tag, path, method: method.toUpperCase(), definition, text: searchText(document, path, method, definition) });
    }
  }
  return found;
}

function searchText(document, path, method, definition) {
  const parameters = (definition.parameters ?? []).map((one) => resolve(document, one)).filter((one) => one.in !== "header");
  const media = Object.values(resolve(document, definition.requestBody).content ?? {});
  const fields = media.flatMap((one) => Object.keys(resolve(document, one.schema).properties ?? {}));
  const words = [method, path, definition.operationId, definition["x-grpc-method"], definition.summary, definition.description];
  return [...words, ...(definition.tags ?? []), ...parameters.map((one) => one.name), ...fields].join(" ").toLowerCase();
}

function groups(operations) {
  const tags = new Map();
  for (const one of operations) tags.set(one.tag, [...(tags.get(one.tag) ?? []), one]);
  return [...tags];
}

function link(operation) {
  const target = `#/${encodeURIComponent(operation.id)}`;
  return el(
    "a",
    { href: target, "data-id": operation.id },
    badge(operation.method, `method ${operation.method.toLowerCase()}`),
    el("span", { class: "name" }, operation.id.replace(/^.*?_/, "").replaceAll("_", " ")),
    el("span", { class: "path" }, operation.path),
  );
}

function showNavigation(operations) {
  const terms = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = operations.filter((one) => terms.every((term) => one.text.includes(term)));
  const lists = groups(shown).map(([tag, own]) => [
    el("h2", { title: tag }, tag.split(".").at(-1) || "Operations"),
    el("ul", {}, own.map((one) => el("li", {}, link(one)))),
  ]);
  byId("operations").replaceChildren(...lists.flat());
  byId("count").textContent = terms.length ? `${shown.length} of ${operations.length} operations` : `${operations.length} operations`;
  markCurrent();
}

function markCurrent() {
  for (const one of window.document.querySelectorAll("nav a[data-id]")) {
    const isCurrent = one.getAttribute("href") === window.location.hash;
    if (isCurrent) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
}

function homeView(document, operations) {
  const tags = new Map((document.tags ?? []).map((one) => [one.name, one.description]));
  const parts = groups(operations).map(([tag, own]) => [
    el("h2", {}, tag.split(".").at(-1) || "Operations"),
    el("p", { class: "muted names" }, code(tag)),
    markdown(tags.get(tag)),
    el("ul", { class: "overview" }, own.map((one) => el("li", {}, link(one), el("span", { class: "muted" }, firstSentence(one.definition.description))))),
  ]);
  return el("div", { class: "home" }, el("h1", { tabindex: "-1" }, document.info?.title ?? "API"), markdown(document.info?.description), parts);
}

/** Return a function that shows what the URL names. Views are kept, so that a form keeps its values. */
function makeRouter(api, operations) {
  const views = new Map();
  return (isFirst) => {
    if (window.location.hash && !window.location.hash.startsWith("#/")) return; // a link within the page
    let id = "";
    try {
      id = decodeURIComponent(window.location.hash.slice(2));
    } catch {
      // a malformed address shows the start
    }
    const operation = operations.find((one) => one.id === id);
    if (!views.has(operation)) views.set(operation, operation ? operationView(api, operation) : homeView(api.document, operations));
    const view = views.get(operation);
    byId("content").replaceChildren(view);
    window.document.title = `${operation ? operation.id : "API"} – ${api.document.info?.title ?? "gateway"}`;
    markCurrent();
    window.scrollTo(0, 0);
    if (!isFirst) view.querySelector("h1").focus({ preventScroll: true });
  };
}

function serverOf(document) {
  const server = document.servers?.[0] ?? { url: "" };
  return server.url.replace(/\{(\w+)\}/g, (all, name) => server.variables?.[name]?.default ?? all).replace(/\/$/, "");
}

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function start() {
  const [document, tryState] = await Promise.all([load("../openapi.json"), load("try")]);
  const operations = listOperations(document);
  const api = { document, tryState, server: serverOf(document), readToken: () => byId("token").value.trim() };
  byId("title").textContent = document.info?.title ?? "API";
  byId("version").textContent = document.info?.version ?? "";
  byId("search").addEventListener("input", () => showNavigation(operations));
  window.document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, textarea, select")) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  const route = makeRouter(api, operations);
  window.addEventListener("hashchange", () => route(false));
  showNavigation(operations);
  route(true);
}

start().catch(() => {
  byId("content").replaceChildren(el("p", { class: "note bad", role: "alert" }, "The document could not be loaded. Reload the page to try again."));
});
