// Light, dark, or as the system says. A classic script in the head, so that the page never flashes in the wrong theme.
"use strict";
(() => {
  const ORDER = ["system", "light", "dark"];
  const NAMES = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let choice = "system";
  try { choice = localStorage.getItem("theme") || "system"; } catch { /* storage is forbidden: the system decides */ }
  if (!ORDER.includes(choice)) choice = "system";

  function apply() {
    const shown = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.theme = shown;
    const button = document.getElementById("theme");
    if (!button) return;
    button.title = NAMES[choice];
    button.setAttribute("aria-label", `${NAMES[choice]}. Change`);
  }

  function next() {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length];
    try { localStorage.setItem("theme", choice); } catch { /* kept for this page only */ }
    apply();
  }

  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", next);
    apply();
  });
})();
