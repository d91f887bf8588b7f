// One key for each thing that is done often; none of them while somebody types.

const TYPING = "input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]";
const OWN_ENTER = "button, a, summary, [role=button]";

/**
 * Listen for keys. `actions` maps a key to what it does; a key in `inList` (arrows, Enter, …) is left to whatever
 * else has the focus. `onEscape()` gets Esc, also from a field.
 */
export function startKeyboard({ actions, inList, onEscape }) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    // A dialog keeps the keys for itself; Esc closes it without our help.
    if (document.querySelector("dialog[open]")) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape") {
      onEscape(target.matches(TYPING) ? target : null);
      event.preventDefault();
      return;
    }
    if (target.matches(TYPING)) return;
    const free = target === document.body || Boolean(target.closest("#list, #scroller"));
    const act = Object.hasOwn(actions, event.key)
      ? actions[event.key]
      : free && Object.hasOwn(inList, event.key)
        ? inList[event.key]
        : null;
    if (!act || (event.key === "Enter" && target.matches(OWN_ENTER))) return;
    event.preventDefault();
    act();
  });
}
