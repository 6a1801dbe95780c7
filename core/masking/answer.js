// @ts-check
// The answer beside the untouched one: a chip for each head, a bar for each class, and where it changes.

import { classColour } from "../browser/colours.js"
import { make } from "../browser/elements.js"
import { percent } from "../browser/text.js"
import { gridFits, keyOf, look, sharesOf } from "./board.js"
import { answerAt, flipOf, flipWords, onNode, seenAt, verdictName, verdictOf, verdictsAlong, wholeOf } from "./grid.js"

export function buildAnswer(b) {
  const { grid, el } = b
  el.chips.replaceChildren()
  b.chips = b.options.heads.map(({ id, title }) => {
    const chip = make("button", "chip")
    chip.type = "button"
    chip.setAttribute("role", "radio")
    const [name, answer, share, sign, was] = [make("span"), make("b"), make("i"), make("i", "sign"), make("small")]
    name.textContent = chip.title = title
    sign.setAttribute("role", "img")
    chip.append(name, answer, share, sign, was)
    chip.onclick = () => look(b, { head: id })
    el.chips.append(chip)
    return { id, title, chip, answer, share, sign, was }
  })
  el.chips.onkeydown = (event) => chipKey(b, event)
  el.class.replaceChildren(...grid.labels.map((name) => new Option(name, name)))
  el.classes.replaceChildren()
  b.rows = grid.labels.map((name, k) => {
    const item = make("li", "class")
    const label = make("span", "class-name")
    label.textContent = label.title = name
    const [track, fill, pin] = [make("span", "track"), make("span", "fill"), make("span", "pin")]
    fill.style.background = classColour(name, k)
    track.append(fill, pin)
    const [share, pinned] = [make("span", "share"), make("span", "share pinned")]
    item.append(label, track, share, pinned)
    el.classes.append(item)
    return { item, fill, pin, share, pinned }
  })
}

// A group of radio buttons is one stop of the Tab key; arrows go from one to the next.
function chipKey(b, event) {
  const move = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
  if (!move) return
  event.preventDefault()
  event.stopPropagation()
  const at = b.chips.findIndex(({ id }) => id === headShown(b))
  const next = b.chips[(at + move + b.chips.length) % b.chips.length]
  next.chip.focus()
  look(b, { head: next.id })
}

// The class that the surface shows and the flip is told of: the one that was chosen, else the one that the untouched clip gets.
export function classShown(b) {
  const chosen = b.grid.labels.indexOf(b.state.class)
  if (chosen >= 0) return chosen
  return b.grid.task === "classification" ? verdictOf(b.grid, wholeOf(b.grid, headShown(b)), 0) : 0
}

export function headShown(b) {
  return b.grid.answers[b.state.head] ? b.state.head : "decision"
}

// What the head says now: exactly, or from the grid; null where only the server can tell. A point that was reckoned with the
// grid is read from it: one state, one number, whoever shows it.
function answerNow(b, head) {
  if (atNode(b)) return answerAt(b.grid, head, sharesOf(b))
  if (b.exact && b.exactFor === keyOf(b, b.state)) return b.exact[head]
  if (b.state.pattern === "drawn" || !gridFits(b)) return null
  return answerAt(b.grid, head, sharesOf(b))
}

function isExact(b) {
  return atNode(b) || (b.exact && b.exactFor === keyOf(b, b.state))
}

function atNode(b) {
  return isWhole(b) || (b.state.pattern !== "drawn" && gridFits(b) && onNode(b.grid, sharesOf(b)))
}

// The whole clip is the same whatever would replace what is gone.
function isWhole(b) {
  if (b.state.pattern === "drawn") return !Object.values(b.state.spans).some((spans) => spans.length)
  return Object.values(b.state.keep).every((share) => share === 100)
}

