"""Quintet's engine: market data in, one stream of five series out. No page and no HTTP lives here."""
