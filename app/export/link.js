// @ts-check
// Copies the address of the view as it is now. Where the clipboard is refused, the address stands there, selected.

import { refsIn } from "../../core/browser/elements.js"

const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\])$/
const wired = new WeakSet()

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".link")
  const el = refsIn(root)
  // A press belongs to the data of the last run, not to those that the button was mounted with.
  root.here = data.here
  root.tunnel = data.tunnel
  root.terms = { token: data.token, others: data.others }
  if (wired.has(root)) return
  wired.add(root)
  el.copy.onclick = () => copy(root, el)
}

async function copy(root, el) {
  const url = new URL(window.location.href)
  for (const [name, value] of Object.entries(root.here)) if (!url.searchParams.has(name)) url.searchParams.set(name, value)
  el.address.value = url.href
  const local = LOCAL.test(url.hostname) && !root.terms.others
  el.token.hidden = !root.terms.token
  const { user, host, port } = root.tunnel
  // By the name localhost, others would look for it on their own machine. A forwarded port leads to nobody but who forwards it.
  if (LOCAL.test(url.hostname) && root.terms.others && Number(url.port) === port) {
    url.hostname = host
    el.address.value = url.href
  }
  el.local.hidden = !local
  el.file.hidden = !local
  el.tunnel.textContent = `ssh -L ${port}:127.0.0.1:${port} ${user}@${host}`
  el.open.textContent = `affectscope app --host 0.0.0.0 --port ${port}`
  const copied = await written(url.href)
  el.said.textContent = copied ? "The link is copied." : "The browser does not let the page copy: press Ctrl+C."
  root.dataset.copied = String(copied)
  show(el)
  if (copied) return
  el.address.focus()
  el.address.select()
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

// Under the button where there is room, else over it.
function show({ copy, panel }) {
  panel.showPopover()
  const [button, box] = [copy.getBoundingClientRect(), panel.getBoundingClientRect()]
  const below = button.bottom + 6 + box.height < window.innerHeight
  panel.style.left = `${Math.max(12, Math.min(button.left, window.innerWidth - box.width - 12))}px`
  panel.style.top = `${below ? button.bottom + 6 : Math.max(12, button.top - box.height - 6)}px`
}
