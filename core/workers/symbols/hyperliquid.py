"""Hyperliquid: a perpetual is its coin, `ETH`, or `ETH-PERP` on our pages; prices in USD."""

import re

from core.workers.symbols.symbol import Symbol

VENUE = "HYPERLIQUID"
_NAME = re.compile(r"(k?[A-Z0-9]{1,12})(?:-PERP)?")


def parse(text: str) -> Symbol | None:
    found = _NAME.fullmatch(text)
    return None if found is None else Symbol(text, VENUE, "perpetual", found[1], found[1], "USD", underlying_kind="spot")
