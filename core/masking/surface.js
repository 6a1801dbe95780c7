// @ts-check
// The response surface: one class's probability at every share of the first modality (across) and of the second (up).

import { RAMP } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { save, savePicture } from "../browser/save.js"
import { amount, classShown, headShown, valueRange } from "./answer.js"
import { commit, commitSoon, moveTo, sharesOf } from "./board.js"
import { drawing, fileName, tableOf } from "./export.js"
import { answerAt, verdictOf } from "./grid.js"

export const SIDE = 101

export function surfaceCells(b) {
  const { grid } = b
  const [head, k] = [headShown(b), classShown(b)]
  const rows = grid.modalities.length > 1 ? SIDE : 1
  const cells = { rows, values: new Float64Array(rows * SIDE), verdicts: new Uint8Array(rows * SIDE) }
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < SIDE; x++) {
      const answer = answerAt(grid, head, rows > 1 ? [x, y] : [x])
      cells.values[y * SIDE + x] = answer[k]
      cells.verdicts[y * SIDE + x] = verdictOf(grid, answer, k)
    }
  }
  return cells
}

export function paintSurface(b) {
  const { el } = b
  const wanted = [b.gridUrl, headShown(b), classShown(b), el.square.clientWidth, window.devicePixelRatio].join("|")
  if (b.painted === wanted || !el.square.clientWidth) return
  b.painted = wanted
  const cells = surfaceCells(b)
  el.square.classList.toggle("flat", cells.rows === 1)
  const canvas = el.surface
  const ratio = window.devicePixelRatio || 1
  canvas.width = Math.round(el.square.clientWidth * ratio)
  canvas.height = Math.round(el.square.clientHeight * ratio)
  const context = canvas.getContext("2d")
  context.imageSmoothingEnabled = false
  context.drawImage(rasterOf(b, cells), 0, 0, canvas.width, canvas.height)
  const path = new Path2D()
  for (const [x0, y0, x1, y1] of bordersOf(cells)) {
    path.moveTo((x0 / SIDE) * canvas.width, (1 - y0 / cells.rows) * canvas.height)
    path.lineTo((x1 / SIDE) * canvas.width, (1 - y1 / cells.rows) * canvas.height)
  }
  for (const { colour, width } of [{ colour: "#000", width: 4 }, { colour: "#fff", width: 2 }]) {
    context.strokeStyle = colour
    context.lineWidth = width * ratio
    context.stroke(path)
  }
  labelSurface(b, cells)
}

function labelSurface(b, cells) {
  const { grid, el } = b
  const k = classShown(b)
  const [across, up] = grid.modalities
  const flips = bordersOf(cells).length > 0
  el.class.value = grid.labels[k]
  el.surfaceTitle.textContent = grid.task === "classification" ? "Probability of" : "Value of"
  const [low, high] = valueRange(b)
  el.low.textContent = amount(grid, low)
  el.high.textContent = amount(grid, high)
  el.axisX.replaceChildren(...["0", `${across} frames kept, % →`, "100"].map((text) => Object.assign(make("span"), { textContent: text })))
  el.axisY.textContent = up ? `${up} frames kept, % →` : ""
  el.boundary.textContent = flips ? "White line: the answer changes" : "The answer never changes"
  const about = `${el.surfaceTitle.textContent} ${grid.labels[k]} by the share of ${[across, up].filter(Boolean).join(" and ")} frames kept.`
  el.surface.setAttribute("aria-label", `${about} ${el.boundary.textContent}. Arrow keys move the point.`)
  b.root.dataset.surface = `${headShown(b)}:${grid.labels[k]}`
  b.root.dataset.flips = flips
}

export function rasterOf(b, cells) {
  const [low, high] = valueRange(b)
  const raster = document.createElement("canvas")
  raster.width = SIDE
  raster.height = cells.rows
  const image = raster.getContext("2d").createImageData(SIDE, cells.rows)
  cells.values.forEach((value, i) => {
    const shade = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low || 1))))
    const at = ((cells.rows - 1 - Math.floor(i / SIDE)) * SIDE + (i % SIDE)) * 4
    image.data.set([RAMP[shade], RAMP[shade + 1], RAMP[shade + 2], 255], at)
  })
  raster.getContext("2d").putImageData(image, 0, 0)
  return raster
}

// Edges between cells of another verdict, [x0, y0, x1, y1] in cells, from the lower left.
export function bordersOf({ rows, verdicts }) {
  const edges = []
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < SIDE; x++) {
      const here = verdicts[y * SIDE + x]
      if (x + 1 < SIDE && verdicts[y * SIDE + x + 1] !== here) edges.push([x + 1, y, x + 1, y + 1])
      if (y + 1 < rows && verdicts[(y + 1) * SIDE + x] !== here) edges.push([x, y + 1, x + 1, y + 1])
    }
  }
  return edges
}

export function movePoint(b) {
  const { square, point } = b.el
  const [x, y] = sharesOf(b)
  const left = ((x + 0.5) / SIDE) * square.clientWidth
  const top = y === undefined ? square.clientHeight / 2 : (1 - (y + 0.5) / SIDE) * square.clientHeight
  point.style.transform = `translate(${left}px, ${top}px)`
}

export function wireSurface(b) {
  const { square, surface, png, svg, csv } = b.el
  const follow = (event) => {
    const area = square.getBoundingClientRect()
    const share = (part) => Math.round(100 * Math.min(1, Math.max(0, part)))
    const at = [share((event.clientX - area.left) / area.width), share((area.bottom - event.clientY) / area.height)]
    moveTo(b, at.slice(0, b.grid.modalities.length))
  }
  square.onpointerdown = (event) => {
    if (!b.grid || event.button !== 0) return
    square.setPointerCapture(event.pointerId)
    b.pulling = true
    follow(event)
  }
  square.onpointermove = (event) => { if (b.pulling) follow(event) }
  square.onpointerup = square.onpointercancel = () => {
    if (b.pulling) commit(b)
    b.pulling = false
  }
  surface.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key]
    if (!step || !b.grid) return
    event.preventDefault()
    moveTo(b, sharesOf(b).map((share, i) => Math.min(100, Math.max(0, share + step[i] * (event.shiftKey ? 10 : 1)))))
    commitSoon(b)
  }
  svg.onclick = () => b.grid && save(`${fileName(b)}.svg`, new Blob([drawing(b)], { type: "image/svg+xml" }))
  png.onclick = () => b.grid && savePicture(`${fileName(b)}.png`, drawing(b))
  csv.onclick = () => b.grid && save(`${fileName(b)}.csv`, new Blob([tableOf(b.grid)], { type: "text/csv" }))
}
