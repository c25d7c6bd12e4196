"""Loopback servers that speak the venues' real wire protocols."""
