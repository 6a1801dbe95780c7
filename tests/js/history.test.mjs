import assert from "node:assert/strict"
import { test } from "node:test"
import { sameView, stepByView } from "../../app/common/history.js"

const here = "http://127.0.0.1:8501/?corpus=demo&clip=a&t=1.2"

test("what the player shows of a clip is the same view", () => {
  assert.ok(sameView(here, "/?t=0.4&map=visual&clip=a&corpus=demo&lane.prediction=x"))
})

test("another clip, class, choice or page is another view", () => {
  for (const other of ["/?corpus=demo&clip=b&t=1.2", "/?corpus=demo&clip=a&explain=fear", "/?corpus=demo&clip=a&o.masking.seed=2", "/masking?corpus=demo&clip=a"])
    assert.ok(!sameView(here, other), other)
})

test("a step is made of another view alone", () => {
  const steps = []
  const history = {
    pushState: (_state, _unused, url) => steps.push(["push", url]),
    replaceState: (_state, _unused, url) => steps.push(["replace", url]),
  }
  stepByView({ history, location: { href: here } })
  history.pushState({}, "", "/?corpus=demo&clip=a&t=2")
  history.pushState({}, "", "/?corpus=demo&clip=b")
  assert.deepEqual(steps, [["replace", "/?corpus=demo&clip=a&t=2"], ["push", "/?corpus=demo&clip=b"]])
})
