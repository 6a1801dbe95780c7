// @ts-check
// The player as a Streamlit component: one player an element, followed by what Python sends.

import { pressKey } from "../../core/player/controls.js"
import { follow, mount, unmount } from "../../core/player/player.js"
import { takeKeys } from "../common/held.js"
import { mounting } from "../common/mounting.js"
import { presentOnPage } from "./shell.js"

const players = mounting((parent) => Object.assign(mount(parent), { shell: presentOnPage }), unmount)

export default function ({ parentElement, data, setStateValue }) {
  return players(parentElement, (p, first) => {
    p.report = (view) => setStateValue("view", view)
    follow(p, data)
    if (first) for (const key of takeKeys(window, "player")) pressKey(p, key)
  })
}
