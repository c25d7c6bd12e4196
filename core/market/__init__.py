"""Pure state machines over market facts: trade ids, bars, the order book. No I/O, no asyncio, no threads."""

from core.market.bar_builder import BarBuilder
from core.market.order_book import OrderBook
from core.market.tape import Tape

__all__ = ["BarBuilder", "OrderBook", "Tape"]
