// @ts-check
// The player as a Streamlit component: one player an element, followed by what Python sends.

import { follow, mount, unmount } from "../../core/player/player.js"
import { mounting } from "../common/mounting.js"
import { presentOnPage } from "./shell.js"

const players = mounting((parent) => Object.assign(mount(parent), { shell: presentOnPage }), unmount)

export default function ({ parentElement, data, setStateValue }) {
  return players(parentElement, (p) => {
    p.report = (view) => setStateValue("view", view)
    follow(p, data)
  })
}
