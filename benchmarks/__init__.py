"""Performance claims, each with a command: `python -m benchmarks [name…]`."""
