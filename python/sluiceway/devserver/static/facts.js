// The top of an event's pane: its verdict in words, the reasons, and what identifies it.

import { markBadge, vendorBadge, verdictBadge } from "./badges.js";
import { el } from "./dom.js";
import { bytes, moment, visible } from "./format.js";
import { markOf, verdictOf } from "./words.js";

/** Verdict and marks, each with the sentence that explains it; the server's reasons first, as they know the event. */
export function headPart(row, reasons) {
  const explained = new Set(reasons.map((reason) => reason.key));
  const items = reasons.map((reason) => sentence(reason.text, reason.key, reason.kind));
  if (row.reason && !reasons.some((reason) => reason.text.includes(row.reason)))
    items.unshift(sentence(row.reason, "", "reason"));
  for (const mark of row.marks) if (!explained.has(mark)) items.push(sentence(markOf(mark).title, mark, "mark"));
  return el(
    "div",
    { class: "head" },
    el(
      "p",
      { class: "badges" },
      verdictBadge(row.verdict),
      ...row.marks.map(markBadge),
      el("span", { class: "says", text: verdictOf(row.verdict).title }),
    ),
    items.length ? el("ul", { class: "reasons", "aria-label": "Reasons" }, ...items) : null,
  );
}

function sentence(text, key, kind) {
  return el(
    "li",
    { class: `reason reason-${kind.replace(/[^a-z]/g, "")}` },
    el("bdi", { text: visible(text, 600) }),
    key ? el("code", { class: "key", text: visible(key, 80) }) : null,
  );
}

/** Who, what, when: a list of words and values. */
export function factsPart(row) {
  const facts = [
    ["Vendor", vendorBadge(row.vendor)],
    ["Type", row.type],
    ["User", row.user],
    ["Anonymous id", row.anonymous],
    ["Event id", row.id],
    ["Received", moment(row.received)],
    ["Sent by", row.library],
    ["Size", bytes(row.nbytes)],
  ];
  return definitions(facts);
}

/** A definition list of those facts that have a value. */
export function definitions(facts) {
  const list = el("dl", { class: "facts" });
  for (const [word, value] of facts) {
    if (value === "" || value === null || value === undefined) continue;
    const shown = typeof value === "object" ? value : el("bdi", { text: visible(value, 400) });
    list.append(el("dt", { text: word }), el("dd", {}, shown));
  }
  return list;
}
