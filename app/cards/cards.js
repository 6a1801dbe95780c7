// @ts-check
// A list of clips, each with its buttons. Arrow keys go from card to card.

import { make, sign } from "../../core/browser/elements.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cards")
  undisturbed(root, () => draw(root, data, setTriggerValue))
}

function draw(root, data, setTriggerValue) {
  const act = (card, action) => setTriggerValue("act", { card, action, at: Date.now() })
  const list = make("ul", "list")
  list.append(...data.cards.map((card) => item(card, act)))
  const parts = [make("p", "title", data.title)]
  parts.push(data.cards.length ? list : make("p", "empty", data.empty))
  root.replaceChildren(...parts)
  root.dataset.count = data.cards.length
  list.onkeydown = (event) => step(event, list)
}

function item(card, act) {
  const box = make("li", "card")
  box.dataset.card = card.id
  const main = card.actions[0]
  if (card.picture) box.append(picture(card, main, act))
  const body = make("div", "body")
  body.append(make("div", "name", card.title))
  if (card.lead.length) body.append(answers("answers lead", card.lead))
  if (card.answers.length) body.append(answers("answers", card.answers))
  if (card.facts.length) body.append(chips("facts", "fact", card.facts))
  if (card.text) body.append(make("p", "text", card.text))
  if (card.tags.length) body.append(chips("tags", "tag", card.tags))
  const buttons = make("div", "actions")
  card.actions.forEach((action, i) => {
    const button = make("button", i ? "" : "first", action.label)
    button.type = "button"
    button.title = action.hint
    button.dataset.action = action.id
    button.setAttribute("aria-label", `${action.label}: ${card.title}`)
    button.onclick = () => act(card.id, action.id)
    buttons.append(button)
  })
  body.append(buttons)
  box.append(body)
  return box
}

function picture(card, main, act) {
  const image = make("img", "picture")
  image.src = card.picture
  image.loading = "lazy"
  image.width = image.height = 120
  image.alt = `A frame of ${card.title}`
  image.onerror = () => { image.style.visibility = "hidden" }
  if (main) {
    image.title = main.hint || main.label
    image.style.cursor = "pointer"
    image.onclick = () => act(card.id, main.id)
  }
  return image
}

function answers(className, all) {
  const box = make("div", className)
  for (const answer of all) {
    const part = make("span", "answer")
    part.append(make("span", "who", answer.title), " ", make("span", "label", answer.label))
    if (answer.right !== null) {
      part.append(" ", answer.right ? sign("right", "✓", "right") : sign("wrong", "✕", "wrong"))
    }
    if (answer.note) part.append(" ", make("span", "who", answer.note))
    box.append(part)
  }
  return box
}

function chips(className, each, texts) {
  const box = make("div", className)
  box.append(...texts.map((text) => make("span", each, text)))
  return box
}

function step(event, list) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!by) return
  const rows = [...list.children]
  const at = rows.findIndex((row) => row.contains(event.target))
  const next = rows[at + by]?.querySelector("button")
  if (!next) return
  event.preventDefault()
  next.focus()
  next.scrollIntoView({ block: "nearest" })
}
