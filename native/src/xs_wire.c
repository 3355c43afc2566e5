/* See xs_wire.h. */
#include "xs_wire.h"

#include <string.h>

struct header {
    uint32_t type, id, tx, len;
};

_Static_assert(sizeof(struct header) == XH_XS_HEADER, "struct xsd_sockmsg is 16 bytes");

/* xenstored's own alphabet (core.c, valid_chars). */
static int legal(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '/' || c == '_' || c == '@';
}

int xh_xs_check_path(const char *path, size_t len, uint32_t *offset)
{
    size_t limit;

    *offset = 0;
    if (len == 0)
        return XH_XS_EMPTY;
    limit = path[0] == '/' ? XH_XS_ABS_PATH_MAX : XH_XS_REL_PATH_MAX;
    if (len > limit) {
        *offset = (uint32_t)limit;
        return XH_XS_PATH_LONG;
    }
    for (size_t i = 0; i < len; i++) {
        if (!legal((unsigned char)path[i])) {
            *offset = (uint32_t)i;
            return XH_XS_BAD_CHAR;
        }
        if (path[i] == '/' && i > 0 && (path[i - 1] == '/' || i + 1 == len)) {
            *offset = (uint32_t)i;
            return XH_XS_BAD_SLASH;
        }
    }
    return XH_XS_OK;
}

static int refuse(struct xh_xs_fault *fault, uint32_t index, uint32_t offset, int why)
{
    fault->index = index;
    fault->offset = offset;
    return why;
}

static void put_header(uint8_t *out, uint32_t type, uint32_t id, uint32_t tx, size_t len)
{
    const struct header h = {type, id, tx, (uint32_t)len};

    memcpy(out, &h, sizeof(h));
}

int xh_xs_encode_paths(uint8_t *out, size_t room, uint32_t type, uint32_t tx, uint32_t first_id,
                       const char *paths, size_t len, uint32_t n, uint32_t *ends,
                       struct xh_xs_fault *fault)
{
    const char *rest = paths;
    size_t left = len, used = 0;
    uint32_t offset;

    for (uint32_t i = 0; i < n; i++) {
        const char *nul;
        size_t size;
        int rc;

        if (!rest)
            return refuse(fault, i, 0, XH_XS_COUNT);
        nul = left ? memchr(rest, 0, left) : NULL;
        size = nul ? (size_t)(nul - rest) : left;
        if ((nul != NULL) != (i + 1 < n))
            return refuse(fault, i, (uint32_t)size, XH_XS_COUNT);
        rc = xh_xs_check_path(rest, size, &offset);
        if (rc)
            return refuse(fault, i, offset, rc);
        if (room - used < XH_XS_HEADER + size + 1)
            return refuse(fault, i, 0, XH_XS_NO_ROOM);
        put_header(out + used, type, first_id + i, tx, size + 1);
        memcpy(out + used + XH_XS_HEADER, rest, size);
        out[used + XH_XS_HEADER + size] = 0;
        used += XH_XS_HEADER + size + 1;
        ends[i] = (uint32_t)used;
        rest = nul ? nul + 1 : NULL;
        left = nul ? left - size - 1 : 0;
    }
    return XH_XS_OK;
}

int xh_xs_encode_parts(uint8_t *out, size_t room, const uint8_t *types, uint32_t tx,
                       uint32_t first_id, const uint8_t *parts, size_t len,
                       const uint32_t *path_lens, const uint32_t *body_lens, uint32_t n,
                       uint32_t *ends, struct xh_xs_fault *fault)
{
    size_t at = 0, used = 0;

    for (uint32_t i = 0; i < n; i++) {
        int has_path = path_lens[i] != XH_XS_NO_PATH;
        size_t path = has_path ? path_lens[i] : 0, body = body_lens[i];
        size_t payload = path + (has_path ? 1 : 0) + body;
        uint32_t offset;
        int rc;

        if (path > len - at || body > len - at - path)
            return refuse(fault, i, 0, XH_XS_COUNT);
        rc = has_path ? xh_xs_check_path((const char *)parts + at, path, &offset) : XH_XS_OK;
        if (rc)
            return refuse(fault, i, offset, rc);
        if (payload > XH_XS_PAYLOAD_MAX)
            return refuse(fault, i, (uint32_t)payload, XH_XS_PAYLOAD_LONG);
        if (room - used < XH_XS_HEADER + payload)
            return refuse(fault, i, 0, XH_XS_NO_ROOM);
        put_header(out + used, types[i], first_id + i, tx, payload);
        used += XH_XS_HEADER;
        if (has_path) {
            memcpy(out + used, parts + at, path);
            out[used + path] = 0;
            used += path + 1;
        }
        if (body)
            memcpy(out + used, parts + at + path, body);
        used += body;
        at += path + body;
        ends[i] = (uint32_t)used;
    }
    return at == len ? XH_XS_OK : refuse(fault, n, 0, XH_XS_COUNT);
}

uint32_t xh_xs_decode(const uint8_t *buf, size_t len, uint32_t max, uint32_t *types, uint32_t *ids,
                      uint32_t *starts, uint32_t *ends, size_t *used, uint32_t *bad_len)
{
    uint32_t n = 0;
    size_t at = 0;

    *bad_len = 0;
    while (n < max && len - at >= XH_XS_HEADER) {
        struct header h;

        memcpy(&h, buf + at, sizeof(h));
        if (h.len > XH_XS_REPLY_MAX) {
            *bad_len = h.len;
            break;
        }
        if (len - at - XH_XS_HEADER < h.len)
            break;
        types[n] = h.type;
        ids[n] = h.id;
        starts[n] = (uint32_t)(at + XH_XS_HEADER);
        at += XH_XS_HEADER + h.len;
        ends[n] = (uint32_t)at;
        n++;
    }
    *used = at;
    return n;
}
