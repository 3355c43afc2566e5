"""Networks of the pool and what hosts make of them: PIFs, bonds, VLANs, tunnels."""
