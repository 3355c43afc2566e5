/* xh_evtchn.h - our own stable view of libxenevtchn. Negative and errno on failure. */
#ifndef XH_EVTCHN_H
#define XH_EVTCHN_H

#include <stdint.h>

typedef struct xh_evtchn xh_evtchn;

xh_evtchn *xh_evtchn_open(void); /* NULL and errno */
void xh_evtchn_close(xh_evtchn *handle);
int xh_evtchn_fd(xh_evtchn *handle); /* readable when a port is pending */
int xh_evtchn_bind_virq(xh_evtchn *handle, uint32_t virq);                          /* port */
int xh_evtchn_bind_interdomain(xh_evtchn *handle, uint32_t domid, uint32_t remote); /* port */
int xh_evtchn_bind_unbound(xh_evtchn *handle, uint32_t domid); /* port domid may connect to */
int xh_evtchn_unbind(xh_evtchn *handle, uint32_t port);
/* The next pending port, now masked. Blocks if there is none: wait for the fd first. */
int xh_evtchn_pending(xh_evtchn *handle);
int xh_evtchn_unmask(xh_evtchn *handle, uint32_t port);
int xh_evtchn_notify(xh_evtchn *handle, uint32_t port);

#endif
