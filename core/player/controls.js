// @ts-check
// Buttons, sliders, keys and the pointer on the lanes: everything that changes the view or the time.

import { make } from "../browser/elements.js"
import { glide } from "../browser/gliding.js"
import { combined, idle } from "../browser/keys.js"
import { percent } from "../browser/text.js"
import { commonTitle, toX, withoutShared } from "./lanes.js"
import { showLegend } from "./legends.js"
import { currentMaps, mapChoices } from "./overlay.js"
import { markExplained, matrixCell, predictionLane, readMatrix } from "./panels.js"
import { countOf, faceUnder } from "./people.js"
import { changeView, currentTime, present, seek, stepFrame, togglePlay } from "./player.js"

const ARROW_SECONDS = 0.5
const KEYS = [
  ["Space", "play or pause"], ["← →", `half a second back, forward`], [", .", "one frame back, forward"],
  ["Home End", "first frame, last frame"], ["h", "heatmap on or off"], ["v", "heatmap of the next head"],
  ["b", "heatmap scaled by clip or by frame"],
  ["0", "attention: mean of the heads"], ["1 – 9", "attention: that head"], ["[ ]", "previous, next layer"],
  ["l", "loop"], ["m", "mute"], ["< >", "slower, faster"], ["p", "presenter view; Escape leaves it"], ["?", "this list"],
]
const SPEEDS = [0.25, 0.5, 1, 1.5, 2]

export function wireControls(p) {
  const { el } = p
  el.play.onclick = el.twin.onclick = () => withLanes(p, () => togglePlay(p))
  el.stage.onclick = (event) => {
    const face = faceUnder(p, event)
    if (face) changeView(p, { face })
    else withLanes(p, () => togglePlay(p))
  }
  el.stage.onpointermove = (event) => {
    const face = faceUnder(p, event)
    el.stage.title = face ? `Read face ${face}` : ""
    el.stage.classList.toggle("choosing", face > 0)
  }
  el.face.onchange = () => changeView(p, { face: Number(el.face.value) })
  el.back.onclick = () => withLanes(p, () => stepFrame(p, -1))
  el.forward.onclick = () => withLanes(p, () => stepFrame(p, 1))
  el.loop.onclick = () => changeView(p, { loop: !p.view.loop })
  el.mute.onclick = () => changeView(p, { muted: !p.view.muted })
  el.speed.onchange = () => changeView(p, { speed: Number(el.speed.value) })
  el.heat.onclick = () => changeView(p, { heat: !p.view.heat })
  el.explain.onchange = () => changeView(p, { explain: el.explain.value })
  el.map.onchange = () => changeView(p, { map: el.map.value })
  el.scale.onchange = () => changeView(p, { scale: el.scale.value })
  el.opacity.oninput = () => changeView(p, { opacity: el.opacity.value / 100 })
  el.threshold.oninput = () => changeView(p, { threshold: el.threshold.value / 100 })
  el.layer.onchange = () => changeView(p, { layer: Number(el.layer.value) })
  el.head.onchange = () => changeView(p, { head: Number(el.head.value) })
  el.matrixSource.onchange = () => changeView(p, { matrix: el.matrixSource.value })
  el.predictionSource.onchange = () =>
    changeView(p, { sources: { ...p.view.sources, prediction: el.predictionSource.value } })
  el.present.onclick = () => present(p, !p.presenting)
  el.help.onclick = () => toggleHelp(p)
  el.keys.onclose = () => p.root.focus({ preventScroll: true })
  wireLanes(p)
  wireMatrix(p)
  fillKeys(p)
  // After a click the keyboard belongs to the player again; a Tab user keeps the focus where it is.
  p.root.onpointerup = (event) => { if (event.target.closest("button, input")) p.root.focus({ preventScroll: true }) }
  p.onKey = (event) => handleKey(p, event)
  document.addEventListener("keydown", p.onKey)
}

