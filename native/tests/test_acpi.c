/* The ACPI tables for every number of vCPUs, with the buffer's end watched by the sanitizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/acpi.h"

int main(void)
{
    uint8_t online[64];

    memset(online, 0xff, sizeof(online));
    for (unsigned int vcpus = 0; vcpus <= XH_ACPI_MAX_VCPUS + 2; vcpus++) {
        uint8_t *buf = malloc(XH_ACPI_MAX_SIZE);
        size_t size = xh_acpi_build(buf, 0xfc000000u, vcpus, online);
        unsigned int good = vcpus >= 1 && vcpus <= XH_ACPI_MAX_VCPUS;

        if ((size != 0) != good || size > XH_ACPI_MAX_SIZE) {
            fprintf(stderr, "test_acpi: %u vCPUs gave %zu bytes\n", vcpus, size);
            return 1;
        }
        free(buf);
    }
    return 0;
}
