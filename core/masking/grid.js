// @ts-check
// The answers that the server reckoned once, and what lies between them. Shares are whole percents, a list in the axes' order.

import { percent } from "../browser/text.js"
import { cell } from "../player/timeline.js"

/**
 * What ``Grid.to_json`` of core/evaluation/grid.py writes: ``answers`` [nodes, labels] and ``evidence`` [nodes], the last
 * modality's share running fastest.
 * @typedef {{ task: string, labels: string[], modalities: string[], shares: number[], answers: Record<string, number[]>,
 *   evidence: Record<string, boolean[]> }} Grid
 */
/**
 * One modality's frames; ``rank`` says in which order they go, -1 for one that never was.
 * @typedef {{ times: number[], rank: number[], count: number }} Strip
 */
/** @typedef {{ pattern: string, keep: Record<string, number>, spans: Record<string, Span[]> }} State */
/** From, to, in seconds. @typedef {number[]} Span */

/** @type {(grid: Grid, head: string, shares: number[]) => Float64Array} */
export function answerAt(grid, head, shares) {
  const size = grid.labels.length
  const values = grid.answers[head]
  const answer = new Float64Array(size)
  for (const [node, weight] of cornersOf(grid, shares)) {
    for (let k = 0; k < size; k++) answer[k] += weight * values[node * size + k]
  }
  return answer
}

// The nodes around a point, each with its weight.
/** @type {(grid: Grid, shares: number[]) => number[][]} */
function cornersOf(grid, shares) {
  let corners = [[0, 1]]
  for (const share of shares) {
    const [low, part] = cellOf(grid.shares, share)
    corners = corners.flatMap(([node, weight]) => {
      const from = node * grid.shares.length + low
      return part ? [[from, weight * (1 - part)], [from + 1, weight * part]] : [[from, weight]]
    })
  }
  return corners
}

/** @type {(nodes: number[], share: number) => number[]} */
function cellOf(nodes, share) {
  let low = 0
  while (low < nodes.length - 1 && nodes[low + 1] <= share) low += 1
  return low === nodes.length - 1 ? [low, 0] : [low, (share - nodes[low]) / (nodes[low + 1] - nodes[low])]
}

/** @type {(grid: Grid, shares: number[]) => boolean} */
export function onNode(grid, shares) {
  return shares.every((share) => grid.shares.includes(share))
}

/** @type {(grid: Grid, head: string, shares: number[]) => boolean} */
export function seenAt(grid, head, shares) {
  return cornersOf(grid, shares).some(([node]) => grid.evidence[head][node])
}

/** @type {(grid: Grid, head: string) => Float64Array} */
export function wholeOf(grid, head) {
  return answerAt(grid, head, grid.modalities.map(() => 100))
}

// What an answer comes down to: the likeliest class; for attributes, on which side of zero the one that is looked at lies.
/** @type {(grid: Grid, answer: ArrayLike<number>, k: number) => number} */
export function verdictOf(grid, answer, k) {
  if (grid.task !== "classification") return answer[k] < 0 ? 0 : 1
  let best = 0
  for (let i = 1; i < answer.length; i++) if (answer[i] > answer[best]) best = i
  return best
}

/** @type {(grid: Grid, verdict: number, k: number) => string} */
export function verdictName(grid, verdict, k) {
  if (grid.task === "classification") return grid.labels[verdict]
  return verdict ? `${grid.labels[k]} above 0` : `${grid.labels[k]} below 0`
}

// The verdict at each percent of one modality, 0 to 100, the others held.
/** @type {(grid: Grid, head: string, shares: number[], axis: number, k: number) => number[]} */
export function verdictsAlong(grid, head, shares, axis, k) {
  const at = [...shares]
  return Array.from({ length: 101 }, (_, share) => {
    at[axis] = share
    return verdictOf(grid, answerAt(grid, head, at), k)
  })
}

// The percent below which the verdict is another one than above it, looking down from all; -1 where it never changes.
/** @type {(along: number[]) => number} */
export function flipOf(along) {
  for (let share = 99; share >= 0; share--) if (along[share] !== along[share + 1]) return share + 1
  return -1
}

// The same in words. What lies between the nodes is interpolated: ``now``, the exact verdict at ``share``, may be another one.
/** @type {(grid: Grid, along: number[], k: number, share: number, now: number) => string} */
export function flipWords(grid, along, k, share, now) {
  const first = flipOf(along)
  const agrees = now === along[Math.round(share)]
  const where = first < 0 ? "at any share" : `below ${agrees ? "about " : ""}${percent(first / 100)}`
  const said = verdictName(grid, along[Math.max(0, first - 1)], k)
  return agrees ? `${where}: ${said}` : `estimate: ${said} ${where}; exact here: ${verdictName(grid, now, k)}`
}

// Of ``count`` frames, how many stay; core/perturbation.py reckons the same.
/** @type {(count: number, share: number) => number} */
export function leftOf(count, share) {
  return Math.floor((count * share) / 100 + 0.5)
}

// Which frames of a strip are there: 1 there, 0 taken away, -1 never was.
/** @type {(strip: Strip, state: State, modality: string) => Int8Array} */
export function framesLeft(strip, state, modality) {
  const left = new Int8Array(strip.rank.length)
  if (state.pattern === "drawn") {
    const spans = state.spans[modality] ?? []
    strip.times.forEach((t, i) => {
      left[i] = strip.rank[i] < 0 ? -1 : spans.some(([start, end]) => start <= t && t < end) ? 0 : 1
    })
    return left
  }
  const first = strip.count - leftOf(strip.count, state.keep[modality] ?? 100)
  strip.rank.forEach((rank, i) => { left[i] = rank < 0 ? -1 : rank >= first ? 1 : 0 })
  return left
}

// What is gone, as spans in seconds, whole milliseconds; from half-way to the neighbours.
/** @type {(strip: Strip, left: ArrayLike<number>, duration: number) => Span[]} */
export function spansOf(strip, left, duration) {
  const spans = []
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== 0) continue
    const [start, end] = cell(strip.times, i, duration).map(milli)
    const last = spans[spans.length - 1]
    if (last && start <= last[1] + 0.001) last[1] = end
    else spans.push([start, end])
  }
  return spans
}

/** @type {(seconds: number) => number} */
export function milli(seconds) {
  return Math.round(seconds * 1000) / 1000
}

/** @type {(spans: Span[], span: Span) => Span[]} */
export function withSpan(spans, span) {
  const [start, end] = span
  const touching = spans.filter(([a, b]) => a <= end && b >= start)
  const joined = [Math.min(start, ...touching.map(([a]) => a)), Math.max(end, ...touching.map(([, b]) => b))]
  return [...spans.filter((other) => !touching.includes(other)), joined].sort((a, b) => a[0] - b[0])
}

/** @type {(spans: Span[], span: Span) => Span[]} */
export function withoutSpan(spans, span) {
  const [start, end] = span
  return spans.flatMap(([a, b]) => [[a, Math.min(b, start)], [Math.max(a, end), b]].filter(([from, to]) => to - from > 0.0005))
}
