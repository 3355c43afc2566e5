"""Status reports: what a supporter wants to see of a host and the pool, as one archive."""
