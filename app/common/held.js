// @ts-check
// Single keys that are pressed before the player's script runs: kept from the page's first moment, and handed over when it comes.

import { combined, idle } from "../../core/browser/keys.js"

/** @typedef {{ key: string, path: string, given: string[] }} Held */
/** @typedef {Window & { affectscopeKeys?: Held[] }} Holding */

/** Keep what nobody heard, until the person does something else. @param {Holding} window */
export function holdKeys(window) {
  window.affectscopeKeys = []
  const forget = () => { window.affectscopeKeys = [] }
  window.addEventListener("pointerdown", forget, true)
  // Whoever hears a key prevents what it does otherwise; all of them are asked before the window is.
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || combined(event)) return
    if (!idle(event.composedPath()[0])) return forget()
    window.affectscopeKeys?.push({ key: event.key, path: window.location.pathname, given: [] })
  })
}

/**
 * The keys that were pressed on this page and that ``who`` was not given yet.
 * @param {Holding} window
 * @param {string} who
 */
export function takeKeys(window, who) {
  const taken = (window.affectscopeKeys ?? []).filter(({ path, given }) => path === window.location.pathname && !given.includes(who))
  for (const held of taken) held.given.push(who)
  return taken.map(({ key }) => key)
}
