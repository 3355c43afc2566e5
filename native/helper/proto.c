#include "proto.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX 16384

static int out_fd = -1;
static char reply[REPLY_MAX];
static size_t reply_len;

/* --- requests --------------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* In place. False for a bad escape, or for a NUL byte, which no value may hold. */
static bool unescape(char *s)
{
    char *out = s;

    for (; *s; s++) {
        if (*s != '%') {
            *out++ = *s;
            continue;
        }
        int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high << 4 | low);
        s += 2;
    }
    *out = '\0';
    return true;
}

static const char *add_line(struct proto_request *request, char *line)
{
    char *value = strchr(line, ' ');

    if (request->count == PROTO_MAX_KEYS)
        return "too many keys";
    if (!value || value == line)
        return "a line is not \"key value\"";
    *value++ = '\0';
    for (const char *p = line; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
            return "a key has other characters than a-z, 0-9 and _";
    for (unsigned int i = 0; i < request->count; i++)
        if (!strcmp(request->pairs[i].key, line))
            return "a key is given twice";
    if (!unescape(value))
        return "a value has a bad escape";
    request->pairs[request->count].key = line;
    request->pairs[request->count].value = value;
    request->count++;
    return NULL;
}

int proto_read(FILE *in, struct proto_request *request)
{
    size_t used = 0;
    const char *wrong = NULL;
    bool any = false;

    request->count = 0;
    for (;;) {
        char *line = request->text + used;
        size_t start = used;
        int c;

        while ((c = getc_unlocked(in)) != EOF && c != '\n') {
            any = true;
            if (used + 3 > sizeof(request->text)) { /* this byte, its line's NUL, the empty line's */
                wrong = "the request is too long";
                used = start = 0; /* swallow the rest of it */
            }
            if (c == '\0')
                wrong = "the request has a NUL byte";
            request->text[used++] = (char)c;
        }
        if (c == EOF)
            return 0; /* the peer is gone, whatever came before */
        request->text[used++] = '\0';
        if (used - start == 1) {
            if (!any)
                continue; /* an empty line between requests */
            break;
        }
        any = true;
        if (!wrong)
            wrong = add_line(request, line);
    }
    if (!wrong && (request->count == 0 || strcmp(request->pairs[0].key, "op")))
        wrong = "the first line is not \"op NAME\"";
    if (!wrong)
        return 1;
    proto_error("bad_request", EINVAL, "request", wrong);
    return -1;
}

/* --- replies ---------------------------------------------------------------------------------- */

void proto_open(int fd)
{
    out_fd = fd;
}

static void put(const char *s)
{
    while (*s && reply_len < REPLY_MAX - 1)
        reply[reply_len++] = *s++;
}

static void put_escaped(const char *s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *s && reply_len + 4 < REPLY_MAX; s++) {
        unsigned char c = (unsigned char)*s;
        if (c > 0x20 && c < 0x7f && c != '%' && c != '=') {
            reply[reply_len++] = (char)c;
            continue;
        }
        reply[reply_len++] = '%';
        reply[reply_len++] = digits[c >> 4];
        reply[reply_len++] = digits[c & 15];
    }
}

static void put_number(uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    put(text);
}

static void flush_line(void)
{
    size_t done = 0;

    reply[reply_len++] = '\n';
    while (done < reply_len) {
        ssize_t n = write(out_fd, reply + done, reply_len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1); /* nobody listens */
        done += (size_t)n;
    }
    reply_len = 0;
}

void proto_ready(const char *xen)
{
    put("ready ");
    put_number(PROTO_VERSION);
    put(" ");
    put_escaped(xen);
    flush_line();
}

void proto_progress(unsigned int percent, const char *phase)
{
    put("progress ");
    put_number(percent);
    put(" ");
    put_escaped(phase);
    flush_line();
}

void proto_log(const char *level, const char *text)
{
    /* A library may log while a result is being put together; keep that. */
    char held[REPLY_MAX];
    size_t held_len = reply_len;

    memcpy(held, reply, held_len);
    reply_len = 0;
    put("log ");
    put(level);
    put(" ");
    put_escaped(text);
    flush_line();
    memcpy(reply, held, held_len);
    reply_len = held_len;
}

void proto_error(const char *code, int errnum, const char *call, const char *message)
{
    reply_len = 0;
    put("error ");
    put(code);
    put(" ");
    put_number((uint64_t)(errnum > 0 ? errnum : 0));
    put(" ");
    put_escaped(*call ? call : "-");
    put(" ");
    put_escaped(*message ? message : "-");
    flush_line();
}

void proto_result_begin(void)
{
    reply_len = 0;
    put("result");
}

void proto_result_number(const char *key, uint64_t value)
{
    put(" ");
    put(key);
    put("=");
    put_number(value);
}

void proto_result_text(const char *key, const char *value)
{
    put(" ");
    put(key);
    put("=");
    put_escaped(value);
}

void proto_result_end(void)
{
    flush_line();
}
