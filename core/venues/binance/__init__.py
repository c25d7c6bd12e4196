"""Binance spot: wire format, REST, connector."""
