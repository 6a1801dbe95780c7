// @ts-check
// Fetches a file that the server makes now, and saves it; where it cannot be made, its sentence stands under the button.

import { refsIn } from "../../../core/browser/elements.js"
import { save } from "../../../core/browser/save.js"

const NO_ANSWER = "The server does not answer: try again."
const wired = new WeakSet()

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".save")
  const el = refsIn(root)
  root.className = `save ${data.look}${data.wide ? " wide" : ""}`
  el.label.textContent = data.label
  el.link.setAttribute("role", "button")
  el.sign.toggleAttribute("hidden", !data.icon)
  describe(el.link, data)
  if (wired.has(root)) return
  wired.add(root)
  el.link.onclick = (event) => {
    // With a key that asks for another tab, or from the menu, the browser does it by itself.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    fetched(el)
  }
  el.link.onkeydown = (event) => {
    if (event.key !== " ") return
    event.preventDefault()
    if (!event.repeat) el.link.click()
  }
}

function describe(link, { url, name }) {
  link.tabIndex = url ? 0 : -1
  if (url) {
    link.href = url
    link.download = name
    link.removeAttribute("aria-disabled")
  } else {
    link.removeAttribute("href")
    link.setAttribute("aria-disabled", "true")
  }
}

/** @param {Record<string, any>} el */
async function fetched(el) {
  const { link, told, fault } = el
  // Who presses twice wants one file.
  if (!link.href || link.ariaBusy) return
  link.ariaBusy = "true"
  fault.hidden = true
  told.textContent = "The file is being made."
  try {
    const reply = await fetch(link.href, { cache: "no-store" })
    if (!reply.ok) throw new Refused(await sentence(reply))
    save(link.download, await reply.blob())
    told.textContent = "The file is saved."
  } catch (error) {
    told.textContent = ""
    fault.textContent = error instanceof Refused ? error.message : NO_ANSWER
    fault.hidden = false
  } finally {
    link.ariaBusy = null
  }
}

class Refused extends Error {}

/** @type {(reply: Response) => Promise<string>} */
async function sentence(reply) {
  try {
    return (await reply.json()).error || NO_ANSWER
  } catch {
    return NO_ANSWER
  }
}
