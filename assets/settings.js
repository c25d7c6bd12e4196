/* The Settings page: the history of changes. Switches are Dash's own callbacks. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.settings = (() => {
  const { byId, make } = window.quintet.dom;
  const format = window.quintet.format;

  const worded = (value) => (value === true ? "on" : value === false ? "off" : value === null || value === undefined ? "default" : String(value));

  function row(change) {
    return make("tr", {},
      make("td", { title: format.utc(change.at_ms), class: "num" }, format.stamp(change.at_ms)),
      make("td", {}, change.who), make("td", {}, make("code", {}, change.key)),
      make("td", {}, `${worded(change.old)} → ${worded(change.new)}`));
  }

  function history(audit) {
    const box = byId("settings-history");
    if (!box || !audit) return;
    if (audit.error) {
      box.replaceChildren(make("p", { class: "inline-error" }, audit.error));
    } else if (!audit.rows.length) {
      box.replaceChildren(make("p", { class: "note" }, box.dataset.empty));
    } else {
      const head = make("tr", {}, ...["When", "Who", "Switch", "Change"].map((h) => make("th", { scope: "col" }, h)));
      box.replaceChildren(make("table", { class: "live-table" }, make("thead", {}, head), make("tbody", {}, ...audit.rows.map(row))));
    }
  }

  return { history };
})();
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.settings = window.quintet.settings;
