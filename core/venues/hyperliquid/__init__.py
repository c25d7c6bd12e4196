"""Hyperliquid: public trades, books, quotes and candles of its perpetuals."""
