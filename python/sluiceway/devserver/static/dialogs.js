// The small windows that ask before something is done: export, clear, and the list of keys.

import { address, clearAll } from "./api.js";
import { byId } from "./dom.js";
import { notice, orNotice } from "./notice.js";

/** Wire them up; `filter()` gives the filter under which is exported. */
export function startDialogs(filter) {
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    // A click beside the window is one on the dialog itself.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  byId("export-plain").addEventListener("click", () => download(filter(), false));
  byId("export-reveal").addEventListener("click", () => download(filter(), true));
  byId("clear-sure").addEventListener("click", async () => {
    byId("clear-dialog").close();
    const done = await orNotice(async () => {
      await clearAll();
      return true;
    });
    if (done) notice("All events and counters are cleared");
  });
  byId("copy-text").addEventListener("focus", (event) => event.target.select());

  return {
    help: () => byId("help-dialog").showModal(),
    clear: () => byId("clear-dialog").showModal(),
    exporting: (redacts) => {
      const set = Object.entries(filter());
      byId("export-what").textContent = set.length
        ? `One event a line, those under the filter: ${set.map(([field, value]) => `${field} = ${value}`).join(", ")}.`
        : "One event a line, all that the server has stored.";
      byId("export-reveal").hidden = !redacts;
      byId("export-dialog").showModal();
    },
  };
}

function download(query, reveal) {
  byId("export-dialog").close();
  const link = byId("export-link");
  link.href = address("export.jsonl", reveal ? { ...query, reveal: 1 } : query);
  link.click();
}
