// What an event holds: as a tree, or as the JSON that came.

import { el, put } from "./dom.js";
import { openAll, treeOf } from "./tree.js";

/** Which of the two was looked at last; the next event is shown the same way. */
let raw = false;

function pretty(json) {
  try {
    return JSON.stringify(JSON.parse(json, keep), null, 2);
  } catch {
    return json;
  }
}

// A number stays as it was written, where the browser can do that; else the text is shown as it came.
function keep(_key, value, context) {
  if (typeof value !== "number") return value;
  if (context?.source === undefined || !JSON.rawJSON) throw new TypeError("numbers would be rounded");
  return JSON.rawJSON(context.source);
}

/** The content of one event; `hidden`: some of its values are not shown. */
export function contentPart(json, hidden) {
  const place = el("div", { class: "content" });
  const button = (text, title, pressed, act) =>
    el("button", { type: "button", class: "quiet", text, title, "aria-pressed": pressed, on: { click: act } });
  const treeButton = button("Tree", "As a tree", String(!raw), () => show(false));
  const rawButton = button("Raw", "The JSON as it came, indented", String(raw), () => show(true));
  const open = button("Open all", "Open every branch", null, () => openAll(place.firstChild, true));
  const close = button("Close all", "Close every branch", null, () => openAll(place.firstChild, false));

  function show(asRaw) {
    const tree = asRaw ? null : treeOf(json);
    raw = asRaw;
    treeButton.setAttribute("aria-pressed", String(!asRaw));
    rawButton.setAttribute("aria-pressed", String(asRaw));
    open.hidden = close.hidden = !tree;
    put(place, tree ?? el("pre", { class: "raw", tabindex: "0", text: pretty(json) }));
  }
  show(raw);
  return el(
    "div",
    {},
    el(
      "div",
      { class: "part-head" },
      el("h3", { text: "Content" }),
      el("span", { class: "switch" }, treeButton, rawButton),
      open,
      close,
    ),
    hidden
      ? el("p", { class: "hint", text: "Sensitive values are hidden; “Reveal values” shows them for this event." })
      : null,
    place,
  );
}