function wireLanes(p) {
  const { lanes, tracks, ghost, ghostTime } = p.el
  const timeAt = (event) => {
    const area = tracks.getBoundingClientRect()
    return Math.min(1, Math.max(0, (event.clientX - area.left) / area.width)) * p.timeline.duration
  }
  const onTrack = (event) => p.timeline && event.target.closest?.("canvas.track")
  lanes.onpointerdown = (event) => {
    if (!onTrack(event) || event.button !== 0) return
    p.dragging = true
    lanes.setPointerCapture(event.pointerId)
    seek(p, timeAt(event))
  }
  lanes.onpointermove = (event) => {
    const over = p.dragging || onTrack(event)
    ghost.hidden = !over
    if (!over) return
    const t = timeAt(event)
    glide(ghost, toX(p, t, tracks.clientWidth))
    ghostTime.textContent = `${t.toFixed(2)} s`
    ghost.classList.toggle("flip", t > p.timeline.duration * 0.9)
    if (p.dragging) seek(p, t)
  }
  lanes.onpointerup = lanes.onpointercancel = () => { p.dragging = false }
  lanes.onpointerleave = () => { ghost.hidden = true }
}

function wireMatrix(p) {
  const { square } = p.el
  square.onpointerdown = (event) => {
    if (!p.timeline || event.button !== 0) return
    const { matrix, column } = matrixCell(p, event)
    seek(p, matrix.key_times[column])
  }
  square.onpointermove = (event) => {
    const { matrix, row, column } = matrixCell(p, event)
    readMatrix(p, matrix, row, column)
    if (event.buttons & 1) seek(p, matrix.key_times[column])
  }
}

function fillKeys(p) {
  p.el.keyList.replaceChildren()
  for (const [keys, what] of KEYS) {
    const term = make("dt")
    for (const key of keys.split(" ")) {
      term.append(make(key === "–" ? "span" : "kbd", "", key))
    }
    p.el.keyList.append(term, make("dd", "", what))
  }
}

function toggleHelp(p) {
  if (p.el.keys.open) closeHelp(p)
  else p.el.keys.showModal()
}

// The browser's own Escape hides the list before it moves the focus, and the key pressed next would go to a button that is gone.
function closeHelp(p) {
  p.el.keys.close()
  p.root.focus({ preventScroll: true })
}

// Keys count when the focus is in the player or nowhere in particular, never while someone types or walks a table.
function handleKey(p, event) {
  if (event.defaultPrevented || combined(event)) return
  const target = event.composedPath()[0]
  const inside = event.composedPath().includes(p.root)
  const pressed = target.matches?.("button, a, summary")
  if (event.key === "Escape" && p.el.keys.open) {
    event.preventDefault()
    closeHelp(p)
    return
  }
  if (event.key === "Escape" && p.presenting) {
    present(p, false)
    return
  }
  if (!inside && !idle(target) && !pressed) return
  if (target.matches?.("select, input[type=text]")) return
  const walks = event.key.startsWith("Arrow") || ["Home", "End"].includes(event.key)
  const native = pressed && (["Space", "Enter"].includes(event.code) || (walks && !inside))
  const slides = target.matches?.("input[type=range]") && walks
  if (native || slides) return
  if (pressKey(p, event.key)) event.preventDefault()
}

/** Do what a key does, and say whether it does anything. */
export function pressKey(p, key) {
  if (!keyAction(p, key)) return false
  withLanes(p, () => keyAction(p, key)?.())
  return true
}

// What is pressed before the lanes are there is done once they are.
function withLanes(p, action) {
  if (p.timeline) action()
  else p.early.push(action)
}

export function keyAction(p, key) {
  const { view, timeline } = p
  const now = currentTime(p)
  if (/^[0-9]$/.test(key)) {
    const head = Number(key) - 1
    return !p.timeline || head < p.headCount ? () => changeView(p, { head }) : null
  }
  const actions = {
    " ": () => togglePlay(p), k: () => togglePlay(p),
    ArrowLeft: () => seek(p, now - ARROW_SECONDS), ArrowRight: () => seek(p, now + ARROW_SECONDS),
    ",": () => stepFrame(p, -1), ".": () => stepFrame(p, 1),
    Home: () => seek(p, 0), End: () => seek(p, timeline.duration),
    h: () => changeView(p, { heat: !view.heat }), v: () => nextMap(p),
    b: () => changeView(p, { scale: view.scale === "frame" ? "clip" : "frame" }),
    l: () => changeView(p, { loop: !view.loop }), m: () => changeView(p, { muted: !view.muted }),
    "[": () => changeView(p, { layer: Math.max(-1, view.layer - 1) }),
    "]": () => changeView(p, { layer: Math.min(p.layerCount - 1, view.layer + 1) }),
    p: () => present(p, !p.presenting),
    "<": () => changeSpeed(p, -1), ">": () => changeSpeed(p, 1), "?": () => toggleHelp(p),
  }
  return actions[key]
}

