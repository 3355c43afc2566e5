/* The same in C, without a library but zlib: cc entropy.c -lz. It writes protocol V2 once, to the file it is given. */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <zlib.h>

static const char metadata[] =
    "{\"datasources\":{\"entropy_available\":{\"description\":\"Entropy the kernel has for random numbers\","
    "\"owner\":\"host\",\"value_type\":\"int64\",\"type\":\"gauge\",\"default\":\"true\",\"units\":\"bits\","
    "\"min\":\"0\",\"max\":\"inf\"}}}";

static void put32(uint8_t *at, uint32_t value) {
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
}

static void put64(uint8_t *at, uint64_t value) {
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
}

int main(int argc, char **argv) {
    const size_t length = sizeof metadata - 1;
    uint8_t file[43 + sizeof metadata] = "DATASOURCES";
    long long entropy = 0;
    struct timeval now;
    double seconds;
    uint64_t bits;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    FILE *in = fopen("/proc/sys/kernel/random/entropy_avail", "r");
    if (!in || fscanf(in, "%lld", &entropy) != 1) {
        perror("entropy_avail");
        return 1;
    }
    fclose(in);
    gettimeofday(&now, NULL);
    seconds = now.tv_sec + now.tv_usec / 1e6;
    memcpy(&bits, &seconds, sizeof bits);

    put64(file + 23, bits);                                    /* when */
    put64(file + 31, (uint64_t)entropy);                       /* one value */
    put32(file + 39, (uint32_t)length);
    memcpy(file + 43, metadata, length);
    put32(file + 11, crc32(0, file + 23, 16));                 /* of time and values */
    put32(file + 15, crc32(0, file + 43, (uInt)length));       /* of the metadata */
    put32(file + 19, 1);                                       /* how many */

    char temporary[4096]; /* ends in .tmp, so nobody reads it before it is whole */
    snprintf(temporary, sizeof temporary, "%s.tmp", argv[1]);
    FILE *out = fopen(temporary, "wb");
    if (!out || fwrite(file, 43 + length, 1, out) != 1 || fclose(out) || rename(temporary, argv[1])) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
