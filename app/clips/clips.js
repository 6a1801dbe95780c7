// @ts-check
// The list's life: mount once, fetch the columns once, draw the rows near the view, tell Python which clip was chosen.

import { make, refsIn, sign } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { mounting } from "../common/mounting.js"
import { fillFilters, NOTHING, remembered, wireFilters } from "./filters.js"
import { chosenRows, keyOf, makeRows, NONE } from "./rows.js"

const lists = mounting(mount, unmount)
const ROW = 52, TILE = 92, UNDER = 24, SPARE = 6, LEAST = 220, UNDER_LIST = 12
const STILL = 8 // pixels that a hand may move within a press
const AGAIN = [1500, 6000, 20_000] // milliseconds after which a picture that was not there yet is asked for again

export default function ({ parentElement, data, setTriggerValue }) {
  return lists(parentElement, (c) => {
    c.choose = (row) => setTriggerValue("chose", { corpus: row.corpus, id: row.id, serial: c.serial })
    follow(c, data)
  })
}

function unmount(c) {
  c.observer.disconnect()
  c.loading?.abort()
  removeEventListener("resize", c.fitLater)
}

function mount(parent) {
  const el = refsIn(parent)
  const c = { el, rows: [], shown: [], drawn: new Map(), at: -1, serial: 0, heard: 0, columns: null, url: "",
    asked: remembered(sessionStorage, NOTHING), look: remembered(localStorage, { look: "list" }).look }
  wireFilters(c)
  wireRows(c)
  c.fitLater = () => requestAnimationFrame(() => fit(c))
  c.observer = new ResizeObserver(c.fitLater)
  const side = sidebarOf(c)
  for (const element of side ? [side, ...side.children] : []) c.observer.observe(element)
  addEventListener("resize", c.fitLater)
  c.fitLater()
  return c
}

// Python's data may be older than the last press: until it has heard of that, what was pressed stays marked.
function follow(c, data) {
  const heard = data.heard >= c.serial
  const chosen = heard ? keyOf(...data.chosen) : c.chosen
  const moved = chosen !== c.chosen
  const own = JSON.stringify(data.own)
  const same = own === c.own && data.url === c.url && data.corpus === c.corpus
  Object.assign(c, { chosen, own, corpus: data.corpus, ownRows: data.own, base: data.base ?? "" })
  if (data.url !== c.url) load(c, data.url)
  else if (!same) renew(c)
  else if (moved) {
    mark(c)
    reveal(c, c.at)
  }
}

async function load(c, url) {
  c.url = url
  c.loading?.abort()
  c.loading = new AbortController()
  try {
    const answer = url && (await fetch(url, { signal: c.loading.signal }))
    if (answer && !answer.ok) throw new Error(`${answer.status}`)
    const columns = answer ? await answer.json() : null
    if (url !== c.url) return
    c.columns = columns
    renew(c)
  } catch (error) {
    if (error.name !== "AbortError") c.el.count.textContent = "The clips could not be fetched: reload the page."
  }
}

function renew(c) {
  const before = c.rows.length
  c.rows = makeRows(c.ownRows, c.corpus, c.columns, c.base)
  for (const element of c.drawn.values()) element.remove()
  c.drawn.clear()
  fillFilters(c)
  sift(c)
  fit(c)
  layOut(c)
  if (!before || c.at >= 0) reveal(c, c.at)
  c.el.root.dataset.ready = "true"
}

// Which rows are shown, and where the chosen one is among them.
export function sift(c) {
  c.shown = chosenRows(c.rows, c.asked)
  const filtered = c.shown.length !== c.rows.length
  const count = (n) => n.toLocaleString("en")
  c.el.count.textContent = filtered ? `${count(c.shown.length)} of ${count(c.rows.length)} clips` : `${count(c.rows.length)} clips`
  c.el.all.hidden = !filtered
  const asked = ["label", "predicted", "right", "speaker"].filter((name) => c.asked[name]).length
  c.el.filter.textContent = asked ? `Filter (${asked})` : "Filter"
  c.el.filter.classList.toggle("on", asked > 0)
  mark(c)
}

function mark(c) {
  c.at = c.shown.findIndex((row) => row.key === c.chosen)
  c.active = c.at >= 0 ? c.at : Math.min(Math.max(0, c.active ?? 0), c.shown.length - 1)
  for (const [i, element] of c.drawn) dress(c, element, i)
  tellActive(c)
}

export function layOut(c) {
  const { rows, space } = c.el
  const wide = rows.clientWidth
  c.across = c.look === "gallery" ? Math.max(1, Math.floor(wide / TILE)) : 1
  c.tall = c.look === "gallery" ? Math.floor(wide / c.across) + UNDER : ROW
  c.wide = wide
  space.style.height = `${Math.ceil(c.shown.length / c.across) * c.tall}px`
  for (const element of c.drawn.values()) element.remove()
  c.drawn.clear()
  draw(c)
}

// Only the rows near the view are there.
function draw(c) {
  const { rows, space } = c.el
  const first = Math.max(0, Math.floor(rows.scrollTop / c.tall) - SPARE) * c.across
  const last = Math.min(c.shown.length, (Math.ceil((rows.scrollTop + rows.clientHeight) / c.tall) + SPARE) * c.across)
  for (const [i, element] of c.drawn)
    if (i < first || i >= last) {
      element.remove()
      c.drawn.delete(i)
    }
  for (let i = first; i < last; i++)
    if (!c.drawn.has(i)) {
      const element = rowElement(c.shown[i])
      element.id = `clip-${i}`
      Object.assign(element.style, c.across > 1 || c.look === "gallery"
        ? { top: `${Math.floor(i / c.across) * c.tall}px`, left: `${(i % c.across) * (c.wide / c.across)}px`, width: `${c.wide / c.across}px`, height: `${c.tall}px` }
        : { top: `${i * c.tall}px`, height: `${c.tall}px` })
      element.setAttribute("aria-setsize", c.shown.length)
      element.setAttribute("aria-posinset", i + 1)
      element.dataset.row = i
      dress(c, element, i)
      space.append(element)
      c.drawn.set(i, element)
    }
  tellActive(c)
}

