// What pages can do without, and do nicer with: copying, menus that close, times that stay true.
"use strict";

(() => {
  const arm = (root) => {
    for (const button of root.querySelectorAll("[data-copy]")) {
      if (navigator.clipboard && window.isSecureContext) button.hidden = false;
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      const text = button.dataset.copy || button.parentElement.querySelector("code").textContent;
      const words = button.textContent;
      navigator.clipboard.writeText(text).then(() => {
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = words; }, 1500);
      });
    }
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Strips that scroll sideways on a narrow screen begin where one is.
  for (const here of document.querySelectorAll(".side [aria-current], .tabs [aria-current]")) {
    const strip = here.closest("nav");
    strip.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - strip.clientWidth / 2;
  }

  arm(document);
  document.addEventListener("htmx:afterSwap", (event) => arm(event.target));
})();
