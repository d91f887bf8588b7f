// Events a second over the last two minutes, as bars.

import { byId, put, svg } from "./dom.js";
import { clock, count, rate } from "./format.js";

const SECONDS = 120;
const HEIGHT = 40;
const GAP = 0.25;

/** The next of some round numbers that is not below `peak`, so that the scale does not change with each second. */
function ceiling(peak) {
  const step = 10 ** Math.floor(Math.log10(Math.max(peak, 1)));
  return [1, 1.5, 2, 3, 5, 7.5, 10].map((times) => times * step).find((top) => top >= peak);
}

/** Draws into an SVG of its own; the moment under the pointer is told beside it. */
export class Plot {
  #bars = svg("path", { class: "bars" });
  #line = svg("path", { class: "middle", d: `M0 ${HEIGHT / 2} H${SECONDS}` });
  #pointed = svg("rect", { class: "pointed", y: 0, width: 1, height: HEIGHT, visibility: "hidden" });
  #values = new Array(SECONDS).fill(0);
  #last = 0;
  #peak = 0;
  #place = null;

  constructor(picture) {
    this.picture = picture;
    picture.setAttribute("viewBox", `0 0 ${SECONDS} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    put(picture, this.#line, this.#pointed, this.#bars);
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      this.#place = Math.min(SECONDS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * SECONDS)));
      this.#tell();
    });
    picture.addEventListener("pointerleave", () => {
      this.#place = null;
      this.#tell();
    });
  }

  /** `rates`: pairs of a Unix second and its events, oldest first; a second that is missing had none. */
  show(rates, now) {
    this.#last = rates.length ? rates[rates.length - 1][0] : Math.floor(Date.now() / 1000);
    this.#values.fill(0);
    for (const [second, events] of rates) {
      const place = SECONDS - 1 - (this.#last - second);
      if (place >= 0 && place < SECONDS) this.#values[place] = events;
    }
    const peak = Math.max(...this.#values);
    const top = ceiling(peak);
    const bars = this.#values.map((events, place) => {
      if (!events) return "";
      const y = HEIGHT - Math.max(0.8, (events / top) * (HEIGHT - 1));
      return `M${place + GAP / 2} ${HEIGHT}V${y.toFixed(2)}h${1 - GAP}V${HEIGHT}z`;
    });
    this.#bars.setAttribute("d", bars.join("") || `M0 ${HEIGHT}`);
    this.#peak = peak;
    this.picture.setAttribute(
      "aria-label",
      `Events a second over the last two minutes: now ${rate(now)}, peak ${count(peak)}`,
    );
    this.#tell();
  }

  #tell() {
    const shown = this.#place !== null;
    this.#pointed.setAttribute("visibility", shown ? "visible" : "hidden");
    if (shown) this.#pointed.setAttribute("x", this.#place);
    byId("plot-at").textContent = shown
      ? `${clock(this.#last - (SECONDS - 1 - this.#place), false)}: ${count(this.#values[this.#place])} events`
      : `peak ${count(this.#peak)}/s in 2 minutes`;
  }
}
