/* The command palette: pages, series, switches, themes. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.palette = (() => {
  const { byId, make } = window.quintet.dom;
  let input = null;
  let commands = [];
  let shown = [];
  let selected = 0;

  function staticCommands() {
    const { appearance, keyboard, live } = window.quintet;
    const pages = [...document.querySelectorAll("a.rail-link")].map((a) => ({
      group: "Page", label: a.textContent.trim(), run: () => keyboard.go(a.getAttribute("href")),
    }));
    const series = live.SERIES.map(({ name, title }) => ({ group: "Series", label: title, run: () => live.show(name) }));
    const looks = [
      ["theme", "dark", "Theme: dark"], ["theme", "light", "Theme: light"], ["theme", "auto", "Theme: auto"],
      ["pair", "green-red", "Up and down: green and red"], ["pair", "blue-orange", "Up and down: blue and orange"],
      ["density", "compact", "Density: compact"], ["density", "comfortable", "Density: comfortable"],
    ].map(([name, value, label]) => ({ group: "Look", label, run: () => appearance.set(name, value) }));
    const help = { group: "Help", label: "Keys and meanings", run: () => keyboard.open("help") };
    return [...pages, ...series, ...looks, help];
  }

  /* Switches are asked for when the palette opens; running one goes to its row in Settings, where the change is made and shown. */
  async function loadSwitches() {
    try {
      const answer = await fetch("/api/v1/settings", { headers: { accept: "application/json" } });
      if (!answer.ok) return;
      const body = await answer.json();
      const toggles = Array.isArray(body) ? body : body.settings || body.toggles || [];
      commands = [...staticCommands(), ...toggles.map((t) => ({
        group: "Switch", label: `${t.label || t.key}: ${t.choices ? (t.value ?? "auto") : t.value ? "on" : "off"}`, run: () => toSwitch(t.key),
      }))];
      list();
    } catch {
      /* without the server the palette still has pages and looks */
    }
  }

  function toSwitch(key) {
    window.quintet.keyboard.go("/settings");
    const deadline = performance.now() + 3000;
    const look = () => {
      const row = document.querySelector(`[data-toggle="${CSS.escape(key)}"]`);
      if (row) row.focus();
      else if (performance.now() < deadline) setTimeout(look, 50);
    };
    look();
  }

  /** Whether all letters of `query` come in `text` in this order. */
  function matches(text, query) {
    let at = 0;
    for (const letter of query) {
      at = text.indexOf(letter, at);
      if (at < 0) return false;
      at += 1;
    }
    return true;
  }

  function list() {
    const query = input.value.toLowerCase().replaceAll(" ", "");
    const found = commands.filter((c) => matches((c.group + c.label).toLowerCase().replaceAll(" ", ""), query));
    const exact = (c) => (c.label.toLowerCase().includes(input.value.toLowerCase()) ? 0 : 1);
    shown = found.sort((a, b) => exact(a) - exact(b)).slice(0, 60);
    selected = 0;
    byId("palette-list").replaceChildren(...(shown.length ? shown.map(row) : [make("div", { class: "palette-none" }, "Nothing found.")]));
    mark();
  }

  function row(command, index) {
    const item = make("div", { class: "palette-item", role: "option", id: `palette-${index}` },
      make("span", { class: "palette-group" }, command.group), make("span", {}, command.label));
    item.addEventListener("click", () => run(index));
    return item;
  }

  function mark() {
    byId("palette-list").querySelectorAll(".palette-item").forEach((item, index) => {
      item.setAttribute("aria-selected", String(index === selected));
      if (index === selected) item.scrollIntoView({ block: "nearest" });
    });
    input.setAttribute("aria-activedescendant", shown.length ? `palette-${selected}` : "");
  }

  function run(index) {
    const command = shown[index];
    byId("palette").close();
    if (command) command.run();
  }

  function keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      event.preventDefault();
      selected = (selected + step + shown.length) % shown.length;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(selected);
    }
  }

  function open() {
    const dialog = byId("palette");
    if (!dialog || dialog.open) return;
    if (!input) {
      input = make("input", {
        type: "text", placeholder: "Page, series, switch, theme…", "aria-label": "Search", autocomplete: "off", spellcheck: "false",
        role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list",
      });
      input.addEventListener("input", list);
      input.addEventListener("keydown", keys);
      byId("palette-field").append(input);
    }
    input.value = "";
    commands = staticCommands();
    dialog.showModal();
    input.focus();
    list();
    loadSwitches();
  }

  return { open };
})();
