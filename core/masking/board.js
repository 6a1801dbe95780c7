// @ts-check
// The masking board's life: mount once, follow what is given, answer the hand without asking anybody, report on release.

import { make, refsIn } from "../browser/elements.js"
import { percent } from "../browser/text.js"
import { buildAnswer, showAnswer } from "./answer.js"
import { framesLeft } from "./grid.js"
import { buildPresets, hearPreset, presetKey, pressPreset, showPresets } from "./presets.js"
import { buildStrips, paintStrips, takeOver } from "./strips.js"
import { movePoint, paintSurface, wireSurface } from "./surface.js"

const BURSTS = [0.1, 0.2, 0.4, 0.8, 1.6]
const SOON = 300 // milliseconds after the last key

export function mountBoard(parent, { report: send }) {
  const root = parent.querySelector(".board")
  const el = refsIn(root)
  const b = { root, el, send, stamp: Math.random().toString(36).slice(2), serial: 0, past: [], future: [], strips: [], sliders: [], lastPattern: "random", early: [] }
  root.dataset.ready = "false"
  b.observer = new ResizeObserver(() => { if (b.grid) redrawBoard(b) })
  el.pattern.onchange = () => change(b, { pattern: el.pattern.value, ...(el.pattern.value === "drawn" ? { spans: takeOver(b) } : {}) }, true)
  el.imputation.onchange = () => change(b, { imputation: el.imputation.value }, true)
  el.burst.replaceChildren(...BURSTS.map((seconds) => new Option(`${seconds} s`, String(seconds))))
  el.burst.onchange = () => change(b, { burst: Number(el.burst.value) }, true)
  el.seed.onchange = () => change(b, { seed: Math.min(999999, Math.max(0, Math.round(Number(el.seed.value)) || 0)) }, true)
  el.dice.onclick = () => change(b, { seed: b.state.seed + 1 }, true)
  el.class.onchange = () => look(b, { class: el.class.value })
  el.undo.onclick = () => travel(b, b.past, b.future)
  el.redo.onclick = () => travel(b, b.future, b.past)
  root.onkeydown = (event) => undoKey(b, event)
  b.onKey = (event) => presetKey(b, event)
  document.addEventListener("keydown", b.onKey)
  wireSurface(b)
  return {
    send: (report) => { b.send = report },
    follow: (data) => followData(b, data),
    press: (key) => hearPreset(b, key),
    close: () => {
      b.observer.disconnect()
      b.loading?.abort()
      clearTimeout(b.waiting)
      document.removeEventListener("keydown", b.onKey)
    },
  }
}

function undoKey(b, event) {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || !b.grid) return
  event.preventDefault()
  if (event.shiftKey) travel(b, b.future, b.past)
  else travel(b, b.past, b.future)
}

// Python's data may be new, the same, or an echo of what this board reported: only the first may move the hand's state.
function followData(b, data) {
  const { stamp, ...state } = data.state
  const given = JSON.stringify(state)
  b.options = data.options
  if (data.options.subject !== b.subject) {
    b.subject = data.options.subject
    Object.assign(b, { past: [], future: [], grid: null, gridUrl: "", exact: null, lastAnswer: null, state: null, painted: "", early: [] })
    b.loading?.abort()
    // What stands there is another clip's, and there is no answer that could follow the hand.
    b.el.panes.inert = true
    b.root.dataset.ready = "false"
    b.root.classList.add("stale")
  }
  if (!b.state || (given !== b.given && stamp !== b.stamp)) {
    b.state = state
    b.committed = JSON.stringify(state)
  }
  b.given = given
  b.exact = data.exact
  b.exactFor = data.exact ? keyOf(b, state) : ""
  b.theme = null
  if (data.grid && data.grid !== b.grid) takeGrid(b, data.grid, data.options.subject, state)
  if (data.grid_url && data.grid_url !== b.gridUrl) openGrid(b, data.grid_url, state)
  fillBoard(b)
  if (b.grid) redrawBoard(b)
}

