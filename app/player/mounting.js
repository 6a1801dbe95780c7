// @ts-check
// The player as a Streamlit component: one player an element, followed by what Python sends.

import { follow, mount, unmount } from "../../core/player/player.js"
import { presentOnPage } from "./shell.js"

const players = new WeakMap()

export default function (component) {
  const { parentElement, data, setStateValue } = component
  let p = players.get(parentElement)
  if (!p) {
    p = mount(parentElement)
    p.shell = presentOnPage
    players.set(parentElement, p)
  }
  p.report = (view) => setStateValue("view", view)
  follow(p, data)
  return () => {
    unmount(p)
    players.delete(parentElement)
  }
}
