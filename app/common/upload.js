// @ts-check
// A person's files on their way to the server's disk.

// Files that are chosen by ``input`` or dropped on ``target`` go to ``take``, a list at a time.
export function takeFiles(input, target, take) {
  input.onchange = () => { take([...input.files]); input.value = "" }
  for (const kind of ["dragenter", "dragover"]) target.addEventListener(kind, (event) => { event.preventDefault(); target.classList.add("over") })
  for (const kind of ["dragleave", "drop"]) target.addEventListener(kind, () => target.classList.remove("over"))
  target.addEventListener("drop", (event) => { event.preventDefault(); take([...event.dataTransfer.files]) })
}

// The server's answer, or { error }. ``moved`` hears the share that has gone, ``begun`` gets the request; ``instead`` is what to
// do with a file that is too large.
export function put({ url, limit }, file, { moved, instead, begun = null }) {
  if (file.size > limit) return { error: `${file.name} is larger than ${limit >> 20} MB: ${instead}.` }
  return new Promise((done) => {
    const request = new XMLHttpRequest()
    const failed = () => done({ error: `${file.name} did not arrive: check that the app is still running, and send it again.` })
    begun?.(request)
    request.open("PUT", `${url}?name=${encodeURIComponent(file.name)}`)
    request.upload.onprogress = (event) => moved(event.lengthComputable ? event.loaded / event.total : 0)
    request.onload = () => {
      try { done(JSON.parse(request.responseText)) } catch { failed() }
    }
    request.onerror = request.onabort = failed
    request.send(file)
  })
}
