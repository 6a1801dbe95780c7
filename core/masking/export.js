// @ts-check
// Take the surface home: a drawing with its axes, and every number as a table.

import { RAMP } from "../browser/colours.js"
import { amount, classShown, headShown, valueRange } from "./answer.js"
import { nameOf, sharesOf } from "./board.js"
import { bordersOf, rasterOf, SIDE, surfaceCells } from "./surface.js"

export function fileName(b) {
  return `${b.options.title}-masking-${headShown(b)}-${b.grid.labels[classShown(b)]}`.replace(/[^\w.-]+/g, "_")
}

// 2 pixels a percent, in black on white for print.
export function drawing(b) {
  const { grid, el } = b
  const cells = surfaceCells(b)
  const [size, tall] = [404, cells.rows > 1 ? 404 : 60]
  const [x, y] = sharesOf(b)
  const text = (content, at) => `<text ${at}>${content.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c])}</text>`
  const lines = bordersOf(cells).map(([x0, y0, x1, y1]) =>
    `M${((x0 / SIDE) * size).toFixed(1)} ${((1 - y0 / cells.rows) * tall).toFixed(1)}L${((x1 / SIDE) * size).toFixed(1)} ${((1 - y1 / cells.rows) * tall).toFixed(1)}`)
  const [across, up] = grid.modalities.map(nameOf)
  const title = `${el.surfaceTitle.textContent} ${grid.labels[classShown(b)]}, ${headShown(b)}: ${b.options.title}`
  const [low, high] = valueRange(b)
  const scale = Array.from({ length: 64 }, (_, i) => `<rect x="${i * 2}" width="2.2" height="8" fill="rgb(${RAMP.slice(Math.floor(i * 4) * 3, Math.floor(i * 4) * 3 + 3).join(",")})"/>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size + 90}" height="${tall + 130}" viewBox="0 0 ${size + 90} ${tall + 130}"
  font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>${text(title, 'x="60" y="24"')}
  <g transform="translate(60 40)"><image href="${rasterOf(b, cells).toDataURL()}" width="${size}" height="${tall}" preserveAspectRatio="none" style="image-rendering:pixelated"/>
  <path d="${lines.join("")}" stroke="#000" stroke-width="4" fill="none"/><path d="${lines.join("")}" stroke="#fff" stroke-width="2" fill="none"/>
  <circle cx="${((x + 0.5) / SIDE) * size}" cy="${y === undefined ? tall / 2 : (1 - (y + 0.5) / SIDE) * tall}" r="6" fill="#111" stroke="#fff" stroke-width="3"/>
  ${text("0", `x="0" y="${tall + 16}"`)}${text("100", `x="${size}" y="${tall + 16}" text-anchor="end"`)}
  ${text(`${across} frames kept, %`, `x="${size / 2}" y="${tall + 16}" text-anchor="middle"`)}
  ${up ? text(`${up} frames kept, %`, `transform="translate(-16 ${tall / 2}) rotate(-90)" text-anchor="middle"`) : ""}
  <g transform="translate(0 ${tall + 40})">${scale.join("")}${text(amount(grid, low), 'x="0" y="22"')}${text(amount(grid, high), 'x="128" y="22" text-anchor="end"')}
  ${text(el.boundary.textContent, 'x="160" y="10"')}</g></g></svg>`
}

// One row for each node, head and class.
export function tableOf(grid) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const rows = [[...grid.modalities.map((m) => `${m}_percent`), "head", "output", "value"]]
  const [n, size] = [grid.shares.length, grid.labels.length]
  for (const [head, values] of Object.entries(grid.answers)) {
    values.forEach((value, i) => {
      const node = Math.floor(i / size)
      const shares = grid.modalities.map((_, axis) => grid.shares[Math.floor(node / n ** (grid.modalities.length - 1 - axis)) % n])
      rows.push([...shares, head, grid.labels[i % size], value])
    })
  }
  return rows.map((row) => row.map((cell) => quoted(String(cell))).join(",")).join("\n")
}
