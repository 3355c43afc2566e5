/*
 * The xenstore codec under AddressSanitizer and UBSan: fixed cases, then random input. Every
 * buffer is allocated at exactly its size, so one byte too far is caught.
 *
 *   test_xs_wire [rounds [seed]]
 */
#include "xs_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<xen/io/xs_wire.h>)
#include <xen/io/xs_wire.h>
_Static_assert(sizeof(struct xsd_sockmsg) == XH_XS_HEADER, "header");
_Static_assert(XENSTORE_PAYLOAD_MAX == XH_XS_PAYLOAD_MAX, "payload");
_Static_assert(XENSTORE_ABS_PATH_MAX == XH_XS_ABS_PATH_MAX, "absolute path");
_Static_assert(XENSTORE_REL_PATH_MAX == XH_XS_REL_PATH_MAX, "relative path");
#endif

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);       \
            exit(1);                                                                        \
        }                                                                                   \
    } while (0)

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return limit ? (uint32_t)(seed >> 16) % limit : 0;
}

/* malloc of exactly `size`, so that ASan sees the end; never NULL. */
static void *exactly(size_t size)
{
    void *p = malloc(size ? size : 1);

    CHECK(p != NULL);
    return p;
}

static void *copy_of(const void *data, size_t size)
{
    void *p = exactly(size);

    if (size)
        memcpy(p, data, size);
    return p;
}

static int check(const char *path, size_t len, uint32_t *offset)
{
    char *copy = copy_of(path, len);
    int rc = xh_xs_check_path(copy, len, offset);

    free(copy);
    return rc;
}

static void paths_are_judged(void)
{
    static const struct {
        const char *path;
        int rc;
        uint32_t offset;
    } cases[] = {
        {"/", XH_XS_OK, 0},           {"/a", XH_XS_OK, 0},
        {"a/b", XH_XS_OK, 0},         {"@releaseDomain", XH_XS_OK, 0},
        {"", XH_XS_EMPTY, 0},         {"/a/", XH_XS_BAD_SLASH, 2},
        {"//", XH_XS_BAD_SLASH, 1},   {"/a//b", XH_XS_BAD_SLASH, 3},
        {"/a b", XH_XS_BAD_CHAR, 2},  {"/a.b", XH_XS_BAD_CHAR, 2},
        {"/\x7f", XH_XS_BAD_CHAR, 1}, {"\xff", XH_XS_BAD_CHAR, 0},
    };
    char longest[XH_XS_ABS_PATH_MAX + 1];
    uint32_t offset;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CHECK(check(cases[i].path, strlen(cases[i].path), &offset) == cases[i].rc);
        CHECK(cases[i].rc == XH_XS_OK || offset == cases[i].offset);
    }
    memset(longest, 'a', sizeof(longest));
    CHECK(check(longest, XH_XS_REL_PATH_MAX, &offset) == XH_XS_OK);
    CHECK(check(longest, XH_XS_REL_PATH_MAX + 1, &offset) == XH_XS_PATH_LONG);
    longest[0] = '/';
    CHECK(check(longest, XH_XS_ABS_PATH_MAX, &offset) == XH_XS_OK);
    CHECK(check(longest, XH_XS_ABS_PATH_MAX + 1, &offset) == XH_XS_PATH_LONG);
}

static void too_little_room_is_refused_at_every_size(void)
{
    static const char paths[] = "/a\0/bb\0/ccc";
    static const uint8_t types[] = {11, 12, 6};
    static const uint32_t path_lens[] = {2, 3, XH_XS_NO_PATH};
    static const uint32_t body_lens[] = {4, 0, 1};
    static const uint8_t parts[] = "/avvvv/bb"; /* its own NUL is the third body */
    size_t need = sizeof(paths) + 3 * XH_XS_HEADER, need_parts = 3 + 4 + 4 + 1 + 3 * XH_XS_HEADER;
    struct xh_xs_fault fault;
    uint32_t ends[3];

    for (size_t room = 0; room <= need; room++) {
        uint8_t *out = exactly(room);
        int rc = xh_xs_encode_paths(out, room, 2, 0, 1, paths, sizeof(paths) - 1, 3, ends, &fault);

        CHECK(rc == (room == need ? XH_XS_OK : XH_XS_NO_ROOM));
        CHECK(rc != XH_XS_OK || ends[2] == need);
        free(out);
    }
    for (size_t room = 0; room <= need_parts; room++) {
        uint8_t *out = exactly(room);
        int rc = xh_xs_encode_parts(out, room, types, 0, 1, parts, sizeof(parts), path_lens,
                                    body_lens, 3, ends, &fault);

        CHECK(rc == (room == need_parts ? XH_XS_OK : XH_XS_NO_ROOM));
        free(out);
    }
}

static void lengths_that_lie_are_refused(void)
{
    static const uint8_t types[] = {11, 11};
    static const uint32_t path_lens[] = {2, 2}, short_body[] = {1, 0}, long_body[] = {1, 0xffffffff};
    uint8_t *parts = copy_of("/ax/b", 5), out[128];
    struct xh_xs_fault fault;
    uint32_t ends[2];

    CHECK(xh_xs_encode_parts(out, sizeof(out), types, 0, 1, parts, 5, path_lens, short_body, 2,
                             ends, &fault) == XH_XS_OK);
    CHECK(xh_xs_encode_parts(out, sizeof(out), types, 0, 1, parts, 5, path_lens, short_body, 1,
                             ends, &fault) == XH_XS_COUNT);
    CHECK(xh_xs_encode_parts(out, sizeof(out), types, 0, 1, parts, 5, path_lens, long_body, 2,
                             ends, &fault) == XH_XS_COUNT);
    CHECK(xh_xs_encode_paths(out, sizeof(out), 2, 0, 1, "/a\0/b", 5, 1, ends, &fault) ==
          XH_XS_COUNT);
    CHECK(xh_xs_encode_paths(out, sizeof(out), 2, 0, 1, "/a", 2, 2, ends, &fault) == XH_XS_COUNT);
    free(parts);
}

