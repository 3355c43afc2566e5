"""SRs in a pool of Ceph: an RBD image for each VDI, mapped by the kernel."""
