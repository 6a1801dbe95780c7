// @ts-check
// The player's life: mount once, follow the page's data, draw on every presented frame, report what a person changed.

import { readTheme } from "../browser/colours.js"
import { make, refsIn } from "../browser/elements.js"
import { glide } from "../browser/gliding.js"
import { fillControls, showControls, wireControls } from "./controls.js"
import { buildRows, paintRows, readRows, toX } from "./lanes.js"
import { tellHeat } from "./legends.js"
import { currentMaps, drawOverlay, FINE } from "./overlay.js"
import { buildClasses, moveCrosshair, paintMatrix, readClasses } from "./panels.js"
import { countOf } from "./people.js"
import { awaited, withReasons } from "./reasons.js"
import { pageAround, spaceAbove } from "./room.js"
import { decodeTimeline, frameStep, loadTimeline, nearest, strongestTime } from "./timeline.js"
import DEFAULT_VIEW from "./view.json" with { type: "json" }

const REPORT_AFTER = 250 // milliseconds without a further change

const STRONGEST = DEFAULT_VIEW.time // The moment that the heatmap makes most of.

export function mount(parent) {
  const root = parent.querySelector(".player")
  const el = refsIn(root)
  const p = { root, el, view: structuredClone(DEFAULT_VIEW), rows: [], classes: [], early: [], presenting: false, options: {}, serial: 0,
    report: () => {},
    stamp: Math.random().toString(36).slice(2), presented: 0, drawn: 0, target: null, asked: null, pixelRatio: window.devicePixelRatio || 1 }
  p.heat = document.createElement("canvas")
  p.heat.width = p.heat.height = FINE
  root.dataset.ready = "false"
  wireVideo(p)
  wireControls(p)
  p.scheme = matchMedia("(prefers-color-scheme: dark)")
  p.onScheme = () => { if (p.timeline) redraw(p) }
  p.scheme.addEventListener("change", p.onScheme)
  p.observer = new ResizeObserver(() => resize(p))
  for (const part of [el.stage, el.twin, el.tracks, el.square]) p.observer.observe(part)
  // What stands over the player may come later than the player, and take its room.
  p.above = new ResizeObserver(() => { if (spaceAbove(root) !== p.spaceAbove) resize(p) })
  p.above.observe(pageAround(root))
  return p
}

export function unmount(p) {
  p.observer.disconnect()
  p.above.disconnect()
  p.scheme.removeEventListener("change", p.onScheme)
  p.loading?.abort()
  withhold(p)
  document.removeEventListener("keydown", p.onKey)
  if (p.callback) p.el.video.cancelVideoFrameCallback?.(p.callback)
  cancelAnimationFrame(p.animation)
  present(p, false)
  p.el.video.pause()
  p.el.video.removeAttribute("src")
  p.el.video.load()
}

// Python's data may be new, the same, or an echo of what this player reported: only the first may move anything.
export function follow(p, data) {
  const given = JSON.stringify(data.view ?? {})
  const echo = data.view?.stamp === p.stamp
  const fresh = given !== p.givenView && !echo
  p.givenView = given
  // What was chosen beside the player must not take a playing clip back to where Python last heard of it.
  const clipChanged = data.clip_url !== p.clipUrl
  const stays = Boolean(data.view?.stay) && !clipChanged
  const time = stays ? p.view.time : (data.view?.time ?? STRONGEST)
  const awaits = JSON.stringify(data.options?.awaited ?? {}) !== JSON.stringify(p.options.awaited ?? {})
  p.options = data.options ?? {}
  if (fresh || clipChanged) p.view = { ...structuredClone(DEFAULT_VIEW), ...p.view, ...(data.view ?? {}), time }
  p.el.video.setAttribute("aria-label", p.options.title || "The clip")
  p.root.dataset.clip = p.options.title ?? ""
  if (clipChanged) openClip(p, data.clip_url)
  else if (fresh && !stays && p.timeline && time >= 0) {
    p.opening = false
    seek(p, time, { silent: true })
  }
  if ((data.reasons_url ?? "") !== (p.reasonsUrl ?? "")) openReasons(p, data.reasons_url)
  if (data.timeline_url !== p.timelineUrl) openTimeline(p, data.timeline_url, data.timeline)
  else if (p.timeline) {
    goToStrongest(p)
    if (awaits) {
      joinReasons(p)
      buildRows(p)
    }
    redraw(p)
  }
}

