"""Programs that bring data sources through a file in /dev/shm/metrics, by protocol V1 (text) or V2 (binary)."""
