// @ts-check
// Streamlit's side of the board: it mounts, hands on what Python says, and sends what a hand did.

import { mountBoard } from "../../core/masking/board.js"

const boards = new WeakMap()

export default function (component) {
  const { parentElement, data, setStateValue } = component
  const report = (state) => setStateValue("state", state)
  let board = boards.get(parentElement)
  if (!board) boards.set(parentElement, (board = mountBoard(parentElement, { report })))
  board.send(report)
  board.follow(data)
  return () => {
    board.close()
    boards.delete(parentElement)
  }
}
