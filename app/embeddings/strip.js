// @ts-check
// The selected clip and those nearest to it.

import { make } from "../../core/browser/elements.js"
import { undisturbed } from "../../core/browser/undisturbed.js"

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip")
  undisturbed(root, () => draw(root, data, setTriggerValue))
}

function draw(root, data, setTriggerValue) {
  const list = make("ul")
  list.append(...data.clips.map((clip, i) => item(clip, i === 0, (play) => setTriggerValue("act", { corpus: clip.corpus, id: clip.id, play }))))
  root.replaceChildren(make("p", "title", data.title), list)
  root.dataset.clips = data.clips.map((clip) => clip.id).join(" ")
}

function item(clip, self, act) {
  const box = make("li", self ? "self" : "")
  const picture = make("button", "picture")
  picture.type = "button"
  picture.setAttribute("aria-label", self ? `Play ${clip.title}` : `Select ${clip.title}`)
  picture.title = self ? "Play" : "Select it, and see its neighbours"
  picture.onclick = () => act(self)
  if (clip.picture) {
    const image = make("img")
    image.src = clip.picture
    image.alt = ""
    image.loading = "lazy"
    picture.append(image)
  }
  const play = make("button", "play", "▶ Play")
  play.type = "button"
  play.setAttribute("aria-label", `Play ${clip.title}`)
  play.onclick = () => act(true)
  const name = make("span", "name")
  // A long name breaks where its parts meet, so that those side by side break alike.
  name.append(...clip.title.split(/(?<=[_.-])/).flatMap((part, i) => (i ? [make("wbr"), part] : [part])))
  name.title = clip.title
  box.append(picture, name, ...clip.lines.map((line, i) => make("span", i === 0 && clip.right === false ? "line wrong" : "line", line)), play)
  return box
}
