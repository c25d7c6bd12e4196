"""The simulated account: cash, positions, and the numbers made of them. Pure."""

from dataclasses import dataclass

INITIAL_CASH = 1_000_000.0
#: margin of stocks, as a share of their value (Reg T: half to begin, a quarter to keep)
INITIAL_MARGIN, MAINTENANCE_MARGIN = 0.5, 0.25
SUMMARY_TAGS = (
    "NetLiquidation", "TotalCashValue", "SettledCash", "BuyingPower", "EquityWithLoanValue", "GrossPositionValue",
    "AvailableFunds", "ExcessLiquidity", "InitMarginReq", "MaintMarginReq", "Cushion", "RealizedPnL", "UnrealizedPnL",
)  # fmt: skip


@dataclass(slots=True)
class Position:
    """Shares (negative: short) and their mean price, commissions left out."""

    quantity: int = 0
    average: float = 0.0


class Account:
    """`name` begins with SIM: a client can tell that nothing here is real."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cash = INITIAL_CASH
        self.realized = 0.0
        self.positions: dict[str, Position] = {}

    def set_position(self, symbol: str, quantity: int, average: float) -> None:
        """Shares the account had before the beginning."""
        self.positions[symbol] = Position(quantity, average)

    def fill(self, symbol: str, quantity: int, price: float, commission: float) -> float | None:
        """Book a fill (`quantity` negative: sold); returns what it realised, None when it only opened."""
        position = self.positions.setdefault(symbol, Position())
        self.cash -= quantity * price + commission
        before = position.quantity
        closing = min(abs(quantity), abs(before)) if before * quantity < 0 else 0
        realized = None
        if closing:
            direction = 1 if before > 0 else -1
            realized = closing * direction * (price - position.average) - commission
            self.realized += realized
        after = before + quantity
        if before * quantity >= 0:
            total = abs(before) + abs(quantity)
            position.average = (abs(before) * position.average + abs(quantity) * price) / total
        elif abs(quantity) > abs(before):
            position.average = price
        position.quantity = after
        if not after:
            position.average = 0.0
        return realized

    def unrealized(self, symbol: str, price: float) -> float:
        position = self.positions[symbol]
        return position.quantity * (price - position.average)

    def values(self, prices: dict[str, float]) -> dict[str, float]:
        """Account values by tag, at the prices given (one for each symbol held)."""
        held = {symbol: p.quantity * prices[symbol] for symbol, p in self.positions.items() if p.quantity}
        gross, net = sum(map(abs, held.values())), sum(held.values())
        liquidation = self.cash + net
        initial, maintenance = INITIAL_MARGIN * gross, MAINTENANCE_MARGIN * gross
        available, excess = liquidation - initial, liquidation - maintenance
        unrealized = sum(self.unrealized(symbol, prices[symbol]) for symbol in held)
        return {
            "NetLiquidation": liquidation,
            "TotalCashValue": self.cash,
            "SettledCash": self.cash,
            "BuyingPower": max(available, 0.0) * 4,
            "EquityWithLoanValue": liquidation,
            "GrossPositionValue": gross,
            "AvailableFunds": available,
            "ExcessLiquidity": excess,
            "InitMarginReq": initial,
            "MaintMarginReq": maintenance,
            "Cushion": excess / liquidation if liquidation else 0.0,
            "RealizedPnL": self.realized,
            "UnrealizedPnL": unrealized,
        }
