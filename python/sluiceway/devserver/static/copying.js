// Text into the clipboard, or, where the browser does not let us, on the screen and selected.

import { byId } from "./dom.js";
import { notice } from "./notice.js";

/** Copy `text`, and say that `what` was copied. Answers whether the clipboard took it. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    notice(`${what} copied`);
    return true;
  } catch {
    const dialog = byId("copy-dialog");
    const field = byId("copy-text");
    byId("copy-what").textContent = what;
    field.value = text;
    if (!dialog.open) dialog.showModal();
    field.focus();
    field.select();
    return false;
  }
}
