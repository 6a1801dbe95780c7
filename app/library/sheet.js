// @ts-check
// What there is to know of a model, a corpus or a refused file. Everything comes out of files, so everything stays text.

import { make } from "../../core/browser/elements.js"

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".sheets")
  root.replaceChildren(...data.sheets.map(sheet))
}

function sheet({ title, tone, lines, caution, sections }) {
  const box = make("section", `sheet ${tone}`)
  box.setAttribute("aria-label", title)
  if (tone === "wrong") box.setAttribute("role", "alert")
  if (tone === "good") box.setAttribute("role", "status")
  box.append(make("h3", "", title))
  for (const line of lines) box.append(make("p", "", line))
  if (caution) box.append(make("p", "caution", caution))
  const rest = make("div", "sections")
  for (const section of sections) {
    const element = make("div", "section")
    element.append(...part(section))
    rest.append(element)
  }
  box.append(rest)
  return box
}

function part({ name, rows, chips, sentences, columns, table, keys, count, note, prose }) {
  if (keys.length) return [keyList(name, keys, count, prose)]
  const parts = [make("h4", "", name)]
  if (rows.length) parts.push(facts(rows))
  if (chips.length) parts.push(row(chips))
  if (sentences.length) parts.push(listed(sentences))
  if (table.length) parts.push(grid(columns, table))
  if (note) parts.push(make("p", "note", note))
  return parts
}

function facts(rows) {
  const list = make("dl")
  for (const [name, value] of rows) list.append(make("dt", "", name), make("dd", "", value))
  return list
}

function row(chips) {
  const box = make("div", "chips")
  box.append(...chips.map((chip) => make("span", "chip", chip)))
  return box
}

function listed(sentences) {
  const list = make("ul", "sentences")
  list.append(...sentences.map((sentence) => make("li", "", sentence)))
  return list
}

function grid(columns, rows) {
  const scroll = make("div", "scroll"), table = make("table"), head = make("thead"), body = make("tbody")
  const line = (tag, cells) => {
    const tr = make("tr")
    tr.append(...cells.map((cell) => make(tag, "", cell)))
    return tr
  }
  head.append(line("th", columns))
  body.append(...rows.map((cells) => line("td", cells)))
  table.append(head, body)
  scroll.append(table)
  // What scrolls can be reached by keyboard.
  scroll.tabIndex = 0
  scroll.setAttribute("role", "group")
  scroll.setAttribute("aria-label", "Table")
  return scroll
}

function keyList(name, keys, count, prose) {
  const box = make("details"), list = make("ul", prose ? "keys prose" : "keys")
  const shown = keys.length < count ? ` (the first ${keys.length} are listed)` : ""
  box.append(make("summary", "", `${count} ${name}${shown}`))
  list.tabIndex = 0
  list.append(...keys.map((key) => make("li", "", key)))
  box.append(list)
  return box
}
