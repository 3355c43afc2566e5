"""Threshold alerts, as XenServer's perfmon has them: `other_config:perfmon` of a host, VM or SR, and ALARM messages."""
