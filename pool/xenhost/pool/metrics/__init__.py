"""Metrics: asked of the host that measures."""
