// @ts-check
// Sends dropped files straight to disk on the server, one after the other, and tells the page when all have arrived.

import { make } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { put, takeFiles } from "../common/upload.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".zone")
  const ref = (name) => root.querySelector(`[data-ref=${name}]`)
  const input = ref("files"), target = ref("target")
  ref("hint").textContent = data.hint
  input.accept = data.types.join(",")
  input.setAttribute("aria-label", "Checkpoint files")
  // This script runs again whenever the page does; what is under way goes on.
  root.component = { data, setTriggerValue }
  if (root.wired) return
  root.wired = true
  takeFiles(input, target, (files) => send(root, ref("list"), files))
}

async function send(root, list, files) {
  if (!files.length) return
  list.replaceChildren()
  const arrived = []
  for (const file of files) {
    const line = row(file)
    list.append(line.box)
    const reply = await put(root.component.data, file, {
      instead: "give its path on the machine that runs the app instead",
      moved: (share) => {
        line.fill.style.width = `${100 * share}%`
        line.state.textContent = percent(share)
      },
    })
    if (reply.id) {
      arrived.push({ id: reply.id })
      line.state.textContent = "arrived"
    } else {
      line.state.textContent = "refused"
      line.box.append(make("span", "wrong", reply.error))
    }
  }
  root.dataset.arrived = arrived.length
  if (arrived.length) root.component.setTriggerValue("dropped", { files: arrived, at: Date.now() })
  if (arrived.length === files.length) setTimeout(() => list.replaceChildren(), 800)
}

function row(file) {
  const box = make("li")
  const state = make("span", "state", percent(0)), track = make("div", "track"), fill = make("div", "fill")
  track.append(fill)
  box.append(make("span", "name", file.name), state, track)
  return { box, state, fill }
}
