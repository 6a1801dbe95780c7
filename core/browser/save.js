// @ts-check
// Files that a page makes, saved as a download.

/** @type {(name: string, blob: Blob) => void} */
export function save(name, blob) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

// A drawing as a PNG of twice its size; ``size``, where it is not a whole number of pixels.
/** @type {(name: string, svg: string, size?: number[] | null) => void} */
export function savePicture(name, svg, size = null) {
  const picture = new Image()
  picture.onload = () => {
    const [width, height] = size ?? [picture.width, picture.height]
    const canvas = document.createElement("canvas")
    canvas.width = 2 * width
    canvas.height = 2 * height
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height)
    canvas.toBlob((blob) => { if (blob) save(name, blob) }, "image/png")
  }
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`
}
