"""Metrics: data sources, and the programs of others that bring them."""
