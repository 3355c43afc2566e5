/* xh_log.h - a libxc logger that drops everything: errors travel as errno, not as text on stderr. */
#ifndef XH_LOG_H
#define XH_LOG_H

#include <xentoollog.h>

xentoollog_logger *xh_silent_logger(void);

#endif
