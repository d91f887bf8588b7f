// One event in full: what its vendor makes of it, its content, its request and its attempts.

import { getEvent, getRequest } from "./api.js";
import { attemptsPart } from "./attempts.js";
import { contentPart } from "./content.js";
import { copy } from "./copying.js";
import { byId, debounce, put } from "./dom.js";
import { factsPart, headPart } from "./facts.js";
import { visible } from "./format.js";
import { orNotice } from "./notice.js";
import { answerPart, headersPart, neighboursPart, requestPart } from "./request.js";
import { nameOf } from "./row.js";

const AGAIN_MS = 300;

/** The pane beside the list. `onClose()`: it was closed; `onGo(seq)`: another event is wanted in it. */
export class Detail {
  #pane = byId("detail");
  #body = byId("detail-body");
  #asking = null;
  #event = null;
  #seq = null;
  #revealed = false;

  constructor({ onClose, onGo }) {
    this.onClose = onClose;
    this.onGo = onGo;
    this.#again = debounce(() => this.#refresh(), AGAIN_MS);
    byId("detail-close").addEventListener("click", () => this.close());
    byId("copy-pytest").addEventListener("click", () => this.copyPytest());
    byId("copy-json").addEventListener("click", () => this.copyJson());
    byId("reveal").addEventListener("click", () => this.show(this.#seq, { reveal: !this.#revealed }));
  }

  #again;

  get seq() {
    return this.#seq;
  }

  get open() {
    return !this.#pane.hidden;
  }

  /** Load and show the event; `reveal`: with the values that are hidden otherwise; `focus`: go there. */
  async show(seq, { reveal = false, focus = false } = {}) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const event = await orNotice(() => getEvent(seq, reveal, asking.signal));
    if (!event || asking.signal.aborted) return;
    const same = seq === this.#seq;
    this.#seq = seq;
    this.#event = event;
    this.#revealed = reveal;
    this.#draw();
    this.#pane.hidden = false;
    document.body.classList.add("with-detail");
    if (!same) this.#body.scrollTop = 0;
    if (focus) byId("detail-title").focus();
    const request = await orNotice(() => getRequest(event.request.number, asking.signal));
    if (request && !asking.signal.aborted) {
      put(byId("part-neighbours"), neighboursPart(request.events, seq, this.onGo));
    }
  }

  close() {
    if (!this.open) return;
    this.#asking?.abort();
    this.#pane.hidden = true;
    document.body.classList.remove("with-detail");
    this.#seq = null;
    this.#event = null;
    this.onClose();
  }

  /** Look whether new rows are further attempts of the event that is open. */
  notice(rows) {
    const open = this.#event?.row;
    if (open?.id && rows.some((row) => row.id === open.id && row.vendor === open.vendor && row.seq !== open.seq))
      this.#again();
  }

  async copyPytest() {
    if (this.#event) await copy(this.#event.pytest, "The pytest assertion");
  }

  async copyJson() {
    if (this.#event) await copy(this.#event.json, "The JSON");
  }

  async #refresh() {
    const seq = this.#seq;
    const event = seq === null ? undefined : await orNotice(() => getEvent(seq, this.#revealed));
    if (!event || seq !== this.#seq) return;
    this.#event = event;
    put(byId("part-attempts"), attemptsPart(event.attempts, seq, this.onGo));
  }

  #draw() {
    const { row, request, redacted, reasons, attempts, json } = this.#event;
    this.#pane.dataset.seq = row.seq;
    byId("detail-title").textContent = visible(nameOf(row), 200);
    const reveal = byId("reveal");
    reveal.hidden = !redacted && !this.#revealed;
    reveal.textContent = this.#revealed ? "Hide values" : "Reveal values";
    reveal.setAttribute("aria-pressed", String(this.#revealed));
    put(byId("part-head"), headPart(row, reasons));
    put(byId("part-facts"), factsPart(row));
    put(byId("part-content"), contentPart(json, redacted && !this.#revealed));
    put(byId("part-attempts"), attemptsPart(attempts, row.seq, this.onGo));
    put(byId("part-request"), requestPart(request));
    put(byId("part-answer"), answerPart(request));
    put(byId("part-headers"), headersPart(request.headers));
    put(byId("part-neighbours"));
  }
}
