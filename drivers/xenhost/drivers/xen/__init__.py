"""The hypervisor port on a real Xen: libxenctrl, xenstore, a helper process that builds. No libxl, no script.

backend    XenHypervisor: the port, each verb handed to one of the others
domain     create, list, destroy         build, helper   memory, kernel, vCPUs, by a helper process
record     what we know of our domains   tree, paths     what stands in xenstore
watch      events                        shutdown        the handshake with the guest
control    pause, vCPUs, memory          host            facts of the machine
devices    VBDs and VIFs                 qemu, bootloader  device model, pygrub
"""
