"""Network cards of dom0: what they are and in what order, their links, settings and virtual functions."""
