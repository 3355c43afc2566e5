"""Consoles: serial ones, with one reader and any number of people in front of it (`relay`), and screens (`screen`)."""
