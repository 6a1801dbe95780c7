// @ts-check
// Texts as people read them. core/text.py has the twin.

export function percent(share, decimals = 0) {
  return `${(100 * share).toFixed(decimals)}\u00a0%`
}
