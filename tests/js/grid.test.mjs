// What the masking board reckons between the nodes of its grid. Two modalities, nodes at 0, 50 and 100 %, two classes.
import assert from "node:assert/strict"
import { test } from "node:test"

import * as grid from "../../core/masking/grid.js"

// The first class is said with (sound + 2 * picture) / 300, the second with the rest: linear, so that what lies between is known.
const SHARES = [0, 50, 100]
const answers = SHARES.flatMap((sound) => SHARES.flatMap((picture) => [(sound + 2 * picture) / 300, 1 - (sound + 2 * picture) / 300]))
const evidence = SHARES.flatMap((sound) => SHARES.map((picture) => sound + picture > 0))
const GRID = {
  task: "classification", labels: ["anger", "joy"], modalities: ["audio", "visual"], shares: SHARES,
  answers: { decision: answers }, evidence: { decision: evidence },
}

const near = (found, wanted) => {
  assert.equal(found.length, wanted.length)
  wanted.forEach((value, i) => assert.ok(Math.abs(found[i] - value) < 1e-9, `${found} is not ${wanted}`))
}

test("on a node the answer is the node's", () => {
  near(grid.answerAt(GRID, "decision", [50, 100]), [250 / 300, 50 / 300])
  assert.equal(grid.onNode(GRID, [50, 100]), true)
  assert.equal(grid.onNode(GRID, [50, 99]), false)
})

test("where it changes is said, and where what is exact is another answer", () => {
  const along = Array.from({ length: 101 }, (_, share) => Number(share < 28))
  assert.equal(grid.flipOf(along), 28)
  assert.equal(grid.flipWords(GRID, along, 0, 60, 0), "below about 28\u00a0%: joy")
  assert.equal(grid.flipWords(GRID, along, 0, 25, 0), "estimate: joy below 28\u00a0%; exact here: anger")
  const same = along.map(() => 1)
  assert.equal(grid.flipOf(same), -1)
  assert.equal(grid.flipWords(GRID, same, 0, 60, 1), "at any share: joy")
  assert.equal(grid.flipWords(GRID, same, 0, 60, 0), "estimate: joy at any share; exact here: anger")
})

test("between nodes it lies between theirs", () => {
  near(grid.answerAt(GRID, "decision", [25, 75]), [175 / 300, 125 / 300])
  near(grid.answerAt(GRID, "decision", [10, 0]), [10 / 300, 290 / 300])
})

test("the whole clip is 100 % of everything", () => near(grid.wholeOf(GRID, "decision"), [1, 0]))

test("a point has evidence where one of its corners has", () => {
  assert.equal(grid.seenAt(GRID, "decision", [0, 0]), false)
  assert.equal(grid.seenAt(GRID, "decision", [1, 0]), true)
})

test("the verdict is the likeliest class, or a side of zero", () => {
  assert.equal(grid.verdictOf(GRID, [0.4, 0.6], 0), 1)
  assert.equal(grid.verdictOf(GRID, [0.5, 0.5], 0), 0)
  assert.equal(grid.verdictName(GRID, 1, 0), "joy")
  const values = { task: "regression", labels: ["arousal", "valence"] }
  assert.equal(grid.verdictOf(values, [0.3, -0.1], 1), 0)
  assert.equal(grid.verdictName(values, 0, 1), "valence below 0")
  assert.equal(grid.verdictName(values, 1, 0), "arousal above 0")
})

test("along the picture, with half of the sound, anger wins above 50 %", () => {
  // (50 + 2p) / 300 > 1/2 from p > 50; at 50 both are equal, and the first one is named.
  const along = grid.verdictsAlong(GRID, "decision", [50, 0], 1, 0)
  assert.equal(along.length, 101)
  assert.deepEqual([along[0], along[49], along[51], along[100]], [1, 1, 0, 0])
})

// Six frames, 0.1 s apart; one of them never was. ``rank``: the order in which frames go.
const STRIP = { times: [0.05, 0.15, 0.25, 0.35, 0.45, 0.55], rank: [2, 0, -1, 4, 1, 3], count: 5 }

test("of five frames half are three, a tenth is one, of a hundredth none is left", () => {
  assert.deepEqual([50, 10, 1, 100, 0].map((share) => grid.leftOf(5, share)), [3, 1, 0, 5, 0])
})

test("frames go in the order of their ranks", () => {
  const state = { pattern: "random", keep: { audio: 60 }, spans: {} }
  assert.deepEqual([...grid.framesLeft(STRIP, state, "audio")], [1, 0, -1, 1, 0, 1])
  assert.deepEqual([...grid.framesLeft(STRIP, state, "visual")], [1, 1, -1, 1, 1, 1])
})

test("what is drawn takes the frames in it, its end left out", () => {
  const state = { pattern: "drawn", keep: {}, spans: { audio: [[0.15, 0.45]] } }
  assert.deepEqual([...grid.framesLeft(STRIP, state, "audio")], [1, 0, -1, 0, 1, 1])
})

test("frames that are gone are spans from half-way to half-way", () => {
  assert.deepEqual(grid.spansOf(STRIP, Int8Array.of(0, 0, -1, 1, 0, 1), 0.6), [[0, 0.2], [0.4, 0.5]])
})

test("spans that touch are joined, and cut in two", () => {
  assert.deepEqual(grid.withSpan([[0, 0.2], [0.4, 0.5]], [0.2, 0.3]), [[0, 0.3], [0.4, 0.5]])
  assert.deepEqual(grid.withSpan([[0.3, 0.4]], [0.2, 0.3]), [[0.2, 0.4]])
  assert.deepEqual(grid.withSpan([[0.4, 0.5]], [0.1, 0.2]), [[0.1, 0.2], [0.4, 0.5]])
  assert.deepEqual(grid.withoutSpan([[0, 1]], [0.25, 0.5]), [[0, 0.25], [0.5, 1]])
  assert.deepEqual(grid.withoutSpan([[0.25, 0.5]], [0, 1]), [])
})
