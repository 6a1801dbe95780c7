// @ts-check
// The presenter's view of Streamlit's page: no sidebar, no navigation, larger type. A sheet of the page's own, as the player's
// style ends at the player.

const SHELL = `
  html.presenting :is([data-testid=stSidebar], [data-testid=stHeader], [data-testid=stSidebarCollapsedControl]) { display: none !important; }
  html.presenting [data-testid=stMainBlockContainer] { --affectscope-zoom: 1.3; zoom: 1.3; padding: 10px 20px; max-width: none; }
`

export function presentOnPage(on) {
  let sheet = document.getElementById("affectscope-presenting")
  if (!sheet) {
    sheet = document.createElement("style")
    sheet.id = "affectscope-presenting"
    sheet.textContent = SHELL
    document.head.append(sheet)
  }
  document.documentElement.classList.toggle("presenting", on)
}
