"""The heat map's scripts, given what `core.market.liquidity` really answers, and what they paint pixel by pixel."""

import math
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from core.domain.market import BookView, Trade
from core.market.liquidity import BASE, LiquidityHistory

pytestmark = pytest.mark.browser

PERIOD_MS = 500
START_MS = 1_700_000_000_000
#: a painter of one opaque colour: code 1 … 255 become red 1 … 255
LOOK = "{ramp: Uint32Array.from({length: 256}, (_, i) => (0xff000000 | i) >>> 0), unknown: 0xff00ff00, low: 1, high: 256}"


@pytest.fixture(scope="module")
def scripted(browser_page: Page) -> Page:
    """A page with the modules that need no server."""
    assets = Path(__file__).resolve().parents[3] / "assets"
    browser_page.add_script_tag(content="window.quintet = {};")
    for name in ("format", "heat_colours", "heat_model", "heat_layers", "heat_axes"):
        browser_page.add_script_tag(path=assets / f"{name}.js")
    return browser_page


def book(bid: float, number: int = 0) -> BookView:
    bids = tuple((round(bid - i / 100, 2), 1.5 * (i + 1)) for i in range(12))
    asks = tuple((round(bid + 0.02 + i / 100, 2), 0.25 * (i + 1)) for i in range(12))
    return BookView("ETHUSDT", number, bids, asks, 0)


@pytest.fixture
def frame() -> dict[str, Any]:
    """Four columns: a book, a hole, nothing recorded for two periods, a book with trades."""
    history = LiquidityHistory(0.01, 0.0001, PERIOD_MS)
    history.on_book(book(100.0))
    history.tick(START_MS)
    history.lose("gap in the update ids")
    history.tick(START_MS + PERIOD_MS)
    history.on_book(book(100.0))
    history.on_trade(Trade("ETHUSDT", 1, 100.02, 3.0, 0, False))
    history.tick(START_MS + 4 * PERIOD_MS)
    return history.full()


