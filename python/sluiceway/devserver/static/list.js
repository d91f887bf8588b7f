// The live list: newest on top, never more lines than a browser bears, and never moving under the reader.

import { byId } from "./dom.js";
import { count, plural } from "./format.js";
import { rowElement } from "./row.js";

export const MOST_ROWS = 500;
/** A screenful or less of new lines is marked for a moment; a burst is not. */
const MOST_MARKED = 12;
/** So long after the last lines that came too fast to be shown, the list is read anew. */
const SETTLED_MS = 600;
/** So long between two drawings while lines come too fast to be shown. */
const BURST_MS = 300;
const TOP_PX = 8;

/**
 * `onSelect(seq)`: another line is chosen. `onReload()`: the newest events are wanted from the server. `onOlder(seq)`:
 * those before `seq` are.
 */
export class EventList {
  #list = byId("list");
  #scroller = byId("scroller");
  #lines = new Map();
  #coming = [];
  #drawing = 0;
  #waiting = [];
  #waitingNumber = 0;
  #settling = 0;
  #atNewest = true;
  #more = false;
  #selected = null;
  paused = false;

  constructor({ onSelect, onReload, onOlder }) {
    this.onSelect = onSelect;
    this.onReload = onReload;
    this.onOlder = onOlder;
    this.#list.addEventListener("click", (event) => {
      const line = event.target.closest(".row");
      if (line) this.choose(Number(line.dataset.seq));
    });
    this.#scroller.addEventListener("scroll", () => {
      if (this.#waitingNumber && !this.paused && this.#atNewest && this.#atTop) this.release();
    });
    byId("pill").addEventListener("click", () => this.release());
    byId("older").addEventListener("click", () => this.older());
  }

  get length() {
    return this.#lines.size;
  }

  get selected() {
    return this.#selected;
  }

  get #atTop() {
    return this.#scroller.scrollTop < TOP_PX;
  }

  get #held() {
    return this.paused || !this.#atTop || !this.#atNewest;
  }

  /** Show these rows and no others; `more`: the server has older ones. */
  reset(rows, more) {
    this.#forgetWaiting();
    this.#coming = [];
    this.#lines.clear();
    this.#list.replaceChildren();
    this.#atNewest = true;
    this.#more = more;
    this.#scroller.scrollTop = 0;
    this.#place(rows);
    this.#tell();
  }

  /** Take new rows in; `skipped` are those that came too fast to be sent here. */
  add(rows, skipped = 0) {
    if (this.#held) {
      this.#waitingNumber += rows.length + skipped;
      this.#waiting = [...rows, ...this.#waiting].slice(0, MOST_ROWS);
      this.#tell();
      return;
    }
    this.#coming = [...rows, ...this.#coming].slice(0, MOST_ROWS);
    if (skipped || this.#settling) {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.#settle(), SETTLED_MS);
    }
    // Faster than anybody reads: then a few times a second is enough, and leaves the browser time for the reader.
    this.#drawing ||= skipped ? setTimeout(() => this.#draw(), BURST_MS) : requestAnimationFrame(() => this.#draw());
  }

  /** Add what is older than the last line. */
  append(rows, more) {
    this.#more = more;
    this.#place(rows, false);
    this.#tell();
  }

  /** Show what waited, and go to the top. */
  release() {
    const all = this.#waitingNumber <= this.#waiting.length && this.#atNewest;
    const rows = this.#waiting;
    this.#forgetWaiting();
    this.#scroller.scrollTop = 0;
    if (all) this.add(rows);
    else this.onReload();
    this.#tell();
  }

  pause(paused) {
    this.paused = paused;
    if (!paused && this.#waitingNumber) this.release();
    this.#tell();
  }

  older() {
    const last = this.#list.lastElementChild;
    if (last && this.#more) this.onOlder(Number(last.dataset.seq));
  }

  /** Choose the line that is `steps` below the chosen one (above, if negative). */
  move(steps) {
    const line = this.#lines.get(this.#selected);
    let next = line
      ? steps > 0
        ? line.nextElementSibling
        : line.previousElementSibling
      : this.#list.firstElementChild;
    if (!next && line && steps > 0) this.older();
    next ??= line;
    if (next) this.choose(Number(next.dataset.seq));
  }

  choose(seq) {
    this.mark(seq);
    this.#lines.get(seq)?.scrollIntoView({ block: "nearest" });
    this.onSelect(seq);
  }

  /** Mark the line of `seq` as the chosen one, if it is there; null unmarks. */
  mark(seq) {
    this.#lines.get(this.#selected)?.setAttribute("aria-selected", "false");
    this.#selected = seq;
    const line = this.#lines.get(seq);
    line?.setAttribute("aria-selected", "true");
    if (line) this.#list.setAttribute("aria-activedescendant", line.id);
    else this.#list.removeAttribute("aria-activedescendant");
  }

  focus() {
    this.#list.focus({ preventScroll: true });
  }

  #draw() {
    this.#drawing = 0;
    const rows = this.#coming;
    this.#coming = [];
    const fresh = this.#place(rows);
    if (fresh.length <= MOST_MARKED) for (const line of fresh) line.classList.add("fresh");
    this.#tell();
  }

  /** Put lines where their numbers belong; take away from the other end what is too much. Answers the new lines. */
  #place(rows, atTop = true) {
    const placed = [];
    const ordered = [...rows].sort((one, other) => other.seq - one.seq);
    let before = atTop ? this.#list.firstElementChild : null;
    const fragment = document.createDocumentFragment();
    const flush = () => {
      if (fragment.childNodes.length) this.#list.insertBefore(fragment, before);
    };
    for (const row of ordered) {
      if (this.#lines.has(row.seq)) {
        this.#lines.get(row.seq).replaceWith(this.#make(row));
        before = atTop ? this.#list.firstElementChild : null;
        continue;
      }
      if (before && Number(before.dataset.seq) > row.seq) {
        flush();
        while (before && Number(before.dataset.seq) > row.seq) before = before.nextElementSibling;
      }
      const line = this.#make(row);
      fragment.append(line);
      placed.push(line);
    }
    flush();
    this.#trim(atTop);
    return placed;
  }

  #make(row) {
    const line = rowElement(row);
    if (row.seq === this.#selected) line.setAttribute("aria-selected", "true");
    this.#lines.set(row.seq, line);
    return line;
  }

  #trim(fromBottom) {
    while (this.#lines.size > MOST_ROWS) {
      const line = fromBottom ? this.#list.lastElementChild : this.#list.firstElementChild;
      this.#lines.delete(Number(line.dataset.seq));
      line.remove();
      if (fromBottom) this.#more = true;
      else this.#atNewest = false;
    }
  }

  #settle() {
    this.#settling = 0;
    if (!this.#held) this.onReload();
  }

  #forgetWaiting() {
    this.#waiting = [];
    this.#waitingNumber = 0;
    clearTimeout(this.#settling);
    this.#settling = 0;
  }

  #tell() {
    const pill = byId("pill");
    const away = !this.#atNewest && !this.#waitingNumber;
    pill.hidden = !this.#waitingNumber && !away;
    pill.textContent = away
      ? "↑ back to the newest"
      : `↑ ${count(this.#waitingNumber)} new${this.paused ? " (paused)" : ""}`;
    byId("older").hidden = !this.#more || !this.length;
    byId("shown").textContent = this.length ? `${plural(this.length, "event")} shown` : "";
    byId("list").dispatchEvent(new CustomEvent("drawn"));
  }
}
