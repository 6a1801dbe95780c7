import assert from "node:assert/strict"
import { test } from "node:test"
import { holdKeys, takeKeys } from "../../app/common/held.js"

const body = { matches: () => false }
globalThis.document = { body }

function page() {
  const window = Object.assign(new EventTarget(), { location: { pathname: "/" } })
  holdKeys(window)
  const press = (key, { target = body, ...more } = {}) => {
    const event = Object.assign(new Event("keydown", { cancelable: true }), { key, ...more })
    event.composedPath = () => [target]
    if (more.heard) event.preventDefault()
    window.dispatchEvent(event)
  }
  return { window, press }
}

test("keys that nobody heard are handed over once to each who asks, in their order", () => {
  const { window, press } = page()
  for (const key of ["l", ".", "."]) press(key)
  assert.deepEqual(takeKeys(window, "player"), ["l", ".", "."])
  assert.deepEqual(takeKeys(window, "player"), [])
  assert.deepEqual(takeKeys(window, "board"), ["l", ".", "."])
})

test("what was heard, and what goes with Control, is not kept", () => {
  const { window, press } = page()
  press("l", { heard: true })
  press("z", { ctrlKey: true })
  press("h")
  assert.deepEqual(takeKeys(window, "player"), ["h"])
})

test("another page's keys are not handed over", () => {
  const { window, press } = page()
  press(" ")
  window.location.pathname = "/masking"
  press("s")
  assert.deepEqual(takeKeys(window, "player"), ["s"])
})

test("keys are forgotten when the person turns to something else", () => {
  const { window, press } = page()
  press(" ")
  window.dispatchEvent(new Event("pointerdown"))
  press("l")
  assert.deepEqual(takeKeys(window, "player"), ["l"])
  press(" ")
  press("a", { target: { matches: () => false } })
  assert.deepEqual(takeKeys(window, "player"), [])
})

test("a page that nobody keeps keys for has none", () => {
  assert.deepEqual(takeKeys({ location: { pathname: "/" } }, "player"), [])
})
