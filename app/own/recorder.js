// @ts-check
// Records a person with their own camera and microphone, a few seconds long, and sends the clip to the server as a file.

import { mark } from "./mark.js"

const TYPES = {
  picture: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"],
  sound: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"],
}
const SHORTEST = 3, LONGEST = 10, USUAL = 5, COUNT = 3

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".recorder")
  root.component = { data, setTriggerValue }
  if (!root.recorder) root.recorder = new Recorder(root)
  return () => root.recorder.quit()
}

class Recorder {
  constructor(root) {
    this.root = root
    this.ref = (name) => root.querySelector(`[data-ref=${name}]`)
    this.turn = 0
    const seconds = this.ref("seconds")
    for (let n = SHORTEST; n <= LONGEST; n += 1) seconds.append(new Option(`${n} seconds`, String(n), n === USUAL, n === USUAL))
    this.ref("what").onchange = () => this.ask()
    this.ref("go").onclick = () => this.record()
    this.ref("stop").onclick = () => this.stop()
    this.ref("again").onclick = () => (this.blob ? this.send() : this.ask())
    this.ask()
  }

  get what() { return this.ref("what").value }

  show(state, say = "") {
    this.root.dataset.state = state
    this.ref("say").textContent = say
    const busy = state === "counting" || state === "recording"
    this.ref("go").hidden = busy || state === "wrong"
    this.ref("go").disabled = state !== "ready"
    this.ref("stop").hidden = !busy
    this.ref("again").hidden = state !== "wrong"
    for (const name of ["what", "seconds"]) this.ref(name).disabled = busy || state === "sending"
    if (state !== "counting") this.ref("count").textContent = ""
    if (state !== "recording") this.ref("left").textContent = ""
  }

