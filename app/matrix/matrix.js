// @ts-check
// The confusion matrix as one SVG: what is seen is what is saved. Right answers are blue, wrong ones orange; the share of the
// row sets the strength.

import { make, makeSvg } from "../../core/browser/elements.js"
import { save, savePicture } from "../../core/browser/save.js"
import { percent } from "../../core/browser/text.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

const RIGHT = "#0072b2"
const WRONG = "#d55e00"
const WIDE = 56 // From here on a class's name stands over its column as it is read.
const ALL = 560 // What many classes share; a cell never gets narrower than its number.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".matrix")
  undisturbed(root, () => show(root, data, setTriggerValue))
}

function show(root, data, setTriggerValue) {
  const held = root.getRootNode().activeElement?.dataset?.cell
  const svg = draw(data, root, (row, column) => setTriggerValue("cell", { row: data.labels[row], column: data.labels[column], at: Date.now() }))
  const sheet = make("div", "sheet")
  sheet.append(svg)
  const { scrollLeft } = root.querySelector(".sheet") ?? { scrollLeft: 0 }
  root.replaceChildren(sheet, tools(data, svg))
  sheet.scrollLeft = scrollLeft
  if (held) root.querySelector(`[data-cell="${held}"]`)?.focus()
}

function draw({ labels, counts, chosen }, root, choose) {
  const style = getComputedStyle(root)
  const ink = style.getPropertyValue("--st-text-color").trim() || "#222"
  const paper = style.getPropertyValue("--st-background-color").trim() || "#fff"
  const longest = Math.max(...labels.map((name) => name.length))
  const cell = Math.min(WIDE, Math.max(18, ALL / labels.length)), upright = cell < WIDE
  const left = Math.min(150, 26 + 7.2 * longest), top = upright ? 26 + 6.6 * Math.min(18, longest) : 46, size = cell * labels.length
  const width = left + size + 4, height = top + size + 4
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Confusion matrix: true class by answer" })
  svg.style.maxWidth = `${Math.max(width * 1.15, 300)}px`
  // Smaller than this nobody reads it: on a phone it scrolls.
  svg.style.minWidth = `${width * 0.75}px`
  svg.setAttribute("font-family", style.fontFamily)
  svg.append(makeSvg("rect", { width, height, fill: paper }))
  svg.append(text("answered", left + size / 2, 13, ink, { size: 12, faint: true }))
  const side = text("true", 11, top + size / 2, ink, { size: 12, faint: true })
  side.setAttribute("transform", `rotate(-90 11 ${top + size / 2})`)
  svg.append(side)
  labels.forEach((name, i) => {
    svg.append(upright ? columnName(name, left + cell * (i + 0.5), top - 5, ink) : text(cut(name, 9), left + cell * (i + 0.5), top - 12, ink, { size: 11.5, full: name }))
    svg.append(text(cut(name, 18), left - 7, top + cell * (i + 0.5), ink, { size: 12.5, anchor: "end", full: name }))
  })
  counts.forEach((row, r) => {
    const sum = row.reduce((a, b) => a + b, 0)
    row.forEach((count, c) => {
      const share = sum ? count / sum : 0
      const words = `true ${labels[r]}, answer ${labels[c]}: ${count} ${count === 1 ? "clip" : "clips"}`
      const on = chosen && chosen[0] === r && chosen[1] === c
      const box = makeSvg("g", { role: "button", tabindex: r || c ? "-1" : "0", "aria-label": words, "aria-pressed": String(Boolean(on)), "data-cell": `${r}-${c}` })
      box.setAttribute("data-count", count)
      const place = { x: left + cell * c + 1, y: top + cell * r + 1, width: cell - 2, height: cell - 2, rx: Math.min(4, cell / 8) }
      box.append(makeSvg("rect", { ...place, fill: ink, "fill-opacity": 0.045 }))
      if (count) box.append(makeSvg("rect", { ...place, fill: r === c ? RIGHT : WRONG, "fill-opacity": strength(share) }))
      if (on) box.append(makeSvg("rect", { ...place, fill: "none", stroke: ink, "stroke-width": 2.5 }))
      const under = count ? blend(r === c ? RIGHT : WRONG, paper, strength(share)) : paper
      const number = { size: Math.min(15, cell / 2, 1.35 * cell / String(count).length), weight: 600, faint: !count }
      if (count || cell > 30) box.append(text(String(count), place.x + place.width / 2, place.y + place.height / 2, count ? legible(under) : ink, number))
      const title = makeSvg("title")
      title.textContent = `${words}, ${percent(share)} of true ${labels[r]}`
      box.append(title)
      box.onclick = () => choose(r, c)
      box.onfocus = () => stop(svg, box)
      box.onkeydown = (event) => key(event, r, c, labels.length, svg, choose)
      svg.append(box)
    })
  })
  return svg
}

