/*
 * bulk.c - memcpy and memset for guest images.
 *
 * libxenguest clears a kernel's whole segment and then copies the kernel over it: some 100 MB written
 * once and not read here again. Streaming stores keep that out of the caches and need not read the lines
 * first. Two functions of the C library are replaced in this program, so the library's calls come here.
 * They must call nothing: the compiler may turn any such call into one of themselves. (An emulator
 * runs the C library's "rep stosb" byte by byte; there this makes a build twice as fast.)
 */
#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__)

#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BULK ((size_t)64 * 1024)

/* Without this the compiler would turn the loops below into calls of the very functions they are. */
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns"), used))

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *out = to;
    const char *in = from;

    if (size >= BULK) {
        for (; (uintptr_t)out & 15; size--)
            *out++ = *in++;
        for (; size >= 64; out += 64, in += 64, size -= 64) {
            __m128i a = _mm_loadu_si128((const __m128i *)in);
            __m128i b = _mm_loadu_si128((const __m128i *)in + 1);
            __m128i c = _mm_loadu_si128((const __m128i *)in + 2);
            __m128i d = _mm_loadu_si128((const __m128i *)in + 3);
            _mm_stream_si128((__m128i *)out, a);
            _mm_stream_si128((__m128i *)out + 1, b);
            _mm_stream_si128((__m128i *)out + 2, c);
            _mm_stream_si128((__m128i *)out + 3, d);
        }
        _mm_sfence();
    }
    for (; size >= 16; out += 16, in += 16, size -= 16)
        _mm_storeu_si128((__m128i *)out, _mm_loadu_si128((const __m128i *)in));
    while (size--)
        *out++ = *in++;
    return to;
}

PLAIN void *memset(void *to, int byte, size_t size)
{
    char *out = to;
    const __m128i v = _mm_set1_epi8((char)byte);

    if (size >= BULK) {
        for (; (uintptr_t)out & 15; size--)
            *out++ = (char)byte;
        for (; size >= 64; out += 64, size -= 64) {
            _mm_stream_si128((__m128i *)out, v);
            _mm_stream_si128((__m128i *)out + 1, v);
            _mm_stream_si128((__m128i *)out + 2, v);
            _mm_stream_si128((__m128i *)out + 3, v);
        }
        _mm_sfence();
    }
    for (; size >= 16; out += 16, size -= 16)
        _mm_storeu_si128((__m128i *)out, v);
    while (size--)
        *out++ = (char)byte;
    return to;
}

#endif
