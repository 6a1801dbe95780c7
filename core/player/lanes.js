// @ts-check
// The lanes under the video: each is painted once on a canvas of its own; only the playhead above them moves.

import { classColour, OTHER_COLOURS } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { colourOf, fillLegend, swatch } from "./legends.js"
import { currentMaps } from "./overlay.js"
import { changeView } from "./player.js"
import { evidenceAt, namesOf, paintContribution, paintMap, reasonAt } from "./reasons.js"
import { cell, gapsOf, nearest, seriesOf, weightsOf } from "./timeline.js"
import { toned } from "./tone.js"

const LANE_HEIGHT = { wave: 36, weights: 42, evidence: 30, contribution: 42, map: 64, probability: 70, truth: 36, line: 42, events: 20 }
// "A.audio" is the group "audio" of A, where two models are compared.
export const sideOf = (group) => (group.includes(".") ? group.split(".")[0] : "")
export const plainGroup = (group) => group.split(".").pop()
const GAP_NAMES = { audio: "silence", visual: "no face", evidence: "no face" }
const ALTERNATIVES = ["weights", "probability", "evidence", "contribution", "map"]
// A person's choice among a row's lanes is kept by its group; contributions and maps have a choice of their own.
const choiceOf = (row) => (["contribution", "map"].includes(row.kind) ? `${row.kind}.${row.group}` : row.group)

// What is drawn, from top to bottom. Weights lanes of one group are alternatives, and so are prediction lanes; of the lanes of
// evidence those of the heatmaps on the picture are shown.
function planRows(timeline) {
  const rows = []
  const alternatives = new Map()
  for (const lane of timeline.lanes) {
    const shared = ALTERNATIVES.includes(lane.kind)
    const name = `${lane.kind}:${lane.group}`
    if (shared && alternatives.has(name)) {
      alternatives.get(name).lanes.push(lane)
      continue
    }
    const row = { kind: lane.kind, group: lane.group, lanes: [lane] }
    if (shared) alternatives.set(name, row)
    rows.push(row)
  }
  const strips = new Map()
  for (const event of timeline.events) {
    if (!strips.has(event.lane)) {
      strips.set(event.lane, { kind: "events", group: "truth", title: event.lane, events: [] })
      rows.push(strips.get(event.lane))
    }
    strips.get(event.lane).events.push(event)
  }
  return rows
}

export function rowLane(p, row) {
  if (!row.lanes) return null
  if (row.kind === "evidence") {
    const ids = currentMaps(p).map((map) => `evidence.${map?.id}`)
    return row.lanes.find((lane) => ids.includes(lane.id)) ?? null
  }
  return row.lanes.find((lane) => lane.id === p.view.sources[choiceOf(row)]) ?? row.lanes[0]
}

export function buildRows(p) {
  p.el.rows.replaceChildren()
  p.rows = planRows(p.timeline)
  for (const row of p.rows) {
    row.element = make("div", `row row-${row.kind}`)
    row.label = make("div", "label")
    row.name = make("span", "name")
    row.swatch = swatch("")
    row.label.append(row.swatch, row.name)
    row.legend = make("div", "legend")
    row.canvas = make("canvas", "track")
    row.canvas.setAttribute("role", "img")
    row.readout = make("div", "readout")
    if (row.lanes?.length > 1 && row.kind !== "evidence") row.label.append(sourceSelect(p, row))
    row.element.append(row.label, row.canvas, row.readout, row.legend)
    p.el.rows.append(row.element)
  }
  p.axis = make("canvas", "track")
  p.axis.setAttribute("aria-hidden", "true")
  const axisRow = make("div", "row row-axis")
  axisRow.append(make("div", "label"), p.axis, make("div", "readout"))
  p.el.rows.append(axisRow)
  p.root.dataset.lanes = p.rows.map((row) => rowLane(p, row)?.id ?? row.title).join(" ")
}

function sourceSelect(p, row) {
  const select = make("select", "source")
  select.setAttribute("aria-label", `Source of the ${choiceOf(row).replaceAll(".", " ")} lane`)
  row.title = commonTitle(row.lanes.map((lane) => lane.title))
  for (const lane of row.lanes) select.append(new Option(withoutShared(lane.title, row.title), lane.id))
  select.value = rowLane(p, row).id
  select.onchange = () => changeView(p, { sources: { ...p.view.sources, [choiceOf(row)]: select.value } })
  row.source = select
  return select
}

