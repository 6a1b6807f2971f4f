// In the head and not a module: the theme must stand before anything is painted.
"use strict";
try {
  const theme = localStorage.getItem("affekt.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing follows the system.
}
