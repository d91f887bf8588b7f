// JSON as a tree that opens and closes, made only as far as somebody looks.

import { el } from "./dom.js";
import { plural, visible } from "./format.js";

const OPEN_DEPTH = 2;
const MOST_ENTRIES = 200;
const MOST_TEXT = 400;
/** What the server puts where it hides a value. */
const HIDDEN = "•••";

/** A number as it was written: a double would round what is longer. */
class Numeral {
  constructor(source) {
    this.source = source;
  }
}

const keepNumbers = (_key, value, context) =>
  typeof value === "number" && context?.source !== undefined ? new Numeral(context.source) : value;

/** The tree of a JSON text, or null if it is none. */
export function treeOf(json) {
  let value;
  try {
    value = JSON.parse(json, keepNumbers);
  } catch {
    return null;
  }
  const root = el("ul", { class: "tree" });
  if (value !== null && typeof value === "object" && !(value instanceof Numeral)) addEntries(root, value, 0);
  else root.append(el("li", {}, scalar(value)));
  return root;
}

/** Open or close all that can be; what is opened is made first, level by level, to a bound. */
export function openAll(tree, open) {
  let rest = 2000;
  const queue = [...tree.querySelectorAll(":scope > li > details")];
  while (queue.length && rest-- > 0) {
    const details = queue.shift();
    if (open) details.fill?.();
    details.open = open;
    queue.push(...details.querySelectorAll(":scope > ul > li > details"));
  }
}

function addEntries(list, value, depth, from = 0) {
  const names = Array.isArray(value) ? null : Object.keys(value);
  const size = names ? names.length : value.length;
  const end = Math.min(size, from + MOST_ENTRIES);
  for (let place = from; place < end; place++) {
    const name = names ? names[place] : place;
    list.append(entry(name, value[name], depth, names === null));
  }
  if (end < size) {
    const button = el("button", {
      type: "button",
      class: "quiet",
      text: `${plural(size - end, "more entry", "more entries")}`,
    });
    const item = el("li", {}, button);
    button.addEventListener("click", () => {
      item.remove();
      addEntries(list, value, depth, end);
    });
    list.append(item);
  }
}

function entry(name, value, depth, indexed) {
  const label = el("bdi", { class: indexed ? "key index" : "key", text: visible(name, MOST_TEXT) });
  const holds = value !== null && typeof value === "object" && !(value instanceof Numeral);
  if (!holds)
    return el(
      "li",
      {},
      el("span", { class: "leaf" }, label, el("span", { class: "colon", text: ": " }), scalar(value)),
    );
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  if (size === 0) {
    const nothing = el("span", { class: "value empty", text: Array.isArray(value) ? "[]" : "{}" });
    return el("li", {}, el("span", { class: "leaf" }, label, el("span", { class: "colon", text: ": " }), nothing));
  }
  const inner = el("ul", {});
  const words = Array.isArray(value) ? `[${size}]` : `{${size}}`;
  const title = plural(size, Array.isArray(value) ? "item" : "field");
  const details = el(
    "details",
    {},
    el("summary", {}, label, el("span", { class: "holds", text: words, title })),
    inner,
  );
  details.fill = () => {
    delete details.fill;
    addEntries(inner, value, depth + 1);
  };
  details.addEventListener("toggle", () => details.open && details.fill?.());
  if (depth < OPEN_DEPTH && size <= MOST_ENTRIES) {
    details.fill();
    details.open = true;
  }
  return el("li", {}, details);
}

function scalar(value) {
  if (value instanceof Numeral) return el("span", { class: "value number", text: value.source });
  if (typeof value !== "string")
    return el("span", { class: `value ${value === null ? "null" : typeof value}`, text: String(value) });
  const shown = el("bdi", {
    class: value === HIDDEN ? "value hidden" : "value string",
    text: value === HIDDEN ? "••• hidden" : `"${visible(value, MOST_TEXT)}"`,
  });
  if (value.length <= MOST_TEXT) return shown;
  const button = el("button", { type: "button", class: "quiet", text: `all ${plural(value.length, "character")}` });
  button.addEventListener("click", () => {
    shown.textContent = `"${visible(value, value.length)}"`;
    button.remove();
  });
  return el("span", {}, shown, " ", button);
}
