// @ts-check
// Making elements, and finding those that a page's HTML names. What comes in is text, never markup.

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text) element.textContent = text
  return element
}

// A mark that is read aloud as what it means.
export function sign(className, text, meaning) {
  const mark = make("span", className, text)
  mark.setAttribute("role", "img")
  mark.setAttribute("aria-label", meaning)
  return mark
}

// A part of a drawing.
export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

// Those with a ``data-ref``, by it.
export function refsIn(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-ref]")].map((one) => [one.dataset.ref, one]))
}
