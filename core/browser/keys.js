// @ts-check
// Where single keys go: to what has the focus, and otherwise to the page.

/** Whether what has the focus is nothing in particular. @param {EventTarget | undefined} target */
export function idle(target) {
  const element = /** @type {Element} */ (target)
  return element === document.body || Boolean(element.matches?.("section[tabindex], [data-testid=stMain], [data-testid=stApp]"))
}

/** Whether it goes with another key, and is no single one. @param {KeyboardEvent} event */
export function combined(event) {
  return event.ctrlKey || event.metaKey || event.altKey
}
