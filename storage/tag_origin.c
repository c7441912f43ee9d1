/* See tag_origin.h. Numbers modulo p = 2^130 − 5 in three limbs of 44, 44 and 42 bits; between operations a limb may be a little longer. */
#include "storage/tag_origin.h"

__extension__ typedef unsigned __int128 u128;

static const uint64_t M44 = (UINT64_C(1) << 44) - 1, M42 = (UINT64_C(1) << 42) - 1;

static uint64_t
le64(const uint8_t *b)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)b[i] << (8 * i);
    return v;
}

/* lo + 2^64 hi + 2^128 top. */
static struct tag_number
number(uint64_t lo, uint64_t hi, uint64_t top)
{
    return (struct tag_number){{lo & M44, (lo >> 44 | hi << 20) & M44, hi >> 24 | top << 40}};
}

static void
carry(struct tag_number *a)
{
    uint64_t c = a->limb[0] >> 44;
    a->limb[0] &= M44;
    a->limb[1] += c;
    c = a->limb[1] >> 44;
    a->limb[1] &= M44;
    a->limb[2] += c;
    c = a->limb[2] >> 42;
    a->limb[2] &= M42;
    a->limb[0] += c * 5;
}

static struct tag_number
plus(const struct tag_number *a, const struct tag_number *b)
{
    struct tag_number r = {{a->limb[0] + b->limb[0], a->limb[1] + b->limb[1], a->limb[2] + b->limb[2]}};
    carry(&r);
    return r;
}

/* With 4 p, so that no limb is less than zero. */
static struct tag_number
minus(const struct tag_number *a, const struct tag_number *b)
{
    struct tag_number r = {{a->limb[0] + 4 * (M44 - 4) - b->limb[0], a->limb[1] + 4 * M44 - b->limb[1],
                            a->limb[2] + 4 * M42 - b->limb[2]}};
    carry(&r);
    return r;
}

/* 2^130 is 5, so what is above the third limb comes back five times, and 2^132, where products of limbs end, twenty times. */
static struct tag_number
times(const struct tag_number *a, const struct tag_number *b)
{
    const uint64_t *x = a->limb, *y = b->limb, y1 = y[1] * 20, y2 = y[2] * 20;
    u128 d0 = (u128)x[0] * y[0] + (u128)x[1] * y2 + (u128)x[2] * y1;
    u128 d1 = (u128)x[0] * y[1] + (u128)x[1] * y[0] + (u128)x[2] * y2;
    u128 d2 = (u128)x[0] * y[2] + (u128)x[1] * y[1] + (u128)x[2] * y[0];
    struct tag_number r;
    d1 += (uint64_t)(d0 >> 44);
    d2 += (uint64_t)(d1 >> 44);
    r.limb[0] = ((uint64_t)d0 & M44) + (uint64_t)(d2 >> 42) * 5;
    r.limb[1] = ((uint64_t)d1 & M44) + (r.limb[0] >> 44);
    r.limb[0] &= M44;
    r.limb[2] = (uint64_t)d2 & M42;
    return r;
}

/* r^(p − 2), p − 2 = 8 (2^127 − 1) + 1. */
static struct tag_number
inverse_of(const struct tag_number *r)
{
    struct tag_number x = *r;
    for (int ones = 1; ones < 127; ones = 2 * ones + 1) {
        struct tag_number y = x;
        for (int i = 0; i < ones; i++)
            y = times(&y, &y);
        y = times(&y, &x);
        y = times(&y, &y);
        x = times(&y, r);
    }
    for (int i = 0; i < 3; i++)
        x = times(&x, &x);
    return times(&x, r);
}

bool
tag_key_init(struct tag_key *k, const uint8_t key[32])
{
    uint64_t lo = le64(key) & UINT64_C(0x0ffffffc0fffffff), hi = le64(key + 8) & UINT64_C(0x0ffffffc0ffffffc);
    k->r = number(lo, hi, 0);
    k->s[0] = le64(key + 16);
    k->s[1] = le64(key + 24);
    k->inverse = inverse_of(&k->r);
    return (lo | hi) != 0;
}

/* The one below p. */
static void
reduce(struct tag_number *a)
{
    for (int i = 0; i < 3; i++)
        carry(a);
    struct tag_number g = {{a->limb[0] + 5, a->limb[1], a->limb[2]}};
    g.limb[1] += g.limb[0] >> 44;
    g.limb[0] &= M44;
    g.limb[2] += g.limb[1] >> 44;
    g.limb[1] &= M44;
    if (g.limb[2] >> 42 != 0) {
        g.limb[2] &= M42;
        *a = g;
    }
}

/* Whether it is a block of 16 bytes with the bit that follows one. */
static bool
is_block(const struct tag_number *a, uint8_t ret[TAG_BLOCK])
{
    struct tag_number n = *a;
    reduce(&n);
    if (n.limb[2] >> 40 != 1)
        return false;
    uint64_t lo = n.limb[0] | n.limb[1] << 44, hi = n.limb[1] >> 20 | n.limb[2] << 24;
    for (int i = 0; i < 8; i++) {
        ret[i] = (uint8_t)(lo >> (8 * i));
        ret[8 + i] = (uint8_t)(hi >> (8 * i));
    }
    return true;
}

size_t
tag_origins(const struct tag_key *k, struct slice rest, const uint8_t tag[TAG_BLOCK],
            uint8_t ret[TAG_ORIGINS_MAX][TAG_BLOCK])
{
    const struct tag_number above = number(0, 0, 1); /* 2^128, which the tag has lost */
    struct tag_number sum = {{0}}, back = k->inverse;
    size_t n = 0;
    for (size_t i = 0; i < rest.len; i += TAG_BLOCK) {
        struct tag_number block = number(le64(rest.data + i), le64(rest.data + i + 8), 1);
        sum = plus(&sum, &block);
        sum = times(&sum, &k->r);
        back = times(&back, &k->inverse);
    }
    uint64_t lo = le64(tag) - k->s[0], hi = le64(tag + 8) - k->s[1] - (le64(tag) < k->s[0]);
    struct tag_number end = number(lo, hi, 0), origin = minus(&end, &sum), step = times(&above, &back);
    origin = times(&origin, &back);
    for (int i = 0; i < TAG_ORIGINS_MAX; i++) {
        n += is_block(&origin, ret[n]);
        origin = plus(&origin, &step);
    }
    return n;
}
