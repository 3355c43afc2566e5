"""Mounts: what is mounted where, and mounting in bounded time."""
