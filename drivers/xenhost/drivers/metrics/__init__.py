"""The built-in data sources of a host: meters of Linux and of Xen.

catalog      every data source there is: name, unit, type, bounds; docs/data-sources.md is made from it
registry     the meters of a hypervisor driver, by name

cpu          host and VMs, from Xen: one call for all      daemon   the agent itself
memory       host and VMs, from Xen                        sensors  temperatures and the like, from hwmon
power        C-states, P-states, frequencies               space    how full SRs are, from the storage engine
links        PIFs and VIFs, from /proc/net/dev
disks        VBDs and the SRs they are in, from /sys

xen_calls    the handle, and one list of domains for all   counters rates out of counters that are reset or replaced
kept_files   files that are read again and again           shapes   which sources an owner has, while they are the same
"""
