"""A TWS on loopback: the real text protocol (server versions 157 to 178) over the seeded market."""
