/*
 * A whole guest in a few kilobytes, up in milliseconds: it talks to xenstore and the console, obeys control/shutdown,
 * and otherwise sleeps. It has no device drivers: its frontends never answer, which makes it the stubborn guest that
 * tests of time-outs and forced unplugs need.
 *
 * What it does: prints "TINYUP <kind>" and its command line on the console; writes data/tiny = "up",
 * control/feature-{poweroff,reboot,halt} = "1"; then obeys control/shutdown (and acknowledges it by writing "" there)
 * and data/do = poweroff | reboot | halt | crash | deaf (from then on it ignores everything).
 * The word "deaf" on the command line makes it ignore requests from the start, "crash" and "poweroff" act at once.
 *
 * Built three times: for PV (64 bit), for PVH and for HVM (32 bit, no paging). The interfaces are those of Xen's public
 * headers: xen.h, sched.h, event_channel.h, hvm/params.h, io/xs_wire.h, io/console.h, hvm/start_info.h.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;

enum { OP_UPDATE_VA_MAPPING = 14, OP_MEMORY = 12, OP_SCHED = 29, OP_EVENT = 32, OP_HVM = 34 };
enum { SCHED_SHUTDOWN = 2, SCHED_POLL = 3 };
enum { REASON_POWEROFF = 0, REASON_REBOOT = 1, REASON_CRASH = 3 };
enum { EVENT_SEND = 4 };
enum { XS_READ = 2, XS_WATCH = 4, XS_WRITE = 11, XS_WATCH_EVENT = 15 };

#define PAGE 4096
#define barrier() __asm__ volatile("" ::: "memory")

struct xenstore_ring {
    u8 req[1024];
    u8 rsp[1024];
    u32 req_cons, req_prod, rsp_cons, rsp_prod;
};

struct console_ring {
    u8 in[1024];
    u8 out[2048];
    u32 in_cons, in_prod, out_cons, out_prod;
};

struct xs_header {
    u32 type, id, transaction, length;
};

u8 hypercall_page[PAGE] __attribute__((aligned(PAGE)));
u8 shared_page[PAGE] __attribute__((aligned(PAGE)));
u8 stack[2 * PAGE] __attribute__((aligned(PAGE)));

static struct xenstore_ring *xenstore;
static struct console_ring *console;
static u32 xenstore_port, console_port;
static char command_line[256];
static int deaf;
static int changed; /* a watch has fired since we last looked */

#ifdef PV
static word hypercall(int op, word a, word b, word c)
{
    word result;
    register word r10 __asm__("r10") = 0;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
                     : [entry] "r"(hypercall_page + op * 32)
                     : "rcx", "r11", "r8", "r9", "memory");
    return result;
}
#else
static word hypercall(int op, word a, word b, word c)
{
    word result;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+b"(a), "+c"(b), "+d"(c)
                     : [entry] "r"(hypercall_page + op * 32)
                     : "memory");
    return result;
}
#endif

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static u32 length(const char *s)
{
    u32 n = 0;

    while (s[n])
        n++;
    return n;
}

static void copy(void *to, const void *from, u32 n)
{
    for (u32 i = 0; i < n; i++)
        ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
}

static int has_word(const char *line, const char *wanted)
{
    u32 n = length(wanted);

    for (const char *p = line; *p; p++) {
        u32 i = 0;

        if (p != line && p[-1] != ' ')
            continue;
        while (i < n && p[i] == wanted[i])
            i++;
        if (i == n && (p[n] == ' ' || p[n] == 0))
            return 1;
    }
    return 0;
}

static void notify(u32 port)
{
    if (port)
        hypercall(OP_EVENT, EVENT_SEND, (word)&port, 0);
}

static void shutdown(u32 reason)
{
    for (;;)
        hypercall(OP_SCHED, SCHED_SHUTDOWN, (word)&reason, 0);
}

