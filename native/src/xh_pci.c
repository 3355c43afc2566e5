/* xh_pci.c - PCI devices of dom0 that a domain drives: who may touch what of them. */
#include "xh_ctrl.h"

int xh_pci_assign(xh_ctrl *ctrl, uint32_t domid, uint32_t sbdf)
{
    return xc_assign_device(ctrl->xch, domid, sbdf, 0);
}

int xh_pci_deassign(xh_ctrl *ctrl, uint32_t domid, uint32_t sbdf)
{
    return xc_deassign_device(ctrl->xch, domid, sbdf);
}

int xh_ports_permit(xh_ctrl *ctrl, uint32_t domid, uint32_t first, uint32_t count, int allow)
{
    return xc_domain_ioport_permission(ctrl->xch, domid, first, count, !!allow);
}

int xh_frames_permit(xh_ctrl *ctrl, uint32_t domid, uint64_t first, uint64_t count, int allow)
{
    return xc_domain_iomem_permission(ctrl->xch, domid, first, count, !!allow);
}

int xh_irq_permit(xh_ctrl *ctrl, uint32_t domid, uint32_t irq, int allow)
{
    int pirq = (int)irq;

    if (allow && xc_physdev_map_pirq(ctrl->xch, domid, (int)irq, &pirq) < 0)
        return -1;
    return xc_domain_irq_permission(ctrl->xch, domid, (uint32_t)pirq, !!allow);
}
