"""Plugins: found in their folder or announced by themselves, read when they are due, and bounded each for itself."""
