"""A venue in sixty lines: what `docs/add-a-venue.md` explains, and what the tests run."""

from collections.abc import Sequence
from typing import Any

import msgspec

from core.base.codec import to_json
from core.domain.instrument import Instrument
from core.domain.market import BookView, Level, Trade
from core.venues.bad_frames import BadFrame
from core.venues.channel_spec import ChannelSpec
from core.venues.stream_connector import StreamConnector


class _TradeFrame(msgspec.Struct, tag_field="type", tag="trade"):
    symbol: str
    id: int
    price: float
    size: float
    at: int
    seller_took: bool


class _BookFrame(msgspec.Struct, tag_field="type", tag="book"):
    symbol: str
    at: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class _Welcome(msgspec.Struct, tag_field="type", tag="welcome"):
    pass


_Frame = _TradeFrame | _BookFrame | _Welcome


class ExampleConnector(StreamConnector):
    venue = "example"
    title = "Example"
    variable = "EXAMPLE_URL"
    channels = (ChannelSpec("trades", Trade), ChannelSpec("book", BookView))

    def request(self, channel: str, instrument: Instrument, wanted: bool) -> bytes:
        return to_json({"do": "join" if wanted else "leave", "channel": channel, "symbol": instrument.venue_symbol})

    def normalize(self, frame: Any, recv_ns: int) -> Sequence[Any]:
        try:
            fact = msgspec.json.decode(frame, type=_Frame)
        except msgspec.DecodeError as error:
            raise BadFrame("layout", str(error)) from error
        match fact:
            case _TradeFrame():
                return (Trade(fact.symbol, fact.id, fact.price, fact.size, fact.at, fact.seller_took, recv_ns),)
            case _BookFrame():
                return (BookView(fact.symbol, fact.at, fact.bids, fact.asks, fact.at, recv_ns, self.venue),)
        return ()
