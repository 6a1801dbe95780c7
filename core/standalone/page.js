// @ts-check
// The file's own start: what is written into the page is unpacked and handed to the player and to the masking boards.

import { mountBoard } from "../masking/board.js"
import { follow, mount } from "../player/player.js"

const content = (id) => document.getElementById(id).textContent

function bytesOf(name) {
  const text = atob(content(`data-${name}`))
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

function unpacked(name) {
  return new Response(new Blob([bytesOf(name)]).stream().pipeThrough(new DecompressionStream("gzip")))
}

async function start() {
  const { view, options, boards } = JSON.parse(content("facts"))
  const clip = URL.createObjectURL(new Blob([bytesOf("clip")], { type: "video/mp4" }))
  const stage = document.getElementById("player").shadowRoot
  // Another explanation, or another's face, would have to be reckoned, and nobody is there to do it.
  stage.querySelector("[data-ref=explain]").closest("label").hidden = true
  follow(mount(stage), { clip_url: clip, timeline_url: "timeline", timeline: await unpacked("timeline").arrayBuffer(), view, options: { ...options, fixed: true } })
  for (const { number, state, options } of boards) {
    const board = mountBoard(document.getElementById(`board-${number}`).shadowRoot, { report: () => {} })
    board.follow({ grid: await unpacked(`grid-${number}`).json(), state, exact: null, options })
  }
}

start().catch((error) => {
  const trouble = document.getElementById("trouble")
  trouble.textContent = `This browser could not open the file (${error.message}): use a recent Chrome, Edge, Firefox or Safari.`
  trouble.hidden = false
})
