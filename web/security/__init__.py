"""Who may ask what: the outermost ASGI layer, and the pure decisions behind it."""
