"""Source → consumer with nine consumers at 2,000 trades/s, while a page is open and the web loop serves it."""

import time

from playwright.sync_api import sync_playwright

from benchmarks import app as apps
from benchmarks.pixel import launch
from benchmarks.result import Result, publish

#: times the model's usual ~50 trades a second of both symbols
RATE = 40.0
WARM_UP_S = 70.0
READ_S = 30.0


def run() -> list[Result]:
    with apps.folder() as folder, apps.venue(RATE) as environ, sync_playwright() as playwright:
        with apps.app(folder, "--market", "live", module="-m benchmarks.loaded_app", **environ) as app:
            app.wait_first_candle()
            page = launch(playwright).new_page()
            page.goto(app.base + "/")
            # latencies are those of the last 30 to 60 s: let the start fall out of them
            time.sleep(WARM_UP_S)
            before = app.get("/api/v1/consumers")["consumers"]
            time.sleep(READ_S)
            consumers = app.get("/api/v1/consumers")["consumers"]
            rss = next(m for m in app.get("/api/v1/slo")["slo"] if m["name"].startswith("Memory"))
    models = [c for c in consumers if c["name"].startswith("model-")]
    trades = sum(c["delivered"] for c in models) - sum(c["delivered"] for c in before if c["name"].startswith("model-"))
    worst = max(c["latency_us"]["p99"] for c in models) / 1e3
    own = {c["name"]: c["latency_us"] for c in consumers}
    return [
        Result("consumers", len(consumers), "", budget="9", ok=len(consumers) == 9),
        Result("messages per consumer (trades, quotes and bars)", trades / len(models) / READ_S, "/s"),
        Result("source → consumer, p99, worst of 7 models", worst, "ms", budget="≤ 1 ms", ok=worst <= 1),
        Result("source → storage, p99", own["storage"]["p99"] / 1e3, "ms"),
        Result("source → dashboard (across threads), p99", own["dashboard"]["p99"] / 1e3, "ms"),
        Result("source → consumer, p50, median model", sorted(c["latency_us"]["p50"] for c in models)[3] / 1e3, "ms"),
        Result("dropped or failed", sum(c["dropped"] + c["errors"] for c in consumers), "messages", budget="0",
               ok=not any(c["dropped"] or c["errors"] for c in consumers)),
        Result("memory of the main process under this load", rss["value"], "MB", budget="≤ 300 MB", ok=bool(rss["ok"])),
    ]  # fmt: skip


if __name__ == "__main__":
    publish(run)
