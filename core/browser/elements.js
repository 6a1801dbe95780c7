// @ts-check
// Making elements, and finding those that a page's HTML names. What comes in is text, never markup.

/** @type {(tag: string, className?: string, text?: string) => any} */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}

// A mark that is read aloud as what it means.
/** @type {(className: string, text: string, meaning: string) => HTMLElement} */
export function sign(className, text, meaning) {
  const mark = make("span", className, text)
  mark.setAttribute("role", "img")
  mark.setAttribute("aria-label", meaning)
  return mark
}

// A part of a drawing.
/** @type {(tag: string, attributes?: Record<string, string | number>) => SVGElement} */
export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  return element
}

// Those with a ``data-ref``, by it.
/** @type {(root: ParentNode) => Record<string, any>} */
export function refsIn(root) {
  /** @type {NodeListOf<HTMLElement>} */
  const named = root.querySelectorAll("[data-ref]")
  return Object.fromEntries([...named].map((element) => [element.dataset.ref, element]))
}
