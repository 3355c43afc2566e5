/*
 * files.h - kernels, ramdisks and firmware, mapped once and kept.
 *
 * A mapping is used again while the file has the same device, inode, size and change times, so a
 * helper that builds several guests from one kernel maps and faults it in once.
 */
#ifndef XH_FILES_H
#define XH_FILES_H

#include <stddef.h>

struct mapped_file {
    const void *data;
    size_t size;
};

/* 0, or -1 and errno. The result is valid until the next files_begin(). */
int files_map(const char *path, struct mapped_file *out);

/* A new request: what is mapped may be dropped to make room. */
void files_begin(void);

#endif