// What all titles say before their last shared comma: "Audio attention, encoder" and "Audio attention, fusion".
export function commonTitle(titles) {
  const heads = titles.map((title) => title.split(", ")[0])
  return heads.every((head, i) => head === heads[0] && titles[i].length > head.length) ? heads[0] : ""
}

export function withoutShared(title, shared) {
  return title.slice(shared.length).replace(/^, /, "")
}

export function paintRows(p) {
  const width = p.el.tracks.clientWidth
  if (!width) return
  for (const row of p.rows) {
    const lane = rowLane(p, row)
    row.element.hidden = Boolean(row.lanes) && !lane
    if (row.element.hidden) continue
    const title = lane ? lane.title : sentence(row.title)
    row.name.textContent = row.source ? row.title : title
    if (row.source) row.source.value = lane.id
    const note = lane ? lane.note || title : `${title}, as the corpus gives it`
    row.label.title = note
    row.canvas.setAttribute("aria-label", `${title}. ${note}`)
    const context = prepare(row.canvas, width, LANE_HEIGHT[row.kind] ?? 44, p.pixelRatio)
    PAINTERS[row.kind]?.(p, context, lane ?? row, width, LANE_HEIGHT[row.kind])
    fillLegend(row, lane, lane ? paintGaps(p, context, lane, width, LANE_HEIGHT[row.kind]) : [])
    row.swatch.hidden = !colourOf(p, lane)
    row.swatch.style.setProperty("--colour", colourOf(p, lane))
  }
  paintAxis(p, prepare(p.axis, width, 18, p.pixelRatio), width)
}

function prepare(canvas, width, height, ratio) {
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  canvas.style.height = `${height}px`
  const context = canvas.getContext("2d")
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.font = `10.5px ${getComputedStyle(canvas).fontFamily}`
  return context
}

const PAINTERS = { wave: paintWave, weights: paintWeights, evidence: paintEvidence, probability: paintProbability, truth: paintTruth,
  line: paintLine, events: paintEvents, map: paintParts,
  contribution: (p, context, lane, width, height) => paintContribution(p, context, lane, width, height, toX) }

function paintWave(p, context, lane, width, height) {
  const [low, high] = [seriesOf(lane, 0), seriesOf(lane, Math.min(1, lane.series.length - 1))]
  let peak = 1e-6
  for (let i = 0; i < low.length; i++) peak = Math.max(peak, Math.abs(low[i]) || 0, Math.abs(high[i]) || 0)
  context.fillStyle = p.theme.text
  context.globalAlpha = 0.55
  const middle = height / 2
  const bin = Math.max(width / Math.max(1, lane.times.length), 0.75)
  for (let i = 0; i < low.length; i++) {
    if (Number.isNaN(low[i])) continue
    const top = middle - (high[i] / peak) * (middle - 2)
    const bottom = middle - (low[i] / peak) * (middle - 2)
    context.fillRect(toX(p, lane.times[i], width) - bin / 2, top, bin, Math.max(0.75, bottom - top))
  }
  context.globalAlpha = 1
}

function paintWeights(p, context, lane, width, height) {
  const weights = weightsOf(lane, p.view.layer, p.view.head)
  lane.shown = weights
  lane.present = weights.reduce((n, w) => n + (Number.isNaN(w) ? 0 : 1), 0)
  const peak = weights.reduce((a, w) => (w > a ? w : a), 1e-9)
  const least = weights.reduce((a, w) => (w < a ? w : a), peak)
  const colour = colourOf(p, lane)
  const base = height - 1
  for (let i = 0; i < weights.length; i++) {
    if (Number.isNaN(weights[i])) continue
    const [left, right] = cell(lane.times, i, p.timeline.duration)
    const size = (weights[i] / peak) * (height - 5)
    context.fillStyle = colour
    // Heights are from zero; the shade spans the lane's own range, so that small differences show too.
    context.globalAlpha = 0.5 + (0.5 * (weights[i] - least)) / (peak - least || 1)
    const x = toX(p, left, width)
    context.fillRect(x, base - size, Math.max(0.6, toX(p, right, width) - x + 0.25), size)
  }
  context.globalAlpha = 1
  if (!lane.present) return
  // What every frame would get if all got the same.
  const average = base - (1 / lane.present / peak) * (height - 5)
  context.strokeStyle = p.theme.faint
  context.setLineDash([3, 3])
  strokeLine(context, 0, average, width, average)
  context.setLineDash([])
  write(p, context, "average", width - 4, Math.min(Math.max(average - 3, 9), height - 3), "right")
}

