"""iSCSI: targets, sessions and their LUNs, through open-iscsi."""
