"""What the stream delivers, and how consumers ask for it."""

import enum

from core.domain.market import BarUpdate, BookView, ConsolidatedBook, Quote, Trade
from core.domain.snapshot import UniversalDataStream

Message = Trade | Quote | BookView | ConsolidatedBook | BarUpdate | UniversalDataStream


class DataType(enum.StrEnum):
    """What a consumer may register for."""

    #: trades and quotes
    TICKS = "ticks"
    #: bars of the five series, running ones included
    OHLCV = "ohlcv"
    #: a snapshot of all series, each time a second of eth_ticks is over
    TRAINING_DATA = "training_data"
    #: all that a screen shows: trades, quotes, books, bars
    UI_DATA = "ui_data"
    #: consolidated order books with their measures
    COB = "cob"


class Policy(enum.StrEnum):
    """What a mailbox does when its consumer is slower than the market."""

    #: keeps one newest message per key: bars by series and time, quotes and books by symbol, the last 200 trades
    NEWEST = "newest"
    #: first in, first out; the oldest is dropped and counted when full
    BOUNDED = "bounded"
    #: first in, first out, nothing dropped: above the bound the stream reads `congested`, and links stop reading
    LOSSLESS = "lossless"


#: which kinds of message each data type brings
KINDS: dict[DataType, frozenset[type]] = {
    DataType.TICKS: frozenset({Trade, Quote}),
    DataType.OHLCV: frozenset({BarUpdate}),
    DataType.TRAINING_DATA: frozenset({UniversalDataStream}),
    DataType.UI_DATA: frozenset({Trade, Quote, BookView, BarUpdate}),
    DataType.COB: frozenset({ConsolidatedBook}),
}
