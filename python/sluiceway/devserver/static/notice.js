// One line at the page's foot that says what just happened, and goes away.

import { byId } from "./dom.js";

const SHOWN_MS = 4000;
let timer = 0;

/** Say `text`; `bad` ones stay twice as long. */
export function notice(text, bad = false) {
  const line = byId("notice");
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => line.classList.remove("shown"), bad ? 2 * SHOWN_MS : SHOWN_MS);
}

/** Run `work` and say what went wrong, if anything did; answers undefined then. */
export async function orNotice(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message, true);
    return undefined;
  }
}
