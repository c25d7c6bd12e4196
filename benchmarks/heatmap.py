"""The liquidity heat map in headless Chromium at 1440 × 900: ten minutes of columns, two new ones a second.

Frames a second that are painted, and long tasks; side by side with a Plotly heat map of the same columns that `Plotly.react`
scrolls as fast as it can. The app runs all the while, on the same cores.
"""

import time
from pathlib import Path
from typing import Any

import plotly
from playwright.sync_api import sync_playwright

from benchmarks import app as apps
from benchmarks.pixel import LONG_TASKS, launch
from benchmarks.result import Result, publish

WATCH_S = 20.0
SETTLE_S = 4.0
COLUMNS = 1_190
SIZE = {"width": 1440, "height": 900}
ASSETS = Path(__file__).resolve().parents[1] / "assets"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

#: keeps the frames of the heat map as they come, beside the page
CAPTURE = """
window.captured = [];
quintet.feed.on("heat", (frame) => { if (frame.full) captured.length = 0; captured.push(frame); });
"""

#: draws what was captured with Plotly: the window moves every frame, a column joins every half second
PLOTLY_PAGE = """
(frames) => {
  const model = quintet.heatModel.create();
  const columns = [];
  for (const frame of frames) {
    model.apply(frame);
    const newest = columns.length ? columns[columns.length - 1].slot : -1;
    model.each(newest + 1, (column) => { if (column.hole === null) columns.push(column); });
  }
  const low = Math.min(...columns.map((c) => c.low));
  const high = Math.max(...columns.map((c) => c.askLow + c.asks.length));
  const y = Array.from({ length: high - low }, (_, i) => (low + i + 0.5) * model.bin);
  const codes = (c) => y.map((_, i) => Math.max(c.bids[low + i - c.low] || 0, c.asks[low + i - c.askLow] || 0));
  const held = columns.map(codes);
  const times = columns.map((c) => c.t);
  const z = () => y.map((_, i) => held.map((column) => column[i]));
  const element = document.getElementById("plot");
  const span = 600000;
  const started = performance.now();
  let newest = times[times.length - 1];
  const first = newest;
  let data = [{ type: "heatmap", x: times.slice(), y, z: z(), colorscale: "Viridis" }];
  const layout = () => {
    const right = first + performance.now() - started;
    return { width: 860, height: 400, margin: { l: 10, r: 60, t: 10, b: 20 }, xaxis: { range: [right - span, right] } };
  };
  window.painted = 0;
  const draw = () => {
    if (first + performance.now() - started > newest + 500) {
      newest += 500;
      held.push(held.shift());
      times.push(newest);
      times.shift();
      data = [{ ...data[0], x: times.slice(), z: z() }];
    }
    Plotly.react(element, data, layout()).then(() => {
      window.painted += 1;
      requestAnimationFrame(draw);
    });
  };
  Plotly.newPlot(element, data, layout()).then(() => requestAnimationFrame(draw));
}
"""


def watch(page: Any, painted: str) -> tuple[float, list[float]]:
    """Frames a second over the watch, and the long tasks in it (ms)."""
    time.sleep(SETTLE_S)
    page.evaluate("window.longTasks.length = 0")
    before, start = page.evaluate(painted), time.perf_counter()
    time.sleep(WATCH_S)
    after, seconds = page.evaluate(painted), time.perf_counter() - start
    return (after - before) / seconds, page.evaluate("window.longTasks")


def run() -> list[Result]:
    with (
        apps.folder() as folder,
        apps.app(folder, "--market", "simulated", module="-m benchmarks.heat_app") as app,
        sync_playwright() as playwright,
    ):
        app.wait_first_candle()
        browser = launch(playwright)
        page = browser.new_page(viewport=SIZE, bypass_csp=True)
        page.add_init_script(LONG_TASKS)
        page.goto(app.base + "/books?symbol=BTCUSDT")
        page.wait_for_function("window.quintet && quintet.heatmap.counts().painted > 0")
        page.evaluate(CAPTURE)
        page.click("[data-book='ETHUSDT']")
        page.wait_for_function(f"quintet.heatmap.counts().columns >= {COLUMNS}", timeout=60_000)
        ours, our_tasks = watch(page, "quintet.heatmap.counts().painted")
        columns = page.evaluate("quintet.heatmap.counts().columns")
        captured = page.evaluate("window.captured")
        page.close()
        page = browser.new_page(viewport=SIZE, bypass_csp=True)
        page.add_init_script(LONG_TASKS)
        page.goto(app.base + "/health")
        page.evaluate("document.body.replaceChildren(Object.assign(document.createElement('div'), {id: 'plot'}))")
        for script in (PLOTLY, ASSETS / "heat_model.js"):
            page.evaluate(script.read_text(encoding="utf-8"))
        page.evaluate(PLOTLY_PAGE, captured)
        theirs, their_tasks = watch(page, "window.painted")
        browser.close()
    reference = "Plotly.react on the same columns"
    return [
        Result("heat map, columns on the screen", columns, "columns"),
        Result(
            "heat map, frames painted", ours, "frames/s", reference, ours / max(theirs, 0.01), "≥ 20 frames/s", ok=ours >= 20
        ),
        Result("heat map, long tasks in 20 s", len(our_tasks), "tasks", budget="0", ok=not our_tasks),
        Result("Plotly heat map, frames painted", theirs, "frames/s"),
        Result("Plotly heat map, long tasks in 20 s", len(their_tasks), "tasks"),
        Result("Plotly heat map, longest task", max(their_tasks, default=0.0), "ms"),
    ]


if __name__ == "__main__":
    publish(run)
