"""SRs and VDIs: which host does what is asked, and what it changes in the pool."""
