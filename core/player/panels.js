// @ts-check
// Beside the picture: the classes at the playhead, and the cross-modal matrix with its crosshair.

import { classColour, RAMP } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { glide } from "../browser/gliding.js"
import { percent } from "../browser/text.js"
import { rowLane, sideOf } from "./lanes.js"
import { currentMaps } from "./overlay.js"
import { frameStep, matrixOf, nearest, seriesOf } from "./timeline.js"

// The lanes of answers that are shown: one, or one for each of two models.
function predictionLanes(p) {
  return p.rows.filter((row) => row.kind === "probability").map((row) => rowLane(p, row))
}

export function predictionLane(p) {
  return predictionLanes(p)[0] ?? null
}

export function buildClasses(p) {
  const lanes = predictionLanes(p)
  p.el.nowPanel.hidden = !lanes.length
  p.el.classes.replaceChildren()
  p.classes = []
  if (!lanes.length) return
  p.el.nowTitle.title = lanes.map((lane) => lane.note).join(" ")
  p.el.keyNow.textContent = lanes.every(byFrame) ? "this frame" : "so far"
  for (const name of new Set(lanes.flatMap((lane) => lane.series))) {
    const item = make("li", lanes.length > 1 ? "class several" : "class")
    const label = make("span", "class-name")
    label.textContent = name
    item.append(label)
    const bars = lanes.filter((lane) => lane.series.includes(name)).map((lane) => classBar(item, lane, name, lanes.length > 1))
    if (name === p.options.truth) label.append(badge("true"))
    const why = badge("explained")
    label.append(why)
    p.el.classes.append(item)
    p.classes.push({ name, bars, why })
  }
}

// Whether a model answers each frame by itself: no moment of it sums up what came before.
function byFrame(lane) {
  return lane.title.includes("nswer by frame")
}

// What a class has of the whole clip: of answers that grow the last; of those by frame their mean.
function wholeClip(lane, k) {
  const values = [...seriesOf(lane, k)].filter((value) => !Number.isNaN(value))
  if (!values.length) return 0
  return byFrame(lane) ? values.reduce((sum, value) => sum + value, 0) / values.length : values[values.length - 1]
}

// A bar with its share; beside a second model's it stands in a box of its own and says whose it is.
function classBar(item, lane, name, several) {
  const k = lane.series.indexOf(name)
  const box = several ? make("span", "class-bar") : item
  const track = make("span", "class-track")
  track.style.setProperty("--colour", classColour(name, k))
  const whole = make("i", "class-whole")
  whole.style.left = `${100 * wholeClip(lane, k)}%`
  track.append(whole)
  const share = make("span", "class-share")
  if (several) {
    const side = make("span", "class-side")
    side.textContent = sideOf(lane.group)
    box.append(side)
    item.append(box)
  }
  box.append(track, share)
  return { lane, k, box, track, share }
}

// Which class the heatmap on the picture explains; each head may explain another.
export function markExplained(p) {
  const explained = currentMaps(p).map((map) => p.options.explained?.[map?.id])
  for (const shown of p.classes) shown.why.hidden = !explained.includes(shown.name)
}

function badge(text) {
  const mark = make("em", "badge")
  mark.textContent = text
  return mark
}

export function readClasses(p, t) {
  const lanes = predictionLanes(p)
  const side = lanes.length === 1 ? sideOf(lanes[0].group) : ""
  const when = lanes.length && lanes.every(byFrame) ? "At" : "So far, up to"
  p.el.nowTitle.textContent = `${when} ${t.toFixed(2)} s${side && `, ${side}`}`
  const moments = new Map(lanes.map((lane) => [lane, answersAt(lane, t)]))
  for (const { bars } of p.classes) {
    for (const { lane, k, box, track, share } of bars) {
      const { values, largest } = moments.get(lane) ?? { values: [], largest: 0 }
      const known = values[k] !== undefined && !Number.isNaN(values[k])
      track.style.setProperty("--share", `${known ? 100 * values[k] : 0}%`)
      share.textContent = known ? percent(values[k]) : "–"
      box.classList.toggle("leads", known && values[k] === largest)
    }
  }
}

