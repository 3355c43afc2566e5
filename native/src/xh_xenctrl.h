/*
 * xh_xenctrl.h - our own stable view of libxenctrl.
 *
 * libxenctrl has no stable ABI or API, so its structures stop here: Python sees only the types and
 * functions below (cdef/xenctrl.cdef repeats them), and every "#if XEN_..." lives in xh_*.c.
 *
 * Calls return a negative number and leave errno on failure, unless said otherwise.
 * One handle may be used by several threads. No call prints anything.
 */
#ifndef XH_XENCTRL_H
#define XH_XENCTRL_H

#include <stddef.h>
#include <stdint.h>

#define XH_DOMID_ANY UINT32_MAX /* xh_domain_create: let Xen choose */

typedef struct xh_ctrl xh_ctrl;

/* Flags of xh_domain_info.flags. */
#define XH_DOM_DYING 0x01
#define XH_DOM_HVM 0x02
#define XH_DOM_SHUTDOWN 0x04
#define XH_DOM_PAUSED 0x08
#define XH_DOM_BLOCKED 0x10
#define XH_DOM_RUNNING 0x20
#define XH_DOM_HAP 0x40
#define XH_DOM_XENSTORE 0x80

struct xh_domain_info {
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t outstanding_pages;
    uint64_t shared_pages;
    uint64_t paged_pages;
    uint64_t shared_info_frame;
    uint64_t cpu_time_ns;
    uint32_t domid;
    uint32_t ssidref;
    uint32_t flags;
    uint32_t shutdown_reason;
    uint32_t online_vcpus;
    uint32_t max_vcpus;
    uint32_t cpupool;
    uint32_t emulation_flags;
    uint8_t uuid[16];
};

/* Flags of xh_domain_config.flags. */
#define XH_CDF_HVM 0x01
#define XH_CDF_HAP 0x02
#define XH_CDF_S3_INTEGRITY 0x04
#define XH_CDF_OOS_OFF 0x08
#define XH_CDF_XENSTORE 0x10
#define XH_CDF_IOMMU 0x20
#define XH_CDF_NESTED_VIRT 0x40
#define XH_CDF_VPMU 0x80

/* Values of xh_domain_config.emulation; a Xen without one of them ignores it. */
#define XH_EMU_NONE 0
#define XH_EMU_LAPIC 1 /* PVH */
#define XH_EMU_FULL 2  /* HVM: everything but VPCI */

struct xh_domain_config {
    uint32_t domid; /* wanted, or XH_DOMID_ANY */
    uint32_t ssidref;
    uint32_t flags;
    uint32_t emulation;
    uint32_t max_vcpus;
    uint32_t max_evtchn_port;
    int32_t max_grant_frames;    /* -1: Xen's default */
    int32_t max_maptrack_frames; /* -1: Xen's default */
    uint32_t grant_version;      /* 1 or 2 */
    uint32_t cpupool;
    uint32_t msr_relaxed;
    uint32_t no_sharept;
    uint8_t uuid[16];
};

struct xh_physinfo {
    uint64_t total_pages;
    uint64_t free_pages;
    uint64_t scrub_pages;
    uint64_t outstanding_pages;
    uint64_t max_mfn;
    uint32_t threads_per_core;
    uint32_t cores_per_socket;
    uint32_t nr_cpus;
    uint32_t max_cpu_id;
    uint32_t nr_nodes;
    uint32_t max_node_id;
    uint32_t cpu_khz;
    uint32_t cap_hvm;
    uint32_t cap_pv;
    uint32_t cap_directio;
    uint32_t cap_hap;
    uint32_t cap_shadow;
    uint32_t cap_iommu_hap_pt_share;
    uint32_t cap_vmtrace;
    uint32_t cap_vpmu;
    uint32_t cap_gnttab_v1;
    uint32_t cap_gnttab_v2;
    uint32_t hw_cap[8];
};

struct xh_version {
    uint32_t major;
    uint32_t minor;
    uint32_t page_size;
    char extra[17];
    char compiler[65];
    char compiled_by[17];
    char compile_domain[33];
    char compile_date[33];
    char capabilities[1025];
    char changeset[65];
    char command_line[1025];
};

