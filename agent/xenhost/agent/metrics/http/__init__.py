"""Metrics over HTTP, as XenServer's clients ask for them: /rrd_updates and its relatives, OpenMetrics, pictures."""
