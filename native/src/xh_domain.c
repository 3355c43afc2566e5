/* xh_domain.c - domains: list, create, run states, memory, parameters. */
#include "xh_ctrl.h"

static uint32_t flags_of(const xc_domaininfo_t *info)
{
    static const struct {
        uint32_t xen, ours;
    } map[] = {
        {XEN_DOMINF_dying, XH_DOM_DYING},     {XEN_DOMINF_hvm_guest, XH_DOM_HVM},
        {XEN_DOMINF_shutdown, XH_DOM_SHUTDOWN}, {XEN_DOMINF_paused, XH_DOM_PAUSED},
        {XEN_DOMINF_blocked, XH_DOM_BLOCKED}, {XEN_DOMINF_running, XH_DOM_RUNNING},
        {XEN_DOMINF_hap, XH_DOM_HAP},         {XEN_DOMINF_xs_domain, XH_DOM_XENSTORE},
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (info->flags & map[i].xen)
            flags |= map[i].ours;
    return flags;
}

int xh_domain_list(xh_ctrl *ctrl, uint32_t first, uint32_t max, struct xh_domain_info *out)
{
    xc_domaininfo_t *list = calloc(max ? max : 1, sizeof(*list));
    int n;

    if (!list)
        return -1;
    n = xc_domain_getinfolist(ctrl->xch, first, max, list);
    for (int i = 0; i < n; i++) {
        const xc_domaininfo_t *in = &list[i];
        struct xh_domain_info *d = &out[i];

        memset(d, 0, sizeof(*d));
        d->domid = in->domain;
        d->ssidref = in->ssidref;
        d->flags = flags_of(in);
        d->shutdown_reason = (in->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
        d->tot_pages = in->tot_pages;
        d->max_pages = in->max_pages;
        d->outstanding_pages = in->outstanding_pages;
        d->shared_pages = in->shr_pages;
        d->paged_pages = in->paged_pages;
        d->shared_info_frame = in->shared_info_frame;
        d->cpu_time_ns = in->cpu_time;
        d->online_vcpus = in->nr_online_vcpus;
        d->max_vcpus = in->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : in->max_vcpu_id + 1;
        d->cpupool = in->cpupool;
        d->emulation_flags = in->arch_config.emulation_flags;
        memcpy(d->uuid, in->handle, sizeof(d->uuid));
    }
    if (n < 0) {
        int saved = errno;
        free(list);
        errno = saved;
        return -1;
    }
    free(list);
    return n;
}

int64_t xh_domain_create(xh_ctrl *ctrl, const struct xh_domain_config *c)
{
    static const struct {
        uint32_t ours, xen;
    } map[] = {
        {XH_CDF_HVM, XEN_DOMCTL_CDF_hvm},
        {XH_CDF_HAP, XEN_DOMCTL_CDF_hap},
        {XH_CDF_S3_INTEGRITY, XEN_DOMCTL_CDF_s3_integrity},
        {XH_CDF_OOS_OFF, XEN_DOMCTL_CDF_oos_off},
        {XH_CDF_XENSTORE, XEN_DOMCTL_CDF_xs_domain},
        {XH_CDF_IOMMU, XEN_DOMCTL_CDF_iommu},
        {XH_CDF_NESTED_VIRT, XEN_DOMCTL_CDF_nested_virt},
        {XH_CDF_VPMU, XEN_DOMCTL_CDF_vpmu},
    };
    struct xen_domctl_createdomain config = {
        .ssidref = c->ssidref,
        .max_vcpus = c->max_vcpus,
        .max_evtchn_port = c->max_evtchn_port,
        .max_grant_frames = c->max_grant_frames,
        .max_maptrack_frames = c->max_maptrack_frames,
        .grant_opts = XEN_DOMCTL_GRANT_version(c->grant_version),
        .cpupool_id = c->cpupool,
    };
    uint32_t domid = c->domid == XH_DOMID_ANY ? 0 : c->domid;

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (c->flags & map[i].ours)
            config.flags |= map[i].xen;
    if (c->no_sharept)
        config.iommu_opts |= XEN_DOMCTL_IOMMU_no_sharept;
    switch (c->emulation) {
    case XH_EMU_NONE:
        break;
    case XH_EMU_LAPIC:
        config.arch.emulation_flags = XEN_X86_EMU_LAPIC;
        break;
    case XH_EMU_FULL:
        config.arch.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
        break;
    default:
        errno = EINVAL;
        return -1;
    }
    if (c->msr_relaxed)
        config.arch.misc_flags |= XEN_X86_MSR_RELAXED;
    memcpy(config.handle, c->uuid, sizeof(config.handle));
    if (xc_domain_create(ctrl->xch, &domid, &config) < 0)
        return -1;
    return domid;
}

int xh_domain_max_vcpus(xh_ctrl *ctrl, uint32_t domid, uint32_t max)
{
    return xc_domain_max_vcpus(ctrl->xch, domid, max);
}

int xh_domain_setmaxmem(xh_ctrl *ctrl, uint32_t domid, uint64_t kib)
{
    return xc_domain_setmaxmem(ctrl->xch, domid, kib);
}

int xh_domain_claim(xh_ctrl *ctrl, uint32_t domid, uint64_t pages)
{
    return xc_domain_claim_pages(ctrl->xch, domid, pages);
}

int xh_domain_pause(xh_ctrl *ctrl, uint32_t domid)
{
    return xc_domain_pause(ctrl->xch, domid);
}

int xh_domain_unpause(xh_ctrl *ctrl, uint32_t domid)
{
    return xc_domain_unpause(ctrl->xch, domid);
}

int xh_domain_shutdown(xh_ctrl *ctrl, uint32_t domid, uint32_t reason)
{
    return xc_domain_shutdown(ctrl->xch, domid, (int)reason);
}

int xh_domain_destroy(xh_ctrl *ctrl, uint32_t domid)
{
    return xc_domain_destroy(ctrl->xch, domid);
}

int xh_domain_resume(xh_ctrl *ctrl, uint32_t domid, int fast)
{
    return xc_domain_resume(ctrl->xch, domid, fast);
}

int xh_domain_sethandle(xh_ctrl *ctrl, uint32_t domid, const uint8_t *uuid)
{
    xen_domain_handle_t handle;

    memcpy(handle, uuid, sizeof(handle));
    return xc_domain_sethandle(ctrl->xch, domid, handle);
}

int xh_domain_trigger(xh_ctrl *ctrl, uint32_t domid, uint32_t trigger, uint32_t vcpu)
{
    return xc_domain_send_trigger(ctrl->xch, domid, trigger, vcpu);
}

int xh_domain_time_offset(xh_ctrl *ctrl, uint32_t domid, int32_t seconds)
{
    return xc_domain_set_time_offset(ctrl->xch, domid, seconds);
}

int xh_domain_tsc_mode(xh_ctrl *ctrl, uint32_t domid, uint32_t mode)
{
    return xc_domain_set_tsc_info(ctrl->xch, domid, mode, 0, 0, 0);
}

int xh_domain_memory_map(xh_ctrl *ctrl, uint32_t domid, const struct xh_e820 *map, uint32_t n)
{
    struct e820entry entries[E820MAX];

    if (n > E820MAX) {
        errno = E2BIG;
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        entries[i].addr = map[i].addr;
        entries[i].size = map[i].size;
        entries[i].type = map[i].type;
    }
    return xc_domain_set_memory_map(ctrl->xch, domid, entries, n);
}

int xh_domain_memmap_limit(xh_ctrl *ctrl, uint32_t domid, uint64_t kib)
{
    return xc_domain_set_memmap_limit(ctrl->xch, domid, kib);
}

int xh_domain_set_pod_target(xh_ctrl *ctrl, uint32_t domid, uint64_t pages, struct xh_pod *out)
{
    return xc_domain_set_pod_target(ctrl->xch, domid, pages, &out->tot_pages, &out->cache_pages,
                                    &out->entries);
}

int xh_domain_get_pod_target(xh_ctrl *ctrl, uint32_t domid, struct xh_pod *out)
{
    return xc_domain_get_pod_target(ctrl->xch, domid, &out->tot_pages, &out->cache_pages,
                                    &out->entries);
}

int xh_domain_paging_set(xh_ctrl *ctrl, uint32_t domid, uint64_t bytes)
{
    return xc_set_paging_mempool_size(ctrl->xch, domid, bytes);
}

int xh_domain_paging_get(xh_ctrl *ctrl, uint32_t domid, uint64_t *bytes)
{
    return xc_get_paging_mempool_size(ctrl->xch, domid, bytes);
}

int xh_domain_cpu_policy(xh_ctrl *ctrl, uint32_t domid, const struct xh_cpu_policy *p)
{
    int rc = xc_cpuid_apply_policy(ctrl->xch, domid, false, p->nr_features ? p->features : NULL,
                                   p->nr_features, p->pae, p->itsc, p->nested_virt, NULL, NULL);

    if (rc >= 0)
        return 0;
    /* this one call returns -errno, not -1 */
    if (rc < -1)
        errno = -rc;
    return -1;
}

int xh_hvm_param_set(xh_ctrl *ctrl, uint32_t domid, uint32_t param, uint64_t value)
{
    return xc_hvm_param_set(ctrl->xch, domid, param, value);
}

int xh_hvm_param_get(xh_ctrl *ctrl, uint32_t domid, uint32_t param, uint64_t *value)
{
    return xc_hvm_param_get(ctrl->xch, domid, param, value);
}

int xh_evtchn_alloc_unbound(xh_ctrl *ctrl, uint32_t domid, uint32_t remote)
{
    return xc_evtchn_alloc_unbound(ctrl->xch, domid, remote);
}
