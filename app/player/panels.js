// Beside the picture: the classes at the playhead, and the cross-modal matrix with its crosshair.

function predictionLane(p) {
  const row = p.rows.find((one) => one.kind === "probability")
  return row ? rowLane(p, row) : null
}

function buildClasses(p) {
  const lane = predictionLane(p)
  p.el.nowPanel.hidden = !lane
  p.el.classes.replaceChildren()
  p.classes = []
  if (!lane) return
  p.el.nowTitle.title = lane.note
  lane.series.forEach((name, k) => {
    const item = make("li", "class")
    const label = make("span", "class-name")
    label.textContent = name
    const track = make("span", "class-track")
    const fill = make("span", "class-fill")
    fill.style.background = classColour(name, k)
    track.append(fill)
    const share = make("span", "class-share")
    item.append(label, track, share)
    if (name === p.options.truth) label.append(badge("true"))
    const why = badge("explained")
    label.append(why)
    p.el.classes.append(item)
    p.classes.push({ name, item, fill, share, why })
  })
}

// Which class the heatmap on the picture explains; each head may explain another.
function markExplained(p) {
  const explained = p.options.explained?.[currentMap(p)?.id]
  for (const one of p.classes) one.why.hidden = one.name !== explained
}

function badge(text) {
  const mark = make("em", "badge")
  mark.textContent = text
  return mark
}

function readClasses(p, t) {
  const lane = predictionLane(p)
  const i = lane ? nearest(lane.times, t) : -1
  if (i < 0) return
  const values = lane.series.map((_, k) => lane.values[k * lane.times.length + i])
  const largest = Math.max(...values.map((value) => value || 0))
  p.classes.forEach(({ item, fill, share }, k) => {
    const known = !Number.isNaN(values[k])
    fill.style.transform = `scaleX(${known ? values[k] : 0})`
    share.textContent = known ? `${Math.round(values[k] * 100)} %` : "–"
    item.classList.toggle("leads", known && values[k] === largest)
  })
}

function currentMatrix(p) {
  const matrices = p.timeline.matrices
  return matrices.find((matrix) => matrix.id === p.view.matrix) ?? matrices[0]
}

function paintMatrix(p) {
  const matrix = currentMatrix(p)
  p.el.matrixPanel.hidden = !matrix
  p.root.classList.toggle("no-matrix", !matrix)
  if (!matrix) return
  const values = matrixOf(matrix, p.view.layer, p.view.head)
  p.matrixValues = values
  const [rows, columns] = [matrix.query_times.length, matrix.key_times.length]
  const canvas = p.el.matrixCanvas
  canvas.width = Math.max(1, columns)
  canvas.height = Math.max(1, rows)
  const context = canvas.getContext("2d")
  const image = context.createImageData(canvas.width, canvas.height)
  const [low, high] = rangeOf(values)
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue
    // The square root: attention is so uneven that a linear ramp shows a few dots on black.
    const shade = Math.round(Math.sqrt((values[i] - low) / (high - low || 1)) * 255) * 3
    image.data.set([RAMP[shade], RAMP[shade + 1], RAMP[shade + 2], 255], i * 4)
  }
  p.el.matrixLow.textContent = times(low)
  p.el.matrixHigh.textContent = `${times(high)} even`
  context.putImageData(image, 0, 0)
  canvas.setAttribute("aria-label", `${matrix.title}: rows are ${matrix.query} frames, columns ${matrix.key} frames`)
  p.el.matrixTitle.textContent = matrix.title
  p.el.matrixTitle.hidden = p.timeline.matrices.length > 1
  p.el.matrixSource.value = matrix.id
  p.el.axisX.textContent = `${matrix.key} time →`
  p.el.axisY.textContent = `↓ ${matrix.query} time`
}

function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 1]
}

function times(ratio) {
  return `${ratio < 10 ? ratio.toFixed(2) : Math.round(ratio)}×`
}

function moveCrosshair(p, t) {
  const matrix = currentMatrix(p)
  if (!matrix || !p.squareSize) return
  p.el.crossX.style.transform = `translateX(${place(matrix.key_times, t) * p.squareSize}px)`
  p.el.crossY.style.transform = `translateY(${place(matrix.query_times, t) * p.squareSize}px)`
  readMatrix(p, matrix, nearest(matrix.query_times, t), nearest(matrix.key_times, t))
}

// The matrix is drawn cell by cell, and its cells need not be even in time.
function place(times, t) {
  const i = nearest(times, t)
  const step = frameStep(times)
  return Math.min(1, Math.max(0, (i + 0.5 + Math.max(-0.5, Math.min(0.5, (t - times[i]) / step))) / times.length))
}

function readMatrix(p, matrix, row, column) {
  const weight = p.matrixValues[row * matrix.key_times.length + column]
  if (weight === undefined) return
  const said = Number.isNaN(weight) ? "nothing there" : `${times(weight)} even`
  p.el.matrixReadout.textContent =
    `${matrix.query} ${matrix.query_times[row].toFixed(2)} s → ${matrix.key} ${matrix.key_times[column].toFixed(2)} s: ${said}`
}

function matrixCell(p, event) {
  const matrix = currentMatrix(p)
  const area = p.el.square.getBoundingClientRect()
  const inside = (share, times) => Math.min(times.length - 1, Math.max(0, Math.floor(share * times.length)))
  return {
    matrix,
    row: inside((event.clientY - area.top) / area.height, matrix.query_times),
    column: inside((event.clientX - area.left) / area.width, matrix.key_times),
  }
}