// Bars as high as the heatmap is opaque where it is scaled by clip.
function paintEvidence(p, context, lane, width, height) {
  context.fillStyle = colourOf(p, lane)
  toned(lane.values).forEach((share, i) => {
    if (Number.isNaN(lane.values[i])) return
    const [left, right] = cell(lane.times, i, p.timeline.duration)
    const x = toX(p, left, width)
    const size = Math.max(1, share * (height - 3))
    context.fillRect(x, height - 1 - size, Math.max(0.6, toX(p, right, width) - x + 0.25), size)
  })
}

// Text over whatever is painted there.
function write(p, context, text, x, y, align = "left") {
  context.textAlign = align
  context.lineWidth = 3
  context.lineJoin = "round"
  context.strokeStyle = p.theme.background
  context.strokeText(text, x, y)
  context.fillStyle = p.theme.text
  context.fillText(text, x, y)
  context.textAlign = "left"
}

function paintParts(p, context, lane, width, height) {
  paintMap(p, context, lane, width, height, toX)
  for (const { name, y } of namesOf(lane, height)) write(p, context, name, 3, y)
}

function writeRange(p, context, low, high, height) {
  write(p, context, high, 3, 10)
  write(p, context, low, 3, height - 3)
}

function paintProbability(p, context, lane, width, height) {
  const count = lane.series.length
  // From the last class to the first, each over all that lie under it: no seam shows between them.
  const tops = new Float32Array(lane.times.length).fill(0)
  for (let k = 0; k < count; k++) seriesOf(lane, k).forEach((value, i) => { tops[i] += value })
  for (let k = count - 1; k >= 0; k--) {
    const values = seriesOf(lane, k)
    context.fillStyle = classColour(lane.series[k], k)
    const path = new Path2D()
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(tops[i])) continue
      const [left, right] = cell(lane.times, i, p.timeline.duration)
      const x = Math.round(toX(p, left, width) * p.pixelRatio) / p.pixelRatio
      const end = Math.round(toX(p, right, width) * p.pixelRatio) / p.pixelRatio
      path.rect(x, height - tops[i] * height, end - x, tops[i] * height)
      tops[i] -= values[i]
    }
    context.fill(path)
  }
}

function paintTruth(p, context, lane, width, height) {
  paintSeries(p, context, lane, width, height, 0, 1)
  writeRange(p, context, "0", "1", height)
}

function paintLine(p, context, lane, width, height) {
  const known = lane.values.filter((value) => !Number.isNaN(value))
  const [low, high] = [Math.min(0, ...sample(known)), Math.max(1e-6, ...sample(known))]
  paintSeries(p, context, lane, width, height, low, high)
  writeRange(p, context, low.toFixed(2), high.toFixed(2), height)
}

// Spreading a long array into Math.min overflows the stack.
function sample(values) {
  const step = Math.ceil(values.length / 20000) || 1
  return Array.from(values).filter((_, i) => i % step === 0)
}

function paintSeries(p, context, lane, width, height, low, high) {
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 4)
  lane.series.forEach((_, k) => {
    const values = seriesOf(lane, k)
    const colour = lane.series.length > 1 ? OTHER_COLOURS[k % OTHER_COLOURS.length] : p.theme.text
    const path = new Path2D()
    let pen = false
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) { pen = false; continue }
      const x = toX(p, lane.times[i], width)
      if (pen) path.lineTo(x, y(values[i]))
      else path.moveTo(x, y(values[i]))
      pen = true
    }
    context.strokeStyle = colour
    context.lineWidth = 1.5
    context.stroke(path)
  })
}

