"""The test bed: Debian's real Xen and a Debian dom0 under QEMU software emulation."""
