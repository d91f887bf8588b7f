// Controls that are shown and have no name that a screen reader could say.
() =>
  [...document.querySelectorAll("button, input, select, textarea, [role=listbox], [role=region], svg[role=img]")]
    .filter((it) => it.checkVisibility())
    .filter((it) => !it.getAttribute("aria-label") && !it.getAttribute("aria-labelledby"))
    .filter((it) => !(it.tagName === "BUTTON" && it.textContent.trim()) && !it.labels?.length)
    .map((it) => it.id || it.outerHTML.slice(0, 80));
