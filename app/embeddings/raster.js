// @ts-check
// Points drawn into plain pixels: 100,000 of them in a few milliseconds, with no graphics card.

export const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "plus"]

// The corners of a shape of radius 1; a circle has none.
export const CORNERS = {
  square: [[-0.82, -0.82], [0.82, -0.82], [0.82, 0.82], [-0.82, 0.82]],
  triangle: [[0, -1.1], [1, 0.75], [-1, 0.75]],
  diamond: [[0, -1.2], [1.1, 0], [0, 1.2], [-1.1, 0]],
  plus: [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35],
    [-1, 0.35], [-1, -0.35], [-0.35, -0.35]],
}
CORNERS.cross = CORNERS.plus.map(([x, y]) => [(x - y) * 0.76, (x + y) * 0.76])
CORNERS.star = Array.from({ length: 10 }, (_, i) => {
  const turn = (i * Math.PI) / 5, reach = i % 2 ? 0.55 : 1.3
  return [reach * Math.sin(turn), -reach * Math.cos(turn)]
})

export function shapePath(shape, x, y, radius) {
  const path = new Path2D()
  if (shape === "circle") path.arc(x, y, radius, 0, 2 * Math.PI)
  else {
    for (const [dx, dy] of CORNERS[shape]) path.lineTo(x + dx * radius, y + dy * radius)
    path.closePath()
  }
  return path
}

// Which pixels a shape covers, and how much (0 to 255), relative to its centre.
function stamp(shape, radius) {
  const reach = Math.ceil(radius * 1.3) + 1, side = 2 * reach + 1
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = side
  const context = canvas.getContext("2d")
  context.fill(shapePath(shape, reach + 0.5, reach + 0.5, radius))
  const pixels = context.getImageData(0, 0, side, side).data
  const dx = [], dy = [], cover = []
  for (let i = 0; i < side * side; i++) {
    if (pixels[4 * i + 3] < 8) continue
    dx.push((i % side) - reach)
    dy.push(Math.floor(i / side) - reach)
    cover.push(pixels[4 * i + 3])
  }
  return { reach, dx: Int16Array.from(dx), dy: Int16Array.from(dy), cover: Uint8Array.from(cover) }
}

// Any colour of CSS as [red, green, blue].
export function rgb(css) {
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = 1
  const context = canvas.getContext("2d")
  context.fillStyle = css
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]
}

const packed = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r

export function radiusFor(count) {
  return count <= 300 ? 6 : count <= 2000 ? 4.5 : count <= 20000 ? 3 : 1.6
}

// look: { background, faded: [r,g,b], colours: Uint8Array of 3 a row's colour code, colourOf: code of a row, shapeOf, chosen, ring, strength }
export function raster(canvas, at, view, look) {
  const { width, height } = canvas
  const context = canvas.getContext("2d", { alpha: false })
  if (canvas.image?.width !== width || canvas.image?.height !== height) {
    canvas.image = context.createImageData(width, height)
    canvas.pixels = new Uint32Array(canvas.image.data.buffer)
  }
  const pixels = canvas.pixels
  pixels.fill(packed(look.background) >>> 0)
  const { colours, colourOf, shapeOf, chosen, ratio } = look
  const radius = look.radius * ratio
  const stamps = SHAPES.map((shape) => stamp(shape, radius))
  const rings = look.ring ? SHAPES.map((shape) => stamp(shape, radius + 1.1 * ratio)) : null
  const k = view.k * ratio, ox = width / 2 + view.x * ratio, oy = height / 2 + view.y * ratio
  const count = at.length / 2
  let drawn = 0
  const put = (mark, cx, cy, r, g, b, strength) => {
    const { reach, dx, dy, cover } = mark
    const whole = cx >= reach && cy >= reach && cx < width - reach && cy < height - reach
    const solid = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
    for (let p = 0; p < cover.length; p++) {
      const x = cx + dx[p], y = cy + dy[p]
      if (!whole && (x < 0 || y < 0 || x >= width || y >= height)) continue
      const i = y * width + x, a = (cover[p] * strength) >> 8
      if (a >= 253) {
        pixels[i] = solid
        continue
      }
      const under = pixels[i], ur = under & 255, ug = (under >> 8) & 255, ub = (under >> 16) & 255
      pixels[i] = ((255 << 24) | ((ub + (((b - ub) * a) >> 8)) << 16) | ((ug + (((g - ug) * a) >> 8)) << 8) | (ur + (((r - ur) * a) >> 8))) >>> 0
    }
  }
  const [br, bg, bb] = look.background, [fr, fg, fb] = look.faded
  // What is not chosen lies beneath.
  for (let pass = chosen ? 0 : 1; pass < 2; pass++)
    for (let i = 0; i < count; i++) {
      if (chosen && chosen[i] !== pass) continue
      const cx = Math.round(ox + at[2 * i] * k), cy = Math.round(oy - at[2 * i + 1] * k)
      if (cx < -20 || cy < -20 || cx > width + 20 || cy > height + 20) continue
      drawn++
      const shape = shapeOf ? Math.min(shapeOf[i], SHAPES.length - 1) : 0
      if (!pass) {
        put(stamps[shape], cx, cy, fr, fg, fb, 256)
        continue
      }
      if (rings) put(rings[shape], cx, cy, br, bg, bb, 256)
      const c = 3 * colourOf[i]
      put(stamps[shape], cx, cy, colours[c], colours[c + 1], colours[c + 2], look.strength)
    }
  context.putImageData(canvas.image, 0, 0)
  return drawn
}
