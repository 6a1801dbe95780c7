// @ts-check
// Texts as people read them. core/text.py has the twin.

/** @type {(share: number, decimals?: number) => string} */
export function percent(share, decimals = 0) {
  return `${(100 * share).toFixed(decimals)}\u00a0%`
}

/** @type {(value: number, decimals?: number) => string} */
export function signed(value, decimals = 2) {
  return `${value < 0 ? "" : "+"}${value.toFixed(decimals)}`.replace("-", "\u2212")
}
