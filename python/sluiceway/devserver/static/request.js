// The request that an event came in: the call, its headers, what was answered, and who else was in it.

import { verdictBadge } from "./badges.js";
import { el } from "./dom.js";
import { definitions } from "./facts.js";
import { faultWord } from "./faultwords.js";
import { bytes, moment, plural, span, visible } from "./format.js";
import { nameOf, whoOf } from "./row.js";
import { statusWords } from "./words.js";

const section = (title, ...children) =>
  el("div", {}, el("div", { class: "part-head" }, el("h3", { text: title })), ...children);

/** Method, path, status and sizes. */
export function requestPart(request) {
  const packed = request.nbytes_sent !== request.nbytes;
  const sizes = packed
    ? `${bytes(request.nbytes_sent)} sent, ${bytes(request.nbytes)} unpacked`
    : bytes(request.nbytes);
  return section(
    `Batch: request ${request.number}`,
    el(
      "p",
      { class: "call" },
      el("code", { class: "method", text: visible(request.method, 20) }),
      el("code", { class: "path", text: visible(request.path, 300) }),
      el("span", { class: "arrow", "aria-hidden": "true", text: "→" }),
      el("code", { class: statusClass(request.status), text: statusWords(request.status) }),
    ),
    request.fault
      ? el("p", { class: "hint fault-hint", text: `Answered so by an injected fault: ${faultWord(request.fault)}.` })
      : null,
    definitions([
      ["Events", plural(request.events, "event")],
      ["Size", sizes],
      ["Attempt", request.attempt > 0 ? String(request.attempt) : ""],
      ["Client", request.client],
      ["Connection", request.connection],
      ["Received", moment(request.received)],
      ["Answered in", request.duration_ms === null ? "" : span(request.duration_ms / 1000)],
    ]),
  );
}

const statusClass = (status) => `status status-${status === null ? "none" : String(status)[0]}`;

/** The text of the answer. */
export function answerPart(request) {
  if (!request.answer) return null;
  return section("Answer", el("pre", { class: "raw", tabindex: "0", text: request.answer }));
}

/** The request's headers; keys are masked by the server. */
export function headersPart(headers) {
  const rows = Object.entries(headers).map(([name, value]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", text: visible(name, 120) }),
      el("td", {}, el("bdi", { text: visible(Array.isArray(value) ? value.join(", ") : value, 1000) })),
    ),
  );
  const table = el("table", { class: "headers" }, el("tbody", {}, ...rows));
  return section("Headers", rows.length ? table : el("p", { class: "hint", text: "None." }));
}

/** The other events of the same request, each a way to it. */
export function neighboursPart(rows, seq, onGo) {
  if (rows.length < 2) return null;
  const items = [...rows]
    .sort((one, other) => one.seq - other.seq)
    .map((row) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            class: "neighbour",
            "aria-current": row.seq === seq ? "true" : null,
            on: { click: () => onGo(row.seq) },
          },
          el("bdi", { class: "name", text: visible(nameOf(row), 80) }),
          el("bdi", { class: "who", text: visible(whoOf(row), 60) }),
          verdictBadge(row.verdict),
        ),
      ),
    );
  return section(`In the same batch: ${plural(rows.length, "event")}`, el("ol", { class: "neighbours" }, ...items));
}
