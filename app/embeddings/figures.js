// @ts-check
// A row of figures, each with its name and what to compare it to.

import { make } from "../../core/browser/elements.js"

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".figures")
  root.setAttribute("aria-label", data.title)
  root.replaceChildren(...data.figures.map(({ name, value, beside, note }) => {
    const box = make("div"), shown = make("dd", "", value)
    box.title = note
    if (beside) shown.append(make("small", "", beside))
    box.append(make("dt", "", name), shown)
    return box
  }))
}
