#include "xh_log.h"

static void drop_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                         const char *context, const char *format, va_list al)
{
    (void)logger, (void)level, (void)errnoval, (void)context, (void)format, (void)al;
}

static void drop_progress(xentoollog_logger *logger, const char *context, const char *doing_what,
                          int percent, unsigned long done, unsigned long total)
{
    (void)logger, (void)context, (void)doing_what, (void)percent, (void)done, (void)total;
}

static void keep(xentoollog_logger *logger)
{
    (void)logger; /* static storage: nothing to free */
}

xentoollog_logger *xh_silent_logger(void)
{
    static xentoollog_logger silent = {
        .vmessage = drop_message,
        .progress = drop_progress,
        .destroy = keep,
    };
    return &silent;
}