static void wait(void)
{
    struct {
        u32 *ports;
        u32 count;
        u64 timeout;
    } poll = {&xenstore_port, 1, 0};
    volatile u8 *pending = shared_page + 2048; /* shared_info.evtchn_pending */

    hypercall(OP_SCHED, SCHED_POLL, (word)&poll, 0);
    __sync_fetch_and_and(&pending[xenstore_port / 8], (u8) ~(1U << (xenstore_port % 8)));
}

#ifdef HVM
static inline void outb(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void legacy_put(char c)
{
    static u32 column;
    volatile u16 *screen = (volatile u16 *)0xb8000;

    outb(0x3f8, (u8)c);
    if (c != '\n' && column < 80 * 25)
        screen[column++] = (u16)(0x0700 | (u8)c);
    else if (c == '\n')
        column += 80 - column % 80;
}
#else
static void legacy_put(char c)
{
    (void)c;
}
#endif

static void print(const char *s)
{
    for (; *s; s++) {
        legacy_put(*s);
        if (!console || console->out_prod - *(volatile u32 *)&console->out_cons >= sizeof(console->out))
            continue;
        console->out[console->out_prod % sizeof(console->out)] = (u8)*s;
        barrier();
        console->out_prod++;
    }
    if (console)
        notify(console_port);
}

static void xs_put(const void *data, u32 n)
{
    const u8 *bytes = data;

    for (u32 i = 0; i < n; i++) {
        while (xenstore->req_prod - *(volatile u32 *)&xenstore->req_cons >= sizeof(xenstore->req)) {
            notify(xenstore_port);
            wait();
        }
        xenstore->req[xenstore->req_prod % sizeof(xenstore->req)] = bytes[i];
        barrier();
        xenstore->req_prod++;
    }
}

static void xs_get(void *data, u32 n)
{
    u8 *bytes = data;

    for (u32 i = 0; i < n; i++) {
        while (*(volatile u32 *)&xenstore->rsp_prod == xenstore->rsp_cons)
            wait();
        bytes[i] = xenstore->rsp[xenstore->rsp_cons % sizeof(xenstore->rsp)];
        barrier();
        xenstore->rsp_cons++;
        if (xenstore->rsp_cons % 512 == 0)
            notify(xenstore_port);
    }
    notify(xenstore_port);
}

/* the next message; its text, cut to fit, ends in a zero */
static u32 xs_receive(char *text, u32 size)
{
    struct xs_header header;
    char waste;

    xs_get(&header, sizeof(header));
    for (u32 i = 0; i < header.length; i++)
        xs_get(i < size - 1 ? &text[i] : &waste, 1);
    text[header.length < size ? header.length : size - 1] = 0;
    return header.type;
}

static void xs_request(u32 type, const char *first, const char *second, u32 second_length, char *answer, u32 size)
{
    struct xs_header header = {type, 1, 0, length(first) + 1 + second_length};

    xs_put(&header, sizeof(header));
    xs_put(first, length(first) + 1);
    xs_put(second, second_length);
    notify(xenstore_port);
    while (xs_receive(answer, size) == XS_WATCH_EVENT)
        changed = 1; /* whatever it is about: both nodes are read again before we sleep */
}

static void xs_write(const char *path, const char *value)
{
    char answer[64];

    xs_request(XS_WRITE, path, value, length(value), answer, sizeof(answer));
}

static void xs_watch(const char *path)
{
    char answer[64];

    xs_request(XS_WATCH, path, "t", 2, answer, sizeof(answer));
}

static void obey(const char *request)
{
    if (same(request, "poweroff") || same(request, "halt"))
        shutdown(REASON_POWEROFF);
    if (same(request, "reboot"))
        shutdown(REASON_REBOOT);
    if (same(request, "crash"))
        shutdown(REASON_CRASH);
    if (same(request, "deaf"))
        deaf = 1;
}

static void look(void)
{
    char request[64];

    xs_request(XS_READ, "control/shutdown", "", 0, request, sizeof(request));
    if (same(request, "poweroff") || same(request, "halt") || same(request, "reboot")) {
        xs_write("control/shutdown", "");
        obey(request);
    }
    xs_request(XS_READ, "data/do", "", 0, request, sizeof(request));
    obey(request);
}

static void live(const char *kind)
{
    char event[128];

    print("TINYUP ");
    print(kind);
    print(" ");
    print(command_line);
    print("\n");
    if (has_word(command_line, "crash"))
        shutdown(REASON_CRASH);
    if (has_word(command_line, "poweroff"))
        shutdown(REASON_POWEROFF);
    deaf = has_word(command_line, "deaf");
    xs_watch("control/shutdown");
    xs_watch("data/do");
    xs_write("control/feature-poweroff", "1");
    xs_write("control/feature-reboot", "1");
    xs_write("control/feature-halt", "1");
    xs_write("data/tiny", "up");
    for (;;) {
        changed = 0;
        if (!deaf)
            look();
        if (!changed)
            xs_receive(event, sizeof(event));
    }
}

#ifdef PV
struct start_info {
    char magic[32];
    u64 pages, shared_info;
    u32 flags;
    u64 store_mfn;
    u32 store_port;
    u64 console_mfn;
    u32 console_port;
    u64 page_table, page_table_frames, mfn_list, module_start, module_length;
    char command_line[1024];
};

static void *page_of(u64 mfn)
{
    const u64 *machine_to_physical = (const u64 *)0xffff800000000000ULL;

    return (void *)(machine_to_physical[mfn] * PAGE); /* VIRT_BASE is 0 */
}

void start(const struct start_info *info)
{
    copy(command_line, info->command_line, sizeof(command_line) - 1);
    hypercall(OP_UPDATE_VA_MAPPING, (word)shared_page, info->shared_info | 7, 2 /* flush this page */);
    xenstore = page_of(info->store_mfn);
    xenstore_port = info->store_port;
    console = page_of(info->console_mfn);
    console_port = info->console_port;
    live("pv");
}
#else
static u64 parameter(u32 number)
{
    struct {
        u16 domain;
        u32 index;
        u64 value;
    } get = {0x7ff0 /* myself */, number, 0};

    return hypercall(OP_HVM, 1 /* get_param */, (word)&get, 0) ? 0 : get.value;
}

static void set_up_hypercalls(void)
{
    u32 base, eax, ebx, ecx, edx;

    for (base = 0x40000000; base < 0x40010000; base += 0x100) {
        __asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(base));
        if (ebx == 0x566e6558 && ecx == 0x65584d4d && edx == 0x4d4d566e) /* XenVMMXenVMM */
            break;
    }
    __asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "a"(base + 2));
    __asm__ volatile("wrmsr" ::"c"(ebx), "a"((u32)hypercall_page), "d"(0));
}

