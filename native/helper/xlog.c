#include "xlog.h"

#include <stdio.h>
#include <string.h>

#include "proto.h"

static char last_error[512];
static int last_percent = -1;
static xentoollog_level least = XTL_CRITICAL; /* until the first request */

static void message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                    const char *context, const char *format, va_list al)
{
    char text[512];

    (void)logger, (void)errnoval, (void)context;
    if (level < least)
        return; /* before any formatting: the builder is talkative */
    vsnprintf(text, sizeof(text), format, al);
    if (level >= XTL_ERROR)
        memcpy(last_error, text, sizeof(last_error));
    proto_log(level >= XTL_ERROR ? "error" : level >= XTL_WARN ? "warning" : "debug", text);
}

static void progress(xentoollog_logger *logger, const char *context, const char *doing_what,
                     int percent, unsigned long done, unsigned long total)
{
    (void)logger, (void)context, (void)doing_what, (void)done, (void)total;
    if (percent <= last_percent || percent > 100)
        return;
    last_percent = percent;
    proto_progress((unsigned int)percent, "memory"); /* saving and restoring report it */
}

static void keep(xentoollog_logger *logger)
{
    (void)logger; /* static storage */
}

xentoollog_logger *xlog_logger(void)
{
    static xentoollog_logger logger = {.vmessage = message, .progress = progress, .destroy = keep};
    return &logger;
}

void xlog_begin(bool verbose)
{
    last_error[0] = '\0';
    last_percent = -1;
    least = verbose ? XTL_DEBUG : XTL_WARN;
}

const char *xlog_last_error(void)
{
    return last_error;
}
