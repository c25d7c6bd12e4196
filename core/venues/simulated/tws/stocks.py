"""The stocks of the simulated TWS: contract facts as the venue gives them, and what their market is like."""

from dataclasses import dataclass

from core.domain.instrument import AAPL, GOOGL, MSFT
from core.venues.simulated.instruments import SymbolSpec


@dataclass(frozen=True, slots=True)
class Stock:
    """One stock; `con_id` is the venue's own id of the contract."""

    spec: SymbolSpec
    con_id: int
    long_name: str
    isin: str
    industry: str
    category: str
    subcategory: str

    @property
    def symbol(self) -> str:
        return self.spec.symbol

    def contract(self) -> dict[str, str | int | float | bool | None]:
        """Fields of the contract in messages of the server."""
        return {
            "conId": self.con_id,
            "symbol": self.symbol,
            "secType": "STK",
            "exchange": "SMART",
            "primaryExchange": "NASDAQ",
            "currency": "USD",
            "localSymbol": self.symbol,
            "tradingClass": "NMS",
        }


STOCKS: dict[str, Stock] = {
    stock.symbol: stock
    for stock in (
        Stock(
            SymbolSpec(AAPL, 230.0, 0.015, 4.0 * 86_400, 50e6),
            265598, "APPLE INC", "US0378331005", "Technology", "Computers", "Computers",
        ),
        Stock(
            SymbolSpec(MSFT, 430.0, 0.013, 2.5 * 86_400, 20e6),
            272093, "MICROSOFT CORP", "US5949181045", "Technology", "Software", "Applications Software",
        ),
        Stock(
            SymbolSpec(GOOGL, 175.0, 0.016, 3.0 * 86_400, 28e6),
            208813719, "ALPHABET INC-CL A", "US02079K3059", "Communications", "Internet", "Web Portals/ISP",
        ),
    )
}  # fmt: skip

#: where trades print and quotes stand, by the draw that names one
EXCHANGES = ("NASDAQ", "ARCA", "BATS", "IEX", "EDGX", "NYSE", "MEMX", "DRCTEDGE")
VALID_EXCHANGES = (
    "SMART", "AMEX", "NYSE", "CBOE", "PHLX", "ISE", "CHX", "ARCA", "NASDAQ", "ISLAND", "DRCTEDGE", "BEX", "BATS", "EDGEA",
    "BYX", "IEX", "EDGX", "FOXRIVER", "PEARL", "NYSENAT", "LTSE", "MEMX", "IBEOS", "OVERNIGHT", "PSX",
)  # fmt: skip
ORDER_TYPES = "ACTIVETIM,AD,ADJUST,ALERT,AON,COND,DAY,GAT,GTC,GTD,IOC,LMT,LOC,MIDPX,MIT,MKT,MOC,OCA,STP,STPLMT,TRAIL,WHATIF"
#: (exchange, service) of those that give Level II
DEPTH_SERVICES = (
    ("NASDAQ", "Deep2"), ("ISLAND", "Deep2"), ("ARCA", "Deep"), ("BATS", "Deep"), ("NYSE", "Deep"), ("IEX", "Deep"),
    ("EDGX", "Deep"), ("MEMX", "Deep"),
)  # fmt: skip


def find(con_id: int, symbol: str, sec_type: str, exchange: str, currency: str) -> Stock | None:
    """The stock that a client's contract means; None where the venue knows none."""
    if exchange not in ("", *VALID_EXCHANGES):
        return None
    if con_id:
        return next((stock for stock in STOCKS.values() if stock.con_id == con_id), None)
    if sec_type != "STK" or currency not in ("", "USD"):
        return None
    return STOCKS.get(symbol)
