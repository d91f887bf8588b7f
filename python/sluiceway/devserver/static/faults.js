// The panel that makes the server answer badly on purpose, and the banner that says that it does.

import { addFault, removeFault, removeFaults } from "./api.js";
import { byId, el, put } from "./dom.js";
import { FAULTS, faultSettings, faultWhen, faultWord } from "./faultwords.js";
import { plural, visible } from "./format.js";
import { notice, orNotice } from "./notice.js";
import { vendorName } from "./words.js";

const SETTINGS = ["retry_after", "delay_seconds", "indexes"];

/** `onClose()`: the panel was closed. */
export class Faults {
  #panel = byId("faults");
  #kind = byId("fault-kind");
  #kinds = "";

  constructor({ onClose }) {
    this.onClose = onClose;
    byId("faults-close").addEventListener("click", () => this.close());
    byId("fault-remove-all").addEventListener("click", () => this.#removeAll());
    byId("banner-remove").addEventListener("click", () => this.#removeAll());
    byId("banner-open").addEventListener("click", () => this.toggle(true));
    this.#kind.addEventListener("change", () => this.#fit());
    for (const radio of document.querySelectorAll("[name=fault-when]"))
      radio.addEventListener("change", () => this.#fit());
    byId("fault-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#inject();
    });
  }

  get open() {
    return !this.#panel.hidden;
  }

  toggle(open = !this.open) {
    if (!open) return this.close();
    this.#panel.hidden = false;
    byId("faults-open").setAttribute("aria-expanded", "true");
    this.#kind.focus();
    return undefined;
  }

  close() {
    if (!this.open) return;
    this.#panel.hidden = true;
    byId("faults-open").setAttribute("aria-expanded", "false");
    this.onClose();
  }

  /** Offer the kinds that the server knows, for the vendors that it speaks for. */
  offer(kinds, vendors) {
    const wanted = [...kinds, "|", ...vendors].join();
    if (wanted === this.#kinds) return;
    this.#kinds = wanted;
    put(this.#kind, ...kinds.map((kind) => el("option", { value: kind, text: faultWord(kind) })));
    const every = el("option", { value: "", text: "all vendors" });
    put(
      byId("fault-vendor"),
      every,
      ...vendors.map((vendor) => el("option", { value: vendor, text: vendorName(vendor) })),
    );
    this.#fit();
  }

  /** Show what is active, in the panel and in the banner. */
  show(faults) {
    const items = faults.map((fault) =>
      el(
        "li",
        { class: "fault" },
        el("div", {}, el("strong", { text: faultWord(fault.kind) }), el("span", { text: visible(sentence(fault)) })),
        el("button", {
          type: "button",
          class: "quiet",
          text: "Remove",
          "aria-label": `Remove ${faultWord(fault.kind)}`,
          on: { click: () => orNotice(() => removeFault(fault.id)) },
        }),
      ),
    );
    put(
      byId("fault-list"),
      ...(items.length
        ? items
        : [el("li", { class: "hint", text: "None: every request is answered as the vendor would." })]),
    );
    byId("fault-remove-all").hidden = faults.length === 0;
    byId("fault-number").textContent = faults.length ? `(${faults.length})` : "";
    byId("banner").hidden = faults.length === 0;
    byId("banner-text").textContent = faults.length
      ? `${plural(faults.length, "fault")} active: ${faults.map((fault) => `${faultWord(fault.kind)} for ${visible(sentence(fault))}`).join("; ")}`
      : "";
  }

  #fit() {
    const known = FAULTS[this.#kind.value] ?? { text: "", uses: SETTINGS };
    byId("fault-text").textContent = known.text;
    for (const setting of SETTINGS) {
      const used = known.uses.includes(setting);
      byId(`fault-${setting}-line`).hidden = !used;
      byId(`fault-${setting}`).disabled = !used;
    }
    const vendor = byId("fault-vendor");
    // A kind that one vendor alone has sets the choice, and gives it back.
    if (known.vendor) vendor.value = known.vendor;
    else if (vendor.disabled) vendor.value = "";
    vendor.disabled = Boolean(known.vendor);
    const when = document.querySelector("[name=fault-when]:checked").value;
    byId("fault-times").disabled = when !== "times";
    byId("fault-percent").disabled = when !== "percent";
  }

  async #inject() {
    const kind = this.#kind.value;
    const when = document.querySelector("[name=fault-when]:checked").value;
    const uses = FAULTS[kind]?.uses ?? SETTINGS;
    const number = (id) => Number(byId(id).value);
    const indexes = byId("fault-indexes")
      .value.split(/[\s,]+/)
      .filter(Boolean)
      .map(Number);
    const made = await orNotice(() =>
      addFault({
        kind,
        times: when === "times" ? number("fault-times") : null,
        percent: when === "percent" ? number("fault-percent") : null,
        vendor: byId("fault-vendor").value || null,
        retry_after: uses.includes("retry_after") ? number("fault-retry_after") : 0,
        delay_seconds: uses.includes("delay_seconds") ? number("fault-delay_seconds") : 0,
        indexes: uses.includes("indexes") ? indexes : [],
        path: byId("fault-path").value.trim() || null,
      }),
    );
    if (made) notice(`${faultWord(kind)}: injected`);
  }

  #removeAll() {
    return orNotice(() => removeFaults());
  }
}

/** "the next 3 answers of Segment (Retry-After 5 s)" */
function sentence(fault) {
  const settings = faultSettings(fault);
  return `${faultWhen(fault)}${fault.vendor ? ` of ${vendorName(fault.vendor)}` : ""}${settings ? ` (${settings})` : ""}`;
}
