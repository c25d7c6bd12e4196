/* Theme, colours of up and down, density, rail: kept in this browser, applied before the first paint of the page. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.appearance = (() => {
  const KEY = "quintet.appearance";
  const MANTINE_KEY = "mantine-color-scheme-value";   // where Mantine's provider keeps and follows the scheme
  const DEFAULTS = { theme: "dark", pair: "green-red", density: "compact", rail: "open" };
  const THEMES = ["dark", "light", "auto"];
  const watchers = new Set();
  const prefersLight = window.matchMedia("(prefers-color-scheme: light)");
  let chosen = { ...DEFAULTS };

  function read() {
    try {
      return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) || "{}") };
    } catch {
      return { ...DEFAULTS };
    }
  }

  function store(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      /* a browser that keeps nothing still shows what was chosen, until it is reloaded */
    }
  }

  const scheme = () => (chosen.theme === "auto" ? (prefersLight.matches ? "light" : "dark") : chosen.theme);

  function apply() {
    const root = document.documentElement;
    root.dataset.pair = chosen.pair;
    root.dataset.density = chosen.density;
    root.dataset.rail = chosen.rail;
    root.setAttribute("data-mantine-color-scheme", scheme());
    for (const button of document.querySelectorAll("[data-appearance]")) {
      const on = chosen[button.dataset.appearance] === button.dataset.value;
      button.setAttribute("aria-checked", String(on));
    }
  }

  function tellMantine() {
    store(MANTINE_KEY, chosen.theme);
    /* Mantine listens for the change of another tab; the same event tells the provider of this one */
    window.dispatchEvent(new StorageEvent("storage", {
      key: MANTINE_KEY, newValue: chosen.theme, storageArea: window.localStorage,
    }));
  }

  function set(name, value) {
    if (chosen[name] === value) return;
    chosen = { ...chosen, [name]: value };
    store(KEY, JSON.stringify(chosen));
    if (name === "theme") tellMantine();
    apply();
    for (const watcher of watchers) watcher(name, value);
  }

  const get = (name) => chosen[name];
  const nextTheme = () => set("theme", THEMES[(THEMES.indexOf(chosen.theme) + 1) % THEMES.length]);
  const toggleRail = () => set("rail", chosen.rail === "open" ? "collapsed" : "open");

  /** The value of a token in force now, for what is drawn on a canvas. */
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--q-" + name).trim();

  chosen = read();
  store(MANTINE_KEY, chosen.theme);
  apply();
  prefersLight.addEventListener("change", () => {
    if (chosen.theme !== "auto") return;
    apply();
    for (const watcher of watchers) watcher("theme", "auto");
  });

  return { get, set, apply, scheme, nextTheme, toggleRail, token, onChange: (watcher) => watchers.add(watcher) };
})();