struct xh_numa_node {
    uint64_t total_bytes;
    uint64_t free_bytes;
};

struct xh_cpu {
    uint32_t core; /* UINT32_MAX: not present */
    uint32_t socket;
    uint32_t node;
};

struct xh_vcpu_info {
    uint64_t cpu_time_ns;
    uint32_t online;
    uint32_t blocked;
    uint32_t running;
    uint32_t cpu; /* where it runs or ran */
};

struct xh_pod {
    uint64_t tot_pages;
    uint64_t cache_pages;
    uint64_t entries;
};

struct xh_e820 {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
};

struct xh_cpu_policy {
    uint32_t pae;
    uint32_t itsc;
    uint32_t nested_virt;
    uint32_t nr_features; /* 0: the default policy of the host */
    const uint32_t *features;
};

/* Values of vcpu_states (xh_loads). */
#define XH_VCPU_OFFLINE 0
#define XH_VCPU_BLOCKED 1
#define XH_VCPU_RUNNABLE 2
#define XH_VCPU_RUNNING 3
#define XH_VCPU_UNKNOWN 255

struct xh_load {
    uint64_t domid;
    uint64_t paused;
    uint64_t gone; /* dying or shut down */
    uint64_t tot_pages;
    uint64_t cpu_time_ns;
    uint64_t online_vcpus;
    uint64_t vcpus;      /* places, online or not */
    uint64_t first_vcpu; /* where they begin in vcpu_times and vcpu_states */
};

struct xh_rest {
    uint64_t cx; /* how many of cx_ns are of use; 0: this CPU tells nothing */
    uint64_t px;
    uint64_t average_khz; /* since it was asked last, by anybody; 0: unknown */
    uint64_t cx_ns[32];
    uint64_t px_ns[64];
};

/* The handle. */
xh_ctrl *xh_open(void); /* NULL and errno */
void xh_close(xh_ctrl *ctrl);

/* Host. */
int xh_version_get(xh_ctrl *ctrl, struct xh_version *out);
int xh_physinfo_get(xh_ctrl *ctrl, struct xh_physinfo *out);
/* distances: max * max numbers, row by row. Returns the number of nodes the host has. */
int xh_numa_get(xh_ctrl *ctrl, uint32_t max, struct xh_numa_node *nodes, uint32_t *distances);
int xh_cpu_topology(xh_ctrl *ctrl, uint32_t max, struct xh_cpu *out);  /* returns how many */
int xh_cpu_idle_times(xh_ctrl *ctrl, uint32_t max, uint64_t *idle_ns); /* returns how many */
/* Returns bytes read. index: where to go on (in and out) when incremental. */
int xh_console_ring(xh_ctrl *ctrl, char *buf, uint32_t size, int clear, int incremental,
                    uint32_t *index);
int xh_debug_keys(xh_ctrl *ctrl, const char *keys);
int xh_scheduler(xh_ctrl *ctrl); /* XEN_SCHEDULER_* */

