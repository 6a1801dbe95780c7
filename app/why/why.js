// @ts-check
// Why: a sentence, and what it rests on: a bar for each modality that adds up to the answer, when, what in the sound, where.

import { make } from "../../core/browser/elements.js"
import { percent, signed } from "../../core/browser/text.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

const MEASURES = { away: "taken away", alone: "alone" }
const OPEN = { measure: "away", head: "decision", sentence: false }

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".why")
  undisturbed(root, () => drawWhy(root, data))
}

function drawWhy(root, why) {
  root.dataset.whole = String(why.whole)
  root.dataset.subject = why.subject
  if (!why.modality) {
    root.replaceChildren(make("p", "waits", `${why.stage ?? "Asking why"} …`))
    return
  }
  root.replaceChildren(...(why.part === "sentence" ? [sentenceOf(why)] : detailsOf(root, why)))
}

function detailsOf(root, why) {
  const h = Math.max(0, why.heads.indexOf(OPEN.head))
  const columns = make("div", "columns")
  if (why.groups) columns.append(list("What in the sound", why.groups.names, why.groups.shapley[h], "adds, by Shapley value"))
  if (why.face) columns.append(list("Where in the face", why.face.names, why.face.away[h], "lost when blurred", shares(why, h)))
  if (why.for_label) columns.append(forLabel(why, h))
  columns.append(byHead(why))
  return [headline(root, why), adding(why, h), when(root, why, h), columns]
}

// Whose score the numbers below are of.
function headline(root, why) {
  const line = section(why.name ? `Why, ${why.name}` : "Why", "")
  const now = why.heads.includes(OPEN.head) ? OPEN.head : why.heads[0]
  const choice = choiceOf(root, why, "head", Object.fromEntries(why.heads.map((head) => [head, why.titles[head]])), now)
  choice.setAttribute("role", "group")
  choice.setAttribute("aria-label", "Head")
  line.firstChild.append(choice)
  return line
}

// Buttons for one of `OPEN`, of which one is pressed; the focus stays when all is drawn again.
function choiceOf(root, why, what, titles, now) {
  const choice = make("span", `choice ${what}s`)
  for (const [name, title] of Object.entries(titles)) {
    const button = make("button", "", title)
    button.type = "button"
    button.setAttribute("aria-pressed", String(name === now))
    button.onclick = () => {
      OPEN[what] = name
      drawWhy(root, why)
      root.querySelector(`.${what}s [aria-pressed=true]`)?.focus()
    }
    choice.append(button)
  }
  return choice
}

function sentenceOf(why) {
  const text = why.sentence.map((clause) => clause.lead + clause.text).join("")
  const line = make("p", "sentence", (why.name ? `${why.name}: ` : "") + (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : ""))
  if (!why.whole) line.append(make("span", "waits", " Computing more …"))
  return why.folds ? foldable(line) : line
}

// Two lines of it stand over the player, which stays where it is, and the rest behind a button.
function foldable(line) {
  const box = make("div", "fold")
  const more = make("button", "more", "… more")
  more.type = "button"
  more.setAttribute("aria-label", "The whole sentence")
  more.onclick = () => {
    OPEN.sentence = true
    line.classList.add("whole")
  }
  line.classList.toggle("whole", OPEN.sentence)
  new ResizeObserver(() => box.classList.toggle("cut", line.scrollHeight > line.clientHeight + 2)).observe(line)
  box.append(line, more)
  return box
}

function nounOf(why, name) {
  return why.nouns[name] ?? name
}

// What each modality adds alone, then what comes only together: from what nothing says to the answer.
function adding(why, h) {
  const modality = why.modality
  const steps = modality.names.map((name, i) => ({ name, label: `${nounOf(why, name)} alone`, value: modality.alone[h][i] }))
  for (const [names, values] of Object.entries(modality.together)) {
    const who = names.split("+").map((name) => nounOf(why, name)).join(" and ")
    const label = modality.names.length > 2 ? `only ${who} together` : "only together"
    steps.push({ name: "together", label, value: values[h] })
  }
  let at = modality.scores[h][0]
  const ends = [at]
  for (const step of steps) ends.push((at += step.value))
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  const place = (value) => (high > low ? (100 * (value - low)) / (high - low) : 50)
  const box = make("div", "adding")
  box.setAttribute("role", "group")
  const text = `What adds up to the ${why.unit}, ${headOf(why, h)}`
  box.setAttribute("aria-label", text)
  box.append(make("p", "note", text))
  box.append(end("with nothing", ends[0], place))
  steps.forEach((step, i) => box.append(bar(step, ends[i], ends[i + 1], place)))
  box.append(end("whole clip", ends[ends.length - 1], place))
  return box
}

function end(label, value, place) {
  const row = make("div", "row end")
  const track = make("div", "track")
  const mark = make("div", "at")
  mark.style.left = `${place(value)}%`
  track.append(mark)
  row.append(make("span", "label", label), track, make("span", "value", signed(value)))
  return row
}

