// @ts-check
// Sends dropped files straight to disk on the server, one after the other, and tells the page when all have arrived.

import { make } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".zone")
  const ref = (name) => root.querySelector(`[data-ref=${name}]`)
  const input = ref("files"), target = ref("target")
  ref("hint").textContent = data.hint
  input.accept = data.types.join(",")
  input.setAttribute("aria-label", "Checkpoint files")
  // This script runs again whenever the page does; what is under way goes on.
  root.said = { data, setTriggerValue }
  if (root.wired) return
  root.wired = true
  target.removeAttribute("tabindex")
  input.onchange = () => { send(root, ref("list"), [...input.files]); input.value = "" }
  for (const kind of ["dragenter", "dragover"]) target.addEventListener(kind, (event) => { event.preventDefault(); target.classList.add("over") })
  for (const kind of ["dragleave", "drop"]) target.addEventListener(kind, () => target.classList.remove("over"))
  target.addEventListener("drop", (event) => {
    event.preventDefault()
    send(root, ref("list"), [...event.dataTransfer.files])
  })
}

async function send(root, list, files) {
  if (!files.length) return
  list.replaceChildren()
  const arrived = []
  for (const file of files) {
    const line = row(file)
    list.append(line.box)
    const reply = await put(root.said.data, file, line)
    if (reply.id) {
      arrived.push({ id: reply.id })
      line.state.textContent = "arrived"
    } else {
      line.state.textContent = "refused"
      line.box.append(make("span", "wrong", reply.error))
    }
  }
  root.dataset.arrived = arrived.length
  if (arrived.length) root.said.setTriggerValue("dropped", { files: arrived, at: Date.now() })
  if (arrived.length === files.length) setTimeout(() => list.replaceChildren(), 800)
}

function put(data, file, line) {
  if (file.size > data.limit) return { error: `${file.name} is larger than ${data.limit >> 20} MB: give its path on the machine that runs the app instead.` }
  return new Promise((done) => {
    const request = new XMLHttpRequest()
    const failed = () => done({ error: `${file.name} did not arrive: check that the app is still running, and send it again.` })
    request.open("PUT", `${data.url}?name=${encodeURIComponent(file.name)}`)
    request.upload.onprogress = (event) => {
      const share = event.lengthComputable ? event.loaded / event.total : 0
      line.fill.style.width = `${100 * share}%`
      line.state.textContent = percent(share)
    }
    request.onload = () => {
      try { done(JSON.parse(request.responseText)) } catch { failed() }
    }
    request.onerror = request.onabort = failed
    request.send(file)
  })
}

function row(file) {
  const box = make("li", "")
  const state = make("span", "state", percent(0)), track = make("div", "track"), fill = make("div", "fill")
  track.append(fill)
  box.append(make("span", "name", file.name), state, track)
  return { box, state, fill }
}
