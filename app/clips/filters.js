// @ts-check
// What a person asks of the list: search, filters, order, and how it looks. Kept for the session, over all pages and a reload.

import { make, makeSvg } from "../../core/browser/elements.js"
import { fit, layOut, reveal, sift } from "./clips.js"
import { collator, ORDERS } from "./rows.js"

const KEPT = "affectscope.clips"
export const NOTHING = { search: "", label: "", predicted: "", right: "", speaker: "", sort: "corpus" }
const TITLES = { label: "Label", predicted: "Predicted", right: "Answer", speaker: "Speaker", sort: "Sort by" }
const LIST = "M2 3h3v3H2zm5 0h7v2H7zM2 10h3v3H2zm5 0h7v2H7z"
const GALLERY = "M2 2h5v5H2zm7 0h5v5H9zM2 9h5v5H2zm7 0h5v5H9z"

export function remembered(store, nothing) {
  try {
    return { ...nothing, ...JSON.parse(store.getItem(KEPT) ?? "{}") }
  } catch {
    return { ...nothing }
  }
}

function remember(store, what) {
  try {
    store.setItem(KEPT, JSON.stringify(what))
  } catch {
    // A browser that keeps nothing still filters.
  }
}

export function wireFilters(c) {
  const { search, filter, look, all, filters } = c.el
  search.value = c.asked.search
  search.oninput = () => ask(c, { search: search.value })
  filter.onclick = () => {
    filters.hidden = !filters.hidden
    filter.setAttribute("aria-expanded", String(!filters.hidden))
    fit(c)
  }
  all.onclick = () => {
    search.value = ""
    ask(c, { ...NOTHING, sort: c.asked.sort })
    c.el.rows.focus()
  }
  look.onclick = () => {
    c.look = c.look === "gallery" ? "list" : "gallery"
    remember(localStorage, { look: c.look })
    showLook(c)
    layOut(c)
    reveal(c, c.at)
  }
  showLook(c)
}

function showLook(c) {
  const gallery = c.look === "gallery"
  c.el.root.classList.toggle("gallery", gallery)
  const shape = makeSvg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" })
  shape.append(makeSvg("path", { d: gallery ? LIST : GALLERY }))
  c.el.look.replaceChildren(shape)
  c.el.look.title = gallery ? "Show as a list" : "Show as a gallery"
  c.el.look.setAttribute("aria-label", c.el.look.title)
}

// The choices that these clips allow; a column with one value leaves nothing to choose.
export function fillFilters(c) {
  const { filters } = c.el
  const held = filters.getRootNode().activeElement?.dataset?.name
  filters.replaceChildren()
  for (const name of ["label", "predicted", "right", "speaker"]) {
    const counts = countsOf(c.rows, name)
    if (c.asked[name] && !counts.has(c.asked[name])) c.asked = { ...c.asked, [name]: "" }
    if (counts.size > 1 || c.asked[name]) {
      const options = [...counts.keys()].sort(collator.compare).map((value) => [value, `${value} (${counts.get(value)})`])
      filters.append(chooser(c, name, [["", "any"], ...options]))
    }
  }
  const sorts = Object.entries(ORDERS).filter(([name]) => c.rows.some(valued(name)))
  if (!sorts.some(([name]) => name === c.asked.sort)) c.asked = { ...c.asked, sort: "corpus" }
  filters.append(chooser(c, "sort", sorts))
  if (held) filters.querySelector(`[data-name=${held}]`)?.focus()
}

const valued = (name) => ["corpus", "name"].includes(name) ? () => true
  : ["sure", "unsure"].includes(name) ? (row) => row.confidence >= 0 : (row) => Boolean(row[name])

function countsOf(rows, name) {
  const counts = new Map()
  for (const row of rows) {
    const value = name === "right" ? ["wrong", "right"][row.right] : row[name]
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return counts
}

function chooser(c, name, options) {
  const box = make("label")
  const title = make("span", "", TITLES[name])
  const select = make("select")
  select.dataset.name = name
  select.append(...options.map(([value, text]) => new Option(text, value)))
  select.value = c.asked[name]
  select.onchange = () => ask(c, { [name]: select.value })
  box.append(title, select)
  return box
}

function ask(c, change) {
  c.asked = { ...c.asked, ...change }
  remember(sessionStorage, c.asked)
  fillFilters(c)
  sift(c)
  c.el.rows.scrollTop = 0
  layOut(c)
}
