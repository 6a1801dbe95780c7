// The map's arithmetic: bytes into columns, who is inside a line, who is near.
import assert from "node:assert/strict"
import { test } from "node:test"

import { inside, makeGrid, nearestRow, readBits, readColumns, readPoints } from "../../app/embeddings/points.js"

test("points come to a square from -1 to 1, of one scale", () => {
  // x from 0 to 4, y from 1 to 3: half the larger side is 2, the middle (2, 2).
  assert.deepEqual([...readPoints(Float32Array.of(0, 1, 4, 3, 2, 2).buffer)], [-1, -0.5, 1, 0.5, 0, 0])
})

test("points that all lie in one place lie in the middle", () => {
  assert.deepEqual([...readPoints(Float32Array.of(7, 7, 7, 7).buffer)], [0, 0, 0, 0])
})

function columnsOf(header, ...arrays) {
  // Values must lie on a multiple of 4: the header is filled with spaces.
  let text = JSON.stringify(header)
  text += " ".repeat((4 - (text.length % 4)) % 4)
  const parts = [Uint32Array.of(text.length), new TextEncoder().encode(text), ...arrays].map((array) => new Uint8Array(array.buffer))
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) { bytes.set(part, at); at += part.length }
  return bytes.buffer
}

test("columns are codes with counts, or numbers with a range that NaN is not in", () => {
  const columns = [
    { name: "label", title: "Label", names: ["anger", "joy"], at: 0 },
    { name: "confidence", title: "Confidence", names: [], at: 8 },
  ]
  const buffer = columnsOf({ ids: ["a", "b", "c"], columns }, Uint16Array.of(1, 0, 1, 0), Float32Array.of(0.5, NaN, -0.25))
  const table = readColumns(buffer)
  assert.equal(table.count, 3)
  const [label, confidence] = [table.columns.get("label"), table.columns.get("confidence")]
  assert.deepEqual([...label.values], [1, 0, 1])
  assert.deepEqual([...label.counts], [1, 2])
  assert.deepEqual([confidence.low, confidence.high], [-0.25, 0.5])
})

// Four points: the middle, right of it, above it, and a corner.
const AT = Float32Array.of(0, 0, 0.5, 0, 0, 0.5, 0.9, 0.9)

test("a triangle round the middle and the point above it", () => {
  assert.deepEqual([...inside(AT, [[-200, -200], [200, -200], [0, 800]])], [1, 0, 1, 0])
})

test("what a line goes round twice is outside again", () => {
  const square = [[-100, -100], [100, -100], [100, 100], [-100, 100]]
  assert.deepEqual([...inside(AT, square)], [1, 0, 0, 0])
  assert.deepEqual([...inside(AT, [...square, ...square])], [0, 0, 0, 0])
})

test("two corners hold nobody", () => assert.deepEqual([...inside(AT, [[-1000, 0], [1000, 0]])], [0, 0, 0, 0]))

test("the nearest within reach, unless it is passed over", () => {
  const grid = makeGrid(AT)
  assert.equal(nearestRow(AT, grid, 0.4, 0.05, 0.2), 1)
  assert.equal(nearestRow(AT, grid, 0.4, 0.05, 0.5, (row) => row === 1), 0)
  assert.equal(nearestRow(AT, grid, -0.9, -0.9, 0.2), -1)
})

test("among many points the squares find whom a search through all finds", () => {
  const many = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i * i))
  const grid = makeGrid(many)
  for (let i = 0; i < 50; i++) {
    const [x, y] = [Math.sin(3 * i), Math.cos(5 * i)]
    let [best, least] = [-1, 0.2]
    for (let row = 0; row < 1000; row++) {
      const far = Math.hypot(many[2 * row] - x, many[2 * row + 1] - y)
      if (far <= least) [best, least] = [row, far]
    }
    assert.equal(nearestRow(many, grid, x, y, 0.2), best)
  }
})

test("bits: the first row is the highest of its byte", () => {
  // 0b10010000, 0b10000000
  assert.deepEqual([...readBits(btoa("\x90\x80"), 9)], [1, 0, 0, 1, 0, 0, 0, 0, 1])
})
