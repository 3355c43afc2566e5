/* acpi.h - the ACPI tables of a PVH guest: pure computation, no Xen calls. */
#ifndef XH_ACPI_H
#define XH_ACPI_H

#include <stddef.h>
#include <stdint.h>

#define XH_ACPI_MAX_VCPUS 128 /* local APIC id = 2 * vCPU must fit a byte */
#define XH_ACPI_RSDP_SIZE 36
#define XH_ACPI_MAX_SIZE 4096

/*
 * Write RSDP, XSDT, FADT (hardware-reduced), MADT and DSDT into buf, to be placed at guest physical
 * address `base` (16-byte aligned). The RSDP comes first. online: one bit a vCPU, lowest first; the
 * others are listed as absent so that they can come later.
 *
 * Returns the bytes used, 0 if vcpus is out of range.
 */
size_t xh_acpi_build(uint8_t buf[XH_ACPI_MAX_SIZE], uint64_t base, unsigned int vcpus,
                     const uint8_t *online);

#endif
