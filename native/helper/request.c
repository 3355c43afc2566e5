#include "request.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_FD UINT32_MAX
#define KIB_LIMIT (UINT64_C(1) << 36) /* 64 TiB */

enum field_type { TYPE_U32, TYPE_U64, TYPE_KIB, TYPE_PORT, TYPE_BOOL, TYPE_TEXT };

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    uint64_t max; /* numbers */
};

#define AT(member) offsetof(struct build_request, member)

static const struct field fields[] = {
    {"domid", TYPE_U32, AT(domid), DOMID_LIMIT - 1},
    {"max_memory", TYPE_KIB, AT(max_kib), 0},
    {"target_memory", TYPE_KIB, AT(target_kib), 0},
    {"xen_max_memory", TYPE_KIB, AT(xen_max_kib), 0},
    {"memmap_limit", TYPE_KIB, AT(memmap_kib), 0},
    {"video_memory", TYPE_KIB, AT(video_kib), 0},
    {"mmio_hole", TYPE_KIB, AT(mmio_hole_kib), 0},
    {"paging_pool", TYPE_KIB, AT(paging_kib), 0},
    {"vcpus", TYPE_U32, AT(vcpus), MAX_VCPUS},
    {"kernel", TYPE_TEXT, AT(kernel), 0},
    {"ramdisk", TYPE_TEXT, AT(ramdisk), 0},
    {"command_line", TYPE_TEXT, AT(cmdline), 0},
    {"features", TYPE_TEXT, AT(features), 0},
    {"firmware", TYPE_TEXT, AT(firmware), 0},
    {"bios", TYPE_TEXT, AT(bios), 0},
    {"store_domid", TYPE_U32, AT(store_domid), DOMID_LIMIT - 1},
    {"console_domid", TYPE_U32, AT(console_domid), DOMID_LIMIT - 1},
    {"store_port", TYPE_PORT, AT(store_port), 0},
    {"console_port", TYPE_PORT, AT(console_port), 0},
    {"viridian", TYPE_U64, AT(viridian), UINT64_MAX},
    {"timer_mode", TYPE_U32, AT(timer_mode), 3},
    {"tsc_mode", TYPE_U32, AT(tsc_mode), 2},
    {"fd", TYPE_U32, AT(fd), INT32_MAX},
    {"claim", TYPE_BOOL, AT(claim), 0},
    {"pae", TYPE_BOOL, AT(pae), 0},
    {"acpi", TYPE_BOOL, AT(acpi), 0},
    {"apic", TYPE_BOOL, AT(apic), 0},
    {"nx", TYPE_BOOL, AT(nx), 0},
    {"hpet", TYPE_BOOL, AT(hpet), 0},
    {"nested_virt", TYPE_BOOL, AT(nested_virt), 0},
    {"itsc", TYPE_BOOL, AT(itsc), 0},
    {"unzip_ramdisk", TYPE_BOOL, AT(unzip_ramdisk), 0},
};

static char message[160];

static const char *wrong(const char *key, const char *what)
{
    snprintf(message, sizeof(message), "%s: %s", key, what);
    return message;
}

static bool number(const char *text, int base, uint64_t max, uint64_t *out)
{
    char *end;

    if (*text < '0' || (*text > '9' && base == 10))
        return false; /* strtoull takes signs and spaces */
    errno = 0;
    *out = strtoull(text, &end, base);
    return !errno && !*end && *out <= max;
}

static const char *parse_field(const struct field *f, const char *value, struct build_request *out)
{
    void *at = (char *)out + f->offset;
    uint64_t n = 0;

    switch (f->type) {
    case TYPE_TEXT:
        *(const char **)at = value;
        return NULL;
    case TYPE_BOOL:
        if (!number(value, 10, 1, &n))
            return wrong(f->key, "must be 0 or 1");
        *(bool *)at = n;
        return NULL;
    case TYPE_KIB:
        if (!number(value, 10, KIB_LIMIT * 1024, &n) || n % 4096)
            return wrong(f->key, "must be a size in bytes, a multiple of 4096");
        *(uint64_t *)at = n / 1024;
        return NULL;
    case TYPE_U64:
        if (!number(value, 10, f->max, &n))
            return wrong(f->key, "is out of range");
        *(uint64_t *)at = n;
        return NULL;
    case TYPE_PORT:
        if (!number(value, 10, UINT32_MAX - 1, &n) || n == 0)
            return wrong(f->key, "is out of range");
        *(uint32_t *)at = (uint32_t)n;
        return NULL;
    case TYPE_U32:
        if (!number(value, 10, f->max, &n))
            return wrong(f->key, "is out of range");
        *(uint32_t *)at = (uint32_t)n;
        return NULL;
    }
    return wrong(f->key, "is of no known type");
}

