import assert from "node:assert/strict"
import { test } from "node:test"
import { sidesOf } from "../../core/player/legends.js"
import { awaited, namesOf, reasonAt, withReasons } from "../../core/player/reasons.js"

const weights = (id, group) => ({ id, kind: "weights", group })
const contribution = (id, group) => ({ id, kind: "contribution", group })

test("contributions join beside the attention of their modality", () => {
  const timeline = { lanes: [{ id: "wave", kind: "wave", group: "audio" }, weights("av", "visual"), weights("aa", "audio"), weights("a2", "audio")] }
  const more = { lanes: [contribution("c.a.1", "audio"), contribution("c.a.2", "audio"), contribution("c.v", "visual")] }
  const ids = withReasons(timeline, more).lanes.map((lane) => lane.id)
  assert.deepEqual(ids, ["wave", "av", "c.v", "aa", "a2", "c.a.1", "c.a.2"])
  assert.equal(timeline.lanes.length, 4)
  assert.equal(withReasons(timeline, null), timeline)
})

test("what will come has its room", () => {
  const timeline = { lanes: [weights("av", "visual"), weights("aa", "audio")] }
  const waiting = awaited({ visual: "Picture contribution" })
  assert.deepEqual(withReasons(timeline, waiting).lanes.map((lane) => lane.id), ["av", "awaited.visual", "aa"])
  assert.equal(waiting.lanes[0].kind, "contribution")
  assert.deepEqual(awaited(undefined).lanes, [])
})

test("without attention they come after the wave", () => {
  const ids = withReasons({ lanes: [{ id: "wave", kind: "wave", group: "audio" }, { id: "p", kind: "probability", group: "prediction" }] },
    { lanes: [contribution("c.a", "audio"), contribution("c.v", "visual")] }).lanes.map((lane) => lane.id)
  assert.deepEqual(ids, ["wave", "c.v", "c.a", "p"])
})

test("a moment's reason in words", () => {
  const lane = { kind: "contribution", series: ["taken away", "changes the answer"], times: [0.1, 0.4], values: [0.5, -0.25, 1, 0] }
  assert.equal(reasonAt(lane, 0), "+0.50, changes it")
  assert.equal(reasonAt(lane, 1), "\u22120.25")
  const map = { kind: "map", series: ["loudness", "pitch"], times: [0.1, 0.4, 0.6], values: [0.1, 0, NaN, -0.3, 0, NaN] }
  assert.equal(reasonAt(map, 0), "pitch")
  assert.equal(reasonAt(map, 1), "–")
  assert.equal(reasonAt(map, 2), "–")
  assert.deepEqual(namesOf(map, 60).map((series) => series.name), ["loudness", "pitch"])
  assert.deepEqual(namesOf({ series: Array.from({ length: 64 }, (_, i) => `${i} Hz`) }, 60).map((series) => series.name), ["63 Hz", "0 Hz"])
})

test("a lane of sound says what its colours stand for, and no more than it has", () => {
  assert.deepEqual(sidesOf([0.2, NaN, -0.1]).map(([, text]) => text), ["for", "against"])
  assert.deepEqual(sidesOf([0.2, NaN, 0]).map(([, text]) => text), ["for"])
})
