// One event as one line of the list.

import { markBadge, vendorBadge, verdictBadge } from "./badges.js";
import { el } from "./dom.js";
import { bytes, clock, visible } from "./format.js";

/** What an event is called where it has no name of its own: "identify", "page". */
export const nameOf = (row) => row.event || row.type || "event";

/** Whose event it is: the user id, or the anonymous one. */
export const whoOf = (row) => row.user || row.anonymous || "";

/** Types that say little beside a name; where there is little room they go first. */
const PLAIN = new Set(["track", "capture"]);

/** The line for `row`, as an option of the list box. */
export function rowElement(row) {
  const named = Boolean(row.event) && row.event !== row.type;
  return el(
    "li",
    { class: "row", role: "option", id: `row-${row.seq}`, "data-seq": row.seq, "aria-selected": "false" },
    el("span", { class: "cell time", text: clock(row.received) }),
    el("span", { class: "cell from" }, vendorBadge(row.vendor)),
    el(
      "span",
      { class: "cell what" },
      el("bdi", { class: "name", text: visible(nameOf(row), 120) }),
      named ? el("span", { class: PLAIN.has(row.type) ? "type plain" : "type", text: visible(row.type, 30) }) : null,
    ),
    el(
      "span",
      { class: row.user ? "cell who" : "cell who anonymous" },
      el("bdi", { text: visible(whoOf(row), 80), title: row.user ? null : "anonymous id" }),
    ),
    el("span", { class: "cell size", text: bytes(row.nbytes) }),
    el("span", { class: "cell end" }, ...row.marks.map(markBadge), verdictBadge(row.verdict)),
  );
}
