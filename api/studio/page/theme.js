// Applies the chosen theme before the first paint. Without a choice, the page follows the system.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("gridpress.theme");
  } catch {
    // Storage is forbidden: the page follows the system.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
