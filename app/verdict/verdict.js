// @ts-check
// A heading for the clip, and one card a head: class, probability, and whether it agrees with the true label.

import { make, sign } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".verdict")
  undisturbed(root, () => draw(root, data, setStateValue))
}

function draw(root, data, setStateValue) {
  // As state, not as an event: a run that another one takes over still brings it.
  const look = (head) => setStateValue("look", { head, at: Date.now() })
  const parts = []
  if (data.title) parts.push(heading(data))
  if (data.sentence) parts.push(make("p", "sentence", data.sentence))
  if (data.name) parts.push(make("h3", "whose", data.name))
  if (data.verdicts.length) parts.push(cards(data, look))
  root.replaceChildren(...parts)
}

function heading({ title, facts, caution }) {
  const box = make("div", "heading")
  box.append(make("h2", "", title))
  for (const fact of facts) box.append(make("span", "fact", fact))
  if (caution) box.append(make("span", "caution", caution))
  return box
}

function cards({ verdicts, truth, name }, look) {
  const box = make("div", "cards")
  box.setAttribute("role", "list")
  box.setAttribute("aria-label", name ? `What ${name} says` : "What the model says")
  box.append(...verdicts.map((verdict, i) => card(verdict, truth, i === 0, look)))
  if (truth) box.append(truthCard(truth))
  return box
}

function card(verdict, truth, main, look) {
  const box = item(`card${main ? " main" : ""}${verdict.evidence ? "" : " blind"}${verdict.differs ? " differs" : ""}`, verdict.title)
  box.title = verdict.note
  if (verdict.head && verdict.evidence) box.firstChild.firstChild.replaceWith(lookButton(verdict, look))
  const classed = verdict.probability !== null
  const line = make("div", "line")
  line.append(make("span", "class", verdict.evidence ? verdict.label : "no evidence"))
  if (verdict.evidence && truth && classed) line.append(mark(verdict.label === truth))
  if (verdict.differs) line.append(sign("mark apart", "≠ A", "differs from model A"))
  if (verdict.evidence && classed) line.append(make("span", "share", percent(verdict.probability)))
  box.append(line)
  if (!classed) return below(box, verdict, main)
  const track = make("div", "track")
  const fill = make("div", "fill")
  fill.style.width = `${verdict.evidence ? verdict.probability * 100 : 0}%`
  track.append(fill)
  box.append(track)
  return below(box, verdict, main)
}

// What the main answer was taken from; how near the clip is to what the model was trained on.
function below(box, { near, evidence, scope }, main) {
  if (main) box.append(make("div", "near", scope ? `${scope}, whole clip` : "whole clip"))
  if (near && evidence) box.append(make("div", near.startsWith("like") ? "near" : "near far", near))
  return box
}

function lookButton(verdict, look) {
  const button = make("button", "look", verdict.title)
  button.type = "button"
  button.title = `${verdict.note} Press to see what it looks at and how its answer grows.`
  button.onclick = () => look(verdict.head)
  return button
}

function truthCard(truth) {
  const box = item("card truth", "True label")
  const line = make("div", "line")
  line.append(make("span", "class", truth))
  box.append(line)
  return box
}

function mark(right) {
  return right ? sign("mark right", "✓", "agrees with the true label") : sign("mark wrong", "✕", "differs from the true label")
}

function item(className, title) {
  const box = make("div", className)
  box.setAttribute("role", "listitem")
  const head = make("div", "head")
  head.append(make("span", "", title))
  box.append(head)
  return box
}
