/* xh_ctrl.h - what the xh_*.c files of the _xenctrl module share. Not seen by Python. */
#ifndef XH_CTRL_H
#define XH_CTRL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xen/hvm/params.h>

#include "xh_xenctrl.h"

#if XEN_DOMCTL_INTERFACE_VERSION < 0x00000015
#error "Xen older than 4.17 is not supported"
#endif

struct xh_ctrl {
    xc_interface *xch;
};

#endif
