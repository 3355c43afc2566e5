"""XVA archives: VMs in files, as XenServer's tools write and read them.

A tar: `ova.xml`, which says what the VMs are made of, then the disks one after another in chunks of a MiB, each with a
checksum behind it; all of it plain, or compressed by gzip or zstd (xapi: export.ml, import.ml, stream_vdi.ml).
"""
