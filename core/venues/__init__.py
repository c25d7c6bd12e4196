"""Connections to the venues, and the one manager that owns them."""