function nextMap(p) {
  const ids = mapChoices(p.timeline).map((map) => map.id)
  if (ids.length) changeView(p, { map: ids[(ids.indexOf(p.el.map.value) + 1) % ids.length] })
}

function changeSpeed(p, by) {
  const at = SPEEDS.indexOf(p.view.speed)
  changeView(p, { speed: SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + by))] })
}

// What the controls offer depends on the timeline.
export function fillControls(p) {
  const { el, timeline } = p
  const sources = [...timeline.matrices, ...timeline.lanes.filter((lane) => lane.kind === "weights")]
  p.layerCount = Math.max(0, ...sources.map((source) => source.layers))
  p.headCount = Math.max(0, ...sources.map((source) => source.heads))
  fillCounted(el.layer, p.layerCount)
  fillCounted(el.head, p.headCount)
  el.attentionGroup.hidden = p.layerCount < 2 && p.headCount < 2
  el.map.replaceChildren(...mapChoices(timeline).map((map) => new Option(map.left ? map.title : mapName(map), map.id)))
  el.explain.replaceChildren(new Option("predicted class", ""), ...timeline.classes.map((name) => new Option(name, name)))
  el.heatGroup.hidden = !timeline.heatmaps.length
  el.face.replaceChildren(...Array.from({ length: countOf(timeline) }, (_, i) => new Option(String(i + 1), String(i + 1))))
  el.faceGroup.hidden = countOf(timeline) < 2
  el.face.disabled = Boolean(p.options.fixed)
  el.matrixSource.replaceChildren(...timeline.matrices.map((matrix) => new Option(matrix.title, matrix.id)))
  el.matrixSource.hidden = timeline.matrices.length < 2
  const predictions = timeline.lanes.filter((lane) => lane.kind === "probability" && lane.group === "prediction")
  const shared = commonTitle(predictions.map((lane) => lane.title))
  el.predictionSource.replaceChildren(...predictions.map((lane) => new Option(withoutShared(lane.title, shared), lane.id)))
  el.predictionSource.hidden = predictions.length < 2
}

const HEAD_NAMES = { av: "audio-visual head", visual: "visual head", audio: "audio head" }

export function mapName(map) {
  return map.label || HEAD_NAMES[map.id] || map.id
}

function fillCounted(select, count) {
  select.replaceChildren(new Option("mean", "-1"))
  for (let i = 0; i < count; i++) select.append(new Option(String(i + 1), String(i)))
}

export function showControls(p) {
  const { el, view, timeline } = p
  press(el.heat, view.heat)
  press(el.loop, view.loop)
  press(el.mute, view.muted)
  el.video.loop = view.loop
  el.video.muted = view.muted
  if (el.video.playbackRate !== view.speed) el.video.playbackRate = view.speed
  el.speed.value = String(view.speed)
  el.scale.value = view.scale
  el.opacity.value = Math.round(view.opacity * 100)
  el.opacityValue.textContent = percent(el.opacity.value / 100)
  el.threshold.value = Math.round(view.threshold * 100)
  el.thresholdValue.textContent = percent(el.threshold.value / 100)
  el.layer.value = String(Math.min(view.layer, p.layerCount - 1))
  el.head.value = String(Math.min(view.head, p.headCount - 1))
  const [map, beside] = timeline ? currentMaps(p) : []
  if (map) el.map.value = mapChoices(timeline).some((choice) => choice.id === view.map) ? view.map : el.map.options[0].value
  el.twin.hidden = !beside
  p.root.classList.toggle("paired", Boolean(beside))
  el.twinTitle.textContent = beside?.title ?? ""
  el.twinTitle.hidden = !view.heat
  showLegend(p, map)
  el.explain.value = view.explain
  el.face.value = String(view.face || 1)
  el.mapTitle.textContent = map?.title ?? ""
  el.mapTitle.hidden = !map || !view.heat
  if (timeline) markExplained(p)
  const prediction = timeline && predictionLane(p)
  if (prediction) el.predictionSource.value = prediction.id
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on))
}
