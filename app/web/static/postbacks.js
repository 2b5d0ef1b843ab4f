// What the pages do beyond links and forms. Without it all of them work, only less quickly.
"use strict";
document.documentElement.classList.add("has-script");

// A form of filters asks by what was filled in, so that its address can be read and shared.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.filters")) return;
  for (const input of event.target.querySelectorAll("input[name]")) {
    if (input.type !== "checkbox" && input.value.trim() === "") input.disabled = true;
  }
  setTimeout(() => event.target.querySelectorAll("input:disabled").forEach((input) => (input.disabled = false)));
});

// Show opens below its row, and a second press closes it.
const shownOf = (link) => {
  const next = link.closest("tr").nextElementSibling;
  return next && next.classList.contains("shown") ? next : null;
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.show");
  if (link && !(event.ctrlKey || event.metaKey || event.shiftKey) && shownOf(link)) {
    event.preventDefault();
    event.stopImmediatePropagation();
    close(link);
  }
  const button = event.target.closest("button.close");
  if (button) {
    const row = button.closest("tr.shown");
    close(row.previousElementSibling.querySelector("a.show"), true);
  }
}, true);
function close(link, focus) {
  shownOf(link)?.remove();
  link.setAttribute("aria-expanded", "false");
  if (focus) link.focus();
}
document.addEventListener("keydown", (event) => {
  const row = event.key === "Escape" && event.target.closest?.("tr.shown");
  if (row) close(row.previousElementSibling.querySelector("a.show"), true);
});
new MutationObserver(() => {
  document.querySelectorAll("a.show").forEach((link) => link.setAttribute("aria-expanded", String(!!shownOf(link))));
}).observe(document.body, { childList: true, subtree: true });

// Copy what an element holds.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copies).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(document.getElementById(button.dataset.copies));
    document.execCommand("copy");
  }
  const said = button.textContent;
  button.textContent = button.dataset.said;
  setTimeout(() => (button.textContent = said), 1500);
});

// Live: rows as they come, at most so many of them kept in the page.
const MOST_ROWS = 500;
const tail = document.getElementById("tail");
if (tail) {
  const said = document.getElementById("tail-said");
  let source = null;
  let news = 0;
  const stop = () => {
    source?.close();
    source = null;
    tail.setAttribute("aria-pressed", "false");
    tail.querySelector(".text").textContent = tail.dataset.off;
  };
  const add = (event) => {
    const rows = document.getElementById("rows");
    const template = document.createElement("template");
    template.innerHTML = event.data;
    news += template.content.querySelectorAll("tr").length;
    for (const row of template.content.querySelectorAll("tr")) row.classList.add("new");
    rows.prepend(template.content);
    htmx.process(rows);
    while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
    document.getElementById("empty")?.setAttribute("hidden", "");
    rows.closest(".rows").hidden = false;
    said.textContent = tail.dataset.saidNews.replace("#", news);
  };
  tail.addEventListener("click", () => {
    if (source) {
      stop();
      said.textContent = tail.dataset.saidOff;
      return;
    }
    source = new EventSource(tail.dataset.from);
    source.addEventListener("rows", add);
    source.addEventListener("open", () => (said.textContent = tail.dataset.saidOn));
    source.addEventListener("error", () => (said.textContent = tail.dataset.saidLost));
    tail.setAttribute("aria-pressed", "true");
    tail.querySelector(".text").textContent = tail.dataset.on;
  });
  addEventListener("pagehide", stop);
}
