/* Buffers and readers. See bytes.h. */
#include "proto/base/bytes.h"

#include <sodium.h>
#include <stdlib.h>

enum { BUF_FIRST = 256 };

void
buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void
buf_fixed(struct buf *b, void *memory, size_t cap)
{
    *b = (struct buf){.data = memory, .cap = cap, .max = cap, .fixed = true};
}

void
buf_free(struct buf *b)
{
    if (b->data) {
        sodium_memzero(b->data, b->len);
        if (!b->fixed)
            free(b->data);
    }
    *b = (struct buf){.max = b->max};
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    b->over = false;
}

/* A new block rather than realloc, so that what held a secret is wiped. */
static bool
grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST;
    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    uint8_t *data = malloc(cap);
    if (!data)
        return false;
    if (b->data) {
        memcpy(data, b->data, b->len);
        sodium_memzero(b->data, b->len);
        free(b->data);
    }
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->max - b->len) {
        b->failed = b->over = true;
        return NULL;
    }
    if (b->len + n > b->cap && !grow(b, b->len + n)) {
        b->failed = true;
        return NULL;
    }
    if (!b->data && !grow(b, 1)) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->len;
}

void
buf_added(struct buf *b, size_t n)
{
    MUST(!b->failed && n <= b->cap - b->len);
    b->len += n;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint8_t *p = buf_reserve(b, len);
    if (p) {
        memcpy(p, data, len);
        b->len += len;
    }
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
    uint8_t raw[2];
    be16_put(raw, v);
    buf_put(b, raw, sizeof(raw));
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
    uint8_t raw[4];
    be32_put(raw, v);
    buf_put(b, raw, sizeof(raw));
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    be64_put(raw, v);
    buf_put(b, raw, sizeof(raw));
}

void
buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t raw[VARINT_MAX];
    size_t n = 0;
    while (v >= 0x80) {
        raw[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    raw[n++] = (uint8_t)v;
    buf_put(b, raw, n);
}

void
buf_put_svarint(struct buf *b, int64_t v)
{
    buf_put_varint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void
buf_put_fixed64_le(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)(v >> (8 * i));
    buf_put(b, raw, sizeof(raw));
}

struct slice
buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

int
buf_check(const struct buf *b, const char *what, struct err *err)
{
    if (!b->failed)
        return 0;
    if (b->over)
        return err_set(err, ERR_LIMIT, "%s: larger than %zu bytes", what, b->max);
    return err_set(err, ERR_NOMEM, "%s: out of memory", what);
}

size_t
varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

struct reader
reader_of(struct slice s)
{
    return (struct reader){.p = s.data, .end = s.data ? s.data + s.len : s.data};
}

bool
reader_done(const struct reader *r)
{
    return !r->failed && r->p == r->end;
}

size_t
reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->p);
}

struct slice
reader_bytes(struct reader *r, size_t len)
{
    if (r->failed || reader_left(r) < len) {
        r->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice s = slice_of(r->p, len);
    if (len > 0)
        r->p += len;
    return s;
}

void
reader_copy(struct reader *r, void *out, size_t len)
{
    struct slice s = reader_bytes(r, len);
    if (s.data)
        memcpy(out, s.data, len);
    else
        memset(out, 0, len);
}

uint8_t
reader_u8(struct reader *r)
{
    struct slice s = reader_bytes(r, 1);
    return s.data ? s.data[0] : 0;
}

uint16_t
reader_u16(struct reader *r)
{
    struct slice s = reader_bytes(r, 2);
    return s.data ? be16_get(s.data) : 0;
}

uint32_t
reader_u32(struct reader *r)
{
    struct slice s = reader_bytes(r, 4);
    return s.data ? be32_get(s.data) : 0;
}

uint64_t
reader_u64(struct reader *r)
{
    struct slice s = reader_bytes(r, 8);
    return s.data ? be64_get(s.data) : 0;
}

uint64_t
reader_varint(struct reader *r)
{
    uint64_t v = 0;
    for (int i = 0; i < VARINT_MAX; i++) {
        uint8_t b = reader_u8(r);
        if (r->failed)
            return 0;
        if (i == VARINT_MAX - 1 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << (7 * i);
        if (!(b & 0x80)) {
            if (i > 0 && b == 0)
                break;
            return v;
        }
    }
    r->failed = true;
    return 0;
}

int64_t
reader_svarint(struct reader *r)
{
    uint64_t v = reader_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

uint64_t
reader_fixed64_le(struct reader *r)
{
    struct slice s = reader_bytes(r, 8);
    uint64_t v = 0;
    for (int i = 7; s.data && i >= 0; i--)
        v = v << 8 | s.data[i];
    return v;
}

void
be16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void
be32_put(uint8_t *p, uint32_t v)
{
    be16_put(p, (uint16_t)(v >> 16));
    be16_put(p + 2, (uint16_t)v);
}

void
be64_put(uint8_t *p, uint64_t v)
{
    be32_put(p, (uint32_t)(v >> 32));
    be32_put(p + 4, (uint32_t)v);
}

uint16_t
be16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
be32_get(const uint8_t *p)
{
    return (uint32_t)be16_get(p) << 16 | be16_get(p + 2);
}

uint64_t
be64_get(const uint8_t *p)
{
    return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}
