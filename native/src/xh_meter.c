/* xh_meter.c - what is asked every few seconds: the use of CPUs by all domains, and how CPUs rest. */
#include "xh_ctrl.h"

#define BATCH 512
#define TIME(ns) ((ns) & ~(1ull << 63)) /* without XEN_RUNSTATE_UPDATE, which some versions let out */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_CX LENGTH(((struct xh_rest *)NULL)->cx_ns)
#define MAX_PX LENGTH(((struct xh_rest *)NULL)->px_ns)

static uint8_t state_of(xh_ctrl *ctrl, const xc_domaininfo_t *in, uint32_t vcpu, uint64_t *time)
{
    xc_vcpuinfo_t info;

    /* The domain's own line says it all when it has one vCPU; a dying one may have lost it since. */
    if (in->max_vcpu_id == 0 && in->nr_online_vcpus == 1) {
        *time = TIME(in->cpu_time);
        if (in->flags & XEN_DOMINF_running)
            return XH_VCPU_RUNNING;
        return in->flags & XEN_DOMINF_blocked ? XH_VCPU_BLOCKED : XH_VCPU_RUNNABLE;
    }
    if (xc_vcpu_getinfo(ctrl->xch, in->domain, vcpu, &info) < 0) {
        *time = 0;
        return XH_VCPU_UNKNOWN;
    }
    *time = TIME(info.cpu_time);
    if (!info.online)
        return XH_VCPU_OFFLINE;
    if (info.running)
        return XH_VCPU_RUNNING;
    return info.blocked ? XH_VCPU_BLOCKED : XH_VCPU_RUNNABLE;
}

int xh_loads(xh_ctrl *ctrl, uint32_t max, struct xh_load *out, uint32_t max_vcpus,
             uint64_t *vcpu_times, uint8_t *vcpu_states, uint32_t *vcpus)
{
    xc_domaininfo_t *list = calloc(BATCH, sizeof(*list));
    uint32_t first = 0, domains = 0, used = 0;
    int n;

    if (!list)
        return -1;
    do {
        n = xc_domain_getinfolist(ctrl->xch, first, BATCH, list);
        for (int i = 0; i < n; i++) {
            const xc_domaininfo_t *in = &list[i];
            uint32_t count = in->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : in->max_vcpu_id + 1;
            struct xh_load *d = &out[domains];

            first = in->domain + 1;
            if (domains == max || count > max_vcpus - used) {
                free(list);
                errno = ENOBUFS;
                return -1;
            }
            d->domid = in->domain;
            d->paused = !!(in->flags & XEN_DOMINF_paused);
            d->gone = !!(in->flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown));
            d->tot_pages = in->tot_pages;
            d->cpu_time_ns = TIME(in->cpu_time);
            d->online_vcpus = in->nr_online_vcpus;
            d->vcpus = count;
            d->first_vcpu = used;
            for (uint32_t v = 0; v < count; v++, used++)
                vcpu_states[used] = state_of(ctrl, in, v, &vcpu_times[used]);
            domains++;
        }
    } while (n == BATCH);
    *vcpus = used;
    if (n < 0) {
        int saved = errno;
        free(list);
        errno = saved;
        return -1;
    }
    free(list);
    return (int)domains;
}

static void idle_states(xh_ctrl *ctrl, int cpu, struct xh_rest *out)
{
    uint64_t triggers[MAX_CX] = {0}, residencies[MAX_CX] = {0};
    uint64_t pc[MAX_CX] = {0}, cc[MAX_CX] = {0};
    struct xc_cx_stat stat = {
        .nr = MAX_CX,
        .nr_pc = MAX_CX,
        .nr_cc = MAX_CX,
        .triggers = triggers,
        .residencies = residencies,
        .pc = pc,
        .cc = cc,
    };

    if (xc_pm_get_cxstat(ctrl->xch, cpu, &stat) < 0)
        return;
    out->cx = stat.nr < MAX_CX ? stat.nr : (uint32_t)MAX_CX;
    memcpy(out->cx_ns, residencies, sizeof(out->cx_ns));
}

static void frequencies(xh_ctrl *ctrl, int cpu, struct xh_rest *out)
{
    struct xc_px_stat stat = {0};
    int max = 0, khz = 0;

    if (xc_pm_get_max_px(ctrl->xch, cpu, &max) < 0 || max <= 0 || max > 255)
        return;
    stat.trans_pt = calloc((size_t)max * (size_t)max, sizeof(*stat.trans_pt));
    stat.pt = calloc((size_t)max, sizeof(*stat.pt));
    if (stat.trans_pt && stat.pt && xc_pm_get_pxstat(ctrl->xch, cpu, &stat) >= 0) {
        out->px = stat.total < max ? stat.total : (uint32_t)max;
        if (out->px > MAX_PX)
            out->px = MAX_PX;
        for (uint32_t p = 0; p < out->px; p++)
            out->px_ns[p] = stat.pt[p].residency;
    }
    free(stat.trans_pt);
    free(stat.pt);
    if (xc_get_cpufreq_avgfreq(ctrl->xch, cpu, &khz) >= 0 && khz > 0)
        out->average_khz = (uint64_t)khz;
}

int xh_rests(xh_ctrl *ctrl, uint32_t cpus, struct xh_rest *out)
{
    memset(out, 0, cpus * sizeof(*out));
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        idle_states(ctrl, (int)cpu, &out[cpu]);
        frequencies(ctrl, (int)cpu, &out[cpu]);
    }
    return 0;
}
