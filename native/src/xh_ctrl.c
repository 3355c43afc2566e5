/* xh_ctrl.c - the handle, and what Xen tells about the host. */
#include <stdio.h>

#include "xh_ctrl.h"
#include "xh_log.h"

xh_ctrl *xh_open(void)
{
    xh_ctrl *ctrl = calloc(1, sizeof(*ctrl));
    int saved;

    if (!ctrl)
        return NULL;
    ctrl->xch = xc_interface_open(xh_silent_logger(), xh_silent_logger(), 0);
    if (ctrl->xch)
        return ctrl;
    saved = errno ? errno : ENODEV;
    free(ctrl);
    errno = saved;
    return NULL;
}

void xh_close(xh_ctrl *ctrl)
{
    if (!ctrl)
        return;
    xc_interface_close(ctrl->xch);
    free(ctrl);
}

static int get_string(xh_ctrl *ctrl, int what, void *buf, char *out, size_t size)
{
    if (xc_version(ctrl->xch, what, buf) < 0)
        return -1;
    snprintf(out, size, "%s", (const char *)buf);
    return 0;
}

int xh_version_get(xh_ctrl *ctrl, struct xh_version *out)
{
    xen_extraversion_t extra = "";
    xen_capabilities_info_t caps = "";
    xen_changeset_info_t changeset = "";
    xen_commandline_t line = "";
    xen_compile_info_t compile = {0};
    int version, page;

    memset(out, 0, sizeof(*out));
    version = xc_version(ctrl->xch, XENVER_version, NULL);
    page = xc_version(ctrl->xch, XENVER_pagesize, NULL);
    if (version < 0 || page < 0 || xc_version(ctrl->xch, XENVER_compile_info, &compile) < 0 ||
        get_string(ctrl, XENVER_extraversion, &extra, out->extra, sizeof(out->extra)) ||
        get_string(ctrl, XENVER_capabilities, &caps, out->capabilities,
                   sizeof(out->capabilities)) ||
        get_string(ctrl, XENVER_changeset, &changeset, out->changeset, sizeof(out->changeset)) ||
        get_string(ctrl, XENVER_commandline, &line, out->command_line, sizeof(out->command_line)))
        return -1;
    out->major = (uint32_t)version >> 16;
    out->minor = (uint32_t)version & 0xffff;
    out->page_size = (uint32_t)page;
    snprintf(out->compiler, sizeof(out->compiler), "%s", compile.compiler);
    snprintf(out->compiled_by, sizeof(out->compiled_by), "%s", compile.compile_by);
    snprintf(out->compile_domain, sizeof(out->compile_domain), "%s", compile.compile_domain);
    snprintf(out->compile_date, sizeof(out->compile_date), "%s", compile.compile_date);
    return 0;
}

int xh_physinfo_get(xh_ctrl *ctrl, struct xh_physinfo *out)
{
    xc_physinfo_t info = {0};

    if (xc_physinfo(ctrl->xch, &info) < 0)
        return -1;
    memset(out, 0, sizeof(*out));
    out->total_pages = info.total_pages;
    out->free_pages = info.free_pages;
    out->scrub_pages = info.scrub_pages;
    out->outstanding_pages = info.outstanding_pages;
    out->max_mfn = info.max_mfn;
    out->threads_per_core = info.threads_per_core;
    out->cores_per_socket = info.cores_per_socket;
    out->nr_cpus = info.nr_cpus;
    out->max_cpu_id = info.max_cpu_id;
    out->nr_nodes = info.nr_nodes;
    out->max_node_id = info.max_node_id;
    out->cpu_khz = info.cpu_khz;
    out->cap_hvm = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_hvm);
    out->cap_pv = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_pv);
    out->cap_directio = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_directio);
    out->cap_hap = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_hap);
    out->cap_shadow = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_shadow);
    out->cap_iommu_hap_pt_share = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share);
    out->cap_vmtrace = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_vmtrace);
    out->cap_vpmu = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_vpmu);
    out->cap_gnttab_v1 = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v1);
    out->cap_gnttab_v2 = !!(info.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2);
    memcpy(out->hw_cap, info.hw_cap, sizeof(out->hw_cap));
    return 0;
}

int xh_numa_get(xh_ctrl *ctrl, uint32_t max, struct xh_numa_node *nodes, uint32_t *distances)
{
    xc_meminfo_t *info = calloc(max ? max : 1, sizeof(*info));
    unsigned int n = max;

    if (!info)
        return -1;
    if (xc_numainfo(ctrl->xch, &n, info, distances) < 0) {
        int saved = errno;
        free(info);
        errno = saved;
        return -1;
    }
    for (unsigned int i = 0; i < n && i < max; i++) {
        bool here = info[i].memsize != XEN_INVALID_MEM_SZ;
        nodes[i].total_bytes = here ? info[i].memsize : 0;
        nodes[i].free_bytes = here ? info[i].memfree : 0;
    }
    free(info);
    return (int)n;
}

int xh_cpu_topology(xh_ctrl *ctrl, uint32_t max, struct xh_cpu *out)
{
    xc_cputopo_t *topo = calloc(max ? max : 1, sizeof(*topo));
    unsigned int n = max;

    if (!topo)
        return -1;
    if (xc_cputopoinfo(ctrl->xch, &n, topo) < 0) {
        int saved = errno;
        free(topo);
        errno = saved;
        return -1;
    }
    for (unsigned int i = 0; i < n && i < max; i++) {
        bool here = topo[i].core != XEN_INVALID_CORE_ID;
        out[i].core = here ? topo[i].core : UINT32_MAX;
        out[i].socket = here ? topo[i].socket : UINT32_MAX;
        out[i].node = here ? topo[i].node : UINT32_MAX;
    }
    free(topo);
    return (int)n;
}

int xh_cpu_idle_times(xh_ctrl *ctrl, uint32_t max, uint64_t *idle_ns)
{
    xc_cpuinfo_t *info = calloc(max ? max : 1, sizeof(*info));
    int n = 0, rc;

    if (!info)
        return -1;
    rc = xc_getcpuinfo(ctrl->xch, (int)max, info, &n);
    if (rc < 0) {
        int saved = errno;
        free(info);
        errno = saved;
        return -1;
    }
    for (int i = 0; i < n && (uint32_t)i < max; i++)
        idle_ns[i] = info[i].idletime;
    free(info);
    return n;
}

int xh_console_ring(xh_ctrl *ctrl, char *buf, uint32_t size, int clear, int incremental,
                    uint32_t *index)
{
    unsigned int n = size;

    if (xc_readconsolering(ctrl->xch, buf, &n, clear, incremental, index) < 0)
        return -1;
    return (int)n;
}

int xh_debug_keys(xh_ctrl *ctrl, const char *keys)
{
    return xc_send_debug_keys(ctrl->xch, keys);
}

int xh_scheduler(xh_ctrl *ctrl)
{
    int id = 0;

    return xc_sched_id(ctrl->xch, &id) < 0 ? -1 : id;
}
