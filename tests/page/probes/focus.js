// What has the focus, and whether that can be seen.
() => {
  const it = document.activeElement;
  const look = getComputedStyle(it);
  const seen = look.outlineStyle !== "none" && Number.parseFloat(look.outlineWidth) > 0;
  // The list shows its focus on the chosen line.
  return [it.id || it.className || it.tagName, seen || it === document.body || it.id === "list"];
};
