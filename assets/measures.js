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
    microprice: "(bid × ask size + ask × bid size) ÷ (bid size + ask size): the mid leaned towards the thinner side. It lies between bid and ask. "
      + "The small figure is its distance from the mid.",
    imbalance: "(B − A) ÷ (B + A) of the sizes in the ten best levels of each side: −1 all asks, +1 all bids.",
    depth: "Size resting within so many basis points of the mid, in the base currency. “≥”: the book that we are told ends nearer than that, "
      + "so it is at least so much.",
    depth_chart: "Sizes added up from the mid outwards. The 25 best levels are exact; further out come the heat map's bins, good to 5 %. "
      + "Beyond the dashed lines the venue tells nothing, so nothing is drawn.",
    ladder: "The 20 best levels a side of all synced books of this symbol as one. The bar and the last column are the running sum. "
      + "A book that is not in step with its venue's is withheld: no number of it is shown.",
    heat: "Every half second a column of the book as it then was, in bins of price; colour is resting size on a logarithmic scale of even lightness. "
      + "Lines are best bid and ask, dots are trades by size and aggressor. It is drawn 0.9 s late, so that columns never pop in. "
      + "Hatched: the book was withheld. Plain ground: not recorded. The lighter tone: beyond what the venue tells.",
    integrity: "Counted by the connector since it started, from the venue's own numbering where there is one.",
    book_state: "SYNCED: every update since the snapshot was applied in the venue's own order. SYNCING: it is being rebuilt, and withheld. "
      + "REFUSED: the venue does not give it. OFF: it is switched off.",
    book_kind: "Where the book comes from, and how: diffs on a snapshot, Level II operations by row, or whole snapshots.",
    book_source: "What kind of market stands behind this symbol. A simulated venue beside a live one says so on every number of it.",
    book_age: "Time since the last update of this book was read here.",
    book_rate: "Updates applied a second, averaged over the last seconds, and since the start.",
    book_gaps: "Jumps in the venue's update ids: each means that an update was missed, and that the book was rebuilt.",
    book_resyncs: "How often the book was built anew: after a gap, a reset by the venue, a crossing, or a reconnect.",
    book_crossed: "How often best bid and best ask crossed, which no sound book of one venue does. It is withheld and rebuilt.",
    book_last: "The venue's own number of the last update that was applied; where it has none, our count of them.",
    book_levels: "Price levels held now. A venue may tell only the best few.",
    book_range: "Lowest and highest price between which the venue told every level. Beyond it levels may exist that we do not know.",
    incidents: "What went wrong, told by its cause. Open ones come first.",
    sharing: "Consumers ask the connection manager, never the venue: the first listener of a symbol costs one subscription per channel, "
      + "every further one costs nothing. API calls and updates count since the start; cache hits are those of requests for history.",
    budget: "What the venue allows, and how much of it is used now, by the venue's own count where it tells one. Amber from 60 %, red from 80 %: "
      + "requests wait before the limit is reached.",
    timeline: "Each bar is one incident, coloured by its cause, not by how it showed. A bar that reaches the right edge is still open. "
      + "Select one with a click, or with the arrow keys.",
    subscriptions: "Every channel that is asked for at a venue, with the time since its last message, which goes on between reports for slow channels. "
      + "Click a heading to sort; gaps are jumps in the venue's own numbering.",
    pool: "All workers of all machines on this Redis, added up once a second. Lag counts what no worker has read, pending what one has read and not stored; "
      + "a tick is acknowledged only after its COMMIT. Batch times run from the first tick read to the acknowledgement.",
    throughput: "Ticks stored a second, all workers together, one point a second. Seconds without a report are left out, not bridged.",
    pool_controls: "Each change is stored, takes effect within two seconds and survives a restart. Either processor goes on where the other stops: nothing is lost, nothing stored twice.",
    machine: "The cores of the machine this server runs on; performance and efficiency cores where it tells them (Apple Silicon). "
      + "The producer puts the ticks of all venues on the Redis stream.",
    workers: "Every process that takes ticks from the stream, on this machine and on others. They share the work by Redis' consumer group; there is no other coordinator.",
    worker_state: "READING: waits for ticks. WORKING: decodes, parses, values. STORING: its transaction is under way. DRAINING: finishes what it has and ends. "
      + "PAUSED: takes nothing. LOST: its status has expired, so it sent none for five seconds; others take over what it had in work.",
    worker_batch: "Ticks in the batch that it has in work now.",
    worker_rate: "Ticks stored a second, averaged over the last seconds.",
    batch_ms: "From the first tick of a batch being read to its COMMIT and acknowledgement. Under a backlog several batches share a transaction.",
    worker_errors: "Attempts that failed since it started: those entries come again, and become dead letters after five deliveries; one that cannot be understood does at once.",
    core_kind: "P: a performance core, E: an efficiency core, as asked of the system's scheduler. “any”: the machine does not tell them apart.",
    shards: "Symbols fall into 16 shards by a hash of their name. Indicators need every tick of a symbol in order, so each shard has one owner at a time.",
    worker_since: "Since its state last changed. A worker that is busy changes it many times a second.",
    worker_report: "Since its last sign of life. It sends one each second.",
    dead_letters: "Entries that cannot be understood, or that failed in five deliveries, with their fields as they came. Mend the cause first, then replay.",
    deliveries: "How often it was handed to a worker. An entry that cannot be understood is given up at the first.",
    surface: "Checked on the newest tick of each option. Ticks of different moments can contradict each other without any fault in the market.",
    parity: "A call and a put of the same strike imply the same volatility (put-call parity). A gap of all strikes alike points at rate, dividend or an old underlying price.",
    butterfly: "The price of a call falls with the strike, less and less so. A call above the line between its neighbours would pay one for holding a butterfly.",
    calendar: "Volatility² × time at the money grows with the expiry. Where it falls, the later option is too cheap, or a tick is old.",
    smile: "Implied volatility by strike, of the strikes shown in the chain. The dotted line is the underlying's price. Options without a volatility are left out.",
    greeks: "By strike, calls and puts; the dotted line is the underlying's price. Vega and vanna per volatility point, theta per calendar day, rho per percent of rate.",
    chain: "The newest tick of each option. Prices are those of the ticks; volatility and Greeks were calculated when the tick came (Black-Scholes-Merton, "
      + "on futures Black 1976). The lighter ground is in the money; the framed strike is nearest to the underlying's price.",
    volatility_states: "The volatility at which the formula gives the tick's price, per year, in percent. Below the discounted intrinsic value, or at or above its upper bound, "
      + "a price has none: the cell says which.",
    option_age: "Since the tick's own time. Greyed after a minute: its volatility and Greeks are of then, not of now.",
    delta: "Change of the option's price for a change of the underlying by 1.",
    gamma: "Change of delta for a change of the underlying by 1.",
    vega: "Change of the price for one volatility point (20 % → 21 %).",
    theta: "Change of the price by one calendar day that passes, all else equal.",
    rho: "Change of the price for one percent of the interest rate (5 % → 6 %).",
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
