/* xh_sched.c - vCPUs: where they may run, how much they get, what they used. */
#include "xh_ctrl.h"

int xh_cpumap_size(xh_ctrl *ctrl)
{
    return xc_get_cpumap_size(ctrl->xch);
}

/* A map of exactly the size libxc reads and writes; NULL if out of memory. */
static xc_cpumap_t map_from(xh_ctrl *ctrl, const uint8_t *bytes, uint32_t size)
{
    xc_cpumap_t map = xc_cpumap_alloc(ctrl->xch);
    int room = xc_get_cpumap_size(ctrl->xch);

    if (map && bytes && room > 0)
        memcpy(map, bytes, size < (uint32_t)room ? size : (uint32_t)room);
    return map;
}

int xh_vcpu_set_affinity(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, const uint8_t *hard,
                         const uint8_t *soft, uint32_t size)
{
    xc_cpumap_t hard_map = hard ? map_from(ctrl, hard, size) : NULL;
    xc_cpumap_t soft_map = soft ? map_from(ctrl, soft, size) : NULL;
    uint32_t flags =
        (hard ? XEN_VCPUAFFINITY_HARD : 0u) | (soft ? XEN_VCPUAFFINITY_SOFT : 0u);
    int rc = -1, saved;

    if ((hard && !hard_map) || (soft && !soft_map))
        errno = ENOMEM;
    else
        rc = xc_vcpu_setaffinity(ctrl->xch, domid, (int)vcpu, hard_map, soft_map, flags);
    saved = errno;
    free(hard_map);
    free(soft_map);
    errno = saved;
    return rc;
}

int xh_vcpu_get_affinity(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, uint8_t *hard,
                         uint8_t *soft, uint32_t size)
{
    xc_cpumap_t hard_map = map_from(ctrl, NULL, 0);
    xc_cpumap_t soft_map = map_from(ctrl, NULL, 0);
    int room = xc_get_cpumap_size(ctrl->xch);
    int rc = -1, saved;

    if (!hard_map || !soft_map || room <= 0)
        errno = ENOMEM;
    else if ((uint32_t)room > size)
        errno = ENOBUFS;
    else
        rc = xc_vcpu_getaffinity(ctrl->xch, domid, (int)vcpu, hard_map, soft_map,
                                 XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT);
    if (rc == 0) {
        memset(hard, 0, size);
        memset(soft, 0, size);
        memcpy(hard, hard_map, (size_t)room);
        memcpy(soft, soft_map, (size_t)room);
    }
    saved = errno;
    free(hard_map);
    free(soft_map);
    errno = saved;
    return rc;
}

int xh_vcpu_info(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, struct xh_vcpu_info *out)
{
    xc_vcpuinfo_t info = {0};

    if (xc_vcpu_getinfo(ctrl->xch, domid, vcpu, &info) < 0)
        return -1;
    out->cpu_time_ns = info.cpu_time;
    out->online = info.online;
    out->blocked = info.blocked;
    out->running = info.running;
    out->cpu = info.cpu;
    return 0;
}

int xh_sched_set(xh_ctrl *ctrl, int scheduler, uint32_t domid, uint32_t weight, uint32_t cap)
{
    if (weight > UINT16_MAX || cap > UINT16_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (scheduler == XEN_SCHEDULER_CREDIT) {
        struct xen_domctl_sched_credit c = {.weight = (uint16_t)weight, .cap = (uint16_t)cap};
        return xc_sched_credit_domain_set(ctrl->xch, domid, &c);
    }
    if (scheduler == XEN_SCHEDULER_CREDIT2) {
        struct xen_domctl_sched_credit2 c = {.weight = (uint16_t)weight, .cap = (uint16_t)cap};
        return xc_sched_credit2_domain_set(ctrl->xch, domid, &c);
    }
    errno = ENOSYS;
    return -1;
}

int xh_sched_get(xh_ctrl *ctrl, int scheduler, uint32_t domid, uint32_t *weight, uint32_t *cap)
{
    if (scheduler == XEN_SCHEDULER_CREDIT) {
        struct xen_domctl_sched_credit c = {0};
        int rc = xc_sched_credit_domain_get(ctrl->xch, domid, &c);
        *weight = c.weight;
        *cap = c.cap;
        return rc;
    }
    if (scheduler == XEN_SCHEDULER_CREDIT2) {
        struct xen_domctl_sched_credit2 c = {0};
        int rc = xc_sched_credit2_domain_get(ctrl->xch, domid, &c);
        *weight = c.weight;
        *cap = c.cap;
        return rc;
    }
    errno = ENOSYS;
    return -1;
}
