// @ts-check
// What moves with every frame of the video does so by a paused animation, whose time says where it is. A change of style.transform
// makes Chromium arrange all layers of the page anew: 8 of the 40 ms between two frames where no graphics card helps.

const FAR = 100000

/** @type {WeakMap<Element, Animation>} */
const gliding = new WeakMap()

/** Move ``element`` to ``pixels`` from where it stands in the page, to the right or down. @type {(element: Element, pixels: number, axis?: "X" | "Y") => void} */
export function glide(element, pixels, axis = "X") {
  const animation = gliding.get(element) ?? held(element, axis)
  animation.currentTime = Math.max(0, pixels)
}

/** @type {(element: Element, axis: string) => Animation} */
function held(element, axis) {
  const ends = [{ transform: `translate${axis}(0)` }, { transform: `translate${axis}(${FAR}px)` }]
  const animation = element.animate(ends, { duration: FAR, fill: "both" })
  animation.pause()
  gliding.set(element, animation)
  return animation
}
