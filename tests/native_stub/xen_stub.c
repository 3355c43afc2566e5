/*
 * Just enough of Xen for the stock xenstored and oxenstored to run on a plain Linux: loaded with
 * LD_PRELOAD, it answers the calls they make to libxenctrl, libxenevtchn, libxengnttab and a few
 * of libc. No domain ever talks through it; only the daemons' sockets are of use.
 *
 * - event channels: one eventfd that never fires; ports are numbers counted up
 * - grant and foreign mappings: a fresh zeroed page, as an idle guest's ring would look
 * - domains: every domain asked about exists and is alive
 * - /proc/xen/xsd_port, /proc/xen/xsd_kva (dom0's own ring): a number and a zeroed page, in memfds
 * - oxenstored's fixed socket path: moved to $XENSTORED_RUNDIR
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PAGE 4096
#define OXENSTORED_SOCKET "/var/run/xenstored/socket"

/* The handles' types are private to the libraries; any address will do. */
static char evtchn_handle, gnttab_handle, xc_handle;
static int evtchn_events = -1;
static int next_port = 1;

static void *zeroed_page(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? NULL : page;
}

/* ---- event channels ---- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    evtchn_events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return (xenevtchn_handle *)&evtchn_handle;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned int flags)
{
    (void)fd;
    return xenevtchn_open(logger, flags);
}

int xenevtchn_close(xenevtchn_handle *xce)
{
    (void)xce;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    (void)xce;
    return evtchn_events;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
    (void)xce;
    (void)virq;
    return next_port++;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)xce;
    (void)domid;
    (void)remote;
    return next_port++;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    (void)port;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    (void)xce;
    errno = EAGAIN;
    return -1;
}

/* ---- memory of domains ---- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    return (xengnttab_handle *)&gnttab_handle;
}

int xengnttab_close(xengnttab_handle *xgt)
{
    (void)xgt;
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
    (void)xgt;
    (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
    (void)xgt;
    (void)domid;
    (void)ref;
    (void)prot;
    return zeroed_page();
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
    (void)xgt;
    return munmap(start, (size_t)count * PAGE);
}

void *xc_map_foreign_range(xc_interface *xch, uint32_t domid, int size, int prot,
                           unsigned long mfn)
{
    (void)xch;
    (void)domid;
    (void)size;
    (void)prot;
    (void)mfn;
    return zeroed_page();
}

/* ---- domains ---- */

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild,
                                unsigned int flags)
{
    (void)logger;
    (void)dombuild;
    (void)flags;
    return (xc_interface *)&xc_handle;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
    (void)xch;
    if (max == 0)
        return 0;
    memset(info, 0, sizeof(*info));
    info->domid = first;
    return 1;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max,
                          xc_domaininfo_t *info)
{
    (void)xch;
    if (max == 0)
        return 0;
    memset(info, 0, sizeof(*info));
    info->domain = (domid_t)first;
    return 1;
}

/* ---- libc ---- */

/* Raising the limit on open files may be forbidden in a container, and need not succeed. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limits)
{
    (void)resource;
    (void)limits;
    return 0;
}

static int open_fake(const char *path)
{
    const char *name = strrchr(path, '/');
    int fd = -1;

    if (strncmp(path, "/proc/xen/", 10) && strncmp(path, "/dev/xen/", 9))
        return -1;
    if (!strcmp(name, "/xsd_port")) {
        fd = memfd_create("xsd_port", MFD_CLOEXEC);
        if (fd >= 0 && (write(fd, "1\n", 2) != 2 || lseek(fd, 0, SEEK_SET) != 0))
            abort();
    } else if (!strcmp(name, "/xsd_kva")) {
        fd = memfd_create("xsd_kva", MFD_CLOEXEC);
        if (fd >= 0 && ftruncate(fd, PAGE))
            abort();
    }
    return fd;
}

static int open_real(const char *symbol, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, symbol);

    return real(path, flags, mode);
}

static int open_either(const char *symbol, const char *path, int flags, mode_t mode)
{
    int fd = open_fake(path);

    return fd >= 0 ? fd : open_real(symbol, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return open_either("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return open_either("open64", path, flags, mode);
}

static int moved(const char *path, char *to, size_t room)
{
    const char *folder = getenv("XENSTORED_RUNDIR");

    if (!folder || (strcmp(path, OXENSTORED_SOCKET) && strcmp(path, OXENSTORED_SOCKET + 4)))
        return 0;
    return snprintf(to, room, "%s/socket", folder) < (int)room;
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    struct sockaddr_un other = {.sun_family = AF_UNIX};

    if (address->sa_family == AF_UNIX &&
        moved(((const struct sockaddr_un *)address)->sun_path, other.sun_path,
              sizeof(other.sun_path)))
        return real(fd, (const struct sockaddr *)&other, sizeof(other));
    return real(fd, address, len);
}

int unlink(const char *path)
{
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    char other[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

    return real(moved(path, other, sizeof(other)) ? other : path);
}
