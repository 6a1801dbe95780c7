// @ts-check
// What the colours stand for, written where they are, and why there is no heatmap where there is none.

import { classColour, EVIDENCE_COLOUR, MODALITY_COLOURS, OTHER_COLOURS } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { mapName } from "./controls.js"
import { plainGroup } from "./lanes.js"
import { currentMap } from "./overlay.js"
import { predictionLane } from "./panels.js"
import { AGAINST_COLOUR, FOR_COLOUR } from "./reasons.js"

export function swatch(colour, className = "swatch") {
  const mark = make("i", className)
  if (colour) mark.style.setProperty("--colour", colour)
  return mark
}

function legendItem(colour, text, className) {
  const item = make("span", "legend-item")
  item.append(swatch(colour, className), text)
  return item
}

// Under a lane: every class, every series; hatching that is too narrow to be named in the lane itself.
export function fillLegend(row, lane, unnamed) {
  const items = []
  if (lane?.kind === "probability") items.push(...lane.series.map((name, k) => legendItem(classColour(name, k), name)))
  else if (lane?.kind === "contribution") items.push(...contributionItems(lane))
  else if (lane?.kind === "map") items.push(...sidesOf(lane.values).map(([colour, text]) => legendItem(colour, text)))
  else if (lane && lane.kind !== "wave" && lane.kind !== "weights" && lane.series.length > 1) {
    items.push(...lane.series.map((name, k) => legendItem(OTHER_COLOURS[k % OTHER_COLOURS.length], name, "swatch line")))
  }
  items.push(...[...unnamed].map((name) => legendItem("", name, "swatch hatched")))
  row.legend.replaceChildren(...items)
  row.legend.hidden = !items.length
}

// What a map's colours say: attention has one of them alone.
/** @param {ArrayLike<number>} values */
export function sidesOf(values) {
  const against = Array.from(values).some((value) => value < 0)
  return against ? [[FOR_COLOUR, "for"], [AGAINST_COLOUR, "against"]] : [[FOR_COLOUR, "for"]]
}

function contributionItems(lane) {
  const turns = lane.values.subarray(lane.times.length).some(Boolean)
  const both = [legendItem(FOR_COLOUR, "for"), legendItem(AGAINST_COLOUR, "against")]
  return turns ? [...both, legendItem("", "without it the answer changes", "swatch framed")] : both
}

// Beside a lane's name, where the lane has one colour.
export function colourOf(p, lane) {
  if (lane?.kind === "evidence") return EVIDENCE_COLOUR
  if (lane?.kind === "weights") return MODALITY_COLOURS[plainGroup(lane.group)] ?? p.theme.primary
  return ""
}

// The heatmap's ramp, over the picture.
export function showLegend(p, map) {
  const { legend, legendLow, legendHigh } = p.el
  legend.hidden = !map || !p.view.heat
  legend.classList.toggle("signed", Boolean(map?.signed))
  legendLow.textContent = map?.signed ? "B more" : "matters less"
  legendHigh.textContent = map?.signed ? "A more" : "more"
}

// One line on the picture that says why no heatmap is on it, or not the one of the head that is listened to.
export function tellHeat(p, drawn) {
  const text = p.view.heat ? whyBlind(p, drawn) : ""
  const { blind } = p.el
  if (blind.textContent !== text) blind.textContent = text
  blind.hidden = !text
}

function whyBlind(p, drawn) {
  const { heatmaps, blind = {} } = p.timeline
  if (!heatmaps.length) return [...new Set(Object.values(blind))].map((reason) => `No heatmap: ${reason}.`)[0] ?? ""
  if (!drawn) return ""
  const head = (predictionLane(p)?.id ?? "").replace("prediction.", "")
  return head in blind ? `No heatmap of this head: ${blind[head]}. Shown: ${mapName(currentMap(p))}.` : ""
}
