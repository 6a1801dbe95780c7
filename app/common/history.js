// @ts-check
// Back leads to what was looked at before, another clip, model, class or choice. Streamlit makes a step of every change of the URL;
// where the player only moved on in the same view, one press of Back would come to a step that at once made the next again.

const PLACES = ["corpus", "clip", "model", "explain"]
const OPTION = "o."

/** @param {URL} url what it looks at, whatever the player shows of it */
function place(url) {
  const chosen = [...url.searchParams].filter(([name]) => PLACES.includes(name) || name.startsWith(OPTION))
  return url.pathname + JSON.stringify(chosen.sort())
}

/**
 * Whether two URLs look at the same, so that one takes the other's place in the history.
 * @param {string} before
 * @param {string} after
 */
export function sameView(before, after) {
  return place(new URL(before)) === place(new URL(after, before))
}

/** Have the history of a window keep one step for a view. @param {Window} window */
export function stepByView(window) {
  const { history } = window
  const push = history.pushState.bind(history)
  history.pushState = (state, unused, url) => {
    const same = Boolean(url) && sameView(window.location.href, String(url))
    if (same) history.replaceState(state, unused, url)
    else push(state, unused, url)
  }
}
