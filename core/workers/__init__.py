"""The worker pool on the Redis stream: symbols parsed, indicators and Greeks calculated, rows stored."""
