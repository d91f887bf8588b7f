// The page's signs, drawn: a system's fonts have some of such characters and lack others.

import { svg } from "./dom.js";

const RING = "M8 2.8a5.2 5.2 0 1 0 0 10.4a5.2 5.2 0 1 0 0-10.4z";

/** Lines on a square of 16, round at their ends. */
const LINES = {
  check: "M3.2 8.6l3.1 3.1L12.8 4.8",
  lost: `${RING}M4.2 12.4l7.6-8.8`,
  cross: "M4 4l8 8M12 4l-8 8",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2.2v3h-3",
  copies: "M6 3h7v7H6zM3 6v7h7",
  clock: `${RING}M8 5v3.2l2.1 1.3`,
  ahead: "M2.5 8h8M7.5 4.8L10.7 8l-3.2 3.2M13.5 4v8",
  behind: "M13.5 8h-8M8.5 4.8L5.3 8l3.2 3.2M2.5 4v8",
  funnel: "M2.5 3.5h11L9.5 8.4V13l-3-1.6v-3z",
  dot: "M8 7.5v1",
  bolt: "M9 2L3.8 9H8l-1 5 5.2-7H8z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.3l7.2 4.7L5 12.7z",
  down: "M8 2.5v7.7M4.8 7.2L8 10.4l3.2-3.2M3 13.3h10",
  bin: "M3 4.5h10M6.3 4.5V2.8h3.4v1.7M4.4 4.5l.6 8.7h6l.6-8.7",
  system: `${RING}M8 3v10M9.7 3.5v9M11.4 4.4v7.2`,
  light:
    "M8 5.3a2.7 2.7 0 1 0 0 5.4a2.7 2.7 0 1 0 0-5.4zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  dark: "M13 9.6A5.3 5.3 0 0 1 6.4 3a5.3 5.3 0 1 0 6.6 6.6z",
  keys: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.9-1.1 1.7M8 12.3v.1",
  warn: "M8 2.5L14.2 13.3H1.8zM8 6.6v3M8 11.4v.1",
};

/** The sign of that name; it says nothing to a screen reader: the word beside it does. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    svg("path", { d: Object.hasOwn(LINES, name) ? LINES[name] : LINES.dot }),
  );
}

/** Draw the signs that index.html asks for by `data-icon`. */
export function drawIcons() {
  for (const place of document.querySelectorAll("[data-icon]")) place.replaceChildren(icon(place.dataset.icon));
}
