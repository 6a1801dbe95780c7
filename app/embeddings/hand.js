// @ts-check
// The hand on the map: lasso, move, nearer and farther, hover, click.

import { make } from "../../core/browser/elements.js"
import { savePng, saveSvg } from "./keep.js"
import { valueText } from "./look.js"
import { inside, nearestRow } from "./points.js"
import { choose, drawOver, pick, redraw } from "./scatter.js"

const NEAR = 9 // pixels from a point that still count as on it
const STILL = 4 // a press that moves less is a click

/** @type {(m: any, px: number, py: number) => [number, number]} */
const toMap = (m, px, py) => {
  const { width, height } = m.size
  return [(px - width / 2 - m.view.x) / m.view.k, (height / 2 + m.view.y - py) / m.view.k]
}
export const toScreen = (m, x, y) => [m.size.width / 2 + m.view.x + x * m.view.k, m.size.height / 2 + m.view.y - y * m.view.k]

export function fit(m) {
  let [wide, high] = [0.01, 0.01]
  for (let i = 0; i < m.at.length; i += 2) {
    wide = Math.max(wide, Math.abs(m.at[i]))
    high = Math.max(high, Math.abs(m.at[i + 1]))
  }
  // Below the title, which lies on the map.
  const top = Math.max(48, m.el.note.offsetTop + m.el.note.offsetHeight + 14), bottom = 26
  const k = Math.min((m.size.width / 2 - 26) / wide, (m.size.height - top - bottom) / 2 / high)
  m.view = { k: Math.max(10, k), x: 0, y: (top - bottom) / 2 }
  m.moved = false
  redraw(m)
}

function zoom(m, factor, px = m.size.width / 2, py = m.size.height / 2) {
  const [x, y] = toMap(m, px, py)
  m.view.k = Math.min(1e6, Math.max(20, m.view.k * factor))
  const [nx, ny] = toScreen(m, x, y)
  m.view.x += px - nx
  m.view.y += py - ny
  m.moved = true
  redraw(m)
}

function pan(m, dx, dy) {
  m.view.x += dx
  m.view.y += dy
  m.moved = true
  redraw(m)
}

export function setTool(m, tool) {
  m.tool = m.root.dataset.tool = tool
  for (const button of m.el.bar.querySelectorAll("[data-tool]"))
    if (["lasso", "move"].includes(button.dataset.tool)) button.setAttribute("aria-pressed", String(button.dataset.tool === tool))
}

export function wireHand(m) {
  const { over } = m.el
  const spot = (event) => {
    const box = over.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  const fingers = new Map()
  let press = null

  over.onpointerdown = (event) => {
    if (!m.at) return
    over.setPointerCapture(event.pointerId)
    fingers.set(event.pointerId, spot(event))
    const moving = m.tool === "move" || event.button > 0 || event.shiftKey
    press = { from: spot(event), last: spot(event), line: [spot(event)], moving, far: false, shift: event.shiftKey }
    hideTip(m)
  }
  over.onpointermove = (event) => {
    const here = spot(event)
    if (!fingers.has(event.pointerId)) return hover(m, here)
    const before = fingers.get(event.pointerId)
    fingers.set(event.pointerId, here)
    if (fingers.size === 2) {
      press = null
      return pinch(m, fingers, event.pointerId, before)
    }
    if (!press) return
    if (Math.hypot(here[0] - press.from[0], here[1] - press.from[1]) > STILL) press.far = true
    if (!press.far) return
    if (press.moving) pan(m, here[0] - press.last[0], here[1] - press.last[1])
    else {
      const end = press.line.at(-1)
      if (Math.hypot(here[0] - end[0], here[1] - end[1]) >= 5) press.line.push(here)
      m.line = press.line
      drawOver(m)
    }
    press.last = here
  }
  over.onpointerup = (event) => {
    fingers.delete(event.pointerId)
    const done = press
    press = m.line = null
    if (!done) return
    if (!done.far) click(m, done.from, done.shift)
    else if (!done.moving) lasso(m, done.line)
  }
  over.onpointercancel = (event) => {
    fingers.delete(event.pointerId)
    press = m.line = null
    drawOver(m)
  }
  over.onpointerleave = () => hideTip(m)
  over.oncontextmenu = (event) => event.preventDefault()
  over.ondblclick = (event) => event.preventDefault()
  // The wheel scrolls the page, unless the map was taken up.
  over.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey && over.getRootNode().activeElement !== over) return
    event.preventDefault()
    zoom(m, Math.exp(-Math.sign(event.deltaY) * Math.min(0.4, Math.abs(event.deltaY) / 300)), ...spot(event))
  }
  over.onkeydown = (event) => key(m, event)
  for (const button of m.root.querySelectorAll("[data-tool]")) button.onclick = () => use(m, button.dataset.tool)
}

