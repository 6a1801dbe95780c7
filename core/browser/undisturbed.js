// @ts-check
// What is drawn anew between the two ends of a press takes the press away: the button that was pressed is no longer there when it
// is let go. So drawing waits until then. And a key goes to what has the focus: that is to be there after drawing too.

const FOCUSABLE = "button, a[href], select, input, summary, [tabindex]"

/** @type {WeakMap<HTMLElement, { pressed: boolean, waiting: (() => void) | null }>} */
const presses = new WeakMap()

// Calls ``draw`` now, or as soon as nothing in ``root`` is being pressed; of several that wait, the last.
/** @type {(root: HTMLElement, draw: () => void) => void} */
export function undisturbed(root, draw) {
  const press = presses.get(root) ?? listenIn(root)
  if (press.pressed) press.waiting = draw
  else holding(root, draw)
}

// The focus stays in its place, on what is there now.
/** @type {(root: HTMLElement, draw: () => void) => void} */
function holding(root, draw) {
  const { activeElement } = /** @type {Document | ShadowRoot} */ (root.getRootNode())
  const place = activeElement ? [...root.querySelectorAll(FOCUSABLE)].indexOf(activeElement) : -1
  draw()
  if (place < 0 || activeElement?.isConnected) return
  /** @type {NodeListOf<HTMLElement>} */
  const now = root.querySelectorAll(FOCUSABLE)
  now[place]?.focus({ preventScroll: true })
}

/** @type {(root: HTMLElement) => { pressed: boolean, waiting: (() => void) | null }} */
function listenIn(root) {
  const press = { pressed: false, waiting: /** @type {(() => void) | null} */ (null) }
  // The click comes after what ends the press, and is to find what was pressed.
  const end = () => setTimeout(() => {
    const draw = press.waiting
    press.pressed = false
    press.waiting = null
    if (draw) holding(root, draw)
  })
  const begin = (/** @type {string[]} */ ends) => {
    press.pressed = true
    for (const name of ends) window.addEventListener(name, end, { once: true, capture: true })
  }
  root.addEventListener("pointerdown", () => begin(["pointerup", "pointercancel"]))
  root.addEventListener("keydown", (event) => { if (event.key === " ") begin(["keyup", "blur"]) })
  presses.set(root, press)
  return press
}
