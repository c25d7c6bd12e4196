/* Settings with more sides than on and off: a click asks the server, and only what the server confirms is shown. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.settingChoice = (() => {
  const { attribute, text } = window.quintet.dom;

  const HOLD_MS = 3000;          // reports made before a change took effect may still come for so long
  /** key -> { value, at } as the server confirmed it */
  const confirmed = new Map();

  const parts = (name, key) => document.querySelectorAll(`[${name}="${CSS.escape(key)}"]`);

  /** Press the button of `value`; undefined: not known, none is pressed. */
  function show(key, value) {
    const wanted = value === undefined ? null : JSON.stringify(value);
    for (const button of parts("data-setting", key)) attribute(button, "aria-checked", String(button.dataset.value === wanted));
  }

  function busy(key, isBusy) {
    for (const element of [...parts("data-toggle", key), ...parts("data-setting", key)]) attribute(element, "aria-busy", isBusy ? "true" : null);
  }

  const tell = (key, words) => {
    for (const line of parts("data-setting-error", key)) text(line, words);
  };

  async function send(key, value) {
    let answer;
    try {
      answer = await fetch("/api/v1/settings", {
        method: "PATCH", headers: { "content-type": "application/json", accept: "application/json" }, body: JSON.stringify({ [key]: value }),
      });
    } catch {
      return "the server does not answer; try again when the page link is back";
    }
    if (answer.ok) return "";
    const body = await answer.json().catch(() => ({}));
    return body.error || `the server answered ${answer.status}`;
  }

  /** Ask the server for `value`; resolves to whether it has it now. */
  async function set(key, value) {
    tell(key, "");
    busy(key, true);
    const trouble = await send(key, value);
    busy(key, false);
    if (trouble) {
      tell(key, `Not changed: ${trouble}.`);
      return false;
    }
    confirmed.set(key, { value, at: performance.now() });
    show(key, value);
    /* the Settings page tells the change in its history */
    if (document.getElementById("settings-history")) window.dash_clientside.set_props("settings-changed", { data: Date.now() });
    return true;
  }

  /** What holds now: `reported`, unless the server confirmed something else a moment ago. */
  function current(key, reported) {
    const last = confirmed.get(key);
    if (!last || performance.now() - last.at > HOLD_MS || last.value === reported) {
      confirmed.delete(key);
      return reported;
    }
    return last.value;
  }

  /** A click on a button of a choice. */
  function clicked(button) {
    if (button.getAttribute("aria-checked") === "true" || button.getAttribute("aria-busy")) return;
    set(button.dataset.setting, JSON.parse(button.dataset.value));
  }

  return { show, set, current, clicked };
})();