  // Camera and microphone, for the preview; whoever asks anew overtakes whoever asked before.
  async ask() {
    const turn = this.release()
    this.blob = null
    this.show("asking", "Waiting for the browser to let this page use them …")
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return this.wrong(unable())
    const wanted = { video: this.what !== "sound" && { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } }, audio: this.what !== "picture" }
    let stream
    try {
      stream = await navigator.mediaDevices.getUserMedia(wanted)
    } catch (error) {
      const sentence = await reason(error, this.what)
      if (turn === this.turn) this.wrong(sentence)
      return
    }
    if (turn !== this.turn) return end(stream)
    this.stream = stream
    for (const track of stream.getTracks()) track.onended = () => this.lost()
    this.ref("preview").srcObject = stream
    this.listen(stream)
    this.show("ready", this.what === "sound" ? "The blue bar moves when the microphone hears you." : "")
  }

  listen(stream) {
    if (!stream.getAudioTracks().length) return
    this.context = new AudioContext()
    const ear = this.context.createAnalyser(), heard = new Float32Array(ear.fftSize)
    this.context.createMediaStreamSource(stream).connect(ear)
    const look = () => {
      if (!this.context) return
      ear.getFloatTimeDomainData(heard)
      const peak = heard.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
      this.ref("level").style.width = `${100 * Math.min(1, Math.sqrt(peak))}%`
      requestAnimationFrame(look)
    }
    look()
  }

  record() {
    this.show("counting", "")
    let n = COUNT
    const tick = () => {
      if (n === 0) return this.begin()
      this.ref("count").textContent = n
      n -= 1
      this.timer = setTimeout(tick, 1000)
    }
    tick()
    this.ref("stop").focus()
  }

  begin() {
    const type = TYPES[this.what === "sound" ? "sound" : "picture"].find((kind) => MediaRecorder.isTypeSupported(kind))
    const parts = []
    try {
      this.recorder = new MediaRecorder(this.stream, type ? { mimeType: type } : {})
      this.recorder.ondataavailable = (event) => { if (event.data.size) parts.push(event.data) }
      this.recorder.onerror = () => this.wrong("The browser stopped recording: try again.")
      this.recorder.onstop = () => this.finished(parts)
      this.recorder.start(250)
    } catch { return this.wrong("The browser cannot record from this camera or microphone: try another one.") }
    const until = Date.now() + 1000 * Number(this.ref("seconds").value)
    this.show("recording")
    this.began = Date.now()
    const tick = () => {
      const left = until - Date.now()
      mark(true)
      if (left <= 0) return this.stop()
      this.ref("left").textContent = `${(left / 1000).toFixed(1)} s`
      this.timer = setTimeout(tick, Math.min(100, left))
    }
    tick()
  }

  // During the countdown nothing has been recorded yet; later it is the end.
  stop() {
    clearTimeout(this.timer)
    if (this.root.dataset.state === "counting") return this.show("ready")
    if (this.recorder?.state === "recording") this.recorder.stop()
  }

  finished(parts) {
    if (this.gone || this.root.dataset.state !== "recording") return
    const type = this.recorder.mimeType || parts[0]?.type || ""
    this.release()
    this.blob = new Blob(parts, { type })
    if (Date.now() - this.began < 500 || !this.blob.size) {
      this.blob = null
      return this.wrong("Less than half a second was recorded: try again, and press Stop later.")
    }
    const now = new Date(), two = (n) => String(n).padStart(2, "0")
    const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
    this.name = `Recording ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}.${type.includes("mp4") ? "mp4" : "webm"}`
    this.send()
  }

  async send() {
    this.show("sending", "Sending …")
    const heart = setInterval(() => mark(true), 500)
    try {
      const reply = await fetch(`${this.root.component.data.url}?name=${encodeURIComponent(this.name)}`, { method: "PUT", body: this.blob })
      const answer = await reply.json()
      if (answer.error) return this.wrong(answer.error)
      this.blob = null
      this.show("done", "Recorded.")
      this.root.component.setTriggerValue("arrived", { id: answer.id, at: Date.now() })
    } catch {
      this.wrong("The recording did not arrive: check that the app is still running, and try again.")
    } finally {
      clearInterval(heart)
      mark(false)
    }
  }

  lost() { this.wrong("The camera or the microphone was taken away meanwhile: connect it again, and try again.") }

  wrong(sentence) {
    if (this.gone) return
    this.show("wrong", sentence)
    this.release()
    mark(false)
  }

  // Lets go of camera and microphone: their lights go out.
  release() {
    clearTimeout(this.timer)
    if (this.recorder?.state === "recording") { this.recorder.onstop = null; this.recorder.stop() }
    if (this.stream) end(this.stream)
    this.stream = null
    this.ref("preview").srcObject = null
    this.context?.close()
    this.context = null
    this.turn += 1
    return this.turn
  }

  quit() {
    this.gone = true
    this.release()
    if (this.root.dataset.state === "recording") mark(false)
  }
}

function end(stream) {
  for (const track of stream.getTracks()) { track.onended = null; track.stop() }
}

function unable() {
  if (!window.isSecureContext) return "Browsers give camera and microphone only to pages on this computer or over https: open the app at http://localhost, by an ssh tunnel where it runs elsewhere."
  return "This browser cannot record: use a current Chrome, Edge, Firefox or Safari."
}

const NEEDED = { both: "camera and microphone", picture: "the camera", sound: "the microphone" }

async function reason(error, what) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return `The browser was not allowed to use ${NEEDED[what]}: allow it beside the page's address, and try again.`
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return missing(await devices(), what)
  return "Another program seems to hold the camera or the microphone: close it there, and try again."
}

async function devices() {
  try { return new Set((await navigator.mediaDevices.enumerateDevices()).map((device) => device.kind)) } catch { return new Set() }
}

function missing(kinds, what) {
  const camera = what === "sound" || kinds.has("videoinput"), ear = what === "picture" || kinds.has("audioinput")
  if (!camera && kinds.has("audioinput")) return "No camera was found: connect one, or choose “microphone only”."
  if (!ear && kinds.has("videoinput")) return "No microphone was found: connect one, or choose “camera only”."
  return "Neither a camera nor a microphone was found: connect one, and try again."
}
