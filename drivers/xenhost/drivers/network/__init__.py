"""Networking of dom0: the kernel's links and bridges."""