function bar(step, from, to, place) {
  const row = make("div", `row ${step.value < 0 ? "against" : "for"}`)
  row.dataset.part = step.name
  const track = make("div", "track")
  const fill = make("div", "fill")
  fill.style.left = `${Math.min(place(from), place(to))}%`
  fill.style.width = `${Math.abs(place(to) - place(from))}%`
  track.append(fill)
  row.append(make("span", "label", step.label), track, make("span", "value", signed(step.value)))
  return row
}

function headOf(why, h) {
  const title = why.titles[why.heads[h]].toLowerCase()
  return h === 0 ? `of the ${title}` : `of the ${title} head`
}

// Of each region, how much of the heatmap lies there, beside its share of the face's box.
function shares(why, h) {
  const { face } = why
  const head = why.heads[h] in face.shares ? why.heads[h] : Object.keys(face.shares)[0]
  if (!head) return null
  return face.shares[head].map((share, i) => `${percent(share)} of the ${why.titles[head].toLowerCase()} head's heatmap, ${percent(face.area[i])} of the box`)
}

// What speaks for the label where the answer is another class; each modality's strongest window in its tooltip.
function forLabel(why, h) {
  const { modality, moments } = why.for_label
  const notes = modality.names.map((name) => {
    const values = moments.away[name][h]
    const best = values.indexOf(Math.max(...values))
    return `most lost without ${clock(moments.edges[best])} to ${clock(moments.edges[best + 1])} s, ${signed(values[best])}`
  })
  const names = modality.names.map((name) => nounOf(why, name))
  return list("For the label", names, modality.shapley[h], `${why.label} rather than ${why.says}, by Shapley value`, notes)
}

function list(title, names, values, what, notes = null) {
  const box = section(title, what)
  const most = Math.max(...values.map(Math.abs), 1e-9)
  names.forEach((name, i) => {
    const row = make("div", `row ${values[i] < 0 ? "against" : "for"}`)
    const track = make("div", "track middle")
    const fill = make("div", "fill")
    const width = (50 * Math.abs(values[i])) / most
    fill.style.left = `${values[i] < 0 ? 50 - width : 50}%`
    fill.style.width = `${width}%`
    track.append(fill)
    row.append(make("span", "label", name), track, make("span", "value", signed(values[i])))
    if (notes) row.title = `${name}: ${notes[i]}`
    box.append(row)
  })
  return box
}

function byHead(why) {
  const modality = why.modality
  const box = section("By head", "Shapley values")
  const table = make("table")
  const top = make("tr")
  for (const name of ["", ...modality.names.map((name) => nounOf(why, name)), "nothing", "answer"]) top.append(make("th", "", name))
  table.append(top)
  why.heads.forEach((head, h) => {
    const row = make("tr")
    row.append(make("th", "", why.titles[head]))
    for (const value of [...modality.shapley[h], modality.scores[h][0], modality.scores[h].at(-1)]) row.append(make("td", "", signed(value)))
    table.append(row)
  })
  box.append(table)
  return box
}

function section(title, what) {
  const box = make("section")
  const head = make("h4", "", title)
  head.append(make("small", "", what))
  box.append(head)
  return box
}

function when(root, why, h) {
  const box = section("When", "")
  box.className = "when"
  box.firstChild.append(choiceOf(root, why, "measure", MEASURES, OPEN.measure))
  box.firstChild.append(make("small", "", headOf(why, h)))
  const values = why.moments[OPEN.measure]
  const most = Math.max(...Object.values(values).flatMap((rows) => rows[h].map(Math.abs)), 1e-9)
  for (const [name, rows] of Object.entries(values)) box.append(strip(why, name, rows[h], most, h))
  if (h === 0 && why.flip?.windows.length) box.append(make("p", "note", "Framed: with all of it taken away, the answer changes."))
  return box
}

function strip(why, name, values, most, h) {
  const { edges, frames } = why.moments
  const gone = new Set((h === 0 ? why.flip?.windows ?? [] : []).filter(([m]) => m === name).map(([, w]) => w))
  const row = make("div", "row strip")
  const cells = make("div", "cells")
  const best = values.indexOf(Math.max(...values))
  cells.setAttribute("role", "img")
  const spoken = `${nounOf(why, name)}, ${MEASURES[OPEN.measure]}: most at ${clock(edges[best])} to ${clock(edges[best + 1])} s`
  cells.setAttribute("aria-label", spoken)
  values.forEach((value, w) => {
    const cell = make("span", `cell ${value < 0 ? "against" : "for"}${gone.has(w) ? " gone" : ""}`)
    cell.style.flexGrow = String(edges[w + 1] - edges[w])
    cell.style.setProperty("--much", `${Math.round((100 * Math.abs(value)) / most)}%`)
    const there = frames[name][w] ? signed(value) : "no frame"
    cell.title = `${clock(edges[w])}–${clock(edges[w + 1])} s: ${there}${gone.has(w) ? ", changes the answer" : ""}`
    cells.append(cell)
  })
  row.append(make("span", "label", nounOf(why, name)), cells, make("span", "value", signed(values[best])))
  return row
}

function clock(seconds) {
  return String(Number(seconds.toFixed(2)))
}