function pinch(m, fingers, id, before) {
  const other = [...fingers].find(([finger]) => finger !== id)[1], here = fingers.get(id)
  const middle = [(here[0] + other[0]) / 2, (here[1] + other[1]) / 2]
  const length = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1
  zoom(m, length(here) / length(before), ...middle)
  pan(m, (here[0] - before[0]) / 2, (here[1] - before[1]) / 2)
}

function key(m, event) {
  const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }
  const tools = { "+": "in", "=": "in", "-": "out", 0: "fit", Escape: "clear", l: "lasso", m: "move" }
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (steps[event.key]) pan(m, ...steps[event.key])
  else if (tools[event.key]) use(m, tools[event.key])
  else return
  event.preventDefault()
}

export function use(m, tool) {
  if (tool === "lasso" || tool === "move") setTool(m, tool)
  // What is pressed before the points are there is done once they are.
  else if (!m.at) m.early.push(tool)
  else if (tool === "in" || tool === "out") zoom(m, tool === "in" ? 1.4 : 1 / 1.4)
  else if (tool === "fit") fit(m)
  else if (tool === "clear" && m.chosen) {
    choose(m, null, null)
    pick(m, { kind: "" })
  } else if (tool === "png") savePng(m)
  else if (tool === "svg") saveSvg(m)
}

// At most this many corners, so that a link can hold them.
const CORNERS_KEPT = 60

function lasso(m, line) {
  const every = Math.ceil(line.length / CORNERS_KEPT)
  const corners = line.filter((_, i) => i % every === 0).map(([px, py]) => toMap(m, px, py).map((place) => Math.round(place * 1000)))
  const within = corners.length < 3 ? null : inside(m.at, corners)
  if (!within || !within.includes(1)) return choose(m, m.chosen, m.outline)
  choose(m, within, corners)
  pick(m, { kind: "lasso", corners })
}

// { row } of the corpus or { own } of a person's own clips under the pointer.
function under(m, [px, py]) {
  for (const own of m.data.own ?? []) {
    const [x, y] = toScreen(m, own.x, own.y)
    if (Math.hypot(x - px, y - py) <= NEAR + 2) return { own, x, y }
  }
  const row = nearestRow(m.at, m.grid, ...toMap(m, px, py), NEAR / m.view.k, m.chosen ? (i) => !m.chosen[i] : undefined)
  const nearest = row >= 0 ? row : nearestRow(m.at, m.grid, ...toMap(m, px, py), NEAR / m.view.k)
  if (nearest < 0) return null
  const [x, y] = toScreen(m, m.at[2 * nearest], m.at[2 * nearest + 1])
  return { row: nearest, x, y }
}

function click(m, spot, shift) {
  const target = under(m, spot)
  if (!target) return drawOver(m)
  const clip = target.own ? { corpus: target.own.corpus, id: target.own.id } : { corpus: m.data.corpus, id: m.table.ids[target.row] }
  m.trigger(shift ? "choose" : "open", clip)
}

function hover(m, spot) {
  if (!m.at) return
  const target = under(m, spot)
  const name = target ? target.own?.id ?? m.table.ids[target.row] : ""
  if (name === (m.root.dataset.hover ?? "")) return
  m.hovered = target
  m.root.dataset.hover = name
  m.root.dataset.over = target ? "clip" : ""
  if (target) showTip(m, target)
  else m.el.tip.hidden = true
  drawOver(m)
}

/** @param {{ row?: number, own?: any, x: number, y: number }} target */
function showTip(m, target) {
  const { row, own, x, y } = target
  const { tip } = m.el
  const picture = make("img")
  picture.alt = ""
  picture.onerror = () => picture.remove()
  picture.src = `${m.data.base ?? ""}/thumbs/${encodeURIComponent(`${own ? own.corpus : m.data.corpus}.${own ? own.id : m.table.ids[row]}`)}`
  const text = make("div")
  text.append(make("b", "", own ? own.title : m.table.ids[row]))
  const facts = make("dl")
  for (const name of own ? [] : m.data.facts) {
    const column = m.table.columns.get(name)
    if (column) facts.append(make("dt", "", column.title), make("dd", "", valueText(column, row)))
  }
  text.append(facts, make("small", "", "Click plays; Shift-click stays here"))
  tip.replaceChildren(picture, text)
  tip.hidden = false
  const { offsetWidth: w, offsetHeight: h } = tip
  tip.style.left = `${Math.max(4, x + 16 + w > m.size.width ? x - w - 14 : x + 16)}px`
  tip.style.top = `${Math.max(4, Math.min(m.size.height - h - 4, y - h / 2))}px`
}

function hideTip(m) {
  m.hovered = null
  m.root.dataset.hover = m.root.dataset.over = ""
  m.el.tip.hidden = true
  if (m.at) drawOver(m)
}
