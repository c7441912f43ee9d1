/* Slices, growing buffers with a cap, and a sticky reader: a failed step makes every later one fail, so that a decoder reads
 * straight down and checks once at its end. Knows nothing of what the bytes mean. */
#ifndef SMARTNODE_BASE_BYTES_H
#define SMARTNODE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/err.h"

/* Borrowed bytes. data may be NULL only if len is 0. */
struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice
slice_of(const void *data, size_t len)
{
    return (struct slice){(const uint8_t *)data, len};
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A growing buffer that never exceeds `max`. When memory or `max` runs out, `failed` sticks, later puts do nothing and what is
 * there stays. buf_init with max, buf_free at the end; a buffer set up by buf_fixed borrows its memory and never grows. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    bool fixed;
    bool failed;
    bool over; /* failed for `max`, not for memory */
};

void buf_init(struct buf *b, size_t max);
void buf_fixed(struct buf *b, void *memory, size_t cap);
void buf_free(struct buf *b);  /* wipes, releases; usable again after buf_init */
void buf_clear(struct buf *b); /* len = 0, failed = false; keeps the memory */
/* Room for n more bytes; NULL and failed if there is none. The caller fills it and adds to len by buf_added. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v); /* big-endian, as all fixed integers here */
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_varint(struct buf *b, uint64_t v); /* shortest form, base 128, little end first (protobuf) */
void buf_put_svarint(struct buf *b, int64_t v); /* zigzag */
void buf_put_fixed64_le(struct buf *b, uint64_t v);
struct slice buf_slice(const struct buf *b);
/* ERR_NOMEM or ERR_LIMIT if failed, else 0. */
int buf_check(const struct buf *b, const char *what, struct err *err) NODISCARD;

enum { VARINT_MAX = 10 };
size_t varint_len(uint64_t v);

struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool failed;
};

struct reader reader_of(struct slice s);
bool reader_done(const struct reader *r); /* all read and nothing failed */
size_t reader_left(const struct reader *r);
uint8_t reader_u8(struct reader *r); /* 0 after a failure, as all below */
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
uint64_t reader_varint(struct reader *r); /* refuses a longer form than the shortest, and more than 64 bits */
int64_t reader_svarint(struct reader *r);
uint64_t reader_fixed64_le(struct reader *r);
struct slice reader_bytes(struct reader *r, size_t len);
/* Copies exactly len bytes to out; zeros it after a failure. */
void reader_copy(struct reader *r, void *out, size_t len);

/* Big-endian integers in keys. */
void be16_put(uint8_t *p, uint16_t v);
void be32_put(uint8_t *p, uint32_t v);
void be64_put(uint8_t *p, uint64_t v);
uint16_t be16_get(const uint8_t *p);
uint32_t be32_get(const uint8_t *p);
uint64_t be64_get(const uint8_t *p);

#endif
