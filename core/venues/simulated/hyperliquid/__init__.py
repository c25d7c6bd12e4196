"""The simulated Hyperliquid: `POST /info` and `/ws` on one port, over the made market."""
