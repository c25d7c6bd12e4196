"""Patterns of one-minute bars: pure functions over frames, and the small state machines around them."""
