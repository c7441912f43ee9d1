/* Rows of a vault in any bytes. See vault_probe.h.
 *
 * A wrapped row is nonce 24 ‖ ciphertext ‖ tag 16. XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 §2): HChaCha20 of the first 16 bytes of
 * the nonce gives a key, the first block of ChaCha20 under it and the other 8 bytes the key of Poly1305. Both are the same for whichever
 * row it might be and are made once. A slot's associated data is one block, the first under the tag: from the tag follows which slot it would be
 * (tag_origin.h), so that many cost no more than some. For each received key the tag is computed, over its associated data. What has its tag is
 * opened as the vault does. */
#include "storage/vault_probe.h"

#include <stdlib.h>

#include "storage/tag_origin.h"
#include "storage/vault_private.h"

enum {
    AAD_BLOCK = 16,
    LENGTHS_BLOCK = 16,
    AAD_SLOT = 1 + KEY_SLOT,
    AAD_RECEIVED = 1 + ID_BYTES,
    AAD_MAX = 32, /* padded */
    DISTINCT_MIN = 9,
    LOOKED_AT_MAX = 256,
    TRIED_MAX = 4, /* slots: so many tags are computed in less time than an inverse */
    ZEROS_IN_A_ROW = 6,
    ZEROS_BASE =
        10, /* and one more for each 32 bytes: the Poisson distribution with one in 256 expected exceeds it once in 10^12 */
};

struct probe_row {
    enum vault_probe_kind kind;
    uint8_t which[ID_BYTES]; /* as in vault_wrap */
    unsigned classes;
    size_t row;
};

struct vault_probe {
    struct vault *locked; /* its secrets alone: what vault_unwrap needs */
    size_t n, n_slots;
    size_t shortest; /* of the rows, of which the slots come first, ascending */
    struct probe_row rows[];
};

static int
by_slot(const void *a, const void *b)
{
    const struct probe_row *x = a, *y = b;
    return memcmp(x->which, y->which, KEY_SLOT);
}

static void
add_rows(struct vault_probe *p, const struct vault_erase_slot *slots, size_t n_slots,
         const struct received_key *received, size_t n_received)
{
    for (size_t i = 0; i < n_slots; i++) {
        struct probe_row *r = &p->rows[p->n++];
        *r = (struct probe_row){.kind = VAULT_PROBE_SLOT, .classes = slots[i].classes, .row = i};
        be64_put(r->which, slots[i].slot);
    }
    p->n_slots = n_slots;
    if (n_slots > 0)
        qsort(p->rows, n_slots, sizeof(p->rows[0]), by_slot);
    for (size_t i = 0; i < n_received; i++) {
        struct probe_row *r = &p->rows[p->n++];
        const struct received_key *k = &received[i];
        uint8_t key[KEY_RECEIVED];
        int index = vault_class_index(k->class);
        *r = (struct probe_row){.kind = VAULT_PROBE_RECEIVED, .classes = index < 0 ? 1 : 1U << index, .row = i};
        key_received(key, &k->subject, &k->unit, k->class, k->generation, &k->from);
        received_which(key, r->which);
    }
}

