// Elements are made here and nowhere else: what comes from an event goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. `attributes`: `class`, `text`, `hidden`, any other attribute by its name, and `on` for listeners.
 * An attribute that could carry code or style is refused, so that no data can become either.
 */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on")
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (/^on|^style$|^src|^href$/i.test(name)) throw new TypeError(`not an attribute for data: ${name}`);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element with this id, which stands in index.html. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** Replace all that `element` holds. */
export function put(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
}

/** Call `later` once things have been quiet for `milliseconds`. */
export function debounce(later, milliseconds) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => later(...given), milliseconds);
  };
}
