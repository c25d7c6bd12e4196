/* Keys: `g` and a letter for pages, `/` and Ctrl/⌘ K for the palette, `?` for help, Esc closes. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.keyboard = (() => {
  const PAGES = {
    l: "/", b: "/books", s: "/signals", t: "/trading", m: "/monitoring", c: "/connections", w: "/workers", o: "/options", d: "/data", ",": "/settings",
  };
  const CHORD_MS = 1500;
  const { byId } = window.quintet.dom;
  let chordUntil = 0;

  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable=true]") !== null;

  /** Go to a page of the app without loading it anew, when there is a link to it. */
  function go(path) {
    const link = [...document.querySelectorAll("a.rail-link, a.phone-link")].find((a) => a.getAttribute("href") === path);
    if (link) link.click();
    else location.assign(path);
  }

  function open(id) {
    const dialog = byId(id);
    if (dialog && !dialog.open) dialog.showModal();
  }

  function closeAll() {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    for (const details of document.querySelectorAll("details.venue[open]")) details.open = false;
    delete document.documentElement.dataset.nav;
  }

  function pressed(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      window.quintet.palette.open();
      return;
    }
    if (event.key === "Escape") {
      closeAll();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    // when it was pressed, not when a busy page came to it
    if (event.timeStamp < chordUntil) {
      chordUntil = 0;
      if (PAGES[event.key]) {
        event.preventDefault();
        go(PAGES[event.key]);
      }
      return;
    }
    single(event);
  }

  function single(event) {
    const { live, palette, appearance } = window.quintet;
    const actions = {
      g: () => { chordUntil = event.timeStamp + CHORD_MS; },
      "/": () => palette.open(),
      "?": () => open("help"),
      "[": () => appearance.toggleRail(),
      b: () => live.backToLive(),
    };
    const action = actions[event.key] || (/^[1-5]$/.test(event.key) && live.isOpen() ? () => live.bigByNumber(Number(event.key)) : null);
    if (!action) return;
    event.preventDefault();
    action();
  }

  function start() {
    document.addEventListener("keydown", pressed);
    /* a click on the backdrop closes a dialog */
    document.addEventListener("click", (event) => {
      if (event.target instanceof HTMLDialogElement) event.target.close();
    });
  }

  return { start, go, open, closeAll };
})();
