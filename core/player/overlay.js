// @ts-check
// The heatmap and the face box over the picture.

import { RAMP, SIGNED_RAMP } from "../browser/colours.js"
import { drawPeople } from "./people.js"
import { coverOf, shareOf, tonedFrames } from "./tone.js"

export const FINE = 64 // The map is interpolated to this many cells a side before colours are looked up, so that edges stay true.

// Where the picture lies inside the stage: the video is letterboxed.
export function pictureBox(video, width, height) {
  const ratio = video.videoWidth && video.videoHeight ? video.videoWidth / video.videoHeight : 1
  const w = Math.min(width, height * ratio)
  const h = w / ratio
  return { x: (width - w) / 2, y: (height - h) / 2, w, h }
}

// Returns what was drawn, as "heatmap:frame", over the video and over the second picture.
export function drawOverlay(p, frame) {
  const [map, beside] = currentMaps(p)
  const drawn = [drawMap(p, p.el.overlay, map, frame, false), beside ? drawMap(p, p.el.twinPicture, beside, frame, true) : ""]
  p.el.noFace.hidden = p.faceSeen || frame < 0 || !p.timeline.heatmaps.length
  return drawn
}

// The second picture is the video's own frame, painted by the same callback: both always show the same moment.
function drawMap(p, canvas, map, frame, withPicture) {
  const { video } = p.el
  const context = canvas.getContext("2d")
  const ratio = p.pixelRatio
  const width = canvas.width / ratio
  const height = canvas.height / ratio
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  const picture = pictureBox(video, width, height)
  if (withPicture) context.drawImage(video, picture.x, picture.y, picture.w, picture.h)
  const box = frame < 0 ? null : faceBox(p.timeline.boxes, frame, picture)
  p.faceSeen = box !== null
  const drawn = Boolean(map) && p.view.heat && frame >= 0
  if (box && drawn) {
    colourMap(p.heat, map, frame, p.view.threshold)
    context.globalAlpha = p.view.opacity * tonedFrames(map.peaks, p.view.scale)[frame]
    context.imageSmoothingQuality = "high"
    context.drawImage(p.heat, box.x, box.y, box.w, box.h)
    context.globalAlpha = 1
  }
  if (box) drawCorners(context, box)
  drawPeople(p, context, frame, picture)
  return drawn ? `${map.id}:${frame}` : ""
}

export function currentMap(p) {
  return currentMaps(p)[0]
}

// The heatmap to be shown and, for a pair, the one beside it.
export function currentMaps(p) {
  const { heatmaps, pairs } = p.timeline
  const chosen = mapChoices(p.timeline).find((map) => map.id === p.view.map) ?? pairs?.[0] ?? heatmaps[0]
  if (!chosen?.left) return [chosen]
  return [chosen.left, chosen.right].map((id) => heatmaps.find((map) => map.id === id))
}

export function mapChoices(timeline) {
  return [...(timeline.pairs ?? []), ...timeline.heatmaps]
}

export function faceBox(boxes, frame, picture) {
  const [left, top, right, bottom] = boxes.subarray(frame * 4, frame * 4 + 4)
  if (!(right > left && bottom > top)) return null
  return {
    x: picture.x + left * picture.w, y: picture.y + top * picture.h,
    w: (right - left) * picture.w, h: (bottom - top) * picture.h,
  }
}

// Fill the small canvas with one frame's map: colour by each place's share of the frame's largest value.
function colourMap(canvas, map, frame, threshold) {
  const { width, height } = map
  const offset = frame * width * height
  const ramp = map.signed ? SIGNED_RAMP : RAMP
  const context = canvas.getContext("2d")
  canvas.image ??= context.createImageData(FINE, FINE)
  const pixels = canvas.image.data
  for (let y = 0, at = 0; y < FINE; y++) {
    const v = Math.min(Math.max(((y + 0.5) / FINE) * height - 0.5, 0), height - 1)
    const y0 = Math.floor(v)
    const y1 = Math.min(y0 + 1, height - 1)
    for (let x = 0; x < FINE; x++, at += 4) {
      const u = Math.min(Math.max(((x + 0.5) / FINE) * width - 0.5, 0), width - 1)
      const x0 = Math.floor(u)
      const x1 = Math.min(x0 + 1, width - 1)
      const top = mix(map.values[offset + y0 * width + x0], map.values[offset + y0 * width + x1], u - x0)
      const bottom = mix(map.values[offset + y1 * width + x0], map.values[offset + y1 * width + x1], u - x0)
      const value = mix(top, bottom, v - y0)
      const shade = Math.round(value) * 3
      pixels[at] = ramp[shade]
      pixels[at + 1] = ramp[shade + 1]
      pixels[at + 2] = ramp[shade + 2]
      pixels[at + 3] = 255 * coverOf(shareOf(value, map.signed), threshold)
    }
  }
  context.putImageData(canvas.image, 0, 0)
}

function mix(a, b, share) {
  return a + (b - a) * share
}

// Corners only: a full frame would hide the edge of the face.
function drawCorners(context, { x, y, w, h }) {
  const arm = Math.max(6, Math.min(w, h) * 0.14)
  const path = new Path2D()
  for (const [cx, cy, dx, dy] of [[x, y, 1, 1], [x + w, y, -1, 1], [x, y + h, 1, -1], [x + w, y + h, -1, -1]]) {
    path.moveTo(cx + dx * arm, cy)
    path.lineTo(cx, cy)
    path.lineTo(cx, cy + dy * arm)
  }
  context.lineCap = "round"
  for (const [colour, thick] of [["rgba(0,0,0,.55)", 4], ["rgba(255,255,255,.95)", 1.75]]) {
    context.strokeStyle = colour
    context.lineWidth = thick
    context.stroke(path)
  }
}
