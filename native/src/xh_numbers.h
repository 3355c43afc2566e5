/* Numbers as text, many at once. */
#ifndef XH_NUMBERS_H
#define XH_NUMBERS_H

#include <stddef.h>

/* Bytes that one number may take, without what stands around it. */
#define XH_NUMBER_MAX 24
/* Bytes that may stand before a number, and after it. */
#define XH_NUMBERS_AROUND 8

/*
 * Write `count` numbers to `out`, each between `before` and `after`: as printf's "%.15g" does, but 0.0 for zero, NaN,
 * Infinity and -Infinity. `out` has room for count * (XH_NUMBER_MAX + before_len + after_len) + XH_NUMBERS_AROUND
 * bytes. Returns how many were written, none if what stands around is too long. No allocation, no state, no
 * terminating zero.
 */
size_t xh_numbers_write(char *out, const float *values, size_t count, const char *before, size_t before_len,
                        const char *after, size_t after_len);

#endif
