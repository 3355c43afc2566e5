"""Our own types of SRs: one driver class for each."""