/* Random bytes, biased so that headers are often plausible. */
static void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(random_below(3) ? random_below(4) : random_below(256));
}

static void random_bytes_never_break_the_decoder(void)
{
    size_t size = random_below(400), used;
    uint32_t max = random_below(12), bad, n;
    uint8_t *data = exactly(size);
    uint32_t *types = exactly(4 * max), *ids = exactly(4 * max);
    uint32_t *starts = exactly(4 * max), *ends = exactly(4 * max);

    fill(data, size);
    n = xh_xs_decode(data, size, max, types, ids, starts, ends, &used, &bad);
    CHECK(n <= max && used <= size);
    for (uint32_t i = 0; i < n; i++) {
        CHECK(starts[i] == (i ? ends[i - 1] : 0) + XH_XS_HEADER);
        CHECK(starts[i] <= ends[i] && ends[i] <= used);
    }
    CHECK(n == 0 ? used == 0 : used == ends[n - 1]);
    free(data);
    free(types);
    free(ids);
    free(starts);
    free(ends);
}

static void random_requests_come_back_as_they_went_in(void)
{
    uint32_t n = random_below(20), path_lens[20], body_lens[20], ends[20], bad;
    uint32_t got_types[20], got_ids[20], starts[20], stops[20];
    uint8_t types[20], *parts = exactly(20 * 5200), *exact, *out;
    size_t len = 0, room, at = 0, used;
    struct xh_xs_fault fault;
    int rc;

    for (uint32_t i = 0; i < n; i++) {
        int legal = random_below(8) != 0;

        types[i] = (uint8_t)random_below(23);
        path_lens[i] = random_below(4) ? 1 + random_below(30) : XH_XS_NO_PATH;
        body_lens[i] = random_below(random_below(10) ? 40 : 5000);
        if (path_lens[i] != XH_XS_NO_PATH) {
            memset(parts + len, 'p', path_lens[i]);
            if (!legal)
                parts[len + random_below(path_lens[i])] = (uint8_t)random_below(256);
            len += path_lens[i];
        }
        fill(parts + len, body_lens[i]);
        len += body_lens[i];
    }
    exact = copy_of(parts, len);
    room = len + 17 * (size_t)n;
    out = exactly(room);
    rc = xh_xs_encode_parts(out, room, types, 3, 7, exact, len, path_lens, body_lens, n, ends,
                            &fault);
    CHECK(rc == XH_XS_OK || (rc != XH_XS_NO_ROOM && rc != XH_XS_COUNT && fault.index < n));
    if (rc == XH_XS_OK && n) {
        CHECK(xh_xs_decode(out, ends[n - 1], 20, got_types, got_ids, starts, stops, &used, &bad) ==
              n);
        CHECK(used == ends[n - 1] && !bad);
        for (uint32_t i = 0; i < n; i++) {
            size_t path = path_lens[i] == XH_XS_NO_PATH ? 0 : path_lens[i];
            size_t body = starts[i] + (path_lens[i] == XH_XS_NO_PATH ? 0 : path + 1);

            CHECK(got_types[i] == types[i] && got_ids[i] == 7 + i && stops[i] == ends[i]);
            CHECK(!memcmp(out + starts[i], exact + at, path));
            CHECK(!path || out[starts[i] + path] == 0);
            CHECK(stops[i] - body == body_lens[i]);
            CHECK(!memcmp(out + body, exact + at + path, body_lens[i]));
            at += path + body_lens[i];
        }
    }
    free(parts);
    free(exact);
    free(out);
}

static void random_joined_paths_never_break_the_encoder(void)
{
    size_t len = random_below(200), room;
    char *paths = exactly(len);
    uint32_t n = random_below(12), *ends = exactly(4 * n);
    struct xh_xs_fault fault;
    uint8_t *out;
    int rc;

    for (size_t i = 0; i < len; i++)
        paths[i] = random_below(12) ? (random_below(5) ? 'x' : '/') : (char)random_below(2);
    room = random_below(4) ? len + 1 + 16 * (size_t)n : random_below(300);
    out = exactly(room);
    rc = xh_xs_encode_paths(out, room, 2, 0, 1, paths, len, n, ends, &fault);
    if (rc == XH_XS_OK && n)
        CHECK(ends[n - 1] == len + 1 + 16 * (size_t)n);
    free(paths);
    free(ends);
    free(out);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 50000;

    seed = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    paths_are_judged();
    too_little_room_is_refused_at_every_size();
    lengths_that_lie_are_refused();
    for (long i = 0; i < rounds; i++) {
        random_bytes_never_break_the_decoder();
        random_requests_come_back_as_they_went_in();
        random_joined_paths_never_break_the_encoder();
    }
    printf("test_xs_wire: %ld rounds, no fault\n", rounds);
    return 0;
}
