// How the line to the server stands, in words beside a dot that changes its shape as well as its colour.

import { byId } from "./dom.js";

const WORDS = {
  connecting: "connecting…",
  live: "live",
  paused: "paused",
  away: "server away, trying again",
  moved: "server restarted at another address",
};
const LONG = {
  away: "The server does not answer. This page tries again by itself; what is shown stays.",
  moved:
    "A server answers, but not at this page's address, which is another at each start. " +
    "Open the one that it printed when it started.",
};

/** Show the stream's state; "live" reads "paused" while the list is. */
export function showConnection({ name }, paused) {
  const shown = name === "live" && paused ? "paused" : name;
  const place = byId("connection");
  place.dataset.state = shown;
  byId("connection-words").textContent = WORDS[shown];
  place.title = LONG[shown] ?? "";
  const line = byId("away");
  line.hidden = !LONG[shown];
  byId("away-text").textContent = LONG[shown] ?? "";
}
