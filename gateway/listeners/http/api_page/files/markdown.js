// Shows a small part of Markdown: paragraphs, lists, code, emphasis and links. Everything else, also HTML, is text.
import { el } from "./dom.js";

const INLINE = /\\([!-/:-@[-`{-~])|(`+)(.+?)\2(?!`)|\*\*(.+?)\*\*|\*([^\s*][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
const ITEM = /^(\s*)[-*] (.*)$/;

/** Return the elements for a text. */
export function markdown(text) {
  const blocks = [];
  for (const part of (text ?? "").split(/\n\s*\n/)) {
    let paragraph = [];
    let items = [];
    const finish = () => {
      if (paragraph.length) blocks.push(el("p", {}, inline(paragraph.join(" "))));
      if (items.length) blocks.push(list(items));
      paragraph = [];
      items = [];
    };
    for (const line of part.split("\n")) {
      const match = ITEM.exec(line);
      if (match) {
        if (paragraph.length) finish();
        items.push({ depth: match[1].length, text: match[2] });
      } else if (items.length && /^\s/.test(line)) {
        items.at(-1).text += ` ${line.trim()}`;
      } else {
        if (items.length) finish();
        if (line.trim()) paragraph.push(line.trim());
      }
    }
    finish();
  }
  return blocks;
}

function list(items) {
  const root = el("ul");
  const stack = [{ depth: items[0].depth, list: root }];
  for (const item of items) {
    while (stack.length > 1 && item.depth < stack.at(-1).depth) stack.pop();
    if (item.depth > stack.at(-1).depth && stack.at(-1).list.lastElementChild) {
      const inner = el("ul");
      stack.at(-1).list.lastElementChild.append(inner);
      stack.push({ depth: item.depth, list: inner });
    }
    stack.at(-1).list.append(el("li", {}, inline(item.text)));
  }
  return root;
}

/** Return the nodes for a text without line breaks. */
export function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) nodes.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, escaped, , codeText, strong, emphasis, label, link] = match;
    if (escaped !== undefined) nodes.push(escaped);
    else if (codeText !== undefined) nodes.push(el("code", {}, codeText.replace(/^ (.+) $/, "$1")));
    else if (strong !== undefined) nodes.push(el("strong", {}, inline(strong)));
    else if (emphasis !== undefined) nodes.push(el("em", {}, inline(emphasis)));
    else nodes.push(el("a", { href: link, rel: "noopener noreferrer", target: "_blank" }, label));
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** Return the first sentence of a text, without marks. */
export function firstSentence(text) {
  const first = (text ?? "").split(/\n\s*\n/)[0].replace(/\s+/g, " ").trim();
  return first.startsWith("**") ? "" : (/^.*?[.!?](?=\s|$)/.exec(first)?.[0] ?? first);
}