static void map_shared_page(void)
{
    struct {
        u16 domain, size;
        u32 space;
        word index, frame;
    } add = {0x7ff0, 0, 0 /* shared info */, 0, (word)shared_page / PAGE};

    hypercall(OP_MEMORY, 7 /* add_to_physmap */, (word)&add, 0);
}

#ifdef HVM
/* No interrupt may wake us: we run with interrupts off and wait for events only. */
static void be_quiet(void)
{
    struct {
        u16 domain;
        u32 index;
        u64 value;
    } set = {0x7ff0, 0 /* callback irq: the sign by which toolstacks know a guest with PV drivers */, 1};

    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    hypercall(OP_HVM, 0 /* set_param */, (word)&set, 0);
}
#endif

struct start_info {
    u32 magic, version, flags, modules;
    u64 module_list, command_line;
};

void start(const struct start_info *info)
{
    set_up_hypercalls();
    map_shared_page();
#ifdef HVM
    be_quiet();
#endif
    if (info && info->magic == 0x336ec578 && info->command_line) {
        const char *line = (const char *)(word)info->command_line;
        u32 n = length(line);

        copy(command_line, line, n < sizeof(command_line) ? n : sizeof(command_line) - 1);
    }
    xenstore = (struct xenstore_ring *)(word)(parameter(1) * PAGE);
    xenstore_port = (u32)parameter(2);
    console = (struct console_ring *)(word)(parameter(17) * PAGE);
    console_port = (u32)parameter(18);
#ifdef HVM
    live("hvm");
#else
    live("pvh");
#endif
}
#endif
