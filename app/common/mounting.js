// @ts-check
// What a component keeps for an element: made when Streamlit runs it for the first time, and the same whenever it runs again.

// ``mount(parent)`` makes it, ``close`` lets go of it when the element leaves the page. Comes back as what a component calls on
// each run: with ``follow``, which hands it what is new, and hears whether this is its first time; the return is what Streamlit
// calls at the end.
export function mounting(mount, close) {
  const mounted = new WeakMap()
  return (parent, follow) => {
    const first = !mounted.has(parent)
    if (first) mounted.set(parent, mount(parent))
    const kept = mounted.get(parent)
    follow(kept, first)
    return () => {
      close(kept)
      mounted.delete(parent)
    }
  }
}