int
vault_probe_new(const struct vault *v, const struct vault_erase_slot *slots, size_t n_slots,
                const struct received_key *received, size_t n_received, struct vault_probe **ret, struct err *err)
{
    size_t n = n_slots + n_received;
    if (n_slots > VAULT_PROBE_ROWS_MAX || n_received > VAULT_PROBE_ROWS_MAX || n > VAULT_PROBE_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d rows of the vault to look for at once", VAULT_PROBE_ROWS_MAX);
    struct vault_probe *p = calloc(1, sizeof(*p) + n * sizeof(p->rows[0]));
    struct vault *locked = calloc(1, sizeof(*locked));
    struct secrets *secrets = sodium_malloc(sizeof(*secrets));
    if (!p || !locked || !secrets) {
        free(p);
        free(locked);
        sodium_free(secrets);
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    }
    *secrets = *v->secrets;
    sodium_mprotect_readonly(secrets);
    locked->secrets = secrets;
    p->locked = locked;
    add_rows(p, slots, n_slots, received, n_received);
    p->shortest = n_received > 0 ? KEY_WRAPPED : SLOT_PLAIN_EARLIER + WRAP_OVERHEAD;
    *ret = p;
    return 0;
}

void
vault_probe_free(struct vault_probe **p)
{
    if (!*p)
        return;
    sodium_free((*p)->locked->secrets);
    free((*p)->locked);
    free(*p);
    *p = NULL;
}

size_t
vault_probe_reach(const struct vault_probe *p)
{
    return p->n_slots > 0 ? SLOT_WRAPPED : p->n > 0 ? KEY_WRAPPED : 0;
}

/* Bytes that no nonce of 24 random ones is: zeros, or so few different ones that one nonce in 10^13 would be like it. */
static bool
could_be_nonce(const uint8_t *b)
{
    uint64_t seen[4] = {0}, words[3];
    int distinct = 0;
    memcpy(words, b, sizeof(words));
    if (words[0] == 0 || words[1] == 0 || words[2] == 0)
        return false;
    for (int i = 0; i < WRAP_NONCE && distinct < DISTINCT_MIN; i++) {
        uint64_t bit = UINT64_C(1) << (b[i] & 63);
        distinct += (seen[b[i] >> 6] & bit) == 0;
        seen[b[i] >> 6] |= bit;
    }
    return distinct == DISTINCT_MIN;
}

/* Bit i is set if byte i is zero (of a little-endian word). */
static unsigned
zero_bytes(const uint8_t *b)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), gather = UINT64_C(0x0102040810204080);
    uint64_t w = 0;
    for (int i = 0; i < 8; i++)
        w |= (uint64_t)b[i] << (8 * i);
    w = ~(((w & low) + low) | w | low); /* 0x80 for each of them */
    return (unsigned)((w >> 7) * gather >> 56);
}

bool
vault_probe_random(struct slice bytes)
{
    size_t len = (bytes.len < LOOKED_AT_MAX ? bytes.len : LOOKED_AT_MAX) & ~(size_t)7;
    unsigned left = ZEROS_BASE + (unsigned)len / 32, zeros = 0;
    for (size_t i = 0; i < len; i += 8) {
        zeros = zeros >> 8 | zero_bytes(bytes.data + i) << 8; /* of the last 16 bytes */
        if (zeros == 0)
            continue;
        unsigned four = zeros & zeros >> 1;
        four &= four >> 2;
        unsigned n = (unsigned)__builtin_popcount(zeros >> 8);
        if (n > left || (four & four >> (ZEROS_IN_A_ROW - 4)))
            return false;
        left -= n;
    }
    return true;
}