function openClip(p, url) {
  withhold(p)
  p.clipUrl = url
  p.root.dataset.ready = "false"
  p.el.video.src = url
  p.timeline = p.shownTime = p.target = p.asked = p.lastPresented = null
  p.opening = false
  p.early = []
  p.presented = p.drawn = 0
}

async function openTimeline(p, url, bytes) {
  p.timelineUrl = url
  p.root.dataset.ready = "false"
  p.loading?.abort()
  p.loading = new AbortController()
  try {
    const timeline = bytes ? decodeTimeline(bytes) : await loadTimeline(url, p.loading.signal)
    if (url !== p.timelineUrl) return
    p.own = timeline
    joinReasons(p)
    p.view.face = countOf(timeline) > 1 ? timeline.face : 0
    goToStrongest(p)
    p.view.time = Math.min(p.view.time, timeline.duration)
    fillControls(p)
    buildRows(p)
    notify(p, p.options.notices === false ? [] : timeline.notices)
    redraw(p)
    Object.assign(p.root.dataset, { duration: timeline.duration, timeline: url })
    p.el.tracks.setAttribute("aria-valuemax", timeline.duration)
    markReady(p)
    for (const action of p.early.splice(0)) action()
  } catch (error) {
    if (error.name !== "AbortError") notify(p, [error.message])
  }
}

// Lanes that are reckoned after the answer, and join it when they come.
async function openReasons(p, url) {
  const asked = (p.reasonsUrl = url ?? "")
  p.reasons = null
  // The panel says what went wrong; then nothing is waited for.
  const found = asked ? await loadTimeline(asked, new AbortController().signal).catch(() => ({ lanes: [] })) : null
  if (p.reasonsUrl !== asked) return
  p.reasons = found
  if (!p.own || !p.timeline) return
  joinReasons(p)
  buildRows(p)
  redraw(p)
}

function joinReasons(p) {
  p.timeline = withReasons(p.own, p.reasons ?? awaited(p.options.awaited))
}

function notify(p, notices) {
  p.el.notices.replaceChildren()
  for (const notice of notices) {
    const line = make("p")
    line.textContent = notice
    p.el.notices.append(line)
  }
  p.el.notices.hidden = !notices.length
}

function markReady(p) {
  const { readyState, seeking } = p.el.video
  const ready = Boolean(p.timeline) && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !seeking
  if (!ready || p.root.dataset.ready === "true") return
  resize(p)
  drawAt(p, p.el.video.currentTime)
  p.root.dataset.ready = "true"
}

function wireVideo(p) {
  const { video } = p.el
  video.onloadedmetadata = () => {
    showControls(p)
    const start = p.target ?? p.view.time
    if (start > 0) seek(p, start, { silent: true })
    resize(p)
  }
  video.onloadeddata = () => markReady(p)
  video.onplay = video.onpause = () => {
    p.root.classList.toggle("playing", !video.paused)
    p.el.play.setAttribute("aria-label", video.paused ? "Play" : "Pause")
    if (!video.paused) {
      p.opening = false
      // Where it stood is past, and the page's answer to it would cost the first frames their heatmap.
      if (p.onlyMoved) withhold(p)
      if (!video.seeking) p.target = p.asked = null
      watchFrames(p)
    } else if (!video.ended) moved(p)
  }
  video.onended = () => moved(p)
  video.onseeked = () => arrive(p)
  video.onerror = () => {
    if (video.getAttribute("src")) notify(p, ["This browser cannot play the clip; the lanes are complete without it."])
  }
  watchFrames(p)
}

