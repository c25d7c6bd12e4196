"""What every layer stands on: clock, settings, errors, back-off, supervision, metrics, logs."""
