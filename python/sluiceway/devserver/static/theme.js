// Dark, light, or as the system has it; the choice is kept in this browser.

import { byId, put } from "./dom.js";
import { icon } from "./icons.js";

const PLACE = "sluiceway.theme";
const ORDER = ["system", "light", "dark"];

function stored() {
  try {
    const kept = localStorage.getItem(PLACE);
    return ORDER.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}

function show(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  put(button, icon(theme));
  button.title = `Colours: ${theme === "system" ? "as the system has them" : theme} (press to change)`;
  button.setAttribute("aria-label", button.title);
}

/** Apply what was chosen, and let the switch go round: system, light, dark. */
export function startTheme() {
  let theme = stored();
  show(theme);
  byId("theme").addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    show(theme);
    try {
      localStorage.setItem(PLACE, theme);
    } catch {
      // A browser that keeps nothing still shows the choice until the page is closed.
    }
  });
}