// While the clip stands, it stands where it was sent, whatever frame a busy browser has come to show: the next step counts from
// there. Only a playing clip moves on by itself.
function arrive(p) {
  const { video } = p.el
  // An event that comes late tells of a seek before the one that is under way.
  if (video.seeking) return
  if (p.target !== p.asked) {
    askFor(p, p.target)
    return
  }
  if (video.paused) drawAt(p, video.currentTime)
  else p.target = p.asked = null
  markReady(p)
  // Whoever asked for the strongest moment does not know when that is.
  if (p.arriving) moved(p)
  p.arriving = false
}

function askFor(p, t) {
  p.asked = t
  p.el.video.currentTime = insideFrame(p, t)
}

// One callback for each presented frame; a browser without them gets one for each refresh of the screen.
function watchFrames(p) {
  const { video } = p.el
  if (!video.requestVideoFrameCallback) {
    cancelAnimationFrame(p.animation)
    const tick = () => {
      drawAt(p, video.currentTime)
      if (!video.paused) p.animation = requestAnimationFrame(tick)
    }
    p.animation = requestAnimationFrame(tick)
    return
  }
  if (p.callback) return
  const onFrame = (_, frame) => {
    countFrames(p, frame, drawAt(p, frame.mediaTime))
    p.callback = video.requestVideoFrameCallback(onFrame)
  }
  p.callback = video.requestVideoFrameCallback(onFrame)
}

// Frames that the browser showed without calling us count as presented and not drawn: they carried an older map.
function countFrames(p, frame, drawn) {
  const { dataset } = p.root
  const last = p.lastPresented ?? frame.presentedFrames - 1
  p.presented += Math.max(0, frame.presentedFrames - last)
  p.lastPresented = frame.presentedFrames
  if (drawn) p.drawn += 1
  dataset.presented = p.presented
  dataset.drawn = p.drawn
  const quality = p.el.video.getVideoPlaybackQuality?.()
  if (quality) dataset.dropped = quality.droppedVideoFrames
}

// Draw everything that moves for the moment ``t`` of the clip.
function drawAt(p, t) {
  const { timeline, el } = p
  if (!timeline) return false
  const frame = nearest(timeline.frame_times, t)
  p.frame = frame
  const [heatmap, beside] = drawOverlay(p, frame)
  const shown = frame >= 0 ? timeline.frame_times[frame] : t
  p.shownTime = shown
  movePlayhead(p, t)
  moveCrosshair(p, shown)
  readRows(p, shown)
  readClasses(p, shown)
  tellHeat(p, heatmap !== "")
  showClock(p, shown, frame)
  Object.assign(p.root.dataset, { time: shown.toFixed(4), frame, heatmap, beside })
  // Nobody can listen to twenty-five values a second, and each costs the browser an update of its accessibility tree.
  if (el.video.paused) tellTime(el.tracks, shown)
  return heatmap !== "" || !p.view.heat
}

function tellTime(slider, t) {
  slider.setAttribute("aria-valuenow", t.toFixed(3))
  slider.setAttribute("aria-valuetext", `${t.toFixed(2)} seconds`)
}

function movePlayhead(p, t) {
  glide(p.el.playhead, toX(p, t, p.trackWidth ?? 0))
}

function showClock(p, t, frame) {
  p.el.clockTime.textContent = t.toFixed(3)
  p.el.clockTotal.textContent = ` / ${p.timeline.duration.toFixed(3)} s`
  p.el.clockFrame.textContent = frame < 0 ? "" : `frame ${frame + 1} / ${p.timeline.frame_times.length}`
}

// A time before the beginning asks for the moment that the heatmap makes most of. It is there to be looked at: played, the clip
// begins at its beginning.
function goToStrongest(p) {
  if (p.view.time >= 0) return
  p.view.time = strongestTime(p.timeline, currentMaps(p).filter(Boolean))
  p.arriving = p.opening = true
  if (p.el.video.readyState >= HTMLMediaElement.HAVE_METADATA) seek(p, p.view.time, { silent: true })
}

export function togglePlay(p) {
  const { video } = p.el
  if (!video.paused) {
    video.pause()
    return
  }
  if (p.opening) seek(p, 0, { silent: true })
  video.play().catch(() => {})
}

