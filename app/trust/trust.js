// @ts-check
// Trust: the level of the map that is shown with its reasons, and behind a fold the numbers of all maps.

import { make } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

const SHORT = ["trust", "reasons"]
const OPEN = { table: false }

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".trust")
  undisturbed(root, () => draw(root, data))
}

function draw(root, data) {
  root.dataset.subject = data.subject
  root.dataset.whole = String(Boolean(data.rows))
  if (!data.rows) {
    root.replaceChildren(make("p", "waits", data.failed ? data.stage : `${data.stage} … ${percent(data.share ?? 0)}`))
    if (!data.failed) root.append(bar(data.share ?? 0))
    return
  }
  const [first] = data.rows
  if (!first) {
    root.replaceChildren(make("p", "waits", "There is no map here to measure."))
    return
  }
  root.replaceChildren(line(first), fold(data.rows))
}

function bar(share) {
  const box = make("div", "bar")
  const done = make("span")
  done.style.width = `${100 * share}%`
  box.append(done)
  return box
}

function line(row) {
  const text = make("p")
  text.append(make("span", `level ${row.trust}`, `Trust: ${row.trust}`), make("span", "", `${row.explanation}. ${row.reasons}`))
  return text
}

function fold(rows) {
  const box = make("details")
  box.open = OPEN.table
  box.ontoggle = () => { OPEN.table = box.open }
  const table = make("table")
  const names = Object.keys(rows[0]).filter((name) => name !== "reasons")
  const top = make("tr")
  for (const name of names) top.append(make("th", "", name === "explanation" ? "" : name))
  table.append(top)
  for (const row of rows) {
    const line = make("tr")
    line.title = row.reasons
    for (const name of names) line.append(make(name === "explanation" ? "th" : "td", SHORT.includes(name) ? row[name] : "", row[name]))
    table.append(line)
  }
  const scroll = make("div", "scroll")
  scroll.tabIndex = 0
  scroll.setAttribute("role", "region")
  scroll.setAttribute("aria-label", "Trust of every map")
  scroll.append(table)
  box.append(make("summary", "", "How that was measured, and the other maps"), scroll)
  return box
}
