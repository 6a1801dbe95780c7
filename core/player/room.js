// @ts-check
// The page around the player, and the room that it leaves it.

// What grows when anything on the player's page does: Streamlit's body never changes its size.
export function pageAround(root) {
  let host = root
  while (host.getRootNode() instanceof ShadowRoot) host = host.getRootNode().host
  return host.closest("[data-testid=stMainBlockContainer]") ?? document.body
}

// What stands over the player on its page, scrolled away or not. Far down a page, the window is the player's alone.
export function spaceAbove(root) {
  let scrolled = window.scrollY
  for (let node = root.parentNode; node; node = node.parentNode ?? node.host) scrolled += node === document.documentElement ? 0 : node.scrollTop || 0
  const above = (root.getBoundingClientRect().top + scrolled) / (root.currentCSSZoom ?? 1)
  return above > innerHeight / 2 ? 60 : Math.round(above)
}
