"""What a venue's channels are."""

import msgspec


class ChannelSpec(msgspec.Struct, frozen=True):
    """A channel that each symbol is subscribed on: its name, the type of what it carries, and how many times longer than
    the venue's silence limit it may be quiet."""

    name: str
    carries: type
    patience: float = 1.0
