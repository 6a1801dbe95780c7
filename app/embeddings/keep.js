// @ts-check
// The map as a picture to take home, with its legend.

import { save } from "../../core/browser/save.js"
import { toScreen } from "./hand.js"
import { colourName, short } from "./look.js"
import { CORNERS, rgb, shapePath, SHAPES } from "./raster.js"

function legendLines(m) {
  /** @type {{ title?: string, text?: string, colour?: string, shape?: string }[]} */
  const lines = []
  for (const [place, kind] of [[m.data.colour, "colour"], [m.data.shape, "shape"]]) {
    const column = m.table.columns.get(place)
    if (!column) continue
    lines.push({ title: column.title })
    if (!column.names.length) lines.push({ text: `${short(column.low)} (dark) to ${short(column.high)} (bright)` })
    column.names.forEach((name, i) => lines.push({
      text: `${name} (${column.counts[i]})`,
      colour: kind === "colour" ? colourName(column, i) : m.theme.text,
      shape: kind === "shape" ? SHAPES[Math.min(i, SHAPES.length - 1)] : "circle",
    }))
  }
  return lines.slice(0, 60)
}

const fileName = (m, kind) => `${m.data.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "map"}.${kind}`

export function savePng(m) {
  const { points, over } = m.el
  const ratio = m.ratio, canvas = document.createElement("canvas")
  canvas.width = points.width + 200 * ratio
  canvas.height = points.height
  const context = canvas.getContext("2d")
  context.fillStyle = m.theme.background
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(points, 0, 0)
  context.drawImage(over, 0, 0)
  context.scale(ratio, ratio)
  context.font = `12px ${m.theme.font}`
  legendLines(m).forEach(({ title, text, colour, shape }, i) => {
    const y = 20 + 17 * i
    if (colour) {
      context.fillStyle = colour
      context.fill(shapePath(shape, m.size.width + 14, y - 4, 4.5))
    }
    context.fillStyle = m.theme.text
    context.fillText(title ?? text, m.size.width + (title ? 8 : 26), y, 170)
  })
  canvas.toBlob((blob) => save(fileName(m, "png"), blob))
}

export function saveSvg(m) {
  const { width, height } = m.size
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
  const hex = (r, g, b) => `#${[r, g, b].map((channel) => channel.toString(16).padStart(2, "0")).join("")}`
  const mark = (shape, x, y, radius, fill) => shape === "circle"
    ? `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" fill="${fill}"/>`
    : `<polygon points="${CORNERS[shape].map(([dx, dy]) => `${(x + dx * radius).toFixed(1)},${(y + dy * radius).toFixed(1)}`).join(" ")}" fill="${fill}"/>`
  const { colours, codes } = m.paint, shapes = m.shapes
  const parts = [`<svg xmlns="http://www.w3.org/2000/svg" width="${width + 200}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escape(m.data.title)}</title><rect width="100%" height="100%" fill="${m.theme.background}"/>`]
  for (let pass = m.chosen ? 0 : 1; pass < 2; pass++)
    for (let i = 0; i < m.table.count; i++) {
      if (m.chosen && m.chosen[i] !== pass) continue
      const [x, y] = toScreen(m, m.at[2 * i], m.at[2 * i + 1])
      if (x < 0 || y < 0 || x > width || y > height) continue
      const c = 3 * codes[i]
      const fill = pass ? hex(colours[c], colours[c + 1], colours[c + 2]) : hex(...m.faded)
      parts.push(mark(shapes ? SHAPES[Math.min(shapes[i], SHAPES.length - 1)] : "circle", x, y, m.radius, fill))
    }
  legendLines(m).forEach(({ title, text, colour, shape }, i) => {
    const y = 20 + 17 * i
    if (colour) parts.push(mark(shape, width + 14, y - 4, 4.5, hex(...rgb(colour))))
    parts.push(`<text x="${width + (title ? 8 : 26)}" y="${y}" fill="${m.theme.text}">${escape(title ?? text)}</text>`)
  })
  parts.push("</svg>")
  save(fileName(m, "svg"), new Blob([parts.join("\n")], { type: "image/svg+xml" }))
}
