// The shell goes, for good, when the app shows a frame of its own, or has run to its end for the first time.
const shell = document.getElementById("shell")
const root = document.getElementById("root")
const stands = () => {
  const app = root.querySelector("[data-testid=stApp]")
  const shown = app?.querySelector("[data-testid=stMain] [data-testid=stElementContainer] > *")
  return shown && (app.querySelector(".skeleton") || (app.dataset.testScriptState ?? "notRunning") === "notRunning")
}
const watch = new MutationObserver(() => {
  if (!stands()) return
  shell.remove()
  watch.disconnect()
})
watch.observe(root, { subtree: true, childList: true, attributeFilter: ["data-test-script-state"] })
