// @ts-check
import { holdKeys } from "../common/held.js"
import { stepByView } from "../common/history.js"

stepByView(window)
holdKeys(window)

// The shell goes, for good, when the app shows a frame of its own or the first of a page's components, or has run to its end for
// the first time: what can be seen and pressed under it must not be covered while the rest is made.

const shell = document.getElementById("shell")
const root = document.getElementById("root")
// Who goes to another page before the app stands takes along what the link that they came by chose.
/** @type {NodeListOf<HTMLAnchorElement>} */
const links = shell.querySelectorAll("nav a")
for (const link of links) link.search = window.location.search
const stands = () => {
  /** @type {HTMLElement | null} */
  const app = root.querySelector("[data-testid=stApp]")
  const shown = app?.querySelector("[data-testid=stMain] [data-testid=stElementContainer] > *")
  return shown && (app.querySelector(".skeleton, [data-testid=stMain] .stBidiComponent") || (app.dataset.testScriptState ?? "notRunning") === "notRunning")
}
const watch = new MutationObserver(() => {
  if (!stands()) return
  shell.remove()
  watch.disconnect()
})
watch.observe(root, { subtree: true, childList: true, attributeFilter: ["data-test-script-state"] })
