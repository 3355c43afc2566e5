/*
 * xenstore wire codec: many requests into one buffer, one receive buffer into many replies.
 *
 * Protocol source: xen/include/public/io/xs_wire.h and docs/misc/xenstore.txt. The numbers are
 * repeated here because the codec must build where no Xen headers are installed; native/tests
 * compares them with the installed header when there is one.
 *
 * The codec neither allocates nor keeps state, and never touches bytes outside what it is given.
 */
#ifndef XH_XS_WIRE_H
#define XH_XS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define XH_XS_HEADER 16u        /* struct xsd_sockmsg: type, req_id, tx_id, len; host order */
#define XH_XS_PAYLOAD_MAX 4096u /* of a request: beyond it the daemon drops the connection */
/* Over a socket oxenstored sends whole directories as one reply, whatever their size. */
#define XH_XS_REPLY_MAX (1024u * 1024u)
#define XH_XS_ABS_PATH_MAX 3072u
#define XH_XS_REL_PATH_MAX 2048u
#define XH_XS_NO_PATH 0xffffffffu /* in path_lens[]: this request has a body only */

enum xh_xs_result {
    XH_XS_OK = 0,
    XH_XS_NO_ROOM = -1,      /* the output buffer is too small: a bug of the caller */
    XH_XS_COUNT = -2,        /* not as many paths as announced: one holds a NUL byte */
    XH_XS_BAD_CHAR = -3,     /* a byte other than A-Z a-z 0-9 - / _ @ in a path */
    XH_XS_BAD_SLASH = -4,    /* "//", or a slash at the end */
    XH_XS_EMPTY = -5,        /* an empty path */
    XH_XS_PATH_LONG = -6,    /* longer than 3072 bytes (absolute) or 2048 (relative) */
    XH_XS_PAYLOAD_LONG = -7, /* path and body together exceed 4096 bytes */
};

struct xh_xs_fault {
    uint32_t index;  /* which request */
    uint32_t offset; /* which byte of its path */
};

/* Check one path of `len` bytes (no NUL). On failure *offset is the offending byte. */
int xh_xs_check_path(const char *path, size_t len, uint32_t *offset);

/*
 * Encode n requests of one type whose payload is "path\0". `paths` is n paths joined with NUL,
 * `len` bytes in all; request i gets id first_id + i. ends[i] is where message i ends in `out`.
 * Needs len + 1 + 16 n bytes of room. Returns XH_XS_OK, else a fault, with *fault filled.
 */
int xh_xs_encode_paths(uint8_t *out, size_t room, uint32_t type, uint32_t tx, uint32_t first_id,
                       const char *paths, size_t len, uint32_t n, uint32_t *ends,
                       struct xh_xs_fault *fault);

/*
 * Encode n requests of any type. `parts` holds, for each, its path (path_lens[i] bytes, no NUL)
 * and its body (body_lens[i] bytes). The payload is "path\0" "body", or the body alone where
 * path_lens[i] is XH_XS_NO_PATH. Needs len + 17 n bytes of room.
 */
int xh_xs_encode_parts(uint8_t *out, size_t room, const uint8_t *types, uint32_t tx,
                       uint32_t first_id, const uint8_t *parts, size_t len,
                       const uint32_t *path_lens, const uint32_t *body_lens, uint32_t n,
                       uint32_t *ends, struct xh_xs_fault *fault);

/*
 * Find the complete messages in buf[0..len), at most `max`. Message i has types[i], ids[i] and
 * payload buf[starts[i]..ends[i]). *used is where the first incomplete (or bad) message begins.
 * Returns the count; if the message after the last one announces more than XH_XS_REPLY_MAX
 * bytes, *bad_len is that number, else 0.
 */
uint32_t xh_xs_decode(const uint8_t *buf, size_t len, uint32_t max, uint32_t *types, uint32_t *ids,
                      uint32_t *starts, uint32_t *ends, size_t *used, uint32_t *bad_len);

#endif
