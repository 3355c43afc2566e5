/*
 * build.c - the sequence of libxenctrl and libxenguest calls that fills a domain.
 *
 * Order after facts about the libraries: limits and ports first, then the image is parsed, memory is
 * populated, the machine is described (PVH, HVM), the image is copied in, the first vCPU is set up.
 */
#include "build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "files.h"

/* A kernel may be compressed: what it may grow to, so that a hostile one cannot fill dom0's memory. */
#define MAX_KERNEL ((size_t)512 << 20)

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Mappings that outlive their build; see build_unmap(). */
static struct {
    void *start;
    size_t size;
} left[4];

/* Take the kernel's and the ramdisk's mappings from the library, which would unmap them at once. */
static void keep_mappings(struct xc_dom_image *dom)
{
    struct xc_dom_phys **link = &dom->phys_pages;
    unsigned int n = 0;

    while (*link) {
        struct xc_dom_phys *phys = *link;
        bool image = phys->first == dom->kernel_seg.pfn;
        for (unsigned int i = 0; i < dom->num_modules; i++)
            image |= dom->modules[i].seg.pages && phys->first == dom->modules[i].seg.pfn;
        if (!image || n == sizeof(left) / sizeof(left[0])) {
            link = &phys->next;
            continue;
        }
        left[n].start = phys->ptr;
        left[n++].size = phys->count << XC_PAGE_SHIFT;
        *link = phys->next; /* its memory belongs to dom's pool */
    }
}

void build_unmap(void)
{
    for (unsigned int i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        if (left[i].start)
            munmap(left[i].start, left[i].size);
        left[i].start = NULL;
    }
}

int build_failed(struct build_failure *failure, const char *call)
{
    failure->call = call;
    failure->errnum = errno ? errno : EIO;
    return -1;
}

/* CPUID bits that a flag of the request turns off. */
static int apply_cpu_policy(xc_interface *xch, const struct build_request *r,
                            struct build_failure *failure)
{
    /* One character a bit, bit 31 first; 'x': leave as it is. */
    char leaf1_edx[33], ext1_edx[33];
    struct xc_xend_cpuid overrides[] = {
        {.leaf = 0x1, .subleaf = XEN_CPUID_INPUT_UNUSED, .policy = {[3] = leaf1_edx}},
        {.leaf = 0x80000001u, .subleaf = XEN_CPUID_INPUT_UNUSED, .policy = {[3] = ext1_edx}},
        {.leaf = XEN_CPUID_INPUT_UNUSED, .subleaf = XEN_CPUID_INPUT_UNUSED},
    };
    bool any = !r->apic || !r->acpi || !r->nx;
    int rc;

    memset(leaf1_edx, 'x', 32);
    memset(ext1_edx, 'x', 32);
    leaf1_edx[32] = ext1_edx[32] = '\0';
    if (!r->apic)
        leaf1_edx[31 - 9] = '0';
    if (!r->acpi)
        leaf1_edx[31 - 22] = '0';
    if (!r->nx)
        ext1_edx[31 - 20] = '0';
    errno = 0;
    rc = xc_cpuid_apply_policy(xch, r->domid, false, r->n_cpu_features ? r->cpu_features : NULL,
                               r->n_cpu_features, r->pae, r->itsc, r->nested_virt,
                               any ? overrides : NULL, NULL);
    if (rc >= 0)
        return 0;
    if (rc < -1)
        errno = -rc; /* this call returns -errno */
    return build_failed(failure, "cpuid_apply_policy");
}

static int alloc_port(xc_interface *xch, uint32_t domid, uint32_t wanted, uint32_t remote,
                      uint32_t *port)
{
    int rc = wanted == PORT_ALLOCATE ? xc_evtchn_alloc_unbound(xch, domid, remote) : (int)wanted;

    if (rc < 0)
        return -1;
    *port = (uint32_t)rc;
    return 0;
}

int build_prepare(xc_interface *xch, const struct build_request *r, struct build_result *result,
                  struct build_failure *failure)
{
    uint64_t start = now_us();

    memset(result, 0, sizeof(*result));
    errno = 0;
    if (xc_domain_max_vcpus(xch, r->domid, r->vcpus))
        return build_failed(failure, "domctl:max_vcpus");
    if (xc_domain_setmaxmem(xch, r->domid, r->xen_max_kib))
        return build_failed(failure, "domctl:max_mem");
    if (alloc_port(xch, r->domid, r->store_port, r->store_domid, &result->store_port) ||
        alloc_port(xch, r->domid, r->console_port, r->console_domid, &result->console_port))
        return build_failed(failure, "evtchn:alloc_unbound");
    if (r->kind == GUEST_PV &&
        xc_domain_set_memmap_limit(xch, r->domid, r->memmap_kib ? r->memmap_kib : r->max_kib))
        return build_failed(failure, "memory_op:set_memory_map");
    if (r->tsc_mode && xc_domain_set_tsc_info(xch, r->domid, r->tsc_mode, 0, 0, 0))
        return build_failed(failure, "domctl:settscinfo");
    if (r->rtc_offset && xc_domain_set_time_offset(xch, r->domid, r->rtc_offset))
        return build_failed(failure, "domctl:settimeoffset");
    if (r->kind != GUEST_PV && hvm_prepare(xch, r, failure))
        return -1;
    if (!r->restore && apply_cpu_policy(xch, r, failure)) /* a stream has it */
        return -1;
    result->prepare_us = now_us() - start;
    return 0;
}

