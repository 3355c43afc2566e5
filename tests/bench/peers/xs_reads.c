/* N small reads through libxenstore, the synchronous client everybody links. Usage: xs_reads PATH N; prints seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xenstore.h>

int main(int argc, char **argv)
{
    struct xs_handle *xs = xs_open(0);
    struct timespec from, to;
    unsigned int len;
    long i, n = argc > 2 ? atol(argv[2]) : 0;
    if (!xs || n <= 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (i = 0; i < n; i++) {
        char *value = xs_read(xs, XBT_NULL, argv[1], &len);
        if (!value)
            return 1;
        free(value);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.6f\n", (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return 0;
}
