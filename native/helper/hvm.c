/* hvm.c - PVH and HVM guests: platform settings, memory layout, ACPI tables, the HVM info page. */
#define XC_WANT_COMPAT_MAP_FOREIGN_API 1 /* xc_map_foreign_range */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "acpi.h"
#include "build.h"

/* After xenctrl.h, on which they lean. */
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/params.h>

#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3

#define LAPIC_ADDRESS UINT64_C(0xfee00000)
/* Where PVH guests find their ACPI tables: libxl's place, below everything else in the hole. */
#define ACPI_ADDRESS UINT64_C(0xfc000000)
/* Where Linux before 4.20 searches for the RSDP, whatever the start info says. */
#define ACPI_OLD_RSDP UINT64_C(0xfffc0)
#define SPECIAL_START                                                                              \
    ((uint64_t)(X86_HVM_END_SPECIAL_REGION - X86_HVM_NR_SPECIAL_PAGES) << XC_PAGE_SHIFT)
#define VGA_HOLE_PAGES 0x20
#define LOW_RAM_START 0x100000
#define FOUR_GIB (UINT64_C(1) << 32)
#define MAX_E820 8

int hvm_prepare(xc_interface *xch, const struct build_request *r, struct build_failure *failure)
{
    const struct {
        uint32_t param;
        uint64_t value;
        bool wanted;
    } params[] = {
        {HVM_PARAM_HPET_ENABLED, r->hpet, r->kind == GUEST_HVM},
        {HVM_PARAM_VPT_ALIGN, 1, r->kind == GUEST_HVM},
        {HVM_PARAM_TIMER_MODE, r->timer_mode, true},
        {HVM_PARAM_VIRIDIAN, r->viridian, r->viridian != 0},
    };

    if (r->paging_kib && xc_set_paging_mempool_size(xch, r->domid, r->paging_kib * 1024))
        return build_failed(failure, "domctl:set_paging_mempool_size");
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        if (params[i].wanted && xc_hvm_param_set(xch, r->domid, params[i].param, params[i].value))
            return build_failed(failure, "hvm_op:set_param");
    return 0;
}

int hvm_layout(struct xc_dom_image *dom, const struct build_request *r,
               struct build_failure *failure)
{
    bool device_model = r->kind == GUEST_HVM;
    uint64_t size = (r->max_kib - r->video_kib) * 1024, hole;

    if (r->vcpus > (device_model ? HVM_MAX_VCPUS : XH_ACPI_MAX_VCPUS)) {
        errno = EINVAL;
        return build_failed(failure, "vcpus");
    }
    if (!device_model) /* the lowest of what must lie in the hole */
        hole = FOUR_GIB - (ACPI_ADDRESS < SPECIAL_START ? ACPI_ADDRESS : SPECIAL_START);
    else if (r->mmio_hole_kib * 1024 > HVM_BELOW_4G_MMIO_LENGTH)
        hole = r->mmio_hole_kib * 1024;
    else
        hole = HVM_BELOW_4G_MMIO_LENGTH;
    dom->target_pages = (r->target_kib - r->video_kib) / 4;
    dom->mmio_size = hole;
    dom->mmio_start = FOUR_GIB - hole;
    dom->lowmem_end = size;
    if (size > dom->mmio_start) {
        dom->highmem_end = FOUR_GIB + (size - dom->mmio_start);
        dom->lowmem_end = dom->mmio_start;
    }
    dom->vga_hole_size = device_model ? VGA_HOLE_PAGES : 0;
    dom->device_model = device_model;
    return 0;
}

/* The library copies the modules in with the image; module 0 is what start_info names as the RSDP. */
static int add_acpi(struct xc_dom_image *dom, const struct build_request *r,
                    struct build_failure *failure)
{
    const char *os = xc_dom_guest_os(dom);
    uint8_t *tables = xc_dom_malloc(dom, XH_ACPI_MAX_SIZE);
    size_t size;