function answersAt(lane, t) {
  const i = nearest(lane.times, t)
  const values = i < 0 ? [] : lane.series.map((_, k) => lane.values[k * lane.times.length + i])
  return { values, largest: Math.max(0, ...values.map((value) => value || 0)) }
}

function currentMatrix(p) {
  const matrices = p.timeline.matrices
  return matrices.find((matrix) => matrix.id === p.view.matrix) ?? matrices[0]
}

export function paintMatrix(p) {
  const matrix = currentMatrix(p)
  p.el.matrixPanel.hidden = !matrix
  p.root.classList.toggle("no-matrix", !matrix)
  if (!matrix) return
  const values = matrixOf(matrix, p.view.layer, p.view.head)
  p.matrixValues = values
  const [rows, columns] = [matrix.query_times.length, matrix.key_times.length]
  const canvas = p.el.matrixCanvas
  canvas.width = Math.max(1, columns)
  canvas.height = Math.max(1, rows)
  const context = canvas.getContext("2d")
  const image = context.createImageData(canvas.width, canvas.height)
  const [low, high] = rangeOf(values)
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue
    // The square root: attention is so uneven that a linear ramp shows a few dots on black.
    const shade = Math.round(Math.sqrt((values[i] - low) / (high - low || 1)) * 255) * 3
    image.data.set([RAMP[shade], RAMP[shade + 1], RAMP[shade + 2], 255], i * 4)
  }
  p.el.matrixLow.textContent = times(low)
  p.el.matrixHigh.textContent = `${times(high)} average`
  context.putImageData(image, 0, 0)
  canvas.setAttribute("aria-label", `${matrix.title}: rows are ${matrix.query} frames, columns ${matrix.key} frames`)
  p.el.matrixTitle.textContent = matrix.title
  p.el.matrixTitle.hidden = p.timeline.matrices.length > 1
  p.el.matrixSource.value = matrix.id
  p.el.axisX.textContent = `${matrix.key} time →`
  p.el.axisY.textContent = `↓ ${matrix.query} time`
}

function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 1]
}

function times(ratio) {
  return `${ratio < 10 ? ratio.toFixed(2) : Math.round(ratio)} ×`
}

export function moveCrosshair(p, t) {
  const matrix = currentMatrix(p)
  if (!matrix || !p.squareSize) return
  glide(p.el.crossX, place(matrix.key_times, t) * p.squareSize)
  glide(p.el.crossY, place(matrix.query_times, t) * p.squareSize, "Y")
  readMatrix(p, matrix, nearest(matrix.query_times, t), nearest(matrix.key_times, t))
}

// The matrix is drawn cell by cell, and its cells need not be even in time.
function place(times, t) {
  const i = nearest(times, t)
  const step = frameStep(times)
  return Math.min(1, Math.max(0, (i + 0.5 + Math.max(-0.5, Math.min(0.5, (t - times[i]) / step))) / times.length))
}

export function readMatrix(p, matrix, row, column) {
  const weight = p.matrixValues[row * matrix.key_times.length + column]
  if (weight === undefined) return
  const reading = Number.isNaN(weight) ? "nothing there" : `${times(weight)} average`
  p.el.matrixReadout.textContent =
    `${matrix.query} ${matrix.query_times[row].toFixed(2)} s → ${matrix.key} ${matrix.key_times[column].toFixed(2)} s: ${reading}`
}

export function matrixCell(p, event) {
  const matrix = currentMatrix(p)
  const area = p.el.square.getBoundingClientRect()
  const inside = (share, times) => Math.min(times.length - 1, Math.max(0, Math.floor(share * times.length)))
  return {
    matrix,
    row: inside((event.clientY - area.top) / area.height, matrix.query_times),
    column: inside((event.clientX - area.left) / area.width, matrix.key_times),
  }
}
