/* save.c - the memory and vCPUs of a guest that has suspended: into a file, and out of it into a new domain. */
#include <errno.h>

#include "build.h"

/* The caller had the guest suspend before; nothing is written of one that runs. */
static int is_suspended(void *data)
{
    const struct save_request *r = data;
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(r->xch, r->domid, 1, &info) != 1 || info.domain != r->domid)
        return 0;
    return info.flags & XEN_DOMINF_shutdown &&
           ((info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) == SHUTDOWN_suspend;
}

/* libxenguest asks of each HVM container, also of one that stands still; its device model has been stopped before. */
static int nothing_writes(uint32_t domid, unsigned int enable, void *data)
{
    (void)domid;
    (void)enable;
    (void)data;
    return 0;
}

int save_domain(const struct save_request *request, struct build_failure *failure)
{
    struct save_request r = *request;
    struct save_callbacks callbacks = {
        .suspend = is_suspended, .switch_qemu_logdirty = nothing_writes, .data = &r};

    errno = 0;
    if (!is_suspended(&r)) {
        errno = EBUSY;
        return build_failed(failure, "domain:not_suspended");
    }
    if (xc_domain_save(r.xch, r.fd, r.domid, 0, &callbacks, XC_STREAM_PLAIN, -1))
        return build_failed(failure, "domain:save");
    return 0;
}

/* What CPUID and MSRs show is in each stream that save_domain wrote: one without is not ours. */
static int policies_are_there(unsigned int missing, void *data)
{
    (void)data;
    errno = EPROTO;
    return missing ? -1 : 0;
}

int restore_domain(xc_interface *xch, const struct build_request *r, struct build_result *result,
                   struct build_failure *failure)
{
    struct restore_callbacks callbacks = {.static_data_done = policies_are_there};
    unsigned long store = 0, console = 0;

    if (build_prepare(xch, r, result, failure))
        return -1;
    if (xc_domain_restore(xch, (int)r->fd, r->domid, result->store_port, &store, r->store_domid,
                          result->console_port, &console, r->console_domid, XC_STREAM_PLAIN,
                          &callbacks, -1))
        return build_failed(failure, "domain:restore");
    result->store_frame = store;
    result->console_frame = console;
    return 0;
}
