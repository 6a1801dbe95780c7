// @ts-check
// Sends a person's files straight to disk on the server, one after the other, and tells the page of each that has arrived.

import { make } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"

const MARK = "affectscope-recording"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".own")
  const ref = (name) => root.querySelector(`[data-ref=${name}]`)
  // This script runs again whenever the page does; what is under way goes on.
  root.said = { data, setTriggerValue }
  if (root.wired) return
  root.wired = true
  root.turn = Promise.resolve()
  const input = ref("files"), target = ref("target"), list = ref("list")
  const take = (files) => {
    list.replaceChildren(...list.querySelectorAll(".going"))
    for (const file of files) send(root, list, file)
  }
  input.onchange = () => { take([...input.files]); input.value = "" }
  for (const kind of ["dragenter", "dragover"]) target.addEventListener(kind, (event) => { event.preventDefault(); target.classList.add("over") })
  for (const kind of ["dragleave", "drop"]) target.addEventListener(kind, () => target.classList.remove("over"))
  target.addEventListener("drop", (event) => { event.preventDefault(); take([...event.dataTransfer.files]) })
  ref("record").onclick = () => root.said.setTriggerValue("record", { at: Date.now() })
  if (cutOff()) {
    const line = make("li", "")
    line.append(make("span", "wrong", "A recording was cut off: its tab was closed before it had been sent. Record it again."))
    list.append(line)
  }
}

// The recorder marks every half second that it is at work; a mark that has grown old was left by a tab that is gone.
function cutOff() {
  try {
    const mark = Number(localStorage.getItem(MARK))
    if (!mark || Date.now() < mark) return false
    localStorage.removeItem(MARK)
    return true
  } catch { return false }
}

function send(root, list, file) {
  const line = row(file)
  list.append(line.box)
  root.turn = root.turn.then(async () => {
    if (line.given_up) return
    const reply = await put(root.said.data, file, line)
    line.box.classList.remove("going")
    line.stop.remove()
    if (reply.id) {
      line.box.remove()
      root.said.setTriggerValue("arrived", { id: reply.id, at: Date.now() })
      return
    }
    if (line.given_up) return
    line.state.textContent = "refused"
    const wrong = make("span", "wrong", reply.error)
    wrong.setAttribute("role", "alert")
    line.box.append(wrong)
  })
}

function put(data, file, line) {
  if (file.size > data.limit) return { error: `${file.name} is larger than ${data.limit >> 20} MB: cut it, or analyse a stretch of it in a terminal (affectscope analyze --start --end).` }
  return new Promise((done) => {
    const request = new XMLHttpRequest()
    const failed = () => done({ error: `${file.name} did not arrive: check that the app is still running, and send it again.` })
    line.request = request
    request.open("PUT", `${data.url}?name=${encodeURIComponent(file.name)}`)
    request.upload.onprogress = (event) => {
      const share = event.lengthComputable ? event.loaded / event.total : 0
      line.fill.style.width = `${100 * share}%`
      line.state.textContent = share < 1 ? percent(share) : "looking at it"
    }
    request.onload = () => {
      try { done(JSON.parse(request.responseText)) } catch { failed() }
    }
    request.onerror = request.onabort = failed
    request.send(file)
  })
}

function row(file) {
  const box = make("li", "going")
  const state = make("span", "state", "waiting"), track = make("div", "track"), fill = make("div", "fill"), stop = make("button", "", "×")
  const line = { box, state, fill, stop, given_up: false, request: null }
  stop.type = "button"
  stop.setAttribute("aria-label", `Stop sending ${file.name}`)
  stop.onclick = () => { line.given_up = true; line.request?.abort(); box.remove() }
  track.append(fill)
  box.append(make("span", "name", file.name), state, stop, track)
  return line
}
