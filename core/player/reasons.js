// @ts-check
// Lanes of why: what each window contributes, and which part of the sound speaks when.

import { signed } from "../browser/text.js"
import { cell, seriesOf } from "./timeline.js"

// Blue speaks for the class, orange against it, as on heatmaps of a difference.
export const FOR_COLOUR = "#4393c3"
export const AGAINST_COLOUR = "#d95f02"
const [FOR, AGAINST] = [[0x43, 0x93, 0xc3], [0xd9, 0x5f, 0x02]]

// What is lost without each window, as bars up and down from zero; what changes the answer is framed.
export function paintContribution(p, context, lane, width, height, toX) {
  if (!lane.times.length) {
    context.fillStyle = p.theme.faint
    context.fillText("The model is running …", 4, height / 2 + 3.5)
    return
  }
  const [away, gone] = [seriesOf(lane, 0), seriesOf(lane, 1)]
  const [low, high] = reachOf(away)
  const y = (value) => height - 3 - ((value - low) / (high - low || 1)) * (height - 6)
  const edges = Array.from(away, (_, i) => cell(lane.times, i, p.timeline.duration).map((t) => toX(p, t, width)))
  away.forEach((value, i) => {
    if (Number.isNaN(value)) return
    const [left, right] = edges[i]
    context.fillStyle = value < 0 ? AGAINST_COLOUR : FOR_COLOUR
    context.fillRect(left + 0.5, Math.min(y(value), y(0)), Math.max(1, right - left - 1), Math.max(1, Math.abs(y(value) - y(0))))
  })
  context.strokeStyle = p.theme.faint
  context.beginPath()
  context.moveTo(0, y(0))
  context.lineTo(width, y(0))
  context.stroke()
  context.strokeStyle = p.theme.text
  context.lineWidth = 2
  for (const [from, to] of runsOf(gone)) context.strokeRect(edges[from][0] + 1, 1, edges[to][1] - edges[from][0] - 2, height - 2)
  context.lineWidth = 1
}

// A row for each group of descriptors or frequency, the lowest below; under it, where there is one, the spectrum in grey.
export function paintMap(p, context, lane, width, height, toX) {
  const [rows, columns] = [lane.series.length, lane.times.length]
  if (!columns) return
  let most = 1e-12
  for (const value of lane.values) if (Math.abs(value) > most) most = Math.abs(value)
  const picture = document.createElement("canvas")
  Object.assign(picture, { width: columns, height: rows })
  const pen = picture.getContext("2d")
  if (!pen) return
  const image = pen.createImageData(columns, rows)
  for (let k = 0; k < rows; k++) {
    for (let i = 0; i < columns; i++) {
      const value = lane.values[k * columns + i]
      if (Number.isNaN(value)) continue
      // The root, as a few moments hold most: a linear shade would show those alone.
      const much = Math.sqrt(Math.abs(value) / most)
      const ground = lane.under ? 210 * lane.under[k * columns + i] : 0
      const colour = value < 0 ? AGAINST : FOR
      const solid = lane.under ? Math.max(much, 0.35) : much
      const at = ((rows - 1 - k) * columns + i) * 4
      const share = lane.under ? much : 1
      for (let c = 0; c < 3; c++) image.data[at + c] = colour[c] * share + ground * (1 - share)
      image.data[at + 3] = 255 * solid
    }
  }
  pen.putImageData(image, 0, 0)
  const left = toX(p, cell(lane.times, 0, p.timeline.duration)[0], width)
  const right = toX(p, cell(lane.times, columns - 1, p.timeline.duration)[1], width)
  context.imageSmoothingEnabled = false
  context.drawImage(picture, left, 0, right - left, height)
}

// What a map's rows are called: all of a few, the lowest and the highest of many.
export function namesOf(lane, height) {
  const count = lane.series.length
  const at = (k) => height - ((k + 0.5) * height) / count + 3.5
  if (count === 1) return []
  if (count <= 8) return lane.series.map((name, k) => ({ name, y: at(k) }))
  return [{ name: lane.series[count - 1], y: 10 }, { name: lane.series[0], y: height - 3 }]
}

// The values at a moment, in words: of a map its strongest row.
export function reasonAt(lane, i) {
  const columns = lane.times.length
  const values = lane.series.map((_, k) => lane.values[k * columns + i])
  if (Number.isNaN(values[0])) return "–"
  if (lane.kind === "contribution") return `${signed(values[0])}${values[1] ? ", changes it" : ""}`
  const best = values.reduce((a, value, k) => (Math.abs(value) > Math.abs(values[a]) ? k : a), 0)
  if (values[best] === 0) return "–"
  return lane.series.length > 1 ? lane.series[best] : values[best] < 0 ? "against" : "for"
}

// What stands where contributions will, so that nothing below them moves when they come: a row for each group, as high as theirs.
export function awaited(titles) {
  const groups = Object.entries(titles ?? {})
  const nothing = { kind: "contribution", series: ["taken away", "changes the answer"], times: new Float32Array(), values: new Float32Array() }
  return { lanes: groups.map(([group, title]) => ({ ...nothing, id: `awaited.${group}`, group, title, note: "The model is running." })) }
}

// With lanes and events that came later: contributions beside the attention of their modality, where there is any.
export function withReasons(timeline, more) {
  if (!more) return timeline
  const lanes = [...timeline.lanes]
  const after = (lane) => lanes.findLastIndex((own) => own.group === lane.group && ["weights", "contribution"].includes(own.kind))
  for (const lane of more.lanes) {
    const place = after(lane)
    lanes.splice(place < 0 ? Math.min(1, lanes.length) : place + 1, 0, lane)
  }
  return { ...timeline, lanes }
}

function reachOf(values) {
  let [low, high] = [0, 1e-9]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return [low, high]
}

function runsOf(marks) {
  const runs = []
  marks.forEach((mark, i) => {
    if (!mark) return
    const last = runs.at(-1)
    if (last && last[1] === i - 1) last[1] = i
    else runs.push([i, i])
  })
  return runs
}

// Some frames hold a thousand times what others hold.
export function evidenceAt(value) {
  if (Number.isNaN(value)) return "–"
  return `${value >= 10 ? Math.round(value) : value >= 0.01 || !value ? value.toFixed(2) : "< 0.01"} × median`
}
