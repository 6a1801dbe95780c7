// @ts-check
// The states that one press brings about: nothing of one modality, or all of everything.

import { make } from "../browser/elements.js"
import { combined, idle } from "../browser/keys.js"
import { moveTo } from "./board.js"

// None of the player's own: both are on one page, and hear every key.
export const PRESET_KEYS = { audio: "s", visual: "i" }
export const WHOLE_KEY = "w"

export function buildPresets(b) {
  const { modalities } = b.grid
  const offered = modalities.length > 1 ? modalities.map((modality) => presetWithout(b, modality)) : []
  offered.push({ name: "Whole", key: WHOLE_KEY, shares: modalities.map(() => 100), about: "All frames" })
  b.presets = offered.map((preset) => {
    const button = make("button")
    button.type = "button"
    button.textContent = button.dataset.text = preset.name
    button.title = preset.key ? `${preset.about}  (${preset.key})` : preset.about
    if (preset.key) button.setAttribute("aria-keyshortcuts", preset.key)
    button.onclick = () => moveTo(b, preset.shares, true)
    return { ...preset, button }
  })
  b.el.presets.replaceChildren(...b.presets.map(({ button }) => button))
}

function presetWithout(b, modality) {
  return {
    name: `No ${modality}`, key: PRESET_KEYS[modality], shares: b.grid.modalities.map((other) => (other === modality ? 0 : 100)),
    about: `All ${modality} frames are taken away, nothing else`,
  }
}

export function showPresets(b, shares) {
  for (const { button, shares: wanted } of b.presets) {
    button.setAttribute("aria-pressed", String(b.state.pattern !== "drawn" && wanted.every((share, i) => share === shares[i])))
  }
}

// As the player's keys: they count when the focus is on the board or, where it is the only one, nowhere in particular, but
// never while somebody chooses or types.
export function presetKey(b, event) {
  if (event.defaultPrevented || combined(event)) return
  const target = event.composedPath()[0]
  if ((b.options.alone || !idle(target)) && !event.composedPath().includes(b.root)) return
  if (target.matches?.("select, input[type=number]")) return
  if (hearPreset(b, event.key)) event.preventDefault()
}

/** Whether a key was done; what is pressed before the answers are there is done once they are. */
export function hearPreset(b, key) {
  if (b.grid) return pressPreset(b, key)
  b.early.push(key)
  return false
}

/** Whether there is such a preset. */
export function pressPreset(b, pressed) {
  const wanted = b.presets.find(({ key }) => key === pressed)
  wanted?.button.click()
  return Boolean(wanted)
}