static const char *parse_features(const char *value, struct build_request *out)
{
    char *end;

    for (out->n_cpu_features = 0; *value; value = end + (*end == '-')) {
        unsigned long word = strtoul(value, &end, 16);
        if (end == value || end - value > 8 || (*end && *end != '-') ||
            out->n_cpu_features == MAX_FEATURES)
            return wrong("cpu_features", "must be 32-bit words in hexadecimal joined by -");
        out->cpu_features[out->n_cpu_features++] = (uint32_t)word;
    }
    return NULL;
}

/* "0-3,5": the vCPUs that are online from the start. */
static const char *parse_online(const char *value, struct build_request *out)
{
    char *end;

    memset(out->online, 0, sizeof(out->online));
    while (*value) {
        unsigned long first = strtoul(value, &end, 10), last = first;
        if (end == value)
            break;
        if (*end == '-') {
            value = end + 1;
            last = strtoul(value, &end, 10);
            if (end == value)
                break;
        }
        if (first > last || last >= MAX_VCPUS)
            break;
        for (unsigned long i = first; i <= last; i++)
            out->online[i / 8] |= (uint8_t)(1u << (i % 8));
        if (!*end)
            return NULL;
        if (*end != ',')
            break;
        value = end + 1;
    }
    return wrong("online_vcpus", "must be like 0-3,5");
}

static const char *parse_kind(const char *value, struct build_request *out)
{
    static const char *const names[] = {[GUEST_PV] = "pv", [GUEST_PVH] = "pvh", [GUEST_HVM] = "hvm"};

    for (unsigned int i = 0; i < 3; i++) {
        if (!strcmp(value, names[i])) {
            out->kind = (enum guest_kind)i;
            return NULL;
        }
    }
    return wrong("kind", "must be pv, pvh or hvm");
}

static const char *parse_rtc(const char *value, struct build_request *out)
{
    bool negative = *value == '-';
    uint64_t n;

    if (!number(value + negative, 10, INT32_MAX, &n))
        return wrong("rtc_offset", "is out of range");
    out->rtc_offset = negative ? -(int32_t)n : (int32_t)n;
    return NULL;
}

static const char *parse_pair(const struct proto_pair *pair, struct build_request *out)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (!strcmp(pair->key, fields[i].key))
            return parse_field(&fields[i], pair->value, out);
    if (!strcmp(pair->key, "kind"))
        return parse_kind(pair->value, out);
    if (!strcmp(pair->key, "online_vcpus"))
        return parse_online(pair->value, out);
    if (!strcmp(pair->key, "cpu_features"))
        return parse_features(pair->value, out);
    if (!strcmp(pair->key, "rtc_offset"))
        return parse_rtc(pair->value, out);
    snprintf(message, sizeof(message), "%.60s: no such key", pair->key);
    return message;
}

static const char *check(struct build_request *r)
{
    if (!r->domid)
        return "domid: missing, or 0, which is dom0";
    if (!r->max_kib || !r->target_kib || !r->xen_max_kib || !r->vcpus)
        return "max_memory, target_memory, xen_max_memory and vcpus must all be given";
    if (r->target_kib > r->max_kib)
        return "target_memory: is more than max_memory";
    if (r->video_kib >= r->target_kib)
        return "video_memory: leaves the guest no memory";
    if (r->restore ? r->fd == NO_FD : r->fd != NO_FD)
        return r->restore ? "fd: missing" : "fd: is for restore only";
    if (r->restore && (r->kernel || r->ramdisk || r->firmware || r->bios))
        return "kernel, ramdisk, firmware and bios of a guest that is restored are in its memory";
    if (!r->restore && (r->kind == GUEST_HVM ? !r->firmware : !r->kernel))
        return r->kind == GUEST_HVM ? "firmware: missing" : "kernel: missing";
    if (r->kind != GUEST_HVM && (r->firmware || r->bios || r->video_kib || r->mmio_hole_kib))
        return "firmware, bios, video_memory and mmio_hole are for HVM only";
    if (r->kind == GUEST_HVM && (r->kernel || r->ramdisk))
        return "kernel and ramdisk of an HVM guest are the device model's";
    if (!(r->online[0] & 1))
        return "online_vcpus: vCPU 0 must be online";
    if (r->mmio_hole_kib >= 4u << 20)
        return "mmio_hole: must be below 4 GiB";
    return NULL;
}

const char *request_parse(const struct proto_request *in, struct build_request *out)
{
    memset(out, 0, sizeof(*out));
    memset(out->online, 0xff, sizeof(out->online));
    out->store_port = out->console_port = PORT_ALLOCATE;
    out->restore = !strcmp(in->pairs[0].value, "restore");
    out->fd = NO_FD;
    out->claim = out->pae = out->acpi = out->apic = out->nx = out->hpet = true;
    out->timer_mode = 1;
    for (unsigned int i = 1; i < in->count; i++) {
        const char *error = parse_pair(&in->pairs[i], out);
        if (error)
            return error;
    }
    return check(out);
}
