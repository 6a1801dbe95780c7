// @ts-check
// The clips on which A and B differ, those furthest apart first. Arrow keys go from one to the next.

import { make } from "../../../core/browser/elements.js"
import { undisturbed } from "../../../core/browser/undisturbed.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".differ")
  undisturbed(root, () => draw(root, data, setTriggerValue))
}

function draw(root, data, setTriggerValue) {
  const held = root.getRootNode().activeElement?.dataset?.clip
  const scrolled = root.querySelector("ul")?.scrollLeft ?? 0
  const list = make("ul")
  list.setAttribute("aria-label", data.title)
  list.append(...data.clips.map((clip) => item(clip, data.current, () => setTriggerValue("look", { clip: clip.id, at: Date.now() }))))
  root.replaceChildren(head(data, () => setTriggerValue("take", Date.now())), data.clips.length ? list : make("p", "empty", data.empty))
  list.scrollLeft = scrolled
  list.onkeydown = (event) => step(event, list)
  root.dataset.count = data.clips.length
  if (held) list.querySelector(`[data-clip="${CSS.escape(held)}"]`)?.focus()
}

function head({ title, offer }, take) {
  const box = make("div", "head")
  box.append(make("p", "title", title))
  const [label, why] = offer
  if (!label) return box
  const button = make("button", "take", label)
  button.type = "button"
  button.title = why
  button.onclick = take
  box.append(make("span", "who", why), button)
  return box
}

function item(clip, current, look) {
  const box = make("li"), button = make("button"), words = make("span")
  button.type = "button"
  button.dataset.clip = clip.id
  button.title = clip.id
  button.onclick = look
  button.setAttribute("aria-current", String(clip.id === current))
  button.setAttribute("aria-label", `${clip.id}: A says ${clip.a}, B says ${clip.b}`)
  words.append(predictedBy("A", clip.a, clip.a_right), predictedBy("B", clip.b, clip.b_right))
  button.append(picture(clip.picture), words)
  box.append(button)
  return box
}

function picture(url) {
  if (!url) return make("span", "none")
  const image = make("img")
  image.src = url
  image.alt = ""
  image.loading = "lazy"
  image.onerror = () => { image.style.visibility = "hidden" }
  return image
}

function predictedBy(who, text, right) {
  const line = make("span", "said")
  line.append(make("span", "who", `${who} `), text)
  if (right !== null) line.append(" ", make("span", right ? "right" : "wrong", right ? "✓" : "✕"))
  return line
}

function step(event, list) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (!by) return
  const all = [...list.querySelectorAll("button")]
  const next = all[all.indexOf(event.target) + by]
  if (!next) return
  event.preventDefault()
  next.focus()
}
