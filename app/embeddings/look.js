// @ts-check
// What a column's values look like: colours, shapes, and the legend that says so.

import { classColour, OTHER_COLOURS, rampOf, VIRIDIS } from "../../core/browser/colours.js"
import { make, makeSvg } from "../../core/browser/elements.js"
import { CORNERS, rgb, SHAPES } from "./raster.js"
import { choose, pick } from "./scatter.js"

const UNKNOWN = "unknown"
const CORRECT = { yes: "#0072b2", no: "#d55e00" }

// Beyond the palette's own colours the same ones come again, lighter and darker.
export function colourName(column, index) {
  const name = column.names[index]
  // No grey: that is what neutral has.
  if (name === UNKNOWN) return "#7d5a3c"
  if (column.name.startsWith("correct")) return CORRECT[name] ?? "#9a9a9a"
  const own = /^(label|predicted|.*emotion)/.test(column.name)
  if (own) return classColour(name, index)
  const base = OTHER_COLOURS[index % OTHER_COLOURS.length], turn = Math.floor(index / OTHER_COLOURS.length) % 3
  return turn === 0 ? base : `color-mix(in srgb, ${base} 62%, ${turn === 1 ? "white" : "black"})`
}

// A small point in the ramp's end that is nearest to the background would not be seen.
function stopsOn(theme) {
  const [r, g, b] = rgb(theme.background)
  return r + g + b < 384 ? VIRIDIS.slice(2) : VIRIDIS.slice(0, -1)
}

// { colours: 3 bytes a code, codes: a row's code } of a column, or one colour for all.
export function colouring(column, count, theme) {
  if (!column) return { colours: Uint8Array.from(rgb(theme.primary)), codes: new Uint16Array(count) }
  if (column.names.length) {
    return { colours: Uint8Array.from(column.names.flatMap((_, i) => rgb(colourName(column, i)))), codes: column.values }
  }
  const span = column.high - column.low || 1
  const codes = Uint16Array.from(column.values, (value) => (Number.isNaN(value) ? 256 : Math.round((255 * (value - column.low)) / span)))
  return { colours: Uint8Array.from([...rampOf(stopsOn(theme)), ...rgb("#9a9a9a")]), codes }
}

export const short = (value) => (Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString())

export function valueText(column, row) {
  if (column.names.length) return column.names[column.values[row]]
  return Number.isNaN(column.values[row]) ? UNKNOWN : short(column.values[row])
}

function glyph(shape, colour) {
  const svg = makeSvg("svg", { viewBox: "-1.4 -1.4 2.8 2.8", "aria-hidden": "true" })
  const part = shape === "circle" ? makeSvg("circle", { r: "1" }) : makeSvg("polygon", { points: CORNERS[shape].join(" ") })
  part.style.fill = colour
  svg.append(part)
  return svg
}

// How many of the chosen clips each class has; null while all are.
function countChosen(column, chosen) {
  if (!chosen) return null
  const counts = new Uint32Array(column.names.length)
  for (let i = 0; i < chosen.length; i++) if (chosen[i]) counts[column.values[i]]++
  return counts
}

export function drawLegend(m) {
  const parts = []
  const colour = m.table.columns.get(m.data.colour), shape = m.table.columns.get(m.data.shape)
  if (colour) parts.push(colour.names.length ? classes(m, colour, (i) => glyph("circle", colourName(colour, i))) : scale(colour, m.theme))
  if (shape && shape.names.length) parts.push(classes(m, shape, (i) => glyph(SHAPES[Math.min(i, SHAPES.length - 1)], "currentColor")))
  if (m.data.own?.length) {
    const box = part("Your own clips")
    for (const own of m.data.own) {
      const entry = make("button")
      entry.type = "button"
      entry.append(glyph("star", "currentColor"), make("span", "name", own.title))
      entry.onclick = () => m.trigger("open", { corpus: own.corpus, id: own.id })
      box.lastChild.append(entry)
    }
    parts.push(box)
  }
  m.el.legend.replaceChildren(...parts)
}

function part(title) {
  const box = make("section")
  box.append(make("h4", "", title), make("div", "entries"))
  return box
}

function classes(m, column, picture) {
  const box = part(column.title)
  const of = countChosen(column, m.chosen)
  const picked = m.data.picked?.column === column.name ? m.data.picked.values : []
  column.names.forEach((name, i) => {
    const entry = make("button", of && !of[i] ? "away" : "")
    entry.type = "button"
    entry.title = name
    entry.dataset.value = name
    entry.setAttribute("aria-pressed", String(picked.includes(name)))
    entry.append(picture(i), make("span", "name", name), make("span", "count", of ? `${of[i]} / ${column.counts[i]}` : String(column.counts[i])))
    entry.onclick = (event) => isolate(m, column, name, picked, event.shiftKey || event.ctrlKey || event.metaKey)
    box.lastChild.append(entry)
  })
  return box
}

function isolate(m, column, name, picked, more) {
  const rest = picked.filter((other) => other !== name)
  const values = picked.includes(name) ? (more ? rest : picked.length > 1 ? [name] : []) : more ? [...picked, name] : [name]
  const codes = values.map((value) => column.names.indexOf(value))
  choose(m, values.length ? Uint8Array.from(column.values, (code) => Number(codes.includes(code))) : null, null)
  pick(m, values.length ? { kind: "values", column: column.name, values } : { kind: "" })
}

function scale(column, theme) {
  const box = part(column.title)
  const ramp = make("div", "ramp")
  ramp.style.background = `linear-gradient(to right, ${stopsOn(theme).map((hex) => `#${hex}`).join(",")})`
  const ends = make("div", "ends")
  ends.append(make("span", "", short(column.low)), make("span", "", short(column.high)))
  box.append(ramp, ends)
  return box
}