function dress(c, element, i) {
  element.setAttribute("aria-selected", String(i === c.at))
  element.classList.toggle("active", i === c.active)
}

function tellActive(c) {
  const { rows } = c.el
  if (c.drawn.has(c.active)) rows.setAttribute("aria-activedescendant", `clip-${c.active}`)
  else rows.removeAttribute("aria-activedescendant")
}

function rowElement(row) {
  const element = make("div", "row")
  element.setAttribute("role", "option")
  element.dataset.clip = row.id
  element.dataset.corpus = row.corpus
  element.title = row.name
  const words = make("div", "words")
  const first = make("div", "line"), second = make("div", "line faint")
  if (row.own) first.append(make("b", "own", "own"))
  first.append(make("span", "label", row.label || row.name))
  if (row.right >= 0) first.append(row.right ? sign("right", "✓", "right") : sign("wrong", "✕", "wrong"))
  if (row.confidence >= 0) first.append(make("span", "share", percent(row.confidence / 1000)))
  // On the second line both names are read whole, however narrow the list.
  if (row.predicted && row.right !== 1) second.append(make("span", "predicted", `→ ${row.predicted}`))
  second.append(make("span", "", [row.label ? row.name : "", row.speaker, row.intensity].filter(Boolean).join(" · ") || NONE))
  words.append(first, second)
  element.append(picture(row), words)
  return element
}

function picture(row, tries = 0) {
  const image = make("img", "picture")
  image.alt = ""
  image.loading = "lazy"
  image.decoding = "async"
  image.draggable = false
  if (!row.picture) {
    image.style.visibility = "hidden"
    return image
  }
  image.onload = () => { image.style.visibility = "" }
  image.onerror = () => {
    image.style.visibility = "hidden"
    if (tries < AGAIN.length) setTimeout(() => image.isConnected && (image.src = `${row.picture}?again=${tries}`), AGAIN[tries])
    tries += 1
  }
  image.src = row.picture
  return image
}

function wireRows(c) {
  const { rows, root } = c.el
  rows.onscroll = () => draw(c)
  // Between press and release the rows may be drawn anew, and a click on one that is gone reaches nobody: the press counts.
  rows.onpointerdown = (event) => {
    const element = event.target.closest(".row")
    c.pressed = element && event.button === 0 ? { key: c.shown[Number(element.dataset.row)]?.key, x: event.clientX, y: event.clientY } : null
  }
  rows.onpointerup = (event) => {
    const { pressed } = c
    c.pressed = null
    if (!pressed || Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL) return
    pick(c, c.shown.findIndex((row) => row.key === pressed.key))
  }
  rows.onpointercancel = () => { c.pressed = null }
  // What reads the page aloud clicks without a pointer.
  rows.onclick = (event) => {
    const element = event.target.closest(".row")
    if (element && !event.detail) pick(c, Number(element.dataset.row))
  }
  rows.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !c.shown.length) return
    const page = Math.max(1, Math.floor(rows.clientHeight / c.tall) - 1) * c.across
    const side = c.look === "gallery" ? 1 : 0
    const by = { ArrowDown: c.across, ArrowUp: -c.across, ArrowRight: side, ArrowLeft: -side, PageDown: page, PageUp: -page,
      Home: -Infinity, End: Infinity }[event.key]
    if (by) activate(c, Math.min(c.shown.length - 1, Math.max(0, c.active + by)))
    else if (event.key === "Enter" || event.key === " ") pick(c, c.active)
    else return
    event.preventDefault()
  }
  // The player hears keys wherever they are pressed; those pressed here are meant for the list.
  root.addEventListener("keydown", (event) => event.stopPropagation())
}

function activate(c, i) {
  c.active = i
  for (const [place, element] of c.drawn) dress(c, element, place)
  reveal(c, i)
}

function pick(c, i) {
  const row = c.shown[i]
  if (!row) return
  c.serial = Math.max(Date.now(), c.serial + 1)
  c.chosen = row.key
  c.active = i
  mark(c)
  c.choose(row)
}

export function reveal(c, i) {
  const { rows } = c.el
  if (i < 0 || !c.tall) return
  const top = Math.floor(i / c.across) * c.tall
  if (top < rows.scrollTop) rows.scrollTop = top
  else if (top + c.tall > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + c.tall - rows.clientHeight
  draw(c)
}

const sidebarOf = (c) => c.el.root.getRootNode().host?.closest("[data-testid=stSidebarContent]")

// The list fills what the sidebar has left, so that there is one thing to scroll.
export function fit(c) {
  const { root, rows } = c.el, side = sidebarOf(c)
  if (side && side.clientHeight) {
    const box = root.getBoundingClientRect()
    const above = box.top - side.getBoundingClientRect().top + side.scrollTop
    const height = Math.max(LEAST, Math.floor(side.clientHeight - above - UNDER_LIST))
    if (Math.abs(height - box.height) > 1) root.style.height = `${height}px`
  }
  if (rows.clientWidth && rows.clientWidth !== c.wide) {
    layOut(c)
    reveal(c, c.at)
  } else if (c.tall) draw(c)
}
