"""Certificates: the one that clients see, and those that the pool trusts."""
