// @ts-check
// The clips as rows of values: a person's own first, then the corpus's, which arrive as columns.

export const NONE = "–"

export function makeRows(own, corpus, columns, base = "") {
  const rows = own.map((clip) => row({ ...clip, own: true, right: truth(clip.label, clip.predicted) }))
  if (!columns) return rows
  const read = (name, i) => {
    const column = columns[name]
    return column && column.codes[i] >= 0 ? column.names[column.codes[i]] : ""
  }
  const unseen = new Set(columns.unseen)
  columns.ids.forEach((id, i) => rows.push(row({
    corpus, id, name: id, label: read("label", i), predicted: read("predicted", i), speaker: read("speaker", i),
    intensity: read("intensity", i), confidence: columns.confidence?.[i] ?? -1, right: columns.right?.[i] ?? -1,
    picture: unseen.has(i) ? null : `${base}/thumbs/${encodeURIComponent(`${corpus}.${id}`)}`,
  })))
  return rows
}

function row(given) {
  const made = { own: false, label: "", predicted: "", speaker: "", intensity: "", confidence: -1, right: -1, picture: "", ...given }
  made.key = keyOf(made.corpus, made.id)
  made.words = [made.name, made.label, made.predicted, made.speaker, made.intensity].join("\n").toLowerCase()
  return made
}

export const keyOf = (corpus, id) => JSON.stringify([corpus, id])
const truth = (label, predicted) => label && predicted ? Number(label === predicted) : -1

export const ORDERS = {
  corpus: "as in the corpus", name: "name", label: "label", predicted: "predicted", sure: "most confident first",
  unsure: "least confident first", speaker: "speaker",
}
export const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" })

// Which rows a person asked for, in the order that they asked for; a person's own stay first.
export function chosenRows(rows, asked) {
  const words = asked.search.toLowerCase().split(/\s+/).filter(Boolean)
  const matching = rows.filter((clip) => (!asked.label || clip.label === asked.label)
    && (!asked.predicted || clip.predicted === asked.predicted)
    && (!asked.speaker || clip.speaker === asked.speaker)
    && (!asked.right || clip.right === Number(asked.right === "right"))
    && words.every((word) => clip.words.includes(word)))
  const by = order(asked.sort)
  return by ? matching.sort((a, b) => Number(b.own) - Number(a.own) || by(a, b)) : matching
}

function order(name) {
  if (name === "sure") return (a, b) => b.confidence - a.confidence
  // What has no confidence comes last in either direction.
  if (name === "unsure") return (a, b) => Number(a.confidence < 0) - Number(b.confidence < 0) || a.confidence - b.confidence
  if (!["name", "label", "predicted", "speaker"].includes(name)) return null
  return (a, b) => Number(!a[name]) - Number(!b[name]) || collator.compare(a[name], b[name])
}