    if (!tables)
        return build_failed(failure, "dom:malloc");
    size = xh_acpi_build(tables, ACPI_ADDRESS, r->vcpus, r->online);
    if (!size) {
        errno = EINVAL;
        return build_failed(failure, "acpi");
    }
    dom->acpi_modules[0].data = tables;
    dom->acpi_modules[0].length = (uint32_t)size;
    dom->acpi_modules[0].guest_addr_out = ACPI_ADDRESS;
    if (os && !strcmp(os, "linux") && !xc_dom_feature_get(dom, XENFEAT_linux_rsdp_unrestricted)) {
        dom->acpi_modules[1] = dom->acpi_modules[0];
        dom->acpi_modules[0].length = XH_ACPI_RSDP_SIZE;
        dom->acpi_modules[0].guest_addr_out = ACPI_OLD_RSDP;
    }
    return 0;
}

static void add_range(struct xc_dom_image *dom, uint64_t start, uint64_t end, uint32_t type)
{
    struct e820entry *e;

    if (end <= start || dom->e820_entries == MAX_E820)
        return;
    e = &dom->e820[dom->e820_entries++];
    e->addr = start;
    e->size = end - start;
    e->type = type;
}

int hvm_describe(xc_interface *xch, struct xc_dom_image *dom, const struct build_request *r,
                 struct build_failure *failure)
{
    bool pvh = r->kind == GUEST_PVH;

    if (pvh && r->acpi && add_acpi(dom, r, failure))
        return -1;
    dom->e820 = xc_dom_malloc(dom, MAX_E820 * sizeof(*dom->e820));
    if (!dom->e820)
        return build_failed(failure, "dom:malloc");
    dom->e820_entries = 0;
    add_range(dom, pvh ? 0 : LOW_RAM_START, dom->lowmem_end, E820_RAM);
    for (unsigned int i = 0; i < MAX_ACPI_MODULES; i++) {
        uint64_t start = dom->acpi_modules[i].guest_addr_out & XC_PAGE_MASK;
        if (dom->acpi_modules[i].length)
            add_range(dom, start,
                      dom->acpi_modules[i].guest_addr_out + dom->acpi_modules[i].length,
                      E820_ACPI);
    }
    if (pvh)
        add_range(dom, SPECIAL_START, (uint64_t)X86_HVM_END_SPECIAL_REGION << XC_PAGE_SHIFT,
                  E820_RESERVED);
    add_range(dom, FOUR_GIB, dom->highmem_end, E820_RAM);
    if (xc_domain_set_memory_map(xch, r->domid, dom->e820, dom->e820_entries))
        return build_failed(failure, "memory_op:set_memory_map");
    return 0;
}

/* hvmloader reads here which vCPUs to describe to the guest. */
int hvm_finish(xc_interface *xch, const struct build_request *r, struct build_failure *failure)
{
    uint8_t *page = xc_map_foreign_range(xch, r->domid, XC_PAGE_SIZE, PROT_READ | PROT_WRITE,
                                         HVM_INFO_PFN);
    struct hvm_info_table *info;
    uint8_t sum = 0;

    if (!page)
        return build_failed(failure, "map:hvm_info");
    info = (struct hvm_info_table *)(page + HVM_INFO_OFFSET);
    info->apic_mode = r->apic;
    info->nr_vcpus = r->vcpus;
    memset(info->vcpu_online, 0, sizeof(info->vcpu_online));
    for (uint32_t i = 0; i < r->vcpus; i++)
        info->vcpu_online[i / 8] |= (uint8_t)(r->online[i / 8] & (1u << (i % 8)));
    info->checksum = 0;
    for (uint32_t i = 0; i < sizeof(*info); i++)
        sum = (uint8_t)(sum + ((uint8_t *)info)[i]);
    info->checksum = (uint8_t)-sum;
    munmap(page, XC_PAGE_SIZE);
    return 0;
}
