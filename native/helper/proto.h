/*
 * proto.h - the helper's side of the line protocol on stdin and stdout.
 *
 * A request is "key value" lines, "op NAME" first, ended by an empty line. A reply is one line of words.
 * Bytes outside 0x21..0x7e, and '%', are written %XX. See xenhost/native/domain_helper.py.
 */
#ifndef XH_PROTO_H
#define XH_PROTO_H

#include <stdint.h>
#include <stdio.h>

#define PROTO_VERSION 1
#define PROTO_MAX_REQUEST 65536 /* bytes, all lines */
#define PROTO_MAX_KEYS 96

struct proto_pair {
    char *key;
    char *value; /* unescaped; holds no NUL */
};

struct proto_request {
    char text[PROTO_MAX_REQUEST];
    struct proto_pair pairs[PROTO_MAX_KEYS];
    unsigned int count;
};

/* Read one request. 1: here it is; 0: end of input; -1: malformed (told to the peer), go on. */
int proto_read(FILE *in, struct proto_request *request);

/* Replies go to fd; a peer that is gone ends the program. */
void proto_open(int fd);
void proto_ready(const char *xen);
void proto_progress(unsigned int percent, const char *phase);
void proto_log(const char *level, const char *text);
void proto_error(const char *code, int errnum, const char *call, const char *message);

/* A result line: begin, any number of numbers and texts, end. */
void proto_result_begin(void);
void proto_result_number(const char *key, uint64_t value);
void proto_result_text(const char *key, const char *value);
void proto_result_end(void);

#endif
