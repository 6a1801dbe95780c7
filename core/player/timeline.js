// @ts-check
// Reading a timeline (core/timeline/timeline.py describes its bytes) and finding things in it.

import { tonedFrames } from "./tone.js"

/** ``values`` [series, times]. @typedef {{ times: ArrayLike<number>, values: Float32Array }} Lane */
/** @typedef {{ layers: number, heads: number }} Counted */
/**
 * ``values`` [layers * heads, queries, keys].
 * @typedef {Counted & { query_times: ArrayLike<number>, key_times: ArrayLike<number>, values: Float32Array }} Matrix
 */
/**
 * ``values`` [frames, height, width], in shares of ``peaks`` [frames]; 128 is zero where it is signed.
 * @typedef {{ width: number, height: number, signed: boolean, values: Uint8Array, peaks: Float32Array }} Heatmap
 */

/** @type {(url: string, signal: AbortSignal) => Promise<any>} */
export async function loadTimeline(url, signal) {
  const response = await fetch(url, { signal })
  if (!response.ok) throw new Error(`The analysis could not be loaded (${response.status}); reload the page.`)
  return decodeTimeline(await response.arrayBuffer())
}

// ``given``: an ArrayBuffer, or a Uint8Array over one.
/** @type {(given: ArrayBuffer | Uint8Array<ArrayBuffer>) => any} */
export function decodeTimeline(given) {
  const buffer = given instanceof ArrayBuffer ? given : given.slice().buffer
  const bytes = new DataView(buffer)
  if (bytes.getUint32(0) !== 0x41465431) throw new Error("What the server sent is not a timeline; reload the page.")
  const length = bytes.getUint32(4, true)
  const start = Math.ceil((8 + length) / 8) * 8
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)))
  return restore(header, buffer, start)
}

/** @type {(value: any, buffer: ArrayBuffer, start: number) => any} */
function restore(value, buffer, start) {
  if (Array.isArray(value)) return value.map((item) => restore(item, buffer, start))
  if (value === null || typeof value !== "object") return value
  if (!("dtype" in value && "shape" in value && "offset" in value)) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, restore(v, buffer, start)]))
  }
  const count = value.shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1)
  const kind = value.dtype === "uint8" ? Uint8Array : Float32Array
  return Object.assign(new kind(buffer, start + value.offset, count), { shape: value.shape })
}

// Index of the entry of ``times`` (ascending) that lies nearest to ``t``; -1 when there is none.
/** @type {(times: ArrayLike<number>, t: number) => number} */
export function nearest(times, t) {
  let low = 0
  let high = times.length - 1
  if (high < 0) return -1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (times[middle] <= t) low = middle
    else high = middle
  }
  return Math.abs(times[high] - t) < Math.abs(t - times[low]) ? high : low
}

/** @type {(lane: Lane, k: number) => Float32Array} */
export function seriesOf(lane, k) {
  const length = lane.times.length
  return lane.values.subarray(k * length, (k + 1) * length)
}

// Indices of the maps of one layer and head, where -1 stands for all of them.
/** @type {(source: Counted, layer: number, head: number) => number[]} */
function chosenMaps(source, layer, head) {
  const chosen = []
  for (let l = 0; l < source.layers; l++) {
    if (layer >= 0 && l !== Math.min(layer, source.layers - 1)) continue
    for (let h = 0; h < source.heads; h++) {
      if (head >= 0 && h !== Math.min(head, source.heads - 1)) continue
      chosen.push(l * source.heads + h)
    }
  }
  return chosen.length ? chosen : [0]
}

// One weight a frame: the mean over the chosen layers and heads, NaN where every one of them is.
/** @type {(lane: Lane & Counted, layer: number, head: number) => Float32Array} */
export function weightsOf(lane, layer, head) {
  const maps = chosenMaps(lane, layer, head)
  const mean = new Float32Array(lane.times.length)
  for (let i = 0; i < mean.length; i++) {
    let sum = 0
    let count = 0
    for (const k of maps) {
      const value = lane.values[k * mean.length + i]
      if (!Number.isNaN(value)) { sum += value; count++ }
    }
    mean[i] = count ? sum / count : NaN
  }
  return mean
}

// Cross-modal weights [Q*K] as multiples of the average over the present keys, NaN where nobody asks or nothing is there.
// A row's weights sum to 1, which undoes that each map comes in shades of its own largest weight.
/** @type {(matrix: Matrix, layer: number, head: number) => Float32Array} */
export function matrixOf(matrix, layer, head) {
  const maps = chosenMaps(matrix, layer, head)
  const [rows, columns] = [matrix.query_times.length, matrix.key_times.length]
  const mean = new Float32Array(rows * columns)
  const seen = new Uint8Array(columns)
  for (const k of maps) {
    for (let r = 0; r < rows; r++) {
      const row = matrix.values.subarray((k * rows + r) * columns, (k * rows + r + 1) * columns)
      const sum = row.reduce((a, b) => a + b, 0)
      for (let c = 0; c < columns; c++) {
        if (row[c]) seen[c] = 1
        mean[r * columns + c] += sum ? row[c] / sum / maps.length : NaN
      }
    }
  }
  const present = seen.reduce((a, b) => a + b, 0)
  return mean.map((value, i) => (seen[i % columns] ? value * present : NaN))
}

// Spans [from, to] in seconds where no series has a value.
/** @type {(lane: Lane, duration: number) => number[][]} */
export function gapsOf(lane, duration) {
  const { times, values } = lane
  const series = values.length / (times.length || 1)
  const gaps = []
  let open = null
  for (let i = 0; i < times.length; i++) {
    let empty = true
    for (let k = 0; k < series && empty; k++) empty = Number.isNaN(values[k * times.length + i])
    const [left, right] = cell(times, i, duration)
    if (empty) open = open ? [open[0], right] : [left, right]
    else if (open) { gaps.push(open); open = null }
  }
  if (open) gaps.push(open)
  return gaps
}

// When these heatmaps have most in them together, as they are painted by clip; the beginning, where there is none.
/** @type {(timeline: { frame_times: ArrayLike<number> }, maps: Heatmap[]) => number} */
export function strongestTime({ frame_times }, maps) {
  const sums = Array.from(frame_times, (_, f) => maps.reduce((sum, map) => sum + tonedFrames(map.peaks, "clip")[f], 0))
  return frame_times[sums.indexOf(Math.max(...sums))] ?? 0
}

// The span that frame ``i`` stands for: half-way to its neighbours.
/** @type {(times: ArrayLike<number>, i: number, duration: number) => number[]} */
export function cell(times, i, duration) {
  const before = i > 0 ? (times[i - 1] + times[i]) / 2 : times[0] - (times.length > 1 ? (times[1] - times[0]) / 2 : duration)
  const last = times.length - 1
  const after = i < last ? (times[i] + times[i + 1]) / 2 : times[last] + (last > 0 ? (times[last] - times[last - 1]) / 2 : duration)
  return [Math.max(0, before), Math.min(duration, after)]
}

/** @type {(times: ArrayLike<number>) => number} */
export function frameStep(times) {
  return times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : 0.04
}