async function openGrid(b, url, state) {
  b.loading?.abort()
  b.loading = new AbortController()
  b.gridUrl = url
  try {
    const response = await fetch(url, { signal: b.loading.signal })
    if (!response.ok) throw new Error(`The answers could not be loaded (${response.status}); reload the page.`)
    takeGrid(b, await response.json(), url, state)
  } catch (error) {
    if (error.name === "AbortError") return
    b.gridUrl = ""
    b.el.status.textContent = error.message
  }
}

function takeGrid(b, grid, url, state) {
  Object.assign(b, { grid, gridUrl: url, gridFor: gridKey(state), painted: "" })
  buildPresets(b)
  buildSliders(b)
  buildAnswer(b)
  buildStrips(b)
  fillBoard(b)
  redrawBoard(b)
  b.el.panes.inert = false
  b.root.dataset.ready = "true"
  for (const key of b.early.splice(0)) pressPreset(b, key)
}

function buildSliders(b) {
  const before = b.sliders.map(({ modality }) => modality).join()
  if (before === b.grid.modalities.join()) return
  b.el.sliders.replaceChildren()
  b.sliders = b.grid.modalities.map((modality, axis) => {
    const box = make("label", "slide")
    const [head, name, amountNow, input] = [make("span", "slide-head"), make("span"), make("b"), make("input")]
    const [winners, flip] = [make("div", "winners"), make("span", "flip")]
    name.textContent = `${nameOf(modality)} frames kept`
    Object.assign(input, { type: "range", min: 0, max: 100, step: 1 })
    input.setAttribute("aria-label", `${nameOf(modality)} frames kept`)
    input.oninput = () => moveTo(b, sharesOf(b).map((share, i) => (i === axis ? Number(input.value) : share)))
    input.onchange = () => commitSoon(b, 0)
    winners.title = "The answer at each share, in its class's colour"
    head.append(name, amountNow)
    box.append(head, input, winners, flip)
    b.el.sliders.append(box)
    return { modality, input, amountNow, winners, flip }
  })
}

// What is there moves; the answer follows at once.
export function moveTo(b, shares, done = false) {
  const keep = Object.fromEntries(b.grid.modalities.map((modality, i) => [modality, shares[i]]))
  change(b, { keep, spans: {}, pattern: b.state.pattern === "drawn" ? b.lastPattern : b.state.pattern }, done)
}

export function change(b, parts, done = false) {
  if (!b.state) return
  // What a hand did just before, and has not been written down, is a step of its own.
  if (done) commit(b)
  b.state = { ...b.state, ...parts }
  if (b.grid) followHand(b)
  if (done) commit(b)
}

// Whose answer and which class: looked at, not done to the clip, so that undo passes over it.
export function look(b, parts) {
  b.state = { ...b.state, ...parts }
  redrawBoard(b)
  b.committed = JSON.stringify({ ...JSON.parse(b.committed), ...parts })
  report(b)
}

export function commitSoon(b, after = SOON) {
  clearTimeout(b.waiting)
  b.waiting = setTimeout(() => commit(b), after)
}

export function commit(b) {
  clearTimeout(b.waiting)
  if (!b.state) return
  const now = JSON.stringify(b.state)
  if (now === b.committed) return
  b.past.push(b.committed)
  b.future = []
  b.committed = now
  fillBoard(b)
  report(b)
}

function travel(b, from, to) {
  commit(b)
  if (!from.length) return
  to.push(b.committed)
  const { head, class: shown } = b.state
  b.state = { ...JSON.parse(from.pop()), head, class: shown }
  b.committed = JSON.stringify(b.state)
  fillBoard(b)
  redrawBoard(b)
  report(b)
}

function report(b) {
  b.serial += 1
  b.send({ ...b.state, stamp: b.stamp, serial: b.serial, subject: b.subject })
}

