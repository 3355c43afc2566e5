/* build.h - put a guest into a domain that was created, and save it again. */
#ifndef XH_BUILD_H
#define XH_BUILD_H

#include <stdint.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "request.h"

/* What failed; the text, if any, is the library's last error message (xlog.h). */
struct build_failure {
    const char *call;
    int errnum;
};

struct build_result {
    uint32_t store_port, console_port;
    uint64_t store_frame, console_frame; /* PV: machine frames; PVH, HVM: guest frames */
    char guest_os[32];
    uint64_t prepare_us, parse_us, memory_us, image_us, boot_us;
};

/* 0, or -1 and *failure. The caller destroys the domain after a failure. */
int build_domain(xc_interface *xch, const struct build_request *request,
                 struct build_result *result, struct build_failure *failure);

/*
 * Undo the mappings of the guest's image that build_domain left. Taking tens of thousands of them down
 * takes longer than the copying did: call it after the reply, while the caller introduces the domain. A PV
 * guest must not run before: Xen lets no page be a descriptor or page table that somebody can write to.
 */
void build_unmap(void);

/* Limits, ports and platform of a domain, before it is filled; clears *result. */
int build_prepare(xc_interface *xch, const struct build_request *request,
                  struct build_result *result, struct build_failure *failure);

/* save.c. A suspended domain goes to fd, where that stands; its ports and home stay as they are. */
struct save_request {
    xc_interface *xch;
    uint32_t domid;
    int fd;
};
int save_domain(const struct save_request *request, struct build_failure *failure);

/* Fill the domain from request->fd with what save_domain wrote; the rest as build_domain. */
int restore_domain(xc_interface *xch, const struct build_request *request,
                   struct build_result *result, struct build_failure *failure);

/* Remember the call and errno; returns -1. */
int build_failed(struct build_failure *failure, const char *call);

/* hvm.c: what PVH and HVM need besides. */
int hvm_prepare(xc_interface *xch, const struct build_request *r, struct build_failure *failure);
int hvm_layout(struct xc_dom_image *dom, const struct build_request *r,
               struct build_failure *failure);
int hvm_describe(xc_interface *xch, struct xc_dom_image *dom, const struct build_request *r,
                 struct build_failure *failure);
int hvm_finish(xc_interface *xch, const struct build_request *r, struct build_failure *failure);

#endif
