"""SRs on LVM: a volume group with a thin pool (or plain volumes), one logical volume for each VDI."""
