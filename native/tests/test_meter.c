/* test_meter.c - xh_meter.c over a libxenctrl that has as many domains, vCPUs and states as a test wants. */
#include <assert.h>
#include <stdio.h>

#include "xh_ctrl.h"

#define VCPUS_OF(domid) ((domid) % 3) /* 0: no vCPU yet */

static uint32_t domains;   /* every second id is in use */
static uint32_t gone;      /* a domain whose vCPUs cannot be asked any more */
static int failing;        /* errno of the list */
static uint32_t cx, px;    /* states that the CPUs have */

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max, xc_domaininfo_t *out)
{
    unsigned int n = 0;

    (void)xch;
    if (failing) {
        errno = failing;
        return -1;
    }
    for (uint32_t id = 0; id < domains * 2 && n < max; id += 2) {
        if (id < first)
            continue;
        memset(&out[n], 0, sizeof(out[n]));
        out[n].domain = (uint16_t)id;
        out[n].tot_pages = id + 7;
        out[n].cpu_time = (id + 1) * 1000ull | 1ull << 63;
        out[n].max_vcpu_id = VCPUS_OF(id) ? VCPUS_OF(id) - 1 : XEN_INVALID_MAX_VCPU_ID;
        out[n].nr_online_vcpus = VCPUS_OF(id);
        out[n].flags = id % 4 ? XEN_DOMINF_blocked : XEN_DOMINF_running;
        n++;
    }
    return (int)n;
}

int xc_vcpu_getinfo(xc_interface *xch, uint32_t domid, uint32_t vcpu, xc_vcpuinfo_t *info)
{
    (void)xch;
    assert(vcpu < VCPUS_OF(domid));
    if (domid == gone) {
        errno = ESRCH;
        return -1;
    }
    memset(info, 0, sizeof(*info));
    info->online = 1;
    info->running = vcpu == 0;
    info->blocked = 0;
    info->cpu_time = domid * 10 + vcpu;
    return 0;
}

int xc_pm_get_cxstat(xc_interface *xch, int cpu, struct xc_cx_stat *stat)
{
    (void)xch;
    (void)cpu;
    if (!cx) {
        errno = ENODEV;
        return -1;
    }
    for (uint32_t i = 0; i < cx && i < stat->nr; i++)
        stat->residencies[i] = i + 1;
    stat->nr = cx;
    return 0;
}

int xc_pm_get_max_px(xc_interface *xch, int cpu, int *max)
{
    (void)xch;
    (void)cpu;
    *max = (int)px;
    return px ? 0 : -1;
}

int xc_pm_get_pxstat(xc_interface *xch, int cpu, struct xc_px_stat *stat)
{
    (void)xch;
    (void)cpu;
    stat->total = (uint8_t)px;
    for (uint32_t i = 0; i < px; i++)
        stat->pt[i].residency = i + 100;
    memset(stat->trans_pt, 0, px * px * sizeof(*stat->trans_pt));
    return 0;
}

int xc_get_cpufreq_avgfreq(xc_interface *xch, int cpu, int *khz)
{
    (void)xch;
    *khz = 1000000 + cpu;
    return 0;
}

static int ask(uint32_t room, uint32_t vcpu_room, struct xh_load *loads, uint8_t *states, uint64_t *times)
{
    xh_ctrl ctrl = {0};
    uint32_t vcpus = 0;

    return xh_loads(&ctrl, room, loads, vcpu_room, times, states, &vcpus) < 0 ? -1 : (int)vcpus;
}

static void test_loads(void)
{
    enum { ROOM = 3000 };
    struct xh_load *loads = calloc(ROOM, sizeof(*loads));
    uint64_t *times = calloc(ROOM * 2, sizeof(*times));
    uint8_t *states = calloc(ROOM * 2, 1);
    static const uint32_t counts[] = {0, 1, 511, 512, 513, 1024, 1500};

    assert(loads && times && states);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        uint32_t vcpus = 0;

        domains = counts[c];
        gone = 8; /* two vCPUs */
        for (uint32_t i = 0; i < domains; i++)
            vcpus += VCPUS_OF(2 * i);
        assert(ask(ROOM, ROOM * 2, loads, states, times) == (int)vcpus);
        assert(ask(domains, vcpus, loads, states, times) == (int)vcpus);
        for (uint32_t i = 0; i < domains; i++) {
            const struct xh_load *d = &loads[i];

            assert(d->domid == 2 * i && d->tot_pages == 2 * i + 7 && d->vcpus == VCPUS_OF(2 * i));
            assert(d->cpu_time_ns == (2 * i + 1) * 1000ull);
            if (d->vcpus == 1) {
                assert(times[d->first_vcpu] == d->cpu_time_ns);
                assert(states[d->first_vcpu] == (d->domid % 4 ? XH_VCPU_BLOCKED : XH_VCPU_RUNNING));
            } else if (d->vcpus == 2 && d->domid != gone) {
                assert(times[d->first_vcpu + 1] == d->domid * 10 + 1);
                assert(states[d->first_vcpu] == XH_VCPU_RUNNING);
                assert(states[d->first_vcpu + 1] == XH_VCPU_RUNNABLE);
            } else if (d->vcpus == 2) {
                assert(states[d->first_vcpu] == XH_VCPU_UNKNOWN);
            }
        }
        if (domains > 1) {
            errno = 0;
            assert(ask(domains - 1, vcpus, loads, states, times) == -1 && errno == ENOBUFS);
            errno = 0;
            assert(ask(domains, vcpus - 1, loads, states, times) == -1 && errno == ENOBUFS);
        }
    }
    failing = EPERM;
    errno = 0;
    assert(ask(ROOM, ROOM * 2, loads, states, times) == -1 && errno == EPERM);
    free(loads);
    free(times);
    free(states);
}

static void test_rests(void)
{
    struct xh_rest rests[3];
    xh_ctrl ctrl = {0};

    assert(xh_rests(&ctrl, 3, rests) == 0);
    assert(rests[2].cx == 0 && rests[2].px == 0 && rests[2].average_khz == 0);
    cx = 4;
    px = 3;
    assert(xh_rests(&ctrl, 3, rests) == 0);
    assert(rests[1].cx == 4 && rests[1].cx_ns[3] == 4 && rests[1].cx_ns[4] == 0);
    assert(rests[1].px == 3 && rests[1].px_ns[2] == 102 && rests[1].average_khz == 1000001);
    cx = 200; /* more than there is room for */
    px = 200;
    assert(xh_rests(&ctrl, 3, rests) == 0);
    assert(rests[2].cx == 32 && rests[2].cx_ns[31] == 32);
    assert(rests[2].px == 64 && rests[2].px_ns[63] == 163);
}

int main(void)
{
    test_loads();
    test_rests();
    puts("test_meter: no fault");
    return 0;
}
