/*
 * xh-domain-helper - builds, saves and restores domains, one request at a time, for a supervisor that may kill it any time.
 *
 * The libraries that fill a domain map guest memory, parse guest kernels and can run long: they get a
 * process of their own. The supervisor keeps one waiting, so no start pays for a fork. Protocol: proto.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acpi.h"
#include "build.h"
#include "files.h"
#include "proto.h"
#include "xlog.h"

static const char *find_value(const struct proto_request *request, const char *key)
{
    for (unsigned int i = 1; i < request->count; i++)
        if (!strcmp(request->pairs[i].key, key))
            return request->pairs[i].value;
    return NULL;
}

static bool do_build(xc_interface *xch, const struct proto_request *request)
{
    static struct build_request build;
    struct build_result result;
    struct build_failure failure = {"", 0};
    const char *wrong = request_parse(request, &build);

    if (wrong) {
        proto_error("bad_request", EINVAL, "build", wrong);
        return false;
    }
    if (!xch) {
        proto_error("unavailable", ENODEV, "privcmd:open", "no hypervisor to talk to");
        return false;
    }
    if ((build.restore ? restore_domain : build_domain)(xch, &build, &result, &failure)) {
        proto_error("failed", failure.errnum, failure.call, xlog_last_error());
        return false;
    }
    proto_result_begin();
    proto_result_number("store_port", result.store_port);
    proto_result_number("store_frame", result.store_frame);
    proto_result_number("console_port", result.console_port);
    proto_result_number("console_frame", result.console_frame);
    proto_result_text("guest_os", result.guest_os);
    proto_result_number("prepare_us", result.prepare_us);
    proto_result_number("parse_us", result.parse_us);
    proto_result_number("memory_us", result.memory_us);
    proto_result_number("image_us", result.image_us);
    proto_result_number("boot_us", result.boot_us);
    proto_result_end();
    return true;
}

/* Descriptors are inherited: who asks for this started us for it. */
static void do_save(xc_interface *xch, const struct proto_request *request)
{
    const char *domid = find_value(request, "domid"), *fd = find_value(request, "fd");
    struct save_request save = {.xch = xch};
    struct build_failure failure = {"", 0};
    char *end;

    save.domid = domid ? (uint32_t)strtoul(domid, &end, 10) : 0;
    save.fd = fd ? (int)strtoul(fd, &end, 10) : -1;
    if (request->count != 3 || !save.domid || save.domid >= DOMID_LIMIT || save.fd <= STDERR_FILENO) {
        proto_error("bad_request", EINVAL, "save", "domid and fd must be given, and nothing else");
        return;
    }
    if (!xch) {
        proto_error("unavailable", ENODEV, "privcmd:open", "no hypervisor to talk to");
        return;
    }
    if (save_domain(&save, &failure)) {
        proto_error("failed", failure.errnum, failure.call, xlog_last_error());
        return;
    }
    proto_result_begin();
    proto_result_end();
}

/* Map files ahead of the build that will need them. */
static void do_preload(const struct proto_request *request)
{
    static const char *const keys[] = {"kernel", "ramdisk", "firmware", "bios"};
    struct mapped_file file;

    files_begin();
    for (unsigned int i = 1; i < request->count; i++) {
        const struct proto_pair *pair = &request->pairs[i];
        bool known = false;
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            known |= !strcmp(pair->key, keys[k]);
        if (!known) {
            proto_error("bad_request", EINVAL, "preload", "no such key");
            return;
        }
        if (files_map(pair->value, &file)) {
            proto_error("failed", errno, "open", pair->value);
            return;
        }
    }
    proto_result_begin();
    proto_result_end();
}

/* The tables a PVH guest would get, in hexadecimal: for tests, needs no hypervisor. */
static void do_acpi(const struct proto_request *request)
{
    static uint8_t online[MAX_VCPUS / 8];
    static uint8_t tables[XH_ACPI_MAX_SIZE];
    static char text[2 * XH_ACPI_MAX_SIZE + 1];
    const char *vcpus = find_value(request, "vcpus"), *upto = find_value(request, "online");
    unsigned long count = vcpus ? strtoul(vcpus, NULL, 10) : 0;
    unsigned long on = upto ? strtoul(upto, NULL, 10) : count;
    size_t size;

    memset(online, 0, sizeof(online));
    for (unsigned long i = 0; i < on && i < MAX_VCPUS; i++)
        online[i / 8] |= (uint8_t)(1u << (i % 8));
    size = count <= XH_ACPI_MAX_VCPUS
               ? xh_acpi_build(tables, 0xfc000000u, (unsigned int)count, online)
               : 0;
    if (!size) {
        proto_error("bad_request", EINVAL, "acpi_tables", "vcpus: must be 1 to 128");
        return;
    }
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", tables[i]);
    proto_result_begin();
    proto_result_text("tables", text);
    proto_result_end();
}

static void serve(xc_interface *xch, const struct proto_request *request)
{
    const char *op = request->pairs[0].value;

    xlog_begin(getenv("XH_HELPER_DEBUG") != NULL);
    if (!strcmp(op, "build") || !strcmp(op, "restore")) {
        bool built = do_build(xch, request);
        build_unmap();
        if (built) { /* now the guest may run */
            proto_result_begin();
            proto_result_end();
        }
    } else if (!strcmp(op, "save")) {
        do_save(xch, request);
    } else if (!strcmp(op, "preload")) {
        do_preload(request);
    } else if (!strcmp(op, "acpi_tables")) {
        do_acpi(request);
    } else {
        proto_error("bad_request", ENOSYS, "op", "no such operation");
    }
}

int main(void)
{
    static struct proto_request request;
    pid_t parent = getppid();
    xc_interface *xch;
    char version[32] = "none";
    int out, got;

    /* Die with the supervisor, also if it was gone before we asked for that. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return 1;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* a core would hold guest memory */
    /* Replies have a descriptor of their own: whatever a library prints goes to stderr. */
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 1;
    proto_open(out);
    xch = xc_interface_open(xlog_logger(), xlog_logger(), 0);
    if (xch) {
        int v = xc_version(xch, XENVER_version, NULL);
        snprintf(version, sizeof(version), "%d.%d", v >> 16, v & 0xffff);
    }
    proto_ready(version);
    while ((got = proto_read(stdin, &request)) != 0)
        if (got > 0)
            serve(xch, &request);
    return 0;
}
