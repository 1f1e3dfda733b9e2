// Runs before the first paint: applies the theme that this browser chose in the console, so that the page does not flash
// in the other. It also tells the style sheet that there are scripts.
{
  let theme = null;
  try {
    theme = JSON.parse(localStorage.getItem("easel.theme"));
  } catch {
    // Storage may be refused, or hold something else. The page then follows the system's theme.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