static void
le64_put(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* The tag of the row at bytes with len bytes of ciphertext is that of this row (RFC 8439 §2.8). */
static bool
tag_fits(const struct probe_row *r, const uint8_t mac_key[KEY_BYTES], const uint8_t *bytes, size_t len)
{
    uint8_t text[AAD_MAX + SLOT_PLAIN + LENGTHS_BLOCK] = {
        [0] = r->kind == VAULT_PROBE_SLOT ? WRAP_SLOT : WRAP_RECEIVED,
    };
    size_t aad = r->kind == VAULT_PROBE_SLOT ? AAD_SLOT : AAD_RECEIVED;
    size_t padded = (aad + AAD_BLOCK - 1) / AAD_BLOCK * AAD_BLOCK;
    memcpy(text + 1, r->which, aad - 1);
    memcpy(text + padded, bytes + WRAP_NONCE, len);
    le64_put(text + padded + len, aad);
    le64_put(text + padded + len + 8, len);
    return crypto_onetimeauth_poly1305_verify(bytes + WRAP_NONCE + len, text, padded + len + LENGTHS_BLOCK, mac_key) ==
           0;
}

static void
mac_key_of(const struct vault_probe *p, const uint8_t *nonce, uint8_t out[KEY_BYTES])
{
    uint8_t key[KEY_BYTES], rest[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    crypto_core_hchacha20(key, nonce, p->locked->secrets->wrap, NULL);
    memcpy(rest + 4, nonce + 16, 8);
    crypto_stream_chacha20_ietf(out, KEY_BYTES, rest, key);
    sodium_memzero(key, sizeof(key));
}

static unsigned
classes_in(const struct probe_row *r, const uint8_t *plain)
{
    unsigned there = 0;
    if (r->kind == VAULT_PROBE_RECEIVED)
        return sodium_is_zero(plain, KEY_BYTES) ? 0 : r->classes;
    for (unsigned c = 0; c < VAULT_CLASSES; c++)
        if (!sodium_is_zero(plain + c * KEY_BYTES, KEY_BYTES))
            there |= 1U << c;
    return there & r->classes;
}

static bool
opens(const struct vault_probe *p, const struct probe_row *r, const uint8_t *bytes, size_t len,
      struct vault_probe_hit *ret)
{
    uint8_t plain[SLOT_PLAIN] = {0};
    bool slot = r->kind == VAULT_PROBE_SLOT;
    if (vault_unwrap(p->locked, slot ? WRAP_SLOT : WRAP_RECEIVED, slice_of(r->which, slot ? KEY_SLOT : ID_BYTES),
                     slice_of(bytes, len + WRAP_OVERHEAD), plain, len) != 0)
        return false;
    *ret = (struct vault_probe_hit){.kind = r->kind, .row = r->row, .classes = classes_in(r, plain)};
    sodium_memzero(plain, sizeof(plain));
    return true;
}

/* Where a row of so many bytes of ciphertext fits, if it is this one. */
static bool
is_row(const struct vault_probe *p, const struct probe_row *r, const uint8_t mac_key[KEY_BYTES], const uint8_t *bytes,
       size_t len, struct vault_probe_hit *ret)
{
    return tag_fits(r, mac_key, bytes, len) && opens(p, r, bytes, len, ret);
}

/* The slot that the tag says it is, if it is one of those looked for. */
static bool
is_told_slot(const struct vault_probe *p, const struct tag_key *k, const uint8_t mac_key[KEY_BYTES],
             const uint8_t *bytes, size_t len, struct vault_probe_hit *ret)
{
    static const uint8_t zeros[TAG_BLOCK - AAD_SLOT] = {0};
    uint8_t rest[SLOT_PLAIN + LENGTHS_BLOCK], origins[TAG_ORIGINS_MAX][TAG_BLOCK];
    bool is = false;
    memcpy(rest, bytes + WRAP_NONCE, len);
    le64_put(rest + len, AAD_SLOT);
    le64_put(rest + len + 8, len);
    size_t n = tag_origins(k, slice_of(rest, len + LENGTHS_BLOCK), bytes + WRAP_NONCE + len, origins);
    for (size_t i = 0; i < n && !is; i++) {
        struct probe_row key;
        if (origins[i][0] != WRAP_SLOT || memcmp(origins[i] + AAD_SLOT, zeros, sizeof(zeros)) != 0)
            continue;
        memcpy(key.which, origins[i] + 1, KEY_SLOT);
        const struct probe_row *r = bsearch(&key, p->rows, p->n_slots, sizeof(p->rows[0]), by_slot);
        is = r != NULL && is_row(p, r, mac_key, bytes, len, ret);
    }
    return is;
}

static bool
is_slot(const struct vault_probe *p, const uint8_t mac_key[KEY_BYTES], struct slice bytes, struct vault_probe_hit *ret)
{
    static const size_t LENGTHS[] = {SLOT_PLAIN, SLOT_PLAIN_EARLIER};
    bool could_be_long = bytes.len >= SLOT_WRAPPED && vault_probe_random(slice_of(bytes.data, SLOT_WRAPPED));
    bool told = p->n_slots > TRIED_MAX, is = false;
    struct tag_key k;
    told = told && tag_key_init(&k, mac_key);
    for (size_t l = 0; l < ARRAY_LEN(LENGTHS) && !is; l++) {
        size_t len = LENGTHS[l];
        if (bytes.len < len + WRAP_OVERHEAD || (len == SLOT_PLAIN && !could_be_long))
            continue;
        if (told)
            is = is_told_slot(p, &k, mac_key, bytes.data, len, ret);
        for (size_t i = 0; i < p->n_slots && !told && !is; i++)
            is = is_row(p, &p->rows[i], mac_key, bytes.data, len, ret);
    }
    sodium_memzero(&k, sizeof(k));
    return is;
}

bool
vault_probe_at(const struct vault_probe *p, struct slice bytes, struct vault_probe_hit *ret)
{
    uint8_t mac_key[KEY_BYTES];
    if (p->n == 0 || bytes.len < p->shortest || !could_be_nonce(bytes.data) ||
        !vault_probe_random(slice_of(bytes.data, p->shortest)))
        return false;
    mac_key_of(p, bytes.data, mac_key);
    bool is = p->n_slots > 0 && is_slot(p, mac_key, bytes, ret);
    for (size_t i = p->n_slots; i < p->n && !is; i++)
        is = is_row(p, &p->rows[i], mac_key, bytes.data, KEY_BYTES, ret);
    return is;
}
