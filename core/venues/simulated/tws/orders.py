"""Orders of the simulated TWS and how the market fills them. Pure: market facts come in, fills go out.

An order that reaches the market takes what the book shows, row by row. What is left of a limit order rests: a trade through
its price fills it as far as the trade's size goes, a trade at its price by half of that (others were first in the queue),
and a quote that crosses it fills it at its limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from core.venues.simulated.tws.market import Rows, Trade
from core.venues.simulated.tws.order_request import OrderRequest
from core.venues.simulated.tws.stocks import Stock

COMMISSION_PER_SHARE, LEAST_COMMISSION = 0.005, 1.0
BUYS = ("BUY",)
SELLS = ("SELL", "SSHORT")
TYPES = ("MKT", "LMT", "STP", "STP LMT")
TIFS = ("DAY", "GTC", "IOC")


class Status(StrEnum):
    STAGED = "Staged"  # never told: what is not transmitted has no life yet
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"


LIVE = (Status.PRE_SUBMITTED, Status.SUBMITTED)
DONE = (Status.FILLED, Status.CANCELLED, Status.INACTIVE)


class Fill(NamedTuple):
    """Shares at a price in ticks, on a venue."""

    price: int
    quantity: int
    venue: str
    adds_liquidity: bool


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as it is told and remembered."""

    exec_id: str
    at_ms: int
    fill: Fill
    cumulative: int
    average: float
    commission: float
    realized: float | None


@dataclass(slots=True)
class Order:
    """One order. `is_held`: a child whose parent is not filled yet; `is_resting`: its first look at the book is over."""

    client_id: int
    perm_id: int
    stock: Stock
    request: OrderRequest
    status: Status = Status.STAGED
    filled: int = 0
    cost: float = 0.0
    is_held: bool = False
    is_resting: bool = False
    is_triggered: bool = False
    completed_ms: int = 0
    executions: list[Execution] = field(default_factory=list)

    @property
    def order_id(self) -> int:
        return self.request.order_id

    @property
    def quantity(self) -> int:
        return int(self.request.quantity)

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled

    @property
    def average(self) -> float:
        return self.cost / self.filled if self.filled else 0.0

    @property
    def is_buy(self) -> bool:
        return self.request.action in BUYS

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def limit(self) -> int | None:
        """The limit in ticks; None for one that takes any price."""
        if self.request.order_type in ("LMT", "STP LMT") and self.request.limit is not None:
            return round(self.request.limit * 100)
        return None

    @property
    def waits_for_trigger(self) -> bool:
        return self.request.order_type.startswith("STP") and not self.is_triggered


def rejection(request: OrderRequest) -> tuple[int, str] | None:
    """Code and text when the venue does not take the order."""
    if request.contract.stock is None:
        return 200, "No security definition has been found for the request"
    if request.action not in (*BUYS, *SELLS):
        return 321, f"Error validating request.-'bA' : cause - Invalid action {request.action[:20]!r} was entered"
    if request.order_type not in TYPES:
        return 387, "Unsupported order type for this exchange and security type."
    if request.tif not in TIFS:
        return 391, "The time-in-force for this order is invalid"
    if request.quantity <= 0:
        return 434, "The order size cannot be zero"
    if request.quantity != int(request.quantity):
        return 10242, "Fractional-sized order cannot be placed via API"
    needed = {"LMT": (request.limit,), "STP": (request.aux,), "STP LMT": (request.limit, request.aux)}
    for price in needed.get(request.order_type, ()):
        if price is None or price <= 0 or abs(price * 100 - round(price * 100)) > 1e-6:
            return 110, "The price does not conform to the minimum price variation for this contract."
    return None


def fills_of(order: Order, bids: Rows, asks: Rows, trades: Sequence[Trade], takes: bool) -> list[Fill]:
    """What an order gets from the market now. `takes`: it may take from the book (once per book, not per look)."""
    if order.waits_for_trigger and not _triggers(order, trades):
        return []
    fills: list[Fill] = []
    left = order.remaining
    limit = order.limit
    if takes or not order.is_resting:
        for row in asks if order.is_buy else bids:
            if left <= 0 or not _reaches(order.is_buy, limit, row.price):
                break
            quantity = min(row.size, left)
            price = row.price if not order.is_resting or limit is None else limit
            fills.append(Fill(price, quantity, row.maker, order.is_resting and limit is not None))
            left -= quantity
    if limit is not None and order.is_resting and not fills:
        for trade in trades:
            if left <= 0:
                break
            if _reaches(order.is_buy, limit, trade.price):
                quantity = min(left, trade.size if trade.price != limit else max(trade.size // 2, 1))
                fills.append(Fill(limit, quantity, trade.exchange, True))
                left -= quantity
    return fills


def _reaches(is_buy: bool, limit: int | None, price: int) -> bool:
    return limit is None or (price <= limit if is_buy else price >= limit)


def _triggers(order: Order, trades: Sequence[Trade]) -> bool:
    """Whether a trade sets a stop order off; remembers it."""
    stop = round((order.request.aux or 0.0) * 100)
    if any(trade.price >= stop if order.is_buy else trade.price <= stop for trade in trades):
        order.is_triggered = True
    return order.is_triggered


def commission_of(quantity: int, is_first: bool) -> float:
    """Commission of a fill; the least of an order falls on its first fill."""
    plain = quantity * COMMISSION_PER_SHARE
    return round(max(plain, LEAST_COMMISSION) if is_first else plain, 4)
