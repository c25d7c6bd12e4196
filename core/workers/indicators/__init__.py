"""Technical indicators with a small state per symbol that is carried from tick to tick."""
