"""The switch of a host that has Linux bridges."""
