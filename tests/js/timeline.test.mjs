// Reading a timeline's bytes, and finding moments, gaps and weights in it.
import assert from "node:assert/strict"
import { test } from "node:test"

import {
  cell, decodeTimeline, frameStep, gapsOf, matrixOf, nearest, seriesOf, strongestTime, weightsOf,
} from "../../core/player/timeline.js"

const close = (found, wanted) => {
  assert.equal(found.length, wanted.length)
  wanted.forEach((value, i) => assert.ok(Object.is(found[i], value) || Math.abs(found[i] - value) < 1e-6, `${found} is not ${wanted}`))
}

function bytesOf(header, data) {
  const text = new TextEncoder().encode(JSON.stringify(header))
  const start = Math.ceil((8 + text.length) / 8) * 8
  const bytes = new Uint8Array(start + data.byteLength)
  new DataView(bytes.buffer).setUint32(0, 0x41465431) // "AFT1"
  new DataView(bytes.buffer).setUint32(4, text.length, true)
  bytes.set(text, 8)
  bytes.set(new Uint8Array(data.buffer), start)
  return bytes
}

test("arrays come back in their shapes, whatever stands around them", () => {
  const header = { duration: 2, lanes: [{ values: { dtype: "float32", shape: [2, 1], offset: 0 }, none: null }] }
  const bytes = bytesOf(header, Float32Array.of(0.5, 1.5))
  for (const given of [bytes, bytes.buffer]) {
    const { duration, lanes } = decodeTimeline(given)
    assert.equal(duration, 2)
    assert.deepEqual([...lanes[0].values], [0.5, 1.5])
    assert.deepEqual(lanes[0].values.shape, [2, 1])
    assert.equal(lanes[0].none, null)
  }
})

test("a part of a larger buffer is read from its own beginning", () => {
  const bytes = bytesOf({ boxes: { dtype: "uint8", shape: [2], offset: 0 } }, Uint8Array.of(7, 9))
  const larger = new Uint8Array(bytes.length + 3)
  larger.set(bytes, 3)
  assert.deepEqual([...decodeTimeline(larger.subarray(3)).boxes], [7, 9])
})

test("what is no timeline is refused", () => {
  assert.throws(() => decodeTimeline(new ArrayBuffer(16)), /not a timeline/)
})

test("the nearest time; the earlier of two that are as near; none in nothing", () => {
  assert.deepEqual([-1, 0.4, 0.5, 0.6, 9].map((t) => nearest([0, 1, 2], t)), [0, 0, 0, 1, 2])
  assert.equal(nearest([], 1), -1)
})

test("a frame stands for the time half-way to its neighbours, inside the clip", () => {
  assert.deepEqual(cell([0.5, 1.5, 3.5], 0, 4), [0, 1])
  assert.deepEqual(cell([0.5, 1.5, 3.5], 1, 4), [1, 2.5])
  assert.deepEqual(cell([0.5, 1.5, 3.5], 2, 4), [2.5, 4])
  assert.deepEqual(cell([1], 0, 4), [0, 4])
})

test("frames are this far apart", () => {
  assert.equal(frameStep([1, 1.5, 2]), 0.5)
  assert.equal(frameStep([1]), 0.04)
})

test("a lane's series lie one after the other", () => {
  assert.deepEqual([...seriesOf({ times: [0, 1], values: Float32Array.of(1, 2, 3, 4) }, 1)], [3, 4])
})

// Two layers of two heads, over two frames.
const LANE = { layers: 2, heads: 2, times: [0, 1], values: Float32Array.of(1, 2, 3, NaN, 5, NaN, 7, NaN) }

test("weights are means over the chosen heads that have a value", () => {
  close(weightsOf(LANE, -1, -1), [4, 2])
  close(weightsOf(LANE, 1, -1), [6, NaN])
  close(weightsOf(LANE, -1, 0), [3, 2])
  close(weightsOf(LANE, 0, 1), [3, NaN])
  // A layer that this lane does not have is its last.
  close(weightsOf(LANE, 9, 9), [7, NaN])
})

test("a matrix in multiples of the average over the keys that are there", () => {
  // The first query: 1 to 3, so 1/4 and 3/4 of two keys: 0.5 and 1.5 times the average. The third key was never there.
  const matrix = { layers: 1, heads: 1, query_times: [0, 1], key_times: [0, 1, 2], values: Float32Array.of(1, 3, 0, 0, 0, 0) }
  close(matrixOf(matrix, -1, -1), [0.5, 1.5, NaN, NaN, NaN, NaN])
})

test("a gap is where no series has a value", () => {
  const lane = { times: [0.5, 1.5, 2.5, 3.5], values: Float32Array.of(1, NaN, NaN, 1, 1, NaN, NaN, NaN) }
  assert.deepEqual(gapsOf(lane, 4), [[1, 3]])
  assert.deepEqual(gapsOf({ times: [], values: new Float32Array(0) }, 4), [])
})

test("the strongest moment is that of the largest value, of two maps together", () => {
  const map = (...peaks) => ({ width: 1, height: 1, signed: false, values: Uint8Array.of(255, 255, 255), peaks: Float32Array.from(peaks) })
  const times = { frame_times: [0, 1, 2] }
  assert.equal(strongestTime(times, [map(1, 9, 2)]), 1)
  assert.equal(strongestTime(times, [map(NaN, 1, 2)]), 2)
  // The second map's outlier counts as its strongest frame, and no more.
  assert.equal(strongestTime(times, [map(9, 8, 1), map(1, 900, 1000)]), 1)
  assert.equal(strongestTime({ frame_times: [] }, []), 0)
})
