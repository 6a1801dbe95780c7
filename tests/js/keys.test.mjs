import assert from "node:assert/strict"
import { test } from "node:test"
import { PRESET_KEYS, WHOLE_KEY } from "../../core/masking/presets.js"
import { keyAction } from "../../core/player/controls.js"

test("no key means one thing to the player and another to the masking board beside it", () => {
  const player = { view: {}, timeline: null, target: 0 }
  assert.ok(keyAction(player, "b"))
  for (const key of [...Object.values(PRESET_KEYS), WHOLE_KEY]) assert.equal(keyAction(player, key), undefined, key)
})
