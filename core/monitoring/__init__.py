"""Success metrics and incidents."""
