// Macro completion in the fields of links. Without it they are plain fields.
"use strict";
(() => {
  const told = (name) =>
    [...document.querySelectorAll(`[data-${name}] > div`)].map((one) => ({
      write: one.querySelector("dt").textContent,
      says: one.querySelector("dd").textContent,
    }));
  const macros = told("macros");
  const filters = told("filters");
  const said = document.getElementById("completion-said");
  if (!said) return;
  const MOST = 12;
  let list = null;
  let field = null;
  let found = [];
  let chosen = 0;
  let begin = 0;

  // What is being typed before the caret: a macro's name after {, or a filter's after |.
  const typed = (text) => {
    const macro = /\{(_?[A-Za-z0-9_.-]*)$/.exec(text);
    if (macro) return { begins: macro[1].replace(/^_/, ""), from: macros, closes: "}" };
    const filter = /\{[A-Za-z_][A-Za-z0-9_.-]*(?:\|[^{}\n]*)?\|([a-z0-9]*)$/.exec(text);
    return filter ? { begins: filter[1], from: filters, closes: "" } : null;
  };
  const close = () => {
    list?.remove();
    list = null;
    field?.removeAttribute("aria-activedescendant");
    field?.removeAttribute("aria-controls");
    field = null;
    said.textContent = "";
  };
  const choose = (at) => {
    chosen = (at + found.length) % found.length;
    [...list.children].forEach((one, index) => one.setAttribute("aria-selected", String(index === chosen)));
    field.setAttribute("aria-activedescendant", list.children[chosen].id);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  };
  const take = () => {
    const one = found[chosen];
    const end = field.selectionStart;
    const rest = field.value.slice(end);
    const open = one.write.endsWith(".");
    const closing = one.closes && !open && !rest.startsWith("}") ? one.closes : "";
    const from = field;
    from.setRangeText(one.write + closing, begin, end, "end");
    close();
    from.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const show = (area) => {
    const caret = area.selectionStart;
    const asked = area.selectionEnd === caret ? typed(area.value.slice(0, caret)) : null;
    const begins = asked?.begins.toLowerCase() ?? "";
    const rank = (one) => (one.write.toLowerCase().startsWith(begins) ? 0 : 1);
    const near = asked
      ? asked.from
          .filter((one) => one.write.toLowerCase().includes(begins) && one.write !== asked.begins)
          .sort((one, other) => rank(one) - rank(other))
          .slice(0, MOST)
      : [];
    if (!near.length) return close();
    if (field !== area) close();
    field = area;
    found = near.map((one) => ({ ...one, closes: asked.closes }));
    begin = caret - asked.begins.length;
    if (!list) {
      list = document.createElement("ul");
      list.className = "completions";
      list.id = "completions";
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", said.dataset.said.replace("#", ""));
      document.body.append(list);
      list.addEventListener("mousedown", (event) => {
        const item = event.target.closest("li");
        event.preventDefault();
        if (item) {
          chosen = [...list.children].indexOf(item);
          take();
        }
      });
    }
    list.replaceChildren(
      ...found.map((one, index) => {
        const item = document.createElement("li");
        item.id = `completion-${index}`;
        item.setAttribute("role", "option");
        const write = document.createElement("code");
        write.textContent = one.write;
        const says = document.createElement("span");
        says.textContent = one.says;
        item.append(write, says);
        return item;
      }),
    );
    const at = area.getBoundingClientRect();
    list.style.top = `${at.bottom + scrollY + 2}px`;
    list.style.left = `${Math.max(8, Math.min(at.left + scrollX, innerWidth - list.offsetWidth - 8))}px`;
    area.setAttribute("aria-controls", "completions");
    said.textContent = said.dataset.said.replace("#", found.length);
    choose(0);
  };
  document.querySelectorAll("textarea.template:not([readonly])").forEach((area) => {
    area.setAttribute("aria-autocomplete", "list");
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("textarea.template") && event.isTrusted) show(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!list || event.target !== field) return;
    const acts = {
      ArrowDown: () => choose(chosen + 1),
      ArrowUp: () => choose(chosen - 1),
      Enter: take,
      Tab: take,
      Escape: close,
    };
    if (!acts[event.key] || (event.key === "Tab" && event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });
  document.addEventListener("focusout", (event) => {
    if (event.target === field) close();
  });

  // The answer to a test is shown where it may be out of sight.
  const tested = document.getElementById("test-said");
  if (tested) {
    new MutationObserver(() => tested.scrollIntoView({ block: "nearest" })).observe(tested, { childList: true });
  }
  // What was wrong with a field is told anew beside, as soon as it is edited.
  document.addEventListener("input", (event) => {
    if (!event.target.hasAttribute?.("aria-invalid")) return;
    event.target.removeAttribute("aria-invalid");
    document.getElementById(event.target.getAttribute("aria-describedby"))?.remove();
    event.target.removeAttribute("aria-describedby");
  });

  // Leaving with what is not saved asks first.
  const form = document.getElementById("editor");
  let edited = false;
  form?.addEventListener("input", () => (edited = true));
  form?.addEventListener("submit", () => (edited = false));
  addEventListener("beforeunload", (event) => {
    if (edited) event.preventDefault();
  });
})();