export function showAnswer(b) {
  const { grid, el, root } = b
  const head = headShown(b)
  const k = classShown(b)
  const answer = answerNow(b, head)
  root.classList.toggle("stale", !answer)
  const known = answer ?? b.lastAnswer?.[head] ?? wholeOf(grid, head)
  b.lastAnswer = { ...b.lastAnswer, [head]: known }
  const whole = wholeOf(grid, head)
  const [low, high] = valueRange(b)
  const best = verdictOf(grid, known, k)
  b.rows.forEach((row, i) => {
    const place = (value) => Math.min(1, Math.max(0, (value - low) / (high - low || 1)))
    row.fill.style.transform = `scaleX(${place(known[i])})`
    row.pin.style.left = `${100 * place(whole[i])}%`
    row.share.textContent = amount(grid, known[i])
    row.pinned.textContent = amount(grid, whole[i])
    row.item.classList.toggle("leads", grid.task === "classification" ? i === best : i === k)
  })
  el.exactness.textContent = !answer ? "computing …" : isExact(b) ? "" : "≈ interpolated"
  showChips(b, k)
  showFlip(b, head, k)
  Object.assign(root.dataset, {
    head, top: verdictName(grid, best, k), share: known[grid.task === "classification" ? best : k].toFixed(4),
    exact: Boolean(answer && isExact(b)), pending: !answer, whole: verdictName(grid, verdictOf(grid, whole, k), k),
  })
}

function showChips(b, k) {
  const { grid } = b
  for (const { id, title, chip, answer, share, sign, was } of b.chips) {
    const values = answerNow(b, id)
    chip.setAttribute("aria-checked", String(id === headShown(b)))
    chip.tabIndex = id === headShown(b) ? 0 : -1
    if (!values) continue
    const [verdict, before] = [values, wholeOf(grid, id)].map((outputs) => verdictOf(grid, outputs, k))
    const seen = b.state.pattern === "drawn" || !gridFits(b) || seenAt(grid, id, sharesOf(b))
    const classes = grid.task === "classification"
    const [name, value] = classes ? [grid.labels[verdict], values[verdict]] : [grid.labels[k], values[k]]
    answer.textContent = seen ? name : "no evidence"
    share.textContent = seen ? amount(grid, value, 0) : ""
    share.hidden = !seen
    chip.classList.toggle("blind", !seen)
    markTruth(sign, seen && classes && b.options.truth ? name === b.options.truth : null)
    was.textContent = classes && verdict !== before ? `whole: ${grid.labels[before]}` : ""
    chip.title = [title, answer.textContent, share.textContent, was.textContent].filter(Boolean).join(" · ")
  }
}

function markTruth(sign, right) {
  sign.hidden = right === null
  sign.textContent = right ? "✓" : "✕"
  sign.classList.toggle("right", right === true)
  sign.setAttribute("aria-label", right ? "agrees with the true label" : "differs from the true label")
}

// Where along each slider the verdict changes, the others held: in colours under the slider, and in words.
function showFlip(b, head, k) {
  const { grid } = b
  const shares = sharesOf(b)
  grid.modalities.forEach((modality, axis) => {
    const along = verdictsAlong(grid, head, shares, axis, k)
    const { winners, flip } = b.sliders[axis]
    winners.style.background = stripes(b, along)
    b.root.dataset[`flip${axis}`] = flipOf(along)
    const now = isExact(b) ? verdictOf(grid, answerNow(b, head), k) : along[Math.round(shares[axis])]
    flip.textContent = flip.title = b.state.pattern === "drawn" ? "" : flipWords(grid, along, k, shares[axis], now)
  })
}

function stripes(b, along) {
  const stops = []
  for (let share = 0; share <= 100; share++) {
    if (share && along[share] === along[share - 1]) continue
    const colour = verdictColour(b.grid, along[share])
    if (share) stops.push(`${stops.at(-1).split(" ")[0]} ${share - 0.5}%`)
    stops.push(`${colour} ${share ? share - 0.5 : 0}%`)
  }
  stops.push(`${stops.at(-1).split(" ")[0]} 100%`)
  return `linear-gradient(90deg, ${stops.join(", ")})`
}

function verdictColour(grid, verdict) {
  return grid.task === "classification" ? classColour(grid.labels[verdict], verdict) : ["#2166ac", "#d95f02"][verdict]
}

// Probabilities lie in 0..1; values in what the grid has of them, zero among it.
export function valueRange(b) {
  if (b.grid.task === "classification") return [0, 1]
  b.grid.range ??= Object.values(b.grid.answers).flat().reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [0, 0])
  return b.grid.range
}

export function amount(grid, value, decimals = 1) {
  return grid.task === "classification" ? percent(value, decimals) : value.toFixed(decimals + 2)
}
