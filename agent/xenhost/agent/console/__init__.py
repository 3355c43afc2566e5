"""Serial consoles: one reader for each terminal, and any number of people in front of it (`relay`)."""
