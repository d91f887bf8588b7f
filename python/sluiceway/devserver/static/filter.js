// What the list shows, kept in the address behind the #, so that a link or a reload keeps it.

import { byId, debounce } from "./dom.js";

export const FIELDS = ["vendor", "type", "event", "user", "text", "verdict", "mark"];
const TYPING_MS = 200;

/** The filter bar. `onChange(values)` is called when the filter is another one; `values` holds those that are set. */
export class Filter {
  #values = {};
  #seq = null;
  #controls = {};

  constructor({ onChange, onSelect }) {
    this.onChange = onChange;
    this.onSelect = onSelect;
    // All fields at once: what is typed in one while another's pause is running must not be lost.
    const take = () => this.set(Object.fromEntries(FIELDS.map((field) => [field, this.#controls[field].value])));
    const typed = debounce(take, TYPING_MS);
    for (const field of FIELDS) {
      const control = byId(`filter-${field}`);
      this.#controls[field] = control;
      control.addEventListener("input", control.tagName === "SELECT" ? take : typed);
    }
    byId("filter-clear").addEventListener("click", () => this.clear());
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    const more = byId("filter-more");
    more.addEventListener("click", () => {
      const open = byId("filters").classList.toggle("open");
      more.setAttribute("aria-expanded", String(open));
    });
    addEventListener("hashchange", () => this.#read(true));
    this.#read(false);
  }

  get values() {
    return { ...this.#values };
  }

  /** The event that the address names, if it names one. */
  get selected() {
    return this.#seq;
  }

  get active() {
    return Object.keys(this.#values).length > 0;
  }

  /** Change some fields; an empty value takes its field out. */
  set(changes) {
    const next = { ...this.#values, ...changes };
    for (const field of Object.keys(next)) if (!next[field]) delete next[field];
    if (same(next, this.#values)) return;
    this.#values = next;
    this.#show();
    this.#write();
    this.onChange(this.values);
  }

  clear() {
    this.set(Object.fromEntries(FIELDS.map((field) => [field, ""])));
  }

  /** Note in the address which event is open. */
  select(seq) {
    this.#seq = seq;
    this.#write();
  }

  /** Put the cursor where text is searched for. */
  focus() {
    byId("filters").classList.add("open");
    byId("filter-more").setAttribute("aria-expanded", "true");
    this.#controls.text.focus();
    this.#controls.text.select();
  }

  #read(tell) {
    const given = new URLSearchParams(location.hash.slice(1));
    const next = {};
    for (const field of FIELDS) {
      const value = given.get(field);
      if (value && this.#takes(field, value)) next[field] = value;
    }
    const seq = /^\d{1,15}$/.test(given.get("seq") ?? "") ? Number(given.get("seq")) : null;
    const filtered = !same(next, this.#values);
    const selected = seq !== this.#seq;
    this.#values = next;
    this.#seq = seq;
    this.#show();
    if (tell && filtered) this.onChange(this.values);
    if (tell && selected) this.onSelect(seq);
  }

  /** A choice is one of those offered: the server refuses to filter by another. */
  #takes(field, value) {
    const control = this.#controls[field];
    return control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value);
  }

  #write() {
    const query = new URLSearchParams(this.#values);
    if (this.#seq !== null) query.set("seq", String(this.#seq));
    const hash = query.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  }

  #show() {
    for (const [field, control] of Object.entries(this.#controls)) {
      const value = this.#values[field] ?? "";
      if (control.value !== value) control.value = value;
      control.classList.toggle("set", value !== "");
    }
    const number = Object.keys(this.#values).length;
    byId("filter-clear").hidden = number === 0;
    byId("filter-number").textContent = number ? `(${number})` : "";
  }
}

const same = (one, other) => FIELDS.every((field) => (one[field] ?? "") === (other[field] ?? ""));
