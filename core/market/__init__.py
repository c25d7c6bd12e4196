"""Pure market state machines: bars, order book, tape. No I/O."""
