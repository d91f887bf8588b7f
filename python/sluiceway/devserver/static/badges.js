// Verdicts, marks and vendors as small labels that read without their colour.

import { el } from "./dom.js";
import { visible } from "./format.js";
import { icon } from "./icons.js";
import { markOf, vendorName, verdictOf } from "./words.js";

const plain = (word) => String(word).replace(/[^a-z]/g, "");

function badge(kind, word, look) {
  return el(
    "span",
    { class: `badge ${kind} ${kind}-${plain(word)}`, title: look.title },
    icon(look.icon),
    el("span", { class: "word", text: visible(word, 40) }),
  );
}

/** What becomes of the event at its vendor. */
export const verdictBadge = (verdict) => badge("verdict", verdict, verdictOf(verdict));

/** What is odd about the event. */
export const markBadge = (mark) => badge("mark", mark, markOf(mark));

/** A vendor's name behind a spot of its own shape. */
export function vendorBadge(vendor) {
  return el(
    "span",
    { class: `vendor vendor-${plain(vendor)}` },
    el("span", { class: "spot", "aria-hidden": "true" }),
    el("span", { text: visible(vendorName(vendor), 40) }),
  );
}
