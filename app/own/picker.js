// @ts-check
// A stretch of a long file: its place on the whole, and its edges on what lies around it. Times are in seconds.

const STEP = 0.1

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".picker")
  if (root.picker?.data.id === data.id) {
    root.picker.trigger = setTriggerValue
    root.picker.draw()
    return () => root.picker.quit()
  }
  root.picker?.quit()
  root.picker = new Picker(root, data, setTriggerValue)
  return () => root.picker.quit()
}

class Picker {
  constructor(root, data, trigger) {
    this.root = root
    this.data = data
    this.trigger = trigger
    this.start = data.start
    this.end = data.end
    this.peaks = null
    this.strip = null
    this.view = [0, 0]
    this.ref = (name) => root.querySelector(`[data-ref=${name}]`)
    this.ref("first").textContent = clock(0)
    this.ref("last").textContent = clock(data.duration)
    this.ref("take").onclick = () => this.trigger("chosen", { id: data.id, start: this.start, end: this.end, at: Date.now() })
    this.drag(this.ref("whole"), (time, from) => this.move(from ? from.start + time - from.time : time - (this.end - this.start) / 2))
    this.drag(this.ref("window"), (time, from) => this.move(from.start + time - from.time), this.ref("near"))
    this.drag(this.ref("from"), (time) => this.set(time, this.end), this.ref("near"))
    this.drag(this.ref("to"), (time) => this.set(this.start, time), this.ref("near"))
    this.keys(this.ref("window"), (by) => this.move(this.start + by), 1)
    this.keys(this.ref("from"), (by) => this.set(this.start + by, this.end), STEP)
    this.keys(this.ref("to"), (by) => this.set(this.start, this.end + by), STEP)
    this.watch = new ResizeObserver(() => this.draw())
    this.watch.observe(root)
    this.look()
    this.load()
  }

  quit() { this.watch.disconnect() }

  async load() {
    const reply = await fetch(this.data.peaks)
    if (reply.ok) this.peaks = new Uint8Array(await reply.arrayBuffer())
    this.draw()
    if (!this.data.strip) return
    const strip = new Image()
    strip.src = this.data.strip
    try { await strip.decode() } catch { return }
    this.strip = strip
    this.draw()
  }

  // The part around the stretch: it stays while an edge is dragged, so that nothing moves below the hand.
  look() {
    const { duration } = this.data
    const span = Math.min(duration, Math.max(3 * (this.end - this.start), 2 * this.data.longest))
    const from = Math.min(Math.max(0, (this.start + this.end - span) / 2), duration - span)
    this.view = [from, from + span]
    this.draw()
  }

  move(start) {
    const length = this.end - this.start
    this.put(Math.min(Math.max(0, start), this.data.duration - length), length)
  }

  // One edge moves, the other stays; what becomes too long is held.
  set(start, end) {
    const { shortest, longest, duration } = this.data
    if (end === this.end) start = Math.min(Math.max(0, end - longest, start), end - shortest)
    else end = Math.max(Math.min(duration, start + longest, end), start + shortest)
    this.put(start, end - start)
  }

  put(start, length) {
    this.start = Math.round(start / STEP) * STEP
    this.end = Math.min(this.data.duration, this.start + Math.round(length / STEP) * STEP)
    this.draw()
  }

  drag(element, act, within = element) {
    const whole = within === this.ref("whole")
    const time = (event) => {
      const box = within.getBoundingClientRect(), [from, to] = whole ? [0, this.data.duration] : this.view
      return from + (event.clientX - box.left) / box.width * (to - from)
    }
    element.onpointerdown = (event) => {
      event.preventDefault()
      element.focus()
      element.setPointerCapture(event.pointerId)
      let from = { time: time(event), start: this.start }
      if (whole && (from.time < this.start || from.time > this.end)) { act(from.time); from = { time: from.time, start: this.start } }
      element.onpointermove = (move) => act(time(move), from)
      element.onpointerup = element.onpointercancel = () => { element.onpointermove = null; this.look() }
    }
  }

  keys(element, act, step) {
    element.onkeydown = (event) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 }[event.key]
      if (!by) return
      event.preventDefault()
      act(by * step * (event.shiftKey ? 10 : 1))
      this.look()
    }
  }

  draw() {
    const { duration, name } = this.data
    this.place(this.ref("whole"), [0, duration])
    this.place(this.ref("near"), this.view)
    const [from, to] = this.view, share = (time) => `${100 * (time - from) / (to - from)}%`
    this.ref("from").style.left = share(this.start)
    this.ref("to").style.left = share(this.end)
    const ends = `${clock(this.start)}–${clock(this.end)}`
    this.ref("told").textContent = `${ends} of ${name} (${(this.end - this.start).toFixed(1)} s)`
    this.say("window", this.start, ends)
    this.say("from", this.start, clock(this.start))
    this.say("to", this.end, clock(this.end))
    Object.assign(this.root.dataset, { start: this.start.toFixed(1), end: this.end.toFixed(1), ready: String(Boolean(this.peaks)) })
  }

  say(name, value, text) {
    const set = (key, content) => this.ref(name).setAttribute(`aria-${key}`, content)
    set("valuemin", 0)
    set("valuemax", this.data.duration.toFixed(1))
    set("valuenow", value.toFixed(1))
    set("valuetext", text)
  }

  place(track, view) {
    const [from, to] = view
    const canvas = track.querySelector("canvas"), box = track.querySelector(".window")
    box.style.left = `${100 * (this.start - from) / (to - from)}%`
    box.style.width = `${100 * (this.end - this.start) / (to - from)}%`
    const scale = devicePixelRatio || 1, width = Math.round(track.clientWidth * scale), height = Math.round(track.clientHeight * scale)
    if (!width) return
    Object.assign(canvas, { width, height })
    const pen = canvas.getContext("2d"), tall = this.strip ? Math.round(0.62 * height) : 0
    for (let x = 0; this.strip && x < width; x += tall) {
      const at = (from + (x + tall / 2) / width * (to - from)) / this.data.duration
      const index = Math.min(Math.floor(at * this.data.tiles), this.data.tiles - 1), side = this.strip.height
      pen.drawImage(this.strip, index * side, 0, side, side, x, 0, tall, tall)
    }
    if (!this.peaks) return
    pen.fillStyle = getComputedStyle(this.root).color
    const middle = (tall + height) / 2, half = (height - tall) / 2, per = this.peaks.length / this.data.duration
    for (let x = 0; x < width; x += 1) {
      const first = Math.floor((from + x / width * (to - from)) * per), last = Math.max(first + 1, Math.floor((from + (x + 1) / width * (to - from)) * per))
      let most = 0
      for (let i = first; i < last && i < this.peaks.length; i += 1) most = Math.max(most, this.peaks[i])
      const tip = Math.max(0.5, most / 255 * half)
      pen.fillRect(x, middle - tip, 1, 2 * tip)
    }
  }
}

function clock(seconds) {
  const tenths = Math.round(10 * seconds), whole = Math.floor(tenths / 10), two = (n) => String(n).padStart(2, "0")
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, tail = tenths % 10 ? `.${tenths % 10}` : ""
  return (hours ? `${hours}:${two(minutes)}` : minutes) + `:${two(whole % 60)}${tail}`
}