def test_sizes_come_out_of_their_codes_within_five_percent(scripted: Page, frame: dict[str, Any]) -> None:
    prices = [price for side in (book(100.0).bids, book(100.0).asks) for price, _ in side]
    read = scripted.evaluate(
        """([frame, prices]) => {
            const model = quintet.heatModel.create();
            model.apply(frame);
            const column = model.bySlot(model.newest);
            const at = (price) => model.codeAt(column, price + model.bin / 2);
            return {sizes: prices.map((p) => model.size(at(p))), spread: at(100.01), beyond: [at(98), at(102)]};
        }""",
        [frame, prices],
    )
    bins: dict[int, float] = {}
    for side in (book(100.0).bids, book(100.0).asks):
        for price, size in side:
            key = math.floor(round(price / 0.01)) // round(frame["bin"] / 0.01)
            bins[key] = bins.get(key, 0.0) + size
    expected = [bins[math.floor(round(price / 0.01)) // round(frame["bin"] / 0.01)] for price in prices]
    assert read["sizes"] == pytest.approx(expected, rel=0.05)
    assert read["spread"] == 0, "between best bid and best ask is known to be empty"
    assert read["beyond"] == [None, None]
    assert frame["scale"]["base"] == BASE


def test_withheld_and_missing_stretches_are_told_apart(scripted: Page, frame: dict[str, Any]) -> None:
    told = scripted.evaluate(
        """(frame) => {
            const model = quintet.heatModel.create();
            const added = model.apply(frame);
            const again = model.apply({...frame, full: false}).length;
            return {added, again, holes: model.holes(), missing: [2, 3].map((n) => model.bySlot(model.oldest + n))};
        }""",
        frame,
    )
    assert told["added"] is None, "a whole is drawn anew"
    assert told["again"] == 0, "columns that are known already are not taken twice"
    assert told["holes"] == [{"from": START_MS, "to": START_MS + PERIOD_MS, "cause": "gap in the update ids"}]
    assert told["missing"] == [None, None]


def test_the_picture_of_sizes_shows_each_column_at_its_place_and_nothing_where_nothing_is_known(
    scripted: Page, frame: dict[str, Any]
) -> None:
    """Rows of one cent each, columns of ten pixels: what is read back is the middle of each."""
    shown = scripted.evaluate(
        """([frame, look]) => {
            const model = quintet.heatModel.create();
            model.apply(frame);
            const sizes = quintet.heatLayers.sizes();
            const place = {top: 100.2, perPixel: model.bin, height: Math.round(0.4 / model.bin)};
            sizes.rebuild(model, place, LOOK);
            const canvas = new OffscreenCanvas(60, place.height);
            const ctx = canvas.getContext("2d");
            ctx.imageSmoothingEnabled = false;
            sizes.blit(ctx, model.oldest, model.oldest + 6, {width: 60, height: place.height}, 0);
            const pixel = (x, price) => {
                const row = Math.floor((place.top - price) / place.perPixel);
                return [...ctx.getImageData(x, row, 1, 1).data];
            };
            const code = (price) => model.codeAt(model.bySlot(model.newest), price);
            const half = model.bin / 2;
            return {
                first: pixel(5, 100 + half), newest: pixel(45, 100 + half),
                code: code(100 + half), hole: pixel(15, 100 + half),
                missing: pixel(25, 100 + half), after: pixel(55, 100 + half),
                spread: pixel(45, 100.01 + half), unknown: pixel(45, 99.83 + half),
            };
        }""".replace("LOOK", LOOK),
        [frame, None],
    )
    nothing = [0, 0, 0, 0]
    assert shown["first"] == shown["newest"]
    assert shown["newest"][3] == 255
    assert shown["newest"][0] == shown["code"] - 1
    for name in ("hole", "missing", "after", "spread"):
        assert shown[name] == nothing, name
    assert shown["unknown"] == [0, 255, 0, 255]


def test_a_column_that_is_added_equals_the_same_column_painted_anew(scripted: Page) -> None:
    history = LiquidityHistory(0.01, 0.0001, PERIOD_MS)
    for number in range(30):
        history.on_book(book(100.0 + (number % 7) / 100, number))
        history.tick(START_MS + number * PERIOD_MS)
    differing = scripted.evaluate(
        """(frame) => {
            const place = {top: 100.4, perPixel: 0.005, height: 160};
            const look = LOOK;
            const anew = quintet.heatModel.create();
            anew.apply(frame);
            const whole = quintet.heatLayers.sizes();
            whole.rebuild(anew, place, look);
            const model = quintet.heatModel.create();
            model.apply({...frame, columns: frame.columns.slice(0, 10)});
            const sizes = quintet.heatLayers.sizes();
            sizes.rebuild(model, place, look);
            let before = model.newest;
            for (const column of model.apply({...frame, full: false})) {
                sizes.add(model, column, before);
                before = column.slot;
            }
            const read = (layer) => {
                const ctx = new OffscreenCanvas(35, place.height).getContext("2d");
                layer.blit(ctx, anew.oldest, anew.oldest + 35, {width: 35, height: place.height}, 0);
                return ctx.getImageData(0, 0, 35, place.height).data;
            };
            const [one, other] = [read(whole), read(sizes)];
            return [one.reduce((sum, v, i) => sum + (v !== other[i]), 0), one.some((v) => v > 0)];
        }""".replace("LOOK", LOOK),
        history.full(),
    )
    assert differing == [0, True]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_equal_steps_of_the_scale_are_equal_steps_of_lightness(scripted: Page, scheme: str) -> None:
    pixels = scripted.evaluate(f"[...quintet.heatColours.ramp('{scheme}')]")

    def lightness(pixel: int) -> float:
        """OKLab's L of an ABGR pixel."""
        channels = [((pixel >> shift) & 255) / 255 for shift in (0, 8, 16)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        long = 0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b
        medium = 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b
        short = 0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b
        return 0.2104542553 * long ** (1 / 3) + 0.793617785 * medium ** (1 / 3) - 0.0040720468 * short ** (1 / 3)

    levels = [lightness(pixel) for pixel in pixels]
    step = (levels[-1] - levels[0]) / 255
    assert abs(step) * 255 > 0.6
    assert (step > 0) is (scheme == "dark"), "the largest size stands out from the ground"
    assert max(abs(level - levels[0] - i * step) for i, level in enumerate(levels)) < 0.02


@pytest.mark.parametrize(("least", "step"), [(0.9, 1), (1.1, 2), (2.2, 2.5), (30, 50), (0.0021, 0.0025), (6, 10)])
def test_axes_step_in_round_numbers(scripted: Page, least: float, step: float) -> None:
    assert scripted.evaluate(f"quintet.heatAxes.niceStep({least})") == pytest.approx(step)
