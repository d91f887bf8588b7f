// The numbers above the list: how fast, how many, and how each vendor's events fare.

import { byId, el, put, svg } from "./dom.js";
import { bytes, count, plural, rate } from "./format.js";
import { icon } from "./icons.js";
import { Plot } from "./plot.js";
import { VERDICTS, vendorName } from "./words.js";

const ORDER = Object.keys(VERDICTS);

/** Shows the counters; a vendor's card is also the switch that filters by it. `onVendor(vendor)`: it was pressed. */
export class Counters {
  #plot = new Plot(byId("plot"));
  #cards = new Map();

  constructor({ onVendor }) {
    this.onVendor = onVendor;
  }

  /** Make a card for each vendor that the server knows. */
  vendors(vendors) {
    if (vendors.length === this.#cards.size && vendors.every((vendor) => this.#cards.has(vendor))) return;
    this.#cards.clear();
    for (const vendor of vendors)
      this.#cards.set(
        vendor,
        card(vendor, () => this.onVendor(vendor)),
      );
    put(byId("cards"), ...[...this.#cards.values()].map((made) => made.button));
  }

  /** Show which vendor the list is filtered by. */
  chosen(vendor) {
    for (const [name, made] of this.#cards) made.button.setAttribute("aria-pressed", String(name === vendor));
  }

  show(counters) {
    this.#plot.show(counters.rates, counters.rate);
    byId("total-rate").textContent = rate(counters.rate);
    for (const word of ["event", "request", "connection"]) {
      const number = counters[`${word}s`];
      byId(`total-${word}s`).textContent = count(number);
      byId(`word-${word}s`).textContent = number === 1 ? word : `${word}s`;
    }
    byId("total-bytes").textContent = bytes(counters.bytes);
    for (const [vendor, made] of this.#cards) made.show(counters.by_vendor[vendor] ?? { events: 0 });
    const line = byId("sampling");
    line.hidden = !counters.sampling && !counters.not_stored;
    line.textContent = counters.sampling
      ? `Sampling: events come faster than they are stored. The counters are exact; the list shows a sample (${plural(counters.not_stored, "event")} counted and not kept).`
      : `${plural(counters.not_stored, "event")} came too fast to be kept: counted above, not in the list.`;
  }
}

function card(vendor, press) {
  const number = el("span", { class: "number", text: "0" });
  const words = el("span", { class: "fates" });
  const bar = svg("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
  const button = el(
    "button",
    {
      type: "button",
      class: `card vendor-${vendor}`,
      "aria-pressed": "false",
      title: `Show only ${vendorName(vendor)}`,
      on: { click: press },
    },
    el(
      "span",
      { class: "vendor" },
      el("span", { class: "spot", "aria-hidden": "true" }),
      el("span", { text: vendorName(vendor) }),
    ),
    number,
    bar,
    words,
  );
  const show = (fates) => {
    number.textContent = count(fates.events);
    button.classList.toggle("none", !fates.events);
    const there = ORDER.filter((verdict) => fates[verdict] > 0);
    const total = there.reduce((sum, verdict) => sum + fates[verdict], 0);
    let from = 0;
    const pieces = there.map((verdict) => {
      const width = (100 * fates[verdict]) / total;
      const piece = svg("rect", { class: `piece verdict-${verdict}`, x: from, y: 0, width, height: 4 });
      from += width;
      return piece;
    });
    put(bar, ...pieces);
    const told = there.map((verdict) => {
      const { icon: name, title } = VERDICTS[verdict];
      return el("span", { class: `fate verdict-${verdict}`, title }, icon(name), `${count(fates[verdict])} ${verdict}`);
    });
    put(words, ...(told.length ? told : [el("span", { class: "fate", text: "nothing yet" })]));
  };
  return { button, show };
}
