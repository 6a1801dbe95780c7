// @ts-check
// A heading for the clip, and one card a head: class, probability, and whether it agrees with the true label.

import { make, sign } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".verdict")
  undisturbed(root, () => draw(root, data, setTriggerValue))
}

function draw(root, data, setTriggerValue) {
  const look = (head) => setTriggerValue("look", { head, at: Date.now() })
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
  box.append(...verdicts.map((one, i) => card(one, truth, i === 0, look, verdicts.length > 2)))
  if (truth) box.append(truthCard(truth))
  return box
}

function card(one, truth, main, look, several) {
  const box = item(`card${main ? " main" : ""}${one.evidence ? "" : " blind"}${one.differs ? " differs" : ""}`, one.title)
  box.title = one.note
  if (one.head && one.evidence) box.firstChild.firstChild.replaceWith(lookButton(one, look))
  const classed = one.probability !== null
  if (main) box.firstChild.append(scope(several))
  const line = make("div", "line")
  line.append(make("span", "class", one.evidence ? one.label : "no evidence"))
  if (one.evidence && truth && classed) line.append(mark(one.label === truth))
  if (one.differs) line.append(sign("mark apart", "≠ A", "differs from model A"))
  if (one.evidence && classed) line.append(make("span", "share", percent(one.probability)))
  box.append(line)
  if (!classed) return box
  const track = make("div", "track")
  const fill = make("div", "fill")
  fill.style.width = `${one.evidence ? one.probability * 100 : 0}%`
  track.append(fill)
  box.append(track)
  return box
}

// What the main answer was taken from.
function scope(several) {
  const text = make("span", "scope")
  if (several) text.append(make("span", "heads", "all heads, "))
  text.append("whole clip")
  return text
}

function lookButton(one, look) {
  const button = make("button", "look", one.title)
  button.type = "button"
  button.title = `${one.note} Press to see what it looks at and how its answer grows.`
  button.onclick = () => look(one.head)
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
