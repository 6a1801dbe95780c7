// @ts-check
// What Python sends, as typed arrays; and the questions that the hand asks of them: who is here, who is inside this line.

/**
 * A column: a code a row with ``names`` and ``counts``, or a number a row with its range.
 * @typedef {{ name: string, title: string, names: string[], values: Uint16Array | Float32Array, counts: Uint32Array, low: number,
 *   high: number }} Column
 */
/** @typedef {{ ids: string[], columns: Map<string, Column>, count: number }} Table */
/** @typedef {{ side: number, starts: Uint32Array, rows: Uint32Array, clamp: (value: number) => number }} Grid */

// A map's bytes: pairs of float32. They are brought to a square from -1 to 1, as core/analysis/picking.py does.
/** @type {(buffer: ArrayBuffer) => Float32Array} */
export function readPoints(buffer) {
  const given = new Float32Array(buffer)
  const count = given.length / 2
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity]
  for (let i = 0; i < count; i++) {
    const x = given[2 * i], y = given[2 * i + 1]
    if (x < left) left = x
    if (x > right) right = x
    if (y < low) low = y
    if (y > high) high = y
  }
  const cx = (left + right) / 2, cy = (low + high) / 2
  const half = Math.max(right - left, high - low) / 2 || 1
  const at = new Float32Array(2 * count)
  for (let i = 0; i < count; i++) {
    at[2 * i] = (given[2 * i] - cx) / half
    at[2 * i + 1] = (given[2 * i + 1] - cy) / half
  }
  return at
}

// The bytes of core/analysis/columns.py.
/** @type {(buffer: ArrayBuffer) => Table} */
export function readColumns(buffer) {
  const size = new DataView(buffer).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)))
  const count = header.ids.length
  const columns = new Map()
  for (const { name, title, names, at } of header.columns) {
    const Kind = names.length ? Uint16Array : Float32Array
    /** @type {any} */
    const column = { name, title, names, values: new Kind(buffer, 4 + size + at, count) }
    if (names.length) {
      column.counts = new Uint32Array(names.length)
      for (const code of column.values) column.counts[code]++
    } else {
      column.low = Infinity
      column.high = -Infinity
      for (const value of column.values) {
        if (value < column.low) column.low = value
        if (value > column.high) column.high = value
      }
    }
    columns.set(name, column)
  }
  return { ids: header.ids, columns, count }
}

// By the even-odd rule; `corners` in thousandths.
/** @type {(at: Float32Array, corners: number[][]) => Uint8Array} */
export function inside(at, corners) {
  const count = at.length / 2
  const within = new Uint8Array(count)
  const n = corners.length
  if (n < 3) return within
  const px = Float64Array.from(corners, (corner) => corner[0] / 1000), py = Float64Array.from(corners, (corner) => corner[1] / 1000)
  const left = Math.min(...px), right = Math.max(...px), low = Math.min(...py), high = Math.max(...py)
  for (let i = 0; i < count; i++) {
    const x = at[2 * i], y = at[2 * i + 1]
    if (x < left || x > right || y < low || y > high) continue
    let odd = 0
    for (let a = 0; a < n; a++) {
      const b = a + 1 === n ? 0 : a + 1
      if (py[a] > y !== py[b] > y && x < ((px[b] - px[a]) * (y - py[a])) / (py[b] - py[a]) + px[a]) odd ^= 1
    }
    within[i] = odd
  }
  return within
}

// Squares that each know their points, so that the one under the pointer is found among a few.
/** @type {(at: Float32Array) => Grid} */
export function makeGrid(at) {
  const count = at.length / 2
  const side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(count / 2))))
  const starts = new Uint32Array(side * side + 1)
  const cell = new Uint32Array(count)
  const clamp = (/** @type {number} */ value) => Math.min(side - 1, Math.max(0, Math.floor(((value + 1) / 2) * side)))
  for (let i = 0; i < count; i++) {
    cell[i] = clamp(at[2 * i + 1]) * side + clamp(at[2 * i])
    starts[cell[i] + 1]++
  }
  for (let c = 0; c < side * side; c++) starts[c + 1] += starts[c]
  const next = starts.slice(0, -1)
  const rows = new Uint32Array(count)
  for (let i = 0; i < count; i++) rows[next[cell[i]]++] = i
  return { side, starts, rows, clamp }
}

// The row nearest to (x, y) within `reach`, or -1; those that `skip` says are left out.
/** @type {(at: Float32Array, grid: Grid, x: number, y: number, reach: number, skip?: (row: number) => boolean) => number} */
export function nearestRow(at, grid, x, y, reach, skip = undefined) {
  const { side, starts, rows, clamp } = grid
  let best = -1, least = reach * reach
  for (let r = clamp(y - reach); r <= clamp(y + reach); r++)
    for (let c = clamp(x - reach); c <= clamp(x + reach); c++)
      for (let k = starts[r * side + c]; k < starts[r * side + c + 1]; k++) {
        const i = rows[k], dx = at[2 * i] - x, dy = at[2 * i + 1] - y
        const d = dx * dx + dy * dy
        if (d <= least && !skip?.(i)) [best, least] = [i, d]
      }
  return best
}

// A set of rows as Python packs it: one bit a row, the first the highest of its byte.
/** @type {(text: string, count: number) => Uint8Array} */
export function readBits(text, count) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  const bits = new Uint8Array(count)
  for (let i = 0; i < count; i++) bits[i] = (bytes[i >> 3] >> (7 - (i & 7))) & 1
  return bits
}
