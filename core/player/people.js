// @ts-check
// Several people in the picture: everybody's box and number, and whose face a click means.

import { faceBox, pictureBox } from "./overlay.js"

/** @typedef {{ x: number, y: number, w: number, h: number }} Box */

export function countOf(timeline) {
  return timeline?.people?.shape?.[0] ?? 0
}

// Everybody's box in a frame, by number from 1: null where somebody is out of sight. None where there are not several people.
/** @type {(timeline: any, frame: number, picture: Box) => (Box | null)[]} */
export function boxesAt(timeline, frame, picture) {
  if (countOf(timeline) < 2 || frame < 0) return []
  const [count, frames] = timeline.people.shape
  return Array.from({ length: count }, (_, person) => faceBox(timeline.people, person * frames + frame, picture))
}

// The number of the smallest box of another than the read face about a point; 0 where there is none.
/** @type {(boxes: (Box | null)[], read: number, x: number, y: number) => number} */
export function numberAt(boxes, read, x, y) {
  let smallest = 0
  boxes.forEach((box, i) => {
    const inside = box && x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h
    if (inside && i + 1 !== read && (!smallest || box.w < /** @type {Box} */ (boxes[smallest - 1]).w)) smallest = i + 1
  })
  return smallest
}

// Whose face a pointer over the stage means; 0 for nobody's, and where nothing can be chosen.
export function faceUnder(p, event) {
  if (p.options.fixed || countOf(p.timeline) < 2 || p.frame === undefined) return 0
  const area = p.el.stage.getBoundingClientRect()
  const boxes = boxesAt(p.timeline, p.frame, pictureBox(p.el.video, area.width, area.height))
  return numberAt(boxes, p.timeline.face, event.clientX - area.left, event.clientY - area.top)
}

// The face that is read has its corners already; the others get a thin frame, and everybody a number.
export function drawPeople(p, context, frame, picture) {
  boxesAt(p.timeline, frame, picture).forEach((box, i) => {
    if (!box) return
    const other = i + 1 !== p.timeline.face
    if (other) {
      for (const [colour, thick] of [["rgba(0,0,0,.5)", 3], ["rgba(255,255,255,.85)", 1]]) {
        context.strokeStyle = colour
        context.lineWidth = thick
        context.strokeRect(box.x, box.y, box.w, box.h)
      }
    }
    const size = Math.max(11, Math.min(16, box.w / 7))
    context.font = `${other ? "500" : "700"} ${size}px system-ui, sans-serif`
    const text = String(i + 1)
    const wide = context.measureText(text).width + 8
    const top = Math.max(picture.y, box.y - size - 7)
    context.fillStyle = other ? "rgba(8,9,11,.76)" : "rgba(255,255,255,.95)"
    const left = box.x + box.w - wide
    context.fillRect(left, top, wide, size + 5)
    context.fillStyle = other ? "#f2f3f5" : "#08090b"
    context.textBaseline = "middle"
    context.fillText(text, left + 4, top + (size + 6) / 2)
  })
}
