// A row of figures, each with its name and what to compare it to.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".figures")
  root.setAttribute("aria-label", data.title)
  root.replaceChildren(...data.figures.map(({ name, value, beside, note }) => {
    const box = make("div"), said = make("dd", "", value)
    box.title = note
    if (beside) said.append(make("small", "", beside))
    box.append(make("dt", "", name), said)
    return box
  }))
}

function make(tag, className = "", text = "") {
  const element = document.createElement(tag)
  element.className = className
  element.textContent = text
  return element
}
