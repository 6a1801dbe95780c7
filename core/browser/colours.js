// @ts-check
// Colours: one perceptual ramp for weights and heat, one set of class colours, both safe for colour-blind eyes.

export const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"]

// By the first letters of the class, so that "ANG", "anger" and "angry" agree; Okabe and Ito's palette.
/** @type {Record<string, string>} */
const CLASS_COLOURS = {
  ang: "#d55e00", dis: "#009e73", fea: "#cc79a7", hap: "#e69f00", joy: "#e69f00", neu: "#8c8c8c", sad: "#0072b2",
  sur: "#56b4e9", cal: "#8fbc5a", con: "#7a5195",
}
export const OTHER_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#8fbc5a", "#8c8c8c"]

// A difference: blue one way, orange the other, which no common kind of colour blindness confuses.
const DIVERGING = ["053061", "2166ac", "4393c3", "a6cee3", "f4f4f4", "fdc47a", "f08a24", "d95f02", "8a3a00"]

export const RAMP = rampOf(VIRIDIS)
export const SIGNED_RAMP = rampOf(DIVERGING)

// 256 entries of red, green, blue.
/** @type {(colours: string[]) => Uint8Array} */
export function rampOf(colours) {
  const table = new Uint8Array(256 * 3)
  const stops = colours.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)))
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1)
    const low = Math.min(Math.floor(place), stops.length - 2)
    for (let c = 0; c < 3; c++) table[i * 3 + c] = stops[low][c] + (stops[low + 1][c] - stops[low][c]) * (place - low)
  }
  return table
}

/** @type {(name: string, index: number) => string} */
export function classColour(name, index) {
  return CLASS_COLOURS[name.toLowerCase().slice(0, 3)] ?? OTHER_COLOURS[index % OTHER_COLOURS.length]
}

// The heatmaps' own ramp, in its middle.
export const EVIDENCE_COLOUR = "#21918c"
export const MODALITY_COLOURS = { audio: "#bf6f00", visual: "#2486c4" }

// A variable's text may be a function of others; what an element would show in it is a colour that a canvas takes.
/** @type {(root: ParentNode) => Record<string, string>} */
export function readTheme(root) {
  const probe = document.createElement("i")
  root.append(probe)
  const colour = (/** @type {string[]} */ ...names) => {
    probe.style.color = names.reduceRight((otherwise, name) => `var(${name}, ${otherwise})`, "inherit")
    return getComputedStyle(probe).color
  }
  const theme = {
    text: colour("--text", "--st-text-color"),
    faint: colour("--faint", "--st-text-color"),
    primary: colour("--primary", "--st-primary-color"),
    background: colour("--background", "--st-background-color"),
    font: getComputedStyle(probe).fontFamily,
  }
  probe.remove()
  return theme
}
