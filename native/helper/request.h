/* request.h - a request to build or restore, checked. */
#ifndef XH_REQUEST_H
#define XH_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "proto.h"

#define DOMID_LIMIT 0x7ff0u
#define MAX_VCPUS 512
#define MAX_FEATURES 64
#define PORT_ALLOCATE UINT32_MAX

enum guest_kind { GUEST_PV, GUEST_PVH, GUEST_HVM };

/* Sizes in KiB: what Xen's calls take. Texts point into the proto_request. */
struct build_request {
    enum guest_kind kind;
    uint32_t domid;
    uint64_t max_kib;
    uint64_t target_kib;
    uint64_t xen_max_kib;   /* setmaxmem */
    uint64_t memmap_kib;    /* PV: what the guest may be told it can grow to; 0: max_kib */
    uint64_t video_kib;     /* HVM */
    uint64_t mmio_hole_kib; /* HVM; 0: Xen's default */
    uint64_t paging_kib;    /* PVH, HVM; 0: leave */
    uint32_t vcpus;
    uint8_t online[MAX_VCPUS / 8];
    const char *kernel;
    const char *ramdisk;
    const char *cmdline;
    const char *features;
    const char *firmware; /* HVM: hvmloader */
    const char *bios;     /* HVM: SeaBIOS, OVMF */
    uint32_t store_domid, console_domid;
    uint32_t store_port, console_port; /* PORT_ALLOCATE */
    uint32_t cpu_features[MAX_FEATURES];
    uint32_t n_cpu_features; /* 0: the host's default */
    uint64_t viridian;
    uint32_t timer_mode;
    uint32_t tsc_mode;
    int32_t rtc_offset; /* seconds */
    bool restore; /* the operation: from fd, and no kernel or firmware */
    uint32_t fd;
    bool claim, pae, acpi, apic, nx, hpet, nested_virt, itsc, unzip_ramdisk;
};

/* NULL if good, else what is wrong. */
const char *request_parse(const struct proto_request *in, struct build_request *out);

#endif
