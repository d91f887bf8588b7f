// How often an event was sent, how long each time after the last, and what was answered.

import { verdictBadge } from "./badges.js";
import { el } from "./dom.js";
import { clock, plural, span } from "./format.js";
import { statusWords } from "./words.js";

/** A table of the attempts, oldest first; each leads to what came in it. One alone is a sentence. */
export function attemptsPart(attempts, seq, onGo) {
  if (attempts.length === 1)
    return el(
      "p",
      { class: "once" },
      "Sent once, answered ",
      el("code", { text: statusWords(attempts[0].status) }),
      ".",
    );
  const rows = attempts.map((attempt, place) => {
    const here = attempt.seq === seq;
    const go = el("button", {
      type: "button",
      class: "quiet",
      text: here ? `${place + 1} (this one)` : String(place + 1),
      "aria-current": here ? "true" : null,
      title: `Request ${attempt.request}`,
      on: { click: () => onGo(attempt.seq) },
    });
    return el(
      "tr",
      here ? { class: "here" } : {},
      el("td", {}, go),
      el("td", { class: "mono", text: clock(attempt.received) }),
      el("td", { class: "mono", text: attempt.delay_seconds === null ? "–" : `+${span(attempt.delay_seconds)}` }),
      el("td", { class: "mono", text: statusWords(attempt.status) }),
      el("td", {}, verdictBadge(attempt.verdict)),
    );
  });
  const heads = ["Attempt", "At", "After", "Answer", "Verdict"].map((text) => el("th", { scope: "col", text }));
  return el(
    "div",
    {},
    el("div", { class: "part-head" }, el("h3", { text: `Attempts: sent ${plural(attempts.length, "time")}` })),
    el(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Attempts" },
      el("table", { class: "attempts" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)),
    ),
  );
}
