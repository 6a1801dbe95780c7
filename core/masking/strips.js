// @ts-check
// A strip for each modality: what is there and what is gone, with the attention of the untouched clip. Draw over it to take
// frames away; begin on a frame that is gone to bring frames back.

import { MODALITY_COLOURS, readTheme } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { cell, nearest } from "../player/timeline.js"
import { change, commit, commitSoon, nameOf } from "./board.js"
import { framesLeft, milli, spansOf, withoutSpan, withSpan } from "./grid.js"

const STRIP_HEIGHT = 44

export function buildStrips(b) {
  const { grid, el } = b
  const how = make("p", "note how")
  how.hidden = Boolean(b.options.alone)
  how.textContent = "Drag over a lane to take frames away; begin on a grey one to bring them back."
  el.strips.replaceChildren(how)
  b.strips = grid.modalities.map((modality) => {
    const strip = { ...grid.strips[modality], modality }
    strip.count = strip.rank.filter((rank) => rank >= 0).length
    const row = make("div", "strip")
    const [name, left] = [make("div", "strip-name"), make("div", "strip-left")]
    name.textContent = nameOf(modality)
    const hint = make("small")
    hint.textContent = !strip.count ? "nothing there" : strip.weight.length ? "height: attention" : ""
    name.append(hint)
    strip.canvas = make("canvas")
    strip.canvas.tabIndex = strip.count && !b.options.alone ? 0 : -1
    strip.canvas.setAttribute("role", b.options.alone ? "img" : "application")
    strip.left = left
    row.append(name, strip.canvas, left)
    el.strips.append(row)
    if (strip.count && !b.options.alone) wireStrip(b, strip)
    return strip
  })
  b.observer.disconnect()
  for (const { canvas } of b.strips) b.observer.observe(canvas)
  b.observer.observe(el.square)
}

function wireStrip(b, strip) {
  const { canvas, modality } = strip
  const timeAt = (event) => {
    const area = canvas.getBoundingClientRect()
    return Math.min(1, Math.max(0, (event.clientX - area.left) / area.width)) * b.grid.duration
  }
  canvas.title = "Drag to take frames away; begin on what is gone to bring it back"
  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    const at = timeAt(event)
    strip.brush = { from: at, back: framesLeft(strip, b.state, modality)[nearest(strip.times, at)] === 0, before: takeOver(b) }
    paintSpan(b, strip, at)
  }
  canvas.onpointermove = (event) => { if (strip.brush) paintSpan(b, strip, timeAt(event)) }
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (strip.brush) commit(b)
    strip.brush = null
  }
  canvas.onkeydown = (event) => stripKey(b, strip, event)
  canvas.onfocus = () => { strip.cursor ??= 0; paintStrips(b) }
  canvas.onblur = () => { strip.cursor = undefined; paintStrips(b) }
}

// The keyboard's way: arrows move a cursor of a fortieth of the clip, Delete or x takes away what is under it, Enter brings it back.
function stripKey(b, strip, event) {
  const step = b.grid.duration / 40
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (move) strip.cursor = Math.min(b.grid.duration - step, Math.max(0, strip.cursor + move * step))
  else if (["Delete", "Backspace", "x", "Enter"].includes(event.key)) {
    strip.brush = { from: strip.cursor, back: event.key === "Enter", before: takeOver(b) }
    paintSpan(b, strip, strip.cursor + step)
    strip.brush = null
    strip.cursor = Math.min(b.grid.duration - step, strip.cursor + step)
    commitSoon(b)
  } else return
  event.preventDefault()
  event.stopPropagation()
  paintStrips(b)
}

// From here on a hand chooses: what was gone before stays gone.
export function takeOver(b) {
  if (b.state.pattern === "drawn") return structuredClone(b.state.spans)
  return Object.fromEntries(b.strips.map((strip) => [strip.modality, spansOf(strip, framesLeft(strip, b.state, strip.modality), b.grid.duration)]))
}

function paintSpan(b, strip, to) {
  const { from, back, before } = strip.brush
  // At least the frame under the pointer.
  const ends = [from, to].map((t) => cell(strip.times, Math.max(0, nearest(strip.times, t)), b.grid.duration))
  const span = [Math.min(ends[0][0], ends[1][0]), Math.max(ends[0][1], ends[1][1])].map(milli)
  const spans = (back ? withoutSpan : withSpan)(before[strip.modality] ?? [], span)
  if (b.state.pattern !== "drawn") b.lastPattern = b.state.pattern
  change(b, { pattern: "drawn", spans: { ...before, [strip.modality]: spans } })
}

export function paintStrips(b) {
  b.strips.forEach((strip) => {
    const { canvas } = strip
    const width = canvas.clientWidth
    if (!width) return
    const ratio = window.devicePixelRatio || 1
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(STRIP_HEIGHT * ratio)
    const context = canvas.getContext("2d")
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, width, STRIP_HEIGHT)
    const left = framesLeft(strip, b.state, strip.modality)
    paintFrames(b, context, strip, left, width)
    const there = left.reduce((n, share) => n + (share > 0 ? 1 : 0), 0)
    strip.share = strip.count ? (100 * there) / strip.count : 0
    strip.left.textContent = strip.count ? `${there} / ${strip.count}` : "–"
    canvas.setAttribute("aria-label", `${nameOf(strip.modality)}: ${there} of ${strip.count} frames are there. Arrow keys move, x takes away, Enter brings back.`)
    b.root.dataset[`left${strip.modality[0].toUpperCase()}${strip.modality.slice(1)}`] = `${there}/${strip.count}`
  })
}

function paintFrames(b, context, strip, left, width) {
  const theme = (b.theme ??= readTheme(b.root))
  const scale = width / (b.grid.duration || 1)
  const colour = MODALITY_COLOURS[strip.modality] ?? theme.primary
  // Two bars a pixel are enough for any eye.
  const step = Math.max(1, Math.floor(left.length / (2 * width)))
  for (let i = 0; i < left.length; i += step) {
    if (left[i] < 0) continue
    const [start, end] = cell(strip.times, i, b.grid.duration)
    const tall = strip.weight.length ? 5 + strip.weight[i] * (STRIP_HEIGHT - 7) : STRIP_HEIGHT - 12
    const gone = left[i] === 0
    context.fillStyle = gone ? theme.text : colour
    context.globalAlpha = gone ? 0.16 : 0.9
    context.fillRect(start * scale, STRIP_HEIGHT - tall, Math.max(0.7, (end - start) * scale * step + 0.25), tall)
    if (!gone) continue
    context.globalAlpha = 0.07
    context.fillRect(start * scale, 0, Math.max(0.7, (end - start) * scale * step + 0.25), STRIP_HEIGHT)
  }
  context.globalAlpha = 1
  if (strip.cursor === undefined) return
  context.strokeStyle = theme.primary
  context.lineWidth = 2
  context.strokeRect(strip.cursor * scale, 1, (b.grid.duration / 40) * scale, STRIP_HEIGHT - 2)
}
