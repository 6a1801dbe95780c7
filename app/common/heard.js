// @ts-check
// Streamlit shows a component's markup before it runs its script: so long nobody would hear a press. Until then it is inert, and
// what could be pressed in it is not there to be seen.

/** @param {(given: { parentElement: ParentNode }) => any} run what Streamlit calls, each time anew */
export function heard(run) {
  return (given) => {
    const root = given.parentElement.querySelector("[data-unheard]")
    for (const name of ["data-unheard", "inert"]) root?.removeAttribute(name)
    return run(given)
  }
}
