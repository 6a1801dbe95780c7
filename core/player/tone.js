// @ts-check
// How a heatmap's numbers become paint: core/player/tone.py says why, and tests hold both against one table.

import TONE from "./tone.json" with { type: "json" }

// A place's share of its frame's largest value, 0..1.
/** @type {(value: number, signed: boolean) => number} */
export function shareOf(value, signed) {
  return signed ? Math.min(1, Math.abs(value - 128) / 127) : value / 255
}

// How strongly each frame is painted, 0..1, from the largest values of their maps.
/** @type {(evidence: ArrayLike<number>, scale?: string) => Float64Array} */
export function toned(evidence, scale = "clip") {
  const there = Float64Array.from(evidence).filter((value) => value > 0).sort()
  if (scale === "frame" || !there.length) return Float64Array.from(evidence, (value) => Number(value > 0))
  const middle = there.length >> 1
  const median = there.length % 2 ? there[middle] : (there[middle - 1] + there[middle]) / 2
  const unit = TONE.half * median
  const white = there[there.length - 1] / unit
  return Float64Array.from(evidence, (value) => {
    const u = value > 0 ? value / unit : 0
    return (u * (1 + u / white ** 2)) / (1 + u)
  })
}

// How much of the picture is covered where a place has this share of its frame's largest value, 0..1.
/** @type {(share: number, threshold: number) => number} */
export function coverOf(share, threshold) {
  const step = Math.min(1, Math.max(0, (share - threshold) / Math.max(TONE.full * (1 - threshold), 1e-6)))
  return step * step * (3 - 2 * step)
}

/** @type {WeakMap<Float32Array, Record<string, Float64Array>>} */
const TONED = new WeakMap()

// How strongly the frames with these largest values are painted, reckoned once for each scale.
/** @type {(peaks: Float32Array, scale: string) => Float64Array} */
export function tonedFrames(peaks, scale) {
  const known = TONED.get(peaks) ?? {}
  TONED.set(peaks, known)
  known[scale] ??= toned(peaks, scale)
  return known[scale]
}