static int load_module(struct xc_dom_image *dom, const struct build_request *r,
                       struct build_failure *failure)
{
    struct mapped_file file;

    if (!r->ramdisk)
        return 0;
    if (files_map(r->ramdisk, &file))
        return build_failed(failure, "open:ramdisk");
    /* With this limit the library hands a gzipped ramdisk over as it is: kernels unpack it. */
    if (!r->unzip_ramdisk)
        xc_dom_module_max_size(dom, file.size);
    if (xc_dom_module_mem(dom, file.data, file.size, NULL))
        return build_failed(failure, "dom:module");
    return 0;
}

static int load_image(struct xc_dom_image *dom, const struct build_request *r,
                      struct build_failure *failure)
{
    struct mapped_file file;

    if (files_map(r->kind == GUEST_HVM ? r->firmware : r->kernel, &file))
        return build_failed(failure, r->kind == GUEST_HVM ? "open:firmware" : "open:kernel");
    xc_dom_kernel_max_size(dom, MAX_KERNEL);
    if (xc_dom_kernel_mem(dom, file.data, file.size))
        return build_failed(failure, "dom:kernel");
    if (load_module(dom, r, failure))
        return -1;
    if (r->bios) {
        if (files_map(r->bios, &file))
            return build_failed(failure, "open:bios");
        if (file.size > UINT32_MAX) {
            errno = EFBIG;
            return build_failed(failure, "open:bios");
        }
        /* The library only reads it, but its type is not const. */
        dom->system_firmware_module.data = (uint8_t *)(uintptr_t)file.data;
        dom->system_firmware_module.length = (uint32_t)file.size;
    }
    return 0;
}

static int fill(xc_interface *xch, struct xc_dom_image *dom, const struct build_request *r,
                struct build_result *result, struct build_failure *failure)
{
    uint64_t mem_kib = r->kind == GUEST_PV ? r->target_kib : r->max_kib - r->video_kib;
    uint64_t at = now_us(), next;

    if (load_image(dom, r, failure))
        return -1;
    if (r->kind != GUEST_PV && hvm_layout(dom, r, failure))
        return -1;
    if (xc_dom_boot_xen_init(dom, xch, r->domid))
        return build_failed(failure, "dom:xen_init");
    if (xc_dom_parse_image(dom))
        return build_failed(failure, "dom:parse_image");
    result->parse_us = (next = now_us()) - at;
    at = next;
    proto_progress(20, "memory");

    if (xc_dom_mem_init(dom, (unsigned int)(mem_kib / 1024)))
        return build_failed(failure, "dom:mem_init");
    if (xc_dom_boot_mem_init(dom))
        return build_failed(failure, "dom:populate_memory");
    if (r->kind != GUEST_PV && hvm_describe(xch, dom, r, failure))
        return -1;
    result->memory_us = (next = now_us()) - at;
    at = next;
    proto_progress(50, "image");

    if (xc_dom_build_image(dom))
        return build_failed(failure, "dom:build_image");
    result->image_us = (next = now_us()) - at;
    at = next;
    proto_progress(80, "boot");

    keep_mappings(dom);
    if (xc_dom_boot_image(dom))
        return build_failed(failure, "dom:boot_image");
    if (xc_dom_gnttab_init(dom))
        return build_failed(failure, "dom:gnttab_init");
    if (r->kind == GUEST_HVM && hvm_finish(xch, r, failure))
        return -1;
    result->boot_us = now_us() - at;

    /* For PV this looks the page up in the guest's table, for the others it is the identity. */
    result->console_frame = xc_dom_p2m(dom, dom->console_pfn);
    result->store_frame = xc_dom_p2m(dom, dom->xenstore_pfn);
    snprintf(result->guest_os, sizeof(result->guest_os), "%s",
             r->kind == GUEST_HVM ? "" : dom->parms ? xc_dom_guest_os(dom) : "");
    return 0;
}

int build_domain(xc_interface *xch, const struct build_request *r, struct build_result *result,
                 struct build_failure *failure)
{
    struct xc_dom_image *dom;
    int rc;

    files_begin();
    if (build_prepare(xch, r, result, failure))
        return -1;

    dom = xc_dom_allocate(xch, r->cmdline ? r->cmdline : "", r->features);
    if (!dom)
        return build_failed(failure, "dom:allocate");
    dom->container_type = r->kind == GUEST_PV ? XC_DOM_PV_CONTAINER : XC_DOM_HVM_CONTAINER;
    dom->flags = 0;
    dom->claim_enabled = r->claim;
    dom->max_vcpus = r->vcpus;
    dom->console_evtchn = result->console_port;
    dom->console_domid = r->console_domid;
    dom->xenstore_evtchn = result->store_port;
    dom->xenstore_domid = r->store_domid;
    rc = fill(xch, dom, r, result, failure);
    xc_dom_release(dom);
    return rc;
}
