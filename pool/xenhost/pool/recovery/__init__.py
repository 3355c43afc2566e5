"""What survives a pool: its database on SRs, and what another pool does with that."""
