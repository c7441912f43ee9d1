/* See oprf.h. Names of steps are those of RFC 9497 and of RFC 9380 (expand_message_xmd), which is used for outputs of 64 bytes only:
 * one block of SHA-512. */
#include "proto/oprf.h"

#include <sodium.h>

#include "proto/crypto.h"

#define CONTEXT "OPRFV1-\x00-ristretto255-SHA512"

enum {
    EXPANDED_BYTES = crypto_hash_sha512_BYTES,
    SHA512_BLOCK_BYTES = 128,
    DST_MAX = 64,
    INFO_MAX = 256,
    KEY_TRIES = 256,
    TAG_BYTES = LOOKUP_ENTRY_BYTES - ID_BYTES,
};

_Static_assert(crypto_core_ristretto255_BYTES == OPRF_ELEMENT_BYTES, "an element");
_Static_assert(crypto_core_ristretto255_HASHBYTES == EXPANDED_BYTES, "what a group element is made of");
_Static_assert(crypto_core_ristretto255_NONREDUCEDSCALARBYTES == EXPANDED_BYTES, "what a scalar is made of");

static void
sha512_parts(const struct slice *parts, size_t n, uint8_t out[crypto_hash_sha512_BYTES])
{
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    for (size_t i = 0; i < n; i++)
        if (parts[i].len > 0)
            crypto_hash_sha512_update(&state, parts[i].data, parts[i].len);
    crypto_hash_sha512_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

/* expand_message_xmd of message parts, to 64 bytes. */
static void
expand_message(const struct slice *message, size_t n, struct slice dst, uint8_t out[EXPANDED_BYTES])
{
    static const uint8_t z_pad[SHA512_BLOCK_BYTES], after[3] = {0, EXPANDED_BYTES, 0}, one = 1;
    struct slice parts[8];
    uint8_t dst_prime[DST_MAX + 1], b0[crypto_hash_sha512_BYTES];
    size_t k = 0;
    MUST(dst.len <= DST_MAX && n + 3 <= ARRAY_LEN(parts));
    memcpy(dst_prime, dst.data, dst.len);
    dst_prime[dst.len] = (uint8_t)dst.len;
    parts[k++] = slice_of(z_pad, sizeof(z_pad));
    for (size_t i = 0; i < n; i++)
        parts[k++] = message[i];
    parts[k++] = slice_of(after, sizeof(after));
    parts[k++] = slice_of(dst_prime, dst.len + 1);
    sha512_parts(parts, k, b0);
    struct slice first[] = {slice_of(b0, sizeof(b0)), slice_of(&one, 1), slice_of(dst_prime, dst.len + 1)};
    sha512_parts(first, ARRAY_LEN(first), out);
    sodium_memzero(b0, sizeof(b0));
}

static int
hash_to_group(struct slice input, struct oprf_element *ret, struct err *err)
{
    static const char dst[] = "HashToGroup-" CONTEXT;
    uint8_t uniform[EXPANDED_BYTES];
    if (input.len > OPRF_INPUT_MAX)
        return err_set(err, ERR_LIMIT, "look-up: longer than %d bytes", OPRF_INPUT_MAX);
    expand_message(&input, 1, slice_of(dst, sizeof(dst) - 1), uniform);
    MUST(crypto_core_ristretto255_from_hash(ret->b, uniform) == 0);
    sodium_memzero(uniform, sizeof(uniform));
    return sodium_is_zero(ret->b, sizeof(ret->b)) ? err_set(err, ERR_INVALID, "look-up: hashes to the identity") : 0;
}

bool
oprf_element_ok(const struct oprf_element *e)
{
    return crypto_core_ristretto255_is_valid_point(e->b) == 1 && !sodium_is_zero(e->b, sizeof(e->b));
}

int
oprf_derive_key(const uint8_t seed[32], struct slice info, struct oprf_scalar *ret, struct err *err)
{
    static const char dst[] = "DeriveKeyPair" CONTEXT;
    uint8_t len[2], uniform[EXPANDED_BYTES];
    MUST(info.len <= INFO_MAX);
    be16_put(len, (uint16_t)info.len);
    for (int i = 0; i < KEY_TRIES; i++) {
        const uint8_t counter = (uint8_t)i;
        struct slice parts[] = {slice_of(seed, 32), slice_of(len, sizeof(len)), info, slice_of(&counter, 1)};
        expand_message(parts, ARRAY_LEN(parts), slice_of(dst, sizeof(dst) - 1), uniform);
        if (oprf_blind_from(uniform, ret, err) == 0) {
            sodium_memzero(uniform, sizeof(uniform));
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "look-up: no key comes of this seed");
}

int
oprf_blind_from(const uint8_t random[OPRF_RANDOM_BYTES], struct oprf_scalar *ret, struct err *err)
{
    struct oprf_scalar s;
    crypto_core_ristretto255_scalar_reduce(s.b, random);
    if (sodium_is_zero(s.b, sizeof(s.b)))
        return err_set(err, ERR_INVALID, "look-up: a blind of zero");
    *ret = s;
    sodium_memzero(&s, sizeof(s));
    return 0;
}

/* ERR_INVALID also where the product is the identity. */
static int
multiply(const struct oprf_scalar *k, const struct oprf_element *e, struct oprf_element *ret, struct err *err)
{
    struct oprf_element product;
    if (!oprf_element_ok(e) || crypto_scalarmult_ristretto255(product.b, k->b, e->b) != 0)
        return err_set(err, ERR_INVALID, "look-up: not an element of the group");
    *ret = product;
    return 0;
}

int
oprf_blind(struct slice input, const struct oprf_scalar *blind, struct oprf_element *ret, struct err *err)
{
    struct oprf_element e;
    int rc = hash_to_group(input, &e, err);
    if (rc == 0)
        rc = multiply(blind, &e, ret, err);
    sodium_memzero(&e, sizeof(e));
    return rc;
}

int
oprf_blind_evaluate(const struct oprf_scalar *key, const struct oprf_element *blinded, struct oprf_element *ret,
                    struct err *err)
{
    return multiply(key, blinded, ret, err);
}

static void
output_of(struct slice input, const struct oprf_element *unblinded, struct oprf_output *ret)
{
    uint8_t len[2], element_len[2];
    be16_put(len, (uint16_t)input.len);
    be16_put(element_len, OPRF_ELEMENT_BYTES);
    struct slice parts[] = {slice_of(len, sizeof(len)), input, slice_of(element_len, sizeof(element_len)),
                            slice_of(unblinded->b, sizeof(unblinded->b)), slice_of("Finalize", 8)};
    sha512_parts(parts, ARRAY_LEN(parts), ret->b);
}

int
oprf_finalize(struct slice input, const struct oprf_scalar *blind, const struct oprf_element *evaluated,
              struct oprf_output *ret, struct err *err)
{
    struct oprf_scalar inverse;
    struct oprf_element unblinded;
    if (input.len > OPRF_INPUT_MAX)
        return err_set(err, ERR_LIMIT, "look-up: longer than %d bytes", OPRF_INPUT_MAX);
    if (crypto_core_ristretto255_scalar_invert(inverse.b, blind->b) != 0)
        return err_set(err, ERR_INVALID, "look-up: a blind of zero");
    int rc = multiply(&inverse, evaluated, &unblinded, err);
    if (rc == 0)
        output_of(input, &unblinded, ret);
    sodium_memzero(&inverse, sizeof(inverse));
    sodium_memzero(&unblinded, sizeof(unblinded));
    return rc;
}

int
oprf_evaluate(const struct oprf_scalar *key, struct slice input, struct oprf_output *ret, struct err *err)
{
    struct oprf_element e;
    int rc = hash_to_group(input, &e, err);
    if (rc == 0)
        rc = multiply(key, &e, &e, err);
    if (rc == 0)
        output_of(input, &e, ret);
    sodium_memzero(&e, sizeof(e));
    return rc;
}

/* ---- entries -------------------------------------------------------------------------------- */

uint8_t
lookup_bucket(struct slice input)
{
    struct hash h = crypto_hash1("smart.bucket", input);
    return h.b[0];
}

static struct hash
of_output(const char *use, const struct oprf_output *output, const struct oprf_element *blinded)
{
    struct slice parts[] = {slice_of(output->b, sizeof(output->b)), slice_of(blinded->b, sizeof(blinded->b))};
    return crypto_hash_parts(use, parts, ARRAY_LEN(parts));
}

void
lookup_entry(const struct oprf_output *output, const struct oprf_element *blinded, const struct subject_id *member,
             uint8_t ret[LOOKUP_ENTRY_BYTES])
{
    struct hash tag = of_output("smart.oprf-tag", output, blinded);
    struct hash mask = of_output("smart.oprf-mask", output, blinded);
    memcpy(ret, tag.b, TAG_BYTES);
    for (size_t i = 0; i < ID_BYTES; i++)
        ret[TAG_BYTES + i] = (uint8_t)(member->b[i] ^ mask.b[i]);
}

bool
lookup_find(struct slice entries, const struct oprf_output *output, const struct oprf_element *blinded,
            struct subject_id *ret)
{
    struct hash tag = of_output("smart.oprf-tag", output, blinded);
    struct hash mask = of_output("smart.oprf-mask", output, blinded);
    for (size_t at = 0; at + LOOKUP_ENTRY_BYTES <= entries.len; at += LOOKUP_ENTRY_BYTES) {
        const uint8_t *e = entries.data + at;
        if (sodium_memcmp(e, tag.b, TAG_BYTES) != 0)
            continue;
        for (size_t i = 0; i < ID_BYTES; i++)
            ret->b[i] = (uint8_t)(e[TAG_BYTES + i] ^ mask.b[i]);
        return true;
    }
    return false;
}