/* Domains. */
int xh_domain_list(xh_ctrl *ctrl, uint32_t first, uint32_t max, struct xh_domain_info *out);
int64_t xh_domain_create(xh_ctrl *ctrl, const struct xh_domain_config *config); /* domid */
int xh_domain_max_vcpus(xh_ctrl *ctrl, uint32_t domid, uint32_t max);
int xh_domain_setmaxmem(xh_ctrl *ctrl, uint32_t domid, uint64_t kib);
int xh_domain_claim(xh_ctrl *ctrl, uint32_t domid, uint64_t pages);
int xh_domain_pause(xh_ctrl *ctrl, uint32_t domid);
int xh_domain_unpause(xh_ctrl *ctrl, uint32_t domid);
int xh_domain_shutdown(xh_ctrl *ctrl, uint32_t domid, uint32_t reason);
int xh_domain_destroy(xh_ctrl *ctrl, uint32_t domid); /* can take seconds */
int xh_domain_resume(xh_ctrl *ctrl, uint32_t domid, int fast);
int xh_domain_sethandle(xh_ctrl *ctrl, uint32_t domid, const uint8_t *uuid);
int xh_domain_trigger(xh_ctrl *ctrl, uint32_t domid, uint32_t trigger, uint32_t vcpu);
int xh_domain_time_offset(xh_ctrl *ctrl, uint32_t domid, int32_t seconds);
int xh_domain_tsc_mode(xh_ctrl *ctrl, uint32_t domid, uint32_t mode);
int xh_domain_memory_map(xh_ctrl *ctrl, uint32_t domid, const struct xh_e820 *map, uint32_t n);
int xh_domain_memmap_limit(xh_ctrl *ctrl, uint32_t domid, uint64_t kib);
int xh_domain_set_pod_target(xh_ctrl *ctrl, uint32_t domid, uint64_t pages, struct xh_pod *out);
int xh_domain_get_pod_target(xh_ctrl *ctrl, uint32_t domid, struct xh_pod *out);
int xh_domain_paging_set(xh_ctrl *ctrl, uint32_t domid, uint64_t bytes);
int xh_domain_paging_get(xh_ctrl *ctrl, uint32_t domid, uint64_t *bytes);
int xh_domain_cpu_policy(xh_ctrl *ctrl, uint32_t domid, const struct xh_cpu_policy *policy);
int xh_hvm_param_set(xh_ctrl *ctrl, uint32_t domid, uint32_t param, uint64_t value);
int xh_hvm_param_get(xh_ctrl *ctrl, uint32_t domid, uint32_t param, uint64_t *value);
int xh_evtchn_alloc_unbound(xh_ctrl *ctrl, uint32_t domid, uint32_t remote); /* port */

/* vCPUs and scheduling. Maps: one bit a physical CPU, lowest first; a NULL map is not touched. */
int xh_cpumap_size(xh_ctrl *ctrl); /* bytes */
int xh_vcpu_set_affinity(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, const uint8_t *hard,
                         const uint8_t *soft, uint32_t size);
int xh_vcpu_get_affinity(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, uint8_t *hard,
                         uint8_t *soft, uint32_t size);
int xh_vcpu_info(xh_ctrl *ctrl, uint32_t domid, uint32_t vcpu, struct xh_vcpu_info *out);
/* scheduler: what xh_scheduler returned. ENOSYS for one without weight and cap. */
int xh_sched_set(xh_ctrl *ctrl, int scheduler, uint32_t domid, uint32_t weight, uint32_t cap);
int xh_sched_get(xh_ctrl *ctrl, int scheduler, uint32_t domid, uint32_t *weight, uint32_t *cap);

/* PCI devices that a domain drives. sbdf: segment << 16 | bus << 8 | device << 3 | function. */
int xh_pci_assign(xh_ctrl *ctrl, uint32_t domid, uint32_t sbdf); /* to the IOMMU; ENOSYS without one */
int xh_pci_deassign(xh_ctrl *ctrl, uint32_t domid, uint32_t sbdf);
int xh_ports_permit(xh_ctrl *ctrl, uint32_t domid, uint32_t first, uint32_t count, int allow);
int xh_frames_permit(xh_ctrl *ctrl, uint32_t domid, uint64_t first, uint64_t count, int allow);
int xh_irq_permit(xh_ctrl *ctrl, uint32_t domid, uint32_t irq, int allow); /* to allow also maps it */

/* Meters. All domains and their vCPUs in one call: returns how many domains; ENOBUFS if there is no room for all. */
int xh_loads(xh_ctrl *ctrl, uint32_t max, struct xh_load *out, uint32_t max_vcpus,
             uint64_t *vcpu_times, uint8_t *vcpu_states, uint32_t *vcpus);
/* C-states and P-states of the first `cpus` CPUs; what a CPU or Xen does not tell is 0. Returns 0. */
int xh_rests(xh_ctrl *ctrl, uint32_t cpus, struct xh_rest *out);

#endif
