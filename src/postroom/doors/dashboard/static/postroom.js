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
  for (const here of document.querySelectorAll(".tabs [aria-current]")) {
    const strip = here.closest("nav");
    strip.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - strip.clientWidth / 2;
  }

  // A piece of a page that could not be had: its error page's own words, above the content, until it can be had again.
  const PROBLEM = "piece-problem";
  const tell = (title, text) => {
    const told = document.getElementById(PROBLEM) || document.createElement("div");
    told.id = PROBLEM;
    told.className = "flash problem";
    told.setAttribute("role", "alert");
    const line = document.createElement("p");
    line.textContent = `${title}. ${text}`;
    told.replaceChildren(line);
    document.getElementById("content").prepend(told);
  };
  document.addEventListener("htmx:responseError", (event) => {
    const answer = new DOMParser().parseFromString(event.detail.xhr.response, "text/html");
    const title = answer.querySelector("main h1");
    const text = answer.querySelector("main p");
    tell(title ? title.textContent : "The server could not do this", text ? text.textContent : "Load the page again.");
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, () => tell("The server cannot be reached", "What this page shows may be old."));
  }
  document.addEventListener("htmx:afterSwap", () => {
    const told = document.getElementById(PROBLEM);
    if (told) told.remove();
  });

  arm(document);
  document.addEventListener("htmx:afterSwap", (event) => arm(event.target));
})();
