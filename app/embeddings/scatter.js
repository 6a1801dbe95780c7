// @ts-check
// The map's life: fetch points and columns once, follow Python's data, draw once a frame, tell Python only what was chosen.

import { readTheme } from "../../core/browser/colours.js"
import { make, refsIn } from "../../core/browser/elements.js"
import { mounting } from "../common/mounting.js"
import { fit, setTool, toScreen, use, wireHand } from "./hand.js"
import { colouring, drawLegend } from "./look.js"
import { makeGrid, readBits, readColumns, readPoints } from "./points.js"
import { radiusFor, raster, rgb, shapePath } from "./raster.js"

const maps = mounting(mount, unmount)
const GLIDE = 450 // milliseconds from one map to the next
const GLIDES_UP_TO = 20_000

export default function ({ parentElement, data, setTriggerValue }) {
  return maps(parentElement, (m) => {
    m.trigger = setTriggerValue
    m.theme = readTheme(m.root)
    follow(m, data)
  })
}

function unmount(m) {
  m.observer.disconnect()
  m.loading?.abort()
  cancelAnimationFrame(m.frame)
}

function mount(parent) {
  const root = parent.querySelector(".scatter")
  const el = refsIn(root)
  const m = { root, el, view: { k: 1, x: 0, y: 0 }, size: { width: 1, height: 1 }, frames: 0, chosen: null, outline: null, turn: 0, early: [] }
  // For tests: where on the screen a clip is.
  root.where = (id) => {
    const row = m.table.ids.indexOf(id), box = el.over.getBoundingClientRect()
    const [x, y] = toScreen(m, m.at[2 * row], m.at[2 * row + 1])
    return [x + box.left, y + box.top]
  }
  m.observer = new ResizeObserver(() => resize(m))
  m.observer.observe(el.stage)
  wireHand(m)
  setTool(m, "lasso")
  return m
}

function resize(m) {
  const { width, height } = m.el.stage.getBoundingClientRect()
  m.ratio = Math.min(2, window.devicePixelRatio || 1)
  m.size = { width: Math.max(1, width), height: Math.max(1, height) }
  for (const canvas of [m.el.points, m.el.over]) {
    canvas.width = Math.max(1, Math.round(width * m.ratio))
    canvas.height = Math.max(1, Math.round(height * m.ratio))
  }
  if (m.at && !m.moved) fit(m)
  else if (m.at) redraw(m)
}

function follow(m, data) {
  const before = m.data ?? {}
  m.data = data
  m.root.style.setProperty("--height", `${data.height}px`)
  m.el.over.setAttribute("aria-label", data.alt)
  m.el.note.replaceChildren(make("b", "", data.title), data.subtitle ?? "")
  if (data.points !== before.points || data.table !== before.table) load(m, before)
  else if (m.at) dress(m)
}

async function load(m, before) {
  const { data } = m, turn = ++m.turn
  m.root.dataset.ready = "false"
  m.loading?.abort()
  m.loading = new AbortController()
  const get = async (url) => {
    const answer = await fetch(url, { signal: m.loading.signal })
    if (!answer.ok) throw new Error(`${answer.status}`)
    return answer.arrayBuffer()
  }
  try {
    const same = data.table === before.table && m.table
    const [points, table] = await Promise.all([get(data.points), same ? m.table : get(data.table).then(readColumns)])
    if (turn !== m.turn) return
    m.pointsUrl = data.points
    show(m, readPoints(points), table)
  } catch (error) {
    if (error.name !== "AbortError") m.el.note.textContent = "The map could not be fetched: reload the page."
  }
}

function show(m, at, table) {
  const from = m.table === table && m.at && table.count <= GLIDES_UP_TO && !matchMedia("(prefers-reduced-motion: reduce)").matches
    ? (m.shown ?? m.at).slice() : null
  const first = !m.at
  m.table = table
  m.at = at
  m.grid = makeGrid(at)
  m.glide = from && { from, since: performance.now() }
  if (first) resize(m)
  if (!m.moved || !from) fit(m)
  dress(m)
}

