"""The dashboard: pages, the feed, the HTTP API."""
