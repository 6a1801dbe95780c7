// @ts-check
// Streamlit's side of the board: it mounts, hands on what Python says, and sends what a hand did.

import { mountBoard } from "../../core/masking/board.js"
import { takeKeys } from "../common/held.js"
import { mounting } from "../common/mounting.js"

const boards = mounting((parent) => mountBoard(parent, { report: () => {} }), (board) => board.close())

export default function ({ parentElement, data, setStateValue }) {
  return boards(parentElement, (board, first) => {
    board.send((state) => setStateValue("state", state))
    board.follow(data)
    if (first) for (const key of takeKeys(window, "board")) board.press(key)
  })
}
