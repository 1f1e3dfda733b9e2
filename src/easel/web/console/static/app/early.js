// Runs before the first paint: applies the theme that this browser chose, so that the page does not flash in the other,
// and asks who is signed in while the modules are still loading.
{
  let theme = null;
  try {
    theme = JSON.parse(localStorage.getItem("easel.theme"));
  } catch {
    // Storage may be refused, or hold something else. The page then follows the system's theme.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  globalThis.earlySession = fetch("console/session", { cache: "no-store", headers: { "x-easel-console": "1" } })
    .then((answer) => answer.json())
    .catch(() => null);
}
