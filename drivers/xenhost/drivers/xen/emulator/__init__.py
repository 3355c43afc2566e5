"""The device model of HVM domains: QEMU, its command line, its process, and QMP."""
