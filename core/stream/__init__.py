"""The five series: buffers, adapter, publisher, distributor, freshness."""
