// The empty page: where to send events, and the first lines of code that do.

import { copy } from "./copying.js";
import { byId, el, put } from "./dom.js";
import { snippets } from "./snippets.js";

/** Fills the empty page for a server at `url`; among the tabs arrows move, Home and End jump. */
export function startWelcome(url) {
  const groups = Object.entries(snippets(url));
  byId("welcome-url").textContent = url;
  byId("welcome-copy").addEventListener("click", () => copy(url, "The address"));
  const tabs = groups.map(([name], place) =>
    el("button", {
      type: "button",
      role: "tab",
      id: `tab-${place}`,
      "aria-controls": "snippets",
      text: name,
      on: { click: () => choose(place), keydown: (event) => key(event, place) },
    }),
  );

  function choose(place) {
    tabs.forEach((tab, other) => {
      tab.setAttribute("aria-selected", String(other === place));
      tab.tabIndex = other === place ? 0 : -1;
    });
    byId("snippets").setAttribute("aria-labelledby", `tab-${place}`);
    put(byId("snippets"), ...groups[place][1].map(block));
  }

  function key(event, place) {
    const last = tabs.length - 1;
    const to = {
      ArrowRight: place === last ? 0 : place + 1,
      ArrowLeft: place === 0 ? last : place - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(to);
    tabs[to].focus();
  }

  put(byId("tabs"), ...tabs);
  choose(0);
}

function block({ title, code }) {
  const button = el("button", {
    type: "button",
    class: "quiet",
    text: "Copy",
    "aria-label": `Copy: ${title}`,
    on: { click: () => copy(code, "The code") },
  });
  return el(
    "figure",
    { class: "snippet" },
    el("figcaption", {}, el("span", { text: title }), button),
    el("pre", { tabindex: "0" }, el("code", { text: code })),
  );
}
