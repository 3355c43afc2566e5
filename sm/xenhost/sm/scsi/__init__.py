"""SCSI disks of this host as sysfs shows them."""