// What follows from Python's data once the points are there: colours, the chosen ones, the legend.
function dress(m) {
  const { data, table, theme } = m
  m.paint = colouring(table.columns.get(data.colour), table.count, theme)
  m.shapes = data.shape ? table.columns.get(data.shape)?.values : null
  m.background = rgb(theme.background)
  const ink = rgb(theme.text)
  m.faded = m.background.map((channel, i) => Math.round(channel + (ink[i] - channel) * 0.13))
  m.radius = radiusFor(table.count)
  choose(m, data.chosen ? readBits(data.chosen, table.count) : null, data.outline ?? null)
  m.root.dataset.colour = data.colour
  m.root.dataset.shape = data.shape
  m.root.dataset.map = data.map
  m.root.dataset.current = data.current >= 0 ? table.ids[data.current] : ""
  m.root.dataset.ready = "true"
  for (const tool of m.early.splice(0)) use(m, tool)
}

// Of which points it speaks goes along: another map may be on its way.
export function pick(m, picked) {
  m.trigger("pick", { ...picked, on: m.pointsUrl })
}

export function choose(m, chosen, outline) {
  m.chosen = chosen
  m.outline = outline
  let count = 0
  if (chosen) for (const flag of chosen) count += flag
  m.root.dataset.selected = chosen ? String(count) : ""
  m.el.clear.hidden = !chosen
  m.el.clear.textContent = chosen ? `${count.toLocaleString("en")} of ${m.table.count.toLocaleString("en")} clips  ✕` : ""
  drawLegend(m)
  redraw(m)
}

export function redraw(m) {
  m.frame ||= requestAnimationFrame(() => {
    m.frame = 0
    draw(m)
  })
}

function draw(m) {
  let at = m.at
  if (m.glide) {
    const t = Math.min(1, (performance.now() - m.glide.since) / GLIDE), eased = t * t * (3 - 2 * t)
    const { from } = m.glide
    at = from.map((place, i) => place + (m.at[i] - place) * eased)
    if (t === 1) m.glide = null
  }
  m.shown = m.glide ? at : null
  const many = m.table.count > 20_000
  const drawn = raster(m.el.points, at, m.view, {
    background: m.background, faded: m.faded, colours: m.paint.colours, colourOf: m.paint.codes, shapeOf: m.shapes, chosen: m.chosen,
    ratio: m.ratio, radius: m.radius, ring: m.table.count <= 2000, strength: many ? 190 : 240,
  })
  m.frames++
  m.root.dataset.points = String(drawn)
  m.root.dataset.frames = String(m.frames)
  drawOver(m)
  if (m.glide) redraw(m)
}

// The lasso, and rings round the clip that is open, its neighbours, and the one under the pointer.
export function drawOver(m) {
  const { over } = m.el, context = over.getContext("2d")
  context.setTransform(m.ratio, 0, 0, m.ratio, 0, 0)
  context.clearRect(0, 0, m.size.width, m.size.height)
  const line = m.line ?? m.outline?.map(([x, y]) => toScreen(m, x / 1000, y / 1000))
  if (line) {
    context.beginPath()
    for (const [x, y] of line) context.lineTo(x, y)
    context.closePath()
    context.globalAlpha = 0.07
    context.fillStyle = context.strokeStyle = m.theme.primary
    context.fill()
    context.globalAlpha = 1
    context.lineWidth = 1.5
    context.setLineDash([5, 4])
    context.stroke()
    context.setLineDash([])
  }
  const at = m.shown ?? m.at
  const ring = (row, radius, width) => circle(context, toScreen(m, at[2 * row], at[2 * row + 1]), radius, width, m.theme)
  for (const row of m.data.neighbours ?? []) ring(row, m.radius + 3, 1.2)
  if (m.data.current >= 0) {
    ring(m.data.current, m.radius + 3, 2.4)
    ring(m.data.current, m.radius + 7, 1.2)
  }
  for (const own of m.data.own ?? []) {
    const path = shapePath("star", ...toScreen(m, own.x, own.y), 8)
    context.fillStyle = m.theme.text
    context.strokeStyle = m.theme.background
    context.lineWidth = 3
    context.stroke(path)
    context.fill(path)
    if (own.current) circle(context, toScreen(m, own.x, own.y), 13, 2.4, m.theme)
  }
  if (m.hovered?.row >= 0) ring(m.hovered.row, m.radius + 4, 2)
}

function circle(context, at, radius, width, theme) {
  const [x, y] = at
  context.beginPath()
  context.arc(x, y, radius, 0, 2 * Math.PI)
  context.strokeStyle = theme.background
  context.lineWidth = width + 2
  context.stroke()
  context.strokeStyle = theme.text
  context.lineWidth = width
  context.stroke()
}
