// Creates elements. Texts become text nodes, so nothing in the document of the API can become markup.

/**
 * Return a new element.
 *
 * A function as the value of an attribute is a listener of the event with this name. An attribute that is
 * false, null or undefined is left out. Children are nodes, texts, and lists of them.
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Return an element whose content is built when it is opened for the first time. */
export function lazyDetails(summary, build, attributes = {}) {
  let isBuilt = false;
  const details = el("details", attributes, el("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && !isBuilt) {
      isBuilt = true;
      details.append(el("div", { class: "inside" }, build()));
    }
  });
  return details;
}

export function code(text) {
  return el("code", {}, text);
}

export function badge(text, kind = "") {
  return el("span", { class: `badge ${kind}` }, text);
}

/** Return a section with a heading that names it. */
export function section(id, title, ...children) {
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), children);
}

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Return a block that shows JSON, with colours for keys, texts and numbers. */
export function jsonBlock(value, label) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const block = el("pre", { tabindex: "0", role: "region", "aria-label": label });
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    const kind = match[2] !== undefined ? "key" : match[1] !== undefined ? "text" : match[3] ? "word" : "number";
    const token = match[1] ?? match[0];
    block.append(text.slice(end, match.index), el("span", { class: `json-${kind}` }, token));
    end = match.index + token.length;
  }
  block.append(text.slice(end));
  return block;
}
