"""VMs: what is made of their records, and how they are started, stopped and given devices."""