function columnName(name, x, y, ink) {
  const element = text(cut(name, 18), x, y, ink, { size: 11.5, anchor: "start", full: name })
  element.setAttribute("transform", `rotate(-90 ${x} ${y})`)
  return element
}

// One cell is a stop for Tab, the last one used; arrows reach the others.
function stop(svg, box) {
  for (const other of svg.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", "-1")
  box.setAttribute("tabindex", "0")
}

function strength(share) {
  return 0.12 + 0.78 * share
}

let pen = null

function rgb(colour) {
  pen ??= document.createElement("canvas").getContext("2d")
  pen.fillStyle = colour
  const hex = pen.fillStyle
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
}

function blend(over, under, share) {
  const [a, b] = [rgb(over), rgb(under)]
  return a.map((value, i) => share * value + (1 - share) * b[i])
}

// Black or white, whichever contrasts more by WCAG's relative luminance.
function legible(colour) {
  const [r, g, b] = colour.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff"
}

function key(event, r, c, count, svg, choose) {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault()
    choose(r, c)
    return
  }
  const by = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key]
  if (!by) return
  event.preventDefault()
  const at = [r + by[0], c + by[1]].map((place) => Math.min(count - 1, Math.max(0, place)))
  svg.querySelector(`[data-cell="${at[0]}-${at[1]}"]`).focus()
}

function tools(data, svg) {
  const box = make("div", "tools")
  const button = (name, run) => {
    const element = make("button", "", name)
    element.type = "button"
    element.setAttribute("aria-label", `Save the confusion matrix as ${name}`)
    element.onclick = run
    box.append(element)
  }
  button("PNG", () => savePicture("confusion.png", source(svg), sizeOf(svg)))
  button("SVG", () => save("confusion.svg", new Blob([source(svg)], { type: "image/svg+xml" })))
  button("CSV", () => save("confusion.csv", new Blob([csv(data)], { type: "text/csv" })))
  return box
}

function source(svg) {
  const copy = svg.cloneNode(true)
  const [width, height] = sizeOf(svg)
  copy.setAttribute("xmlns", svg.namespaceURI)
  copy.setAttribute("width", width)
  copy.setAttribute("height", height)
  return new XMLSerializer().serializeToString(copy)
}

// Its width and height in units of its own.
function sizeOf(svg) {
  return svg.getAttribute("viewBox").split(" ").slice(2).map(Number)
}

function csv({ labels, counts }) {
  // Behind an apostrophe no spreadsheet takes a label for a formula.
  const quote = (value) => `"${String(value).replace(/^([=+\-@\t\r])/, "'$1").replaceAll('"', '""')}"`
  const rows = [["true \\ answer", ...labels], ...counts.map((row, i) => [labels[i], ...row])]
  return rows.map((row) => row.map(quote).join(",")).join("\n") + "\n"
}

function cut(name, most) {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name
}

function text(content, x, y, fill, { size = 12, weight = 400, anchor = "middle", faint = false, full = "" } = {}) {
  const options = { x, y, fill, "font-size": size, "font-weight": weight, "text-anchor": anchor, "dominant-baseline": "central" }
  const element = makeSvg("text", faint ? { ...options, "fill-opacity": 0.76 } : options)
  element.textContent = content
  if (full && full !== content) {
    const title = makeSvg("title")
    title.textContent = full
    element.append(title)
  }
  return element
}
