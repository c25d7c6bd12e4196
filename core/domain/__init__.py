"""Frozen facts: what the rest of the house talks about. No I/O, no asyncio."""
