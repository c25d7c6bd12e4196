"""The parts of option valuation: the normal distribution and the implied volatility."""
