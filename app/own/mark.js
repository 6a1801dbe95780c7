// @ts-check
// The recorder says to the next page that it is at work; where the mark grows old, its tab was closed meanwhile.

const MARK = "affectscope-recording"

export function mark(at_work) {
  try {
    if (at_work) localStorage.setItem(MARK, String(Date.now() + 3000))
    else localStorage.removeItem(MARK)
  } catch { /* Without storage nobody is told, and nothing else changes. */ }
}

// Whether a mark was left by a tab that is gone. It is told once.
export function cutOff() {
  try {
    const until = Number(localStorage.getItem(MARK))
    if (!until || Date.now() < until) return false
    localStorage.removeItem(MARK)
    return true
  } catch { return false }
}
