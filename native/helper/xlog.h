/* xlog.h - what the Xen libraries say: warnings become "log" lines, the last error is kept. */
#ifndef XH_XLOG_H
#define XH_XLOG_H

#include <stdbool.h>

#include <xentoollog.h>

xentoollog_logger *xlog_logger(void);
void xlog_begin(bool verbose); /* a new request */
const char *xlog_last_error(void);

#endif
