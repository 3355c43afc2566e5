/*
 * acpi.c - minimal ACPI tables after the ACPI specification 6.3.
 *
 * A PVH guest has local APICs and nothing else of a PC: no PIC, PIT, RTC, VGA, i8042, PM timer. The
 * FADT says so (hardware-reduced, no legacy devices), the MADT names the vCPUs.
 */
#include "acpi.h"

#include <string.h>

#define LAPIC_BASE 0xfee00000u

#define FADT_WBINVD (1u << 0)
#define FADT_PWR_BUTTON (1u << 4) /* no fixed power button */
#define FADT_SLP_BUTTON (1u << 5) /* no fixed sleep button */
#define FADT_HW_REDUCED_ACPI (1u << 20)
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_CMOS_RTC (1u << 5)

#define MADT_LAPIC 0
#define MADT_LAPIC_ENABLED 1u
#define MADT_LAPIC_ONLINE_CAPABLE 2u /* absent now, may come; asked for since ACPI 6.3 */

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address;
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));

struct xsdt {
    struct header header;
    uint64_t entry[2];
} __attribute__((packed));

/* Revision 6; every field not named is zero, as it must be on reduced hardware. */
struct fadt {
    struct header header;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t fixed_hardware[109 - 44];
    uint16_t iapc_boot_arch;
    uint8_t reserved;
    uint32_t flags;
    uint8_t reset_reg[12];
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_version;
    uint64_t x_firmware_ctrl;
    uint64_t x_dsdt;
    uint8_t registers[268 - 148];
    uint64_t hypervisor_id;
} __attribute__((packed));

struct madt {
    struct header header;
    uint32_t lapic_address;
    uint32_t flags; /* 0: no 8259 */
} __attribute__((packed));

struct madt_lapic {
    uint8_t type;
    uint8_t length;
    uint8_t processor_uid;
    uint8_t apic_id;
    uint32_t flags;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 36, "header");
_Static_assert(sizeof(struct rsdp) == XH_ACPI_RSDP_SIZE, "rsdp");
_Static_assert(sizeof(struct fadt) == 276, "fadt");
_Static_assert(sizeof(struct madt_lapic) == 8, "lapic");

/* Scope (\_SB_) {}: a definition block with nothing in it but the root of devices. */
static const uint8_t empty_aml[] = {0x10, 0x06, 0x5c, '_', 'S', 'B', '_'};

static uint8_t sum_to_zero(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint8_t sum = 0;

    while (size--)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

static void start(struct header *h, const char *signature, uint8_t revision)
{
    memcpy(h->signature, signature, sizeof(h->signature));
    h->revision = revision;
    memcpy(h->oem_id, "XENHST", sizeof(h->oem_id));
    memcpy(h->oem_table_id, "XENHOST ", sizeof(h->oem_table_id));
    h->oem_revision = 1;
    memcpy(h->creator_id, "XENH", sizeof(h->creator_id));
    h->creator_revision = 1;
}

static void finish(struct header *h, size_t size)
{
    h->length = (uint32_t)size;
    h->checksum = 0;
    h->checksum = sum_to_zero(h, size);
}

static size_t aligned(size_t offset)
{
    return (offset + 15) & ~(size_t)15;
}

size_t xh_acpi_build(uint8_t buf[XH_ACPI_MAX_SIZE], uint64_t base, unsigned int vcpus,
                     const uint8_t *online)
{
    size_t madt_size = sizeof(struct madt) + vcpus * sizeof(struct madt_lapic);
    size_t dsdt_size = sizeof(struct header) + sizeof(empty_aml);
    size_t xsdt_at = aligned(sizeof(struct rsdp));
    size_t fadt_at = aligned(xsdt_at + sizeof(struct xsdt));
    size_t dsdt_at = aligned(fadt_at + sizeof(struct fadt));
    size_t madt_at = aligned(dsdt_at + dsdt_size);
    struct rsdp *rsdp = (void *)buf;
    struct xsdt *xsdt = (void *)(buf + xsdt_at);
    struct fadt *fadt = (void *)(buf + fadt_at);
    struct header *dsdt = (void *)(buf + dsdt_at);
    struct madt *madt = (void *)(buf + madt_at);
    struct madt_lapic *lapic = (void *)(madt + 1);

    if (vcpus < 1 || vcpus > XH_ACPI_MAX_VCPUS)
        return 0;
    memset(buf, 0, XH_ACPI_MAX_SIZE);

    start(dsdt, "DSDT", 2);
    memcpy(dsdt + 1, empty_aml, sizeof(empty_aml));
    finish(dsdt, dsdt_size);

    start(&madt->header, "APIC", 5);
    madt->lapic_address = LAPIC_BASE;
    for (unsigned int i = 0; i < vcpus; i++) {
        lapic[i].type = MADT_LAPIC;
        lapic[i].length = sizeof(lapic[i]);
        lapic[i].processor_uid = (uint8_t)i;
        lapic[i].apic_id = (uint8_t)(i * 2); /* Xen's numbering */
        lapic[i].flags =
            (online[i / 8] >> (i % 8)) & 1 ? MADT_LAPIC_ENABLED : MADT_LAPIC_ONLINE_CAPABLE;
    }
    finish(&madt->header, madt_size);

    start(&fadt->header, "FACP", 6);
    fadt->dsdt = (uint32_t)(base + dsdt_at);
    fadt->x_dsdt = base + dsdt_at;
    fadt->minor_version = 3;
    fadt->flags = FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_HW_REDUCED_ACPI;
    fadt->iapc_boot_arch = BOOT_NO_VGA | BOOT_NO_CMOS_RTC;
    finish(&fadt->header, sizeof(*fadt));

    start(&xsdt->header, "XSDT", 1);
    xsdt->entry[0] = base + fadt_at;
    xsdt->entry[1] = base + madt_at;
    finish(&xsdt->header, sizeof(*xsdt));

    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, "XENHST", sizeof(rsdp->oem_id));
    rsdp->revision = 2;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt_address = base + xsdt_at;
    rsdp->checksum = sum_to_zero(rsdp, 20);
    rsdp->extended_checksum = sum_to_zero(rsdp, sizeof(*rsdp));

    return madt_at + madt_size;
}
