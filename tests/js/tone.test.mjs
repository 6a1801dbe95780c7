// A heatmap's numbers as paint: the same table as tests/core/test_tone.py, worked by hand with half at 0.5 and full at 0.6.
import assert from "node:assert/strict"
import { test } from "node:test"

import { coverOf, shareOf, toned } from "../../core/player/tone.js"
import TABLE from "./tone.json" with { type: "json" }

const numbers = (list) => list.map((value) => value ?? NaN)
const close = (found, wanted) => {
  assert.equal(found.length, wanted.length)
  wanted.forEach((value, i) => assert.ok(Object.is(found[i], value) || Math.abs(found[i] - value) < 1e-9, `${found} is not ${wanted}`))
}

test("how strongly frames are painted", () => {
  for (const { evidence, scale, found } of TABLE.shown) close(toned(numbers(evidence), scale), found)
})

test("how much of the picture a place covers", () => {
  for (const { share, threshold, found } of TABLE.cover) close([coverOf(share, threshold)], [found])
})

test("shares of a frame's largest value; around 128 where a map is signed", () => {
  close([shareOf(255, false), shareOf(51, false), shareOf(0, false)], [1, 0.2, 0])
  close([shareOf(255, true), shareOf(1, true), shareOf(0, true), shareOf(128, true)], [1, 1, 1, 0])
})