// The controls that are not drawn: what can be chosen, and what is.
function fillBoard(b) {
  const { el, state, options } = b
  choices(el.pattern, options.patterns)
  choices(el.imputation, options.imputations)
  el.undo.disabled = !b.past.length
  el.redo.disabled = !b.future.length
  if (b.grid) followHand(b)
  el.meaning.textContent = options.imputations.find(({ id }) => id === state.imputation)?.meaning ?? ""
}

function choices(select, offered) {
  const wanted = offered.map(({ id }) => id).join()
  if (select.dataset.values === wanted) return
  select.dataset.values = wanted
  select.replaceChildren(...offered.map(({ id, title }) => new Option(title, id)))
}

// Everything that follows the hand. No round trip, no layout of anything but what moves.
function followHand(b) {
  const { el, state } = b
  const shares = sharesOf(b)
  b.sliders.forEach(({ modality, input, amountNow }, i) => {
    const share = state.pattern === "drawn" ? Math.round(drawnShare(b, modality)) : shares[i]
    if (Number(input.value) !== share) input.value = share
    amountNow.textContent = percent(share / 100)
    input.setAttribute("aria-valuetext", `${percent(share / 100)} of the ${modality} frames`)
  })
  el.pattern.value = state.pattern
  el.imputation.value = state.imputation
  if (![...el.burst.options].some((option) => option.value === String(state.burst))) el.burst.append(new Option(`${state.burst} s`, String(state.burst)))
  el.burst.value = String(state.burst)
  if (document.activeElement !== el.seed) el.seed.value = state.seed
  el.fields.hidden = Boolean(b.options.alone)
  el.burst.disabled = state.pattern !== "burst"
  el.seed.disabled = el.dice.disabled = !["random", "burst"].includes(state.pattern) && state.imputation !== "noise"
  showPresets(b, shares)
  showAnswer(b)
  movePoint(b)
  const off = state.pattern === "drawn" || !gridFits(b)
  b.root.classList.toggle("off", off)
  el.status.textContent = gridFits(b)
    ? state.pattern === "drawn" ? "Frames drawn by hand: the surface shows frames that go at random." : ""
    : "Computing the answer at every share of the frames …"
  b.root.dataset.keep = b.grid.modalities.map((modality, i) => `${modality}:${shares[i]}`).join(",")
  b.root.dataset.pattern = state.pattern
  cancelAnimationFrame(b.frame)
  b.frame = requestAnimationFrame(() => paintStrips(b))
}

function redrawBoard(b) {
  followHand(b)
  paintSurface(b)
  movePoint(b)
  paintStrips(b)
}

function drawnShare(b, modality) {
  const strip = b.strips.find((strip) => strip.modality === modality)
  if (!strip?.count) return 100
  return (100 * framesLeft(strip, b.state, modality).reduce((n, share) => n + (share > 0 ? 1 : 0), 0)) / strip.count
}

export function sharesOf(b) {
  if (b.state.pattern === "drawn") return b.grid.modalities.map((modality) => Math.round(drawnShare(b, modality)))
  return b.grid.modalities.map((modality) => b.state.keep[modality] ?? 100)
}

// What the answer depends on, apart from the shares.
function gridKey(state) {
  const pattern = state.pattern === "drawn" ? "random" : state.pattern
  const chance = pattern === "random" || pattern === "burst" || state.imputation === "noise"
  return JSON.stringify([pattern, state.imputation, chance ? state.seed : 0, pattern === "burst" ? state.burst : 0])
}

export function gridFits(b) {
  return b.gridFor === gridKey(b.state)
}

// Two states of one key get one answer.
export function keyOf(b, state) {
  const drawn = () => Object.entries(state.spans).filter(([, spans]) => spans.length)
  const there = (state.pattern === "drawn" ? drawn() : Object.entries(state.keep).filter(([, share]) => share < 100)).sort()
  return JSON.stringify([state.pattern === "drawn", gridKey(state), there])
}

export function nameOf(modality) {
  return modality.charAt(0).toUpperCase() + modality.slice(1)
}
