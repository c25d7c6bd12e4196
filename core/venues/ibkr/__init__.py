"""Interactive Brokers: one connection to a TWS or Gateway, through ib_async or ib_insync."""