// A seek while another is under way waits for it: browsers drop frames when seeks pile up.
export function seek(p, t, { silent = false } = {}) {
  const { video } = p.el
  if (!p.timeline && !silent) return
  if (!silent) p.opening = p.arriving = false
  const end = p.timeline?.duration ?? Infinity
  const target = Math.min(Math.max(0, t), Math.max(0, end - 1e-3))
  p.target = target
  if (p.timeline) movePlayhead(p, target)
  if (!video.seeking) askFor(p, target)
  if (!silent) moved(p)
}

// A frame is shown from its own time to the next one's; aim well inside it, so that rounding cannot show its neighbour.
function insideFrame(p, t) {
  if (!p.timeline?.frame_times.length) return t
  const times = p.timeline.frame_times
  const frame = nearest(times, t)
  return Math.min(times[frame] + frameStep(times) * 0.4, Math.max(p.el.video.duration || Infinity, 0))
}

export function stepFrame(p, by) {
  const times = p.timeline?.frame_times
  if (!times?.length) return
  p.el.video.pause()
  const frame = nearest(times, currentTime(p))
  seek(p, times[Math.min(times.length - 1, Math.max(0, frame + by))])
}

// Where the clip stands, or will once it has come to where it was sent: quick key presses add up.
export function currentTime(p) {
  return p.target ?? p.shownTime ?? p.el.video.currentTime
}

export function changeView(p, change) {
  const lanes = ["layer", "head", "sources", "matrix", "map"].some((name) => name in change)
  Object.assign(p.view, change)
  showControls(p)
  if (p.timeline && lanes) redraw(p)
  else if (p.timeline) drawAt(p, p.shownTime ?? 0)
  changed(p)
}

function changed(p) {
  reportLater(p, false)
}

function moved(p) {
  reportLater(p, !p.reporting || p.onlyMoved)
}

function reportLater(p, onlyMoved) {
  withhold(p)
  p.onlyMoved = onlyMoved
  p.reporting = setTimeout(() => {
    p.reporting = 0
    if (!p.timeline) return
    p.view.time = Number(currentTime(p).toFixed(3))
    p.serial += 1
    p.report({ ...p.view, stamp: p.stamp, serial: p.serial, timeline: p.timelineUrl })
  }, REPORT_AFTER)
}

function withhold(p) {
  clearTimeout(p.reporting)
  p.reporting = 0
}

function resize(p) {
  const { stage, overlay, twin, twinPicture, tracks, square, video } = p.el
  if (video.videoWidth) {
    const shape = video.videoWidth / video.videoHeight
    p.root.classList.toggle("wide", shape > 1.3)
    p.root.style.setProperty("--ratio", shape)
  }
  p.spaceAbove = spaceAbove(p.root)
  p.root.style.setProperty("--above", `${p.spaceAbove}px`)
  p.pixelRatio = (window.devicePixelRatio || 1) * (p.root.currentCSSZoom ?? 1)
  overlay.width = Math.round(stage.clientWidth * p.pixelRatio)
  overlay.height = Math.round(stage.clientHeight * p.pixelRatio)
  twinPicture.width = Math.round(twin.clientWidth * p.pixelRatio)
  twinPicture.height = Math.round(twin.clientHeight * p.pixelRatio)
  p.trackWidth = tracks.clientWidth
  p.squareSize = square.clientWidth
  if (!p.timeline) return
  paintRows(p)
  drawAt(p, p.shownTime ?? p.el.video.currentTime)
}

// The player and what it explains, large, for a room; ``p.shell``, where there is one, clears the page around it and enlarges it.
export function present(p, on) {
  if (p.presenting === on) return
  p.presenting = on
  p.root.classList.toggle("presenting", on)
  p.root.classList.toggle("enlarged", on && !p.shell)
  p.el.present.setAttribute("aria-pressed", String(on))
  p.shell?.(on)
  requestAnimationFrame(() => resize(p))
}

// Everything anew: another timeline, layer, head or theme.
function redraw(p) {
  p.theme = readTheme(p.root)
  buildClasses(p)
  paintRows(p)
  paintMatrix(p)
  showControls(p)
  drawAt(p, p.shownTime ?? p.el.video.currentTime)
}
