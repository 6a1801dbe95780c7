// @ts-check
// Sends a person's files straight to disk on the server, one after the other, and tells the page of each that has arrived.

import { make } from "../../core/browser/elements.js"
import { percent } from "../../core/browser/text.js"
import { put, takeFiles } from "../common/upload.js"
import { cutOff } from "./mark.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".own")
  const ref = (name) => root.querySelector(`[data-ref=${name}]`)
  // This script runs again whenever the page does; what is under way goes on.
  root.component = { data, setTriggerValue }
  if (root.wired) return
  root.wired = true
  root.turn = Promise.resolve()
  const input = ref("files"), target = ref("target"), list = ref("list")
  const take = (files) => {
    list.replaceChildren(...list.querySelectorAll(".going"))
    for (const file of files) send(root, list, file)
  }
  takeFiles(input, target, take)
  ref("record").onclick = () => root.component.setTriggerValue("record", { at: Date.now() })
  if (cutOff()) {
    const line = make("li")
    line.append(make("span", "wrong", "A recording was cut off: its tab was closed before it had been sent. Record it again."))
    list.append(line)
  }
}

function send(root, list, file) {
  const line = row(file)
  list.append(line.box)
  root.turn = root.turn.then(async () => {
    if (line.given_up) return
    const reply = await put(root.component.data, file, {
      instead: "cut it, or analyse a stretch of it in a terminal (affectscope analyze --start --end)",
      begun: (request) => { line.request = request },
      moved: (share) => {
        line.fill.style.width = `${100 * share}%`
        line.state.textContent = share < 1 ? percent(share) : "analysing"
      },
    })
    line.box.classList.remove("going")
    line.stop.remove()
    if (reply.id) {
      line.box.remove()
      root.component.setTriggerValue("arrived", { id: reply.id, at: Date.now() })
      return
    }
    if (line.given_up) return
    line.state.textContent = "refused"
    const wrong = make("span", "wrong", reply.error)
    wrong.setAttribute("role", "alert")
    line.box.append(wrong)
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
