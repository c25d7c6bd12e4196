/* "How is this measured": one text per figure, shown in a small card beside what was asked about. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.measures = (() => {
  const { make } = window.quintet.dom;
  const TEXTS = {
    slo: "The promises of the design, measured on this running system: those that fail come first, then those nearest to their limit. "
      + "Hover over a metric to read how it is measured. The lines show the last minutes, as this page saw them.",
    waterfall: "Venue → receive is our clock against the venue's time in trades and depth, by the measured clock offset; the stages after it are "
      + "timed on one frame in eight; receive → consumer and → pixel on every one. All over the last minute. "
      + "The axis is logarithmic. Pixels are measured by browsers on this machine only, where the clocks are the same.",
    storage: "The batch writer's counters since the start. Writes saved = 1 − statements ÷ rows written.",
    process: "The main process as the operating system counts it. Loop lag is how much later than asked an event loop wakes a sleeper, over the last minute.",
    consumers: "Every registered consumer of the stream. Each has its own mailbox: a slow one delays nobody else.",
    rate: "Messages a second, averaged over the last seconds.",
    delivered: "Messages handed over since the consumer was registered.",
    dropped: "Messages lost because a bounded mailbox was full. Conflated ones (a newer state took their place) do not count.",
    errors: "Exceptions raised by the consumer's own handler. They stay with it.",
    queue: "Messages in the mailbox now, of the bound it has.",
    latency: "From the frame being read from the venue's socket to the hand-over to this consumer, over the last minute. Percentiles are good to 3 %.",
    histogram: "How many messages took how long, over the last minute. Click a consumer's row to see its histogram enlarged.",
    channels: "Each subscription with the time since its last message. Silence is a fault even while the connection answers pings.",
    age: "Time since the last message of this channel was read here.",
    gaps: "Jumps in the venue's own numbering (trade ids, book updates). Each is filled by REST or marks its bars as partial.",
    cache: "Hits ÷ all requests of the layer since the start.",
    incidents: "What went wrong, told by its cause. Open ones come first.",
  };
  let card = null;

  function show(element) {
    const words = TEXTS[element.dataset.how];
    if (!words) return;
    if (!card) {
      card = make("div", { class: "measure-card", popover: "auto", role: "note" });
      document.body.append(card);
    }
    card.textContent = words;
    card.showPopover();
    const place = element.getBoundingClientRect();
    const width = Math.min(320, window.innerWidth - 16);
    card.style.width = width + "px";
    card.style.left = Math.max(8, Math.min(place.left, window.innerWidth - width - 8)) + "px";
    const below = place.bottom + 6;
    const fits = below + card.offsetHeight < window.innerHeight - 8;
    card.style.top = (fits ? below : Math.max(8, place.top - card.offsetHeight - 6)) + "px";
  }

  return { show, TEXTS };
})();
