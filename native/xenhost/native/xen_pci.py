"""Hypercalls about PCI devices of dom0 that a domain drives (domctl, physdev_op).

What a domain was allowed ends with it at the latest.
"""

from xenhost.native.xen_handle import XenHandle


class PciCalls(XenHandle):
    """The part of Xenctrl that is about passing PCI devices through.

    `sbdf` is segment << 16 | bus << 8 | device << 3 | function.
    """

    def assign_device(self, domid: int, sbdf: int) -> None:
        """Let the device reach the memory of that domain, and no other. ENOSYS without an IOMMU.

        EINVAL if the domain was not created for it, ENODEV if Xen does not know the device.
        """
        self._check(self._lib.xh_pci_assign(self._handle, domid, sbdf), "domctl:assign_device")

    def deassign_device(self, domid: int, sbdf: int) -> None:
        """Give it back to dom0. ENODEV if the domain does not have it."""
        self._check(self._lib.xh_pci_deassign(self._handle, domid, sbdf), "domctl:deassign_device")

    def permit_ports(self, domid: int, first: int, count: int, allow: bool) -> None:
        """Let the domain use I/O ports, or no longer."""
        rc = self._lib.xh_ports_permit(self._handle, domid, first, count, allow)
        self._check(rc, "domctl:ioport_permission")

    def permit_frames(self, domid: int, first: int, count: int, allow: bool) -> None:
        """Let the domain map page frames of devices, or no longer."""
        rc = self._lib.xh_frames_permit(self._handle, domid, first, count, allow)
        self._check(rc, "domctl:iomem_permission")

    def permit_irq(self, domid: int, irq: int, allow: bool) -> None:
        """Let the domain bind an interrupt of the host, which is mapped for it; or no longer."""
        self._check(self._lib.xh_irq_permit(self._handle, domid, irq, allow), "domctl:irq_permission")