function paintEvents(p, context, row, width, height) {
  const middle = height / 2
  row.events.forEach((event, i) => {
    const x = toX(p, event.start, width)
    const span = Math.max(0, toX(p, event.end, width) - x)
    context.fillStyle = p.theme.text
    if (span > 0) {
      context.globalAlpha = i % 2 ? 0.09 : 0.16
      context.fillRect(x, 1, span, height - 2)
      context.globalAlpha = 1
      const name = context.measureText(event.name).width
      if (name < span - 1) context.fillText(event.name, x + (span - name) / 2, middle + 3.5)
      return
    }
    context.globalAlpha = 0.8
    context.fillRect(x - 0.75, 1, 1.5, height - 2)
    context.globalAlpha = 1
    const room = context.measureText(event.name).width + 6
    context.fillText(event.name, x + room > width ? x - room : x + 4, middle + 3.5)
  })
}

// Hatches what is missing, and returns the names that found no room there.
function paintGaps(p, context, lane, width, height) {
  const unnamed = new Set()
  const named = new Set()
  context.strokeStyle = p.theme.faint
  context.lineWidth = 0.75
  for (const [from, to] of gapsOf(lane, p.timeline.duration)) {
    const x = toX(p, from, width)
    const span = toX(p, to, width) - x
    if (span < 1.5) continue
    context.save()
    context.beginPath()
    context.rect(x, 0, span, height)
    context.clip()
    context.globalAlpha = 0.5
    for (let at = -height; at < span; at += 6) strokeLine(context, x + at, height, x + at + height, 0)
    context.restore()
    const name = gapName(p, plainGroup(lane.group), (from + to) / 2)
    if (nameGap(p, context, name, x, span, height)) named.add(name)
    else unnamed.add(name)
  }
  return [...unnamed].filter((name) => !named.has(name))
}

function gapName(p, group, t) {
  const removed = p.timeline.events.some((event) => event.lane === `${group} removed` && event.start <= t && t < event.end)
  return removed ? "taken away" : GAP_NAMES[group] ?? "no value"
}

function nameGap(p, context, name, x, span, height) {
  const wide = context.measureText(name).width
  if (wide + 14 > span) return false
  const left = x + (span - wide) / 2
  context.fillStyle = p.theme.background
  context.fillRect(left - 5, height / 2 - 8, wide + 10, 16)
  context.fillStyle = p.theme.text
  context.fillText(name, left, height / 2 + 3.5)
  return true
}

function paintAxis(p, context, width) {
  const rough = p.timeline.duration / Math.max(2, width / 90)
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((s) => s >= rough) ?? 1200
  context.fillStyle = p.theme.faint
  context.strokeStyle = p.theme.faint
  for (let t = 0; t <= p.timeline.duration + 1e-6; t += step) {
    const x = toX(p, t, width)
    strokeLine(context, x, 0, x, 4)
    const name = `${t.toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0)} s`
    const wide = context.measureText(name).width
    context.fillText(name, Math.min(Math.max(0, x - wide / 2), width - wide), 15)
  }
}

function strokeLine(context, x0, y0, x1, y1) {
  context.beginPath()
  context.moveTo(x0, y0)
  context.lineTo(x1, y1)
  context.stroke()
}

export function toX(p, time, width) {
  return (time / (p.timeline.duration || 1)) * width
}

// The values at the playhead, right of the lanes.
export function readRows(p, t) {
  for (const row of p.rows) {
    const lane = rowLane(p, row)
    const text = row.events ? eventAt(row.events, t) : lane ? laneAt(lane, t) : ""
    if (row.readout.textContent !== text) row.readout.textContent = text
  }
}

function eventAt(events, t) {
  const inside = events.filter((event) => event.start <= t && t < event.end)
  return inside.length ? inside[inside.length - 1].name : "–"
}

function laneAt(lane, t) {
  const i = nearest(lane.times, t)
  if (i < 0) return ""
  if (lane.kind === "weights") {
    const weight = lane.shown?.[i] ?? NaN
    return Number.isNaN(weight) ? "–" : `${(weight * lane.present).toFixed(2)} × average`
  }
  if (["contribution", "map"].includes(lane.kind)) return reasonAt(lane, i)
  if (lane.kind === "evidence") return evidenceAt(lane.values[i])
  if (lane.kind === "wave") return ""
  if (lane.kind === "probability") return ""
  const values = lane.series.map((_, k) => lane.values[k * lane.times.length + i])
  return values.every(Number.isNaN) ? "–" : values.slice(0, 3).map((value) => value.toFixed(2)).join(" · ")
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
