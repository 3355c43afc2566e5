/* xh_evtchn.c - event channels of this domain. */
#include <errno.h>
#include <stdlib.h>

#include <xenevtchn.h>

#include "xh_evtchn.h"
#include "xh_log.h"

struct xh_evtchn {
    xenevtchn_handle *xce;
};

xh_evtchn *xh_evtchn_open(void)
{
    xh_evtchn *handle = calloc(1, sizeof(*handle));
    int saved;

    if (!handle)
        return NULL;
    handle->xce = xenevtchn_open(xh_silent_logger(), 0);
    if (handle->xce)
        return handle;
    saved = errno ? errno : ENODEV;
    free(handle);
    errno = saved;
    return NULL;
}

void xh_evtchn_close(xh_evtchn *handle)
{
    if (!handle)
        return;
    xenevtchn_close(handle->xce);
    free(handle);
}

int xh_evtchn_fd(xh_evtchn *handle)
{
    return xenevtchn_fd(handle->xce);
}

int xh_evtchn_bind_virq(xh_evtchn *handle, uint32_t virq)
{
    return xenevtchn_bind_virq(handle->xce, virq);
}

int xh_evtchn_bind_interdomain(xh_evtchn *handle, uint32_t domid, uint32_t remote)
{
    return xenevtchn_bind_interdomain(handle->xce, domid, remote);
}

int xh_evtchn_bind_unbound(xh_evtchn *handle, uint32_t domid)
{
    return xenevtchn_bind_unbound_port(handle->xce, domid);
}

int xh_evtchn_unbind(xh_evtchn *handle, uint32_t port)
{
    return xenevtchn_unbind(handle->xce, port);
}

int xh_evtchn_pending(xh_evtchn *handle)
{
    return xenevtchn_pending(handle->xce);
}

int xh_evtchn_unmask(xh_evtchn *handle, uint32_t port)
{
    return xenevtchn_unmask(handle->xce, port);
}

int xh_evtchn_notify(xh_evtchn *handle, uint32_t port)
{
    return xenevtchn_notify(handle->xce, port);
}
