/* Hashes, signatures and capsules of suite 1 over libsodium. See crypto.h; docs/PROTOCOL.md §1, §5, §6. */
#include "proto/crypto.h"

#include <sodium.h>

enum {
    SIGNED_BODY_MAX = 512,
    SEAL_BODY_BYTES = HASH_BYTES + 8 + HASH_BYTES,
    CAPSULE_VERSION_KEY = 1,
    CAPSULE_VERSION_SEALED = 2,
    CAPSULE_BLOCK_BYTES = 64,
    LINKS_BLOCK_BYTES =
        256, /* classes 4, 7, 8: nearly all come out of one length, or that would tell whose an invoice may be */
    CAPSULE_TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    PAD_START = 0x80,
};

_Static_assert(HASH_BYTES <= crypto_generichash_blake2b_BYTES_MAX, "digest");
_Static_assert(sizeof(struct sign_secret) == crypto_sign_SECRETKEYBYTES, "secret key");
_Static_assert(sizeof(struct seal) == crypto_sign_BYTES, "signature");
_Static_assert(CAPSULE_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(sizeof(struct data_key) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "data key");

int
crypto_init(struct err *err)
{
    if (sodium_init() < 0)
        return err_set(err, ERR_UNAVAILABLE, "libsodium does not start");
    return 0;
}

struct hash
crypto_hash_parts(const char *use, const struct slice *parts, size_t n_parts)
{
    uint8_t person[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    size_t len = strlen(use);
    MUST(len > 0 && len <= sizeof(person));
    memcpy(person, use, len);
    crypto_generichash_blake2b_state state;
    MUST(crypto_generichash_blake2b_init_salt_personal(&state, NULL, 0, HASH_BYTES, NULL, person) == 0);
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].len > 0)
            MUST(crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].len) == 0);
    struct hash h;
    MUST(crypto_generichash_blake2b_final(&state, h.b, sizeof(h.b)) == 0);
    return h;
}

struct hash
crypto_hash1(const char *use, struct slice bytes)
{
    return crypto_hash_parts(use, &bytes, 1);
}

struct log_id
crypto_log_id(struct slice first_header)
{
    struct hash h = crypto_hash1("smart.log-id", first_header);
    struct log_id id;
    memcpy(id.b, h.b, sizeof(id.b));
    return id;
}

struct hash
crypto_header_hash(struct slice header)
{
    return crypto_hash1("smart.header", header);
}

struct chain_value
crypto_chain(struct chain_value before, struct hash header_hash)
{
    struct slice parts[] = {slice_of(before.b, sizeof(before.b)), slice_of(header_hash.b, sizeof(header_hash.b))};
    struct hash h = crypto_hash_parts("smart.chain", parts, ARRAY_LEN(parts));
    struct chain_value c;
    memcpy(c.b, h.b, sizeof(c.b));
    return c;
}

struct chain_value
crypto_chain_start(struct log_id log)
{
    struct chain_value c;
    memcpy(c.b, log.b, sizeof(c.b));
    return c;
}

struct unit_id
crypto_unit_id(struct sign_public root)
{
    struct hash h = crypto_hash1("smart.unit-id", slice_of(root.b, sizeof(root.b)));
    struct unit_id id;
    memcpy(id.b, h.b, sizeof(id.b));
    return id;
}

struct federation_id
crypto_federation(const char *name)
{
    struct hash h = crypto_hash1("smart.fed", slice_of(name, strlen(name)));
    struct federation_id id;
    memcpy(id.b, h.b, sizeof(id.b));
    return id;
}

void
crypto_keypair_sign(const uint8_t seed[32], struct sign_public *ret_pk, struct sign_secret *ret_sk)
{
    MUST(crypto_sign_seed_keypair(ret_pk->b, ret_sk->b, seed) == 0);
}

void
crypto_keypair_box(const uint8_t seed[32], struct box_public *ret_pk, struct box_secret *ret_sk)
{
    memcpy(ret_sk->b, seed, sizeof(ret_sk->b));
    MUST(crypto_scalarmult_base(ret_pk->b, ret_sk->b) == 0);
}

/* suite ‖ purpose ‖ body; returns its length. */
static size_t
signed_message(enum purpose purpose, struct slice body, uint8_t out[SIGNED_BODY_MAX + 2])
{
    MUST(body.len > 0 && body.len <= SIGNED_BODY_MAX);
    out[0] = SUITE_1;
    out[1] = (uint8_t)purpose;
    memcpy(out + 2, body.data, body.len);
    return body.len + 2;
}

struct seal
crypto_sign_purpose(const struct sign_secret *sk, enum purpose purpose, struct slice body)
{
    uint8_t message[SIGNED_BODY_MAX + 2];
    size_t len = signed_message(purpose, body, message);
    struct seal sig;
    MUST(crypto_sign_detached(sig.b, NULL, message, len, sk->b) == 0);
    return sig;
}

int
crypto_verify(struct sign_public pk, enum purpose purpose, struct slice body, const struct seal *sig, const char *what,
              struct err *err)
{
    uint8_t message[SIGNED_BODY_MAX + 2];
    size_t len = signed_message(purpose, body, message);
    /* Refuses non-canonical scalars, small-order keys and small-order R; compares without cofactor. */
    if (crypto_sign_verify_detached(sig->b, message, len, pk.b) != 0)
        return err_set(err, ERR_FORGED, "%s: the signature does not fit", what);
    return 0;
}

static void
seal_body(const struct log_id *log, uint64_t seq, const struct chain_value *chain, uint8_t out[SEAL_BODY_BYTES])
{
    memcpy(out, log->b, HASH_BYTES);
    be64_put(out + HASH_BYTES, seq);
    memcpy(out + HASH_BYTES + 8, chain->b, HASH_BYTES);
}

struct seal
crypto_seal(const struct sign_secret *sk, const struct log_id *log, uint64_t seq, const struct chain_value *chain)
{
    uint8_t body[SEAL_BODY_BYTES];
    seal_body(log, seq, chain, body);
    return crypto_sign_purpose(sk, PURPOSE_SEAL, slice_of(body, sizeof(body)));
}

int
crypto_seal_verify(struct sign_public pk, const struct log_id *log, uint64_t seq, const struct chain_value *chain,
                   const struct seal *seal, struct err *err)
{
    uint8_t body[SEAL_BODY_BYTES];
    seal_body(log, seq, chain, body);
    return crypto_verify(pk, PURPOSE_SEAL, slice_of(body, sizeof(body)), seal, "seal", err);
}

/* ---- capsules: version ‖ [ephemeral key] ‖ nonce ‖ key hash ‖ ciphertext and tag ---- */

static struct hash
key_hash(const struct data_key *key, const uint8_t nonce[24])
{
    struct slice parts[] = {slice_of(key->b, sizeof(key->b)), slice_of(nonce, CAPSULE_NONCE_BYTES)};
    return crypto_hash_parts("smart.keyhash", parts, ARRAY_LEN(parts));
}

static size_t
capsule_head_bytes(uint8_t version)
{
    return 1u + (version == CAPSULE_VERSION_SEALED ? KEY_BYTES : 0u) + CAPSULE_NONCE_BYTES + HASH_BYTES;
}

static int
seal_with(uint8_t version, const struct box_public *ephemeral, const struct data_key *key, uint8_t class,
          const uint8_t nonce[24], struct slice plain, struct buf *out, struct err *err)
{
    MUST(class > 0);
    size_t head = capsule_head_bytes(version);
    if (plain.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "capsule: larger than %d bytes", CAPSULE_BYTES_MAX);
    bool links = class == CLASS_ACTIVITY || class == CLASS_GUEST || class == CLASS_DOSSIER;
    size_t block = links ? LINKS_BLOCK_BYTES : CAPSULE_BLOCK_BYTES;
    size_t sealed = (plain.len + 1 + CAPSULE_TAG_BYTES + block - 1) / block * block;
    size_t padded = sealed - CAPSULE_TAG_BYTES;
    if (head + sealed > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "capsule: larger than %d bytes", CAPSULE_BYTES_MAX);
    uint8_t *p = buf_reserve(out, head + sealed);
    if (!p)
        return buf_check(out, "capsule", err);
    struct hash kh = key_hash(key, nonce);
    const uint8_t associated[2] = {version, class};
    *p++ = version;
    if (ephemeral) {
        memcpy(p, ephemeral->b, KEY_BYTES);
        p += KEY_BYTES;
    }
    memcpy(p, nonce, CAPSULE_NONCE_BYTES);
    memcpy(p + CAPSULE_NONCE_BYTES, kh.b, HASH_BYTES);
    p += CAPSULE_NONCE_BYTES + HASH_BYTES;
    if (plain.len > 0)
        memmove(p, plain.data, plain.len);
    p[plain.len] = PAD_START;
    memset(p + plain.len + 1, 0, padded - plain.len - 1);
    MUST(crypto_aead_xchacha20poly1305_ietf_encrypt(p, NULL, p, padded, associated, sizeof(associated), NULL, nonce,
                                                    key->b) == 0);
    buf_added(out, head + sealed);
    return 0;
}

/* Length of the plaintext, or SIZE_MAX if there is no padding. Any number of zeros is taken: how far to pad is the writer's. */
static size_t
unpadded_len(const uint8_t *p, size_t padded)
{
    size_t len = padded;
    while (len > 0) {
        len--;
        if (p[len] == PAD_START)
            return len;
        if (p[len] != 0)
            break;
    }
    return SIZE_MAX;
}

/* Splits off the head; r then stands at the ciphertext. */
static int
open_head(uint8_t version, struct slice capsule, struct reader *r, struct err *err)
{
    size_t head = capsule_head_bytes(version);
    if (capsule.len > CAPSULE_BYTES_MAX || capsule.len < head + CAPSULE_BLOCK_BYTES ||
        (capsule.len - head) % CAPSULE_BLOCK_BYTES != 0)
        return err_set(err, ERR_INVALID, "capsule: no length that a capsule has");
    *r = reader_of(capsule);
    if (reader_u8(r) != version)
        return err_set(err, ERR_INVALID, "capsule: not of version %u", (unsigned)version);
    return 0;
}

static int
open_with(uint8_t version, const struct data_key *key, uint8_t class, struct reader *r, struct buf *out,
          struct err *err)
{
    const uint8_t *nonce = reader_bytes(r, CAPSULE_NONCE_BYTES).data;
    const uint8_t *kh = reader_bytes(r, HASH_BYTES).data;
    struct slice sealed = reader_bytes(r, reader_left(r));
    MUST(!r->failed);
    /* Before decryption: the cipher does not commit to its key, this hash does. */
    struct hash expected = key_hash(key, nonce);
    if (sodium_memcmp(kh, expected.b, HASH_BYTES) != 0)
        return err_set(err, ERR_DENIED, "capsule: sealed with another key");
    uint8_t *p = buf_reserve(out, sealed.len);
    if (!p)
        return buf_check(out, "capsule", err);
    const uint8_t associated[2] = {version, class};
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(p, NULL, NULL, sealed.data, sealed.len, associated,
                                                   sizeof(associated), nonce, key->b) != 0)
        return err_set(err, ERR_FORGED, "capsule: does not decrypt");
    size_t len = unpadded_len(p, sealed.len - CAPSULE_TAG_BYTES);
    if (len == SIZE_MAX) {
        sodium_memzero(p, sealed.len);
        return err_set(err, ERR_INVALID, "capsule: wrong padding");
    }
    buf_added(out, len);
    return 0;
}

int
capsule_seal(const struct data_key *key, uint8_t class, const uint8_t nonce[24], struct slice plain, struct buf *out,
             struct err *err)
{
    return seal_with(CAPSULE_VERSION_KEY, NULL, key, class, nonce, plain, out, err);
}

int
capsule_open(const struct data_key *key, uint8_t class, struct slice capsule, struct buf *out, struct err *err)
{
    struct reader r;
    int rc = open_head(CAPSULE_VERSION_KEY, capsule, &r, err);
    return rc != 0 ? rc : open_with(CAPSULE_VERSION_KEY, key, class, &r, out, err);
}

/* key = H(smart.sealbox, X25519(secret, public) ‖ E ‖ R). False for an all-zero shared secret. */
static bool
sealbox_key(const struct box_secret *secret, const struct box_public *public, const struct box_public *e,
            const struct box_public *r, struct data_key *ret)
{
    uint8_t shared[KEY_BYTES];
    bool ok = crypto_scalarmult(shared, secret->b, public->b) == 0;
    if (ok) {
        struct slice parts[] = {slice_of(shared, sizeof(shared)), slice_of(e->b, sizeof(e->b)),
                                slice_of(r->b, sizeof(r->b))};
        struct hash h = crypto_hash_parts("smart.sealbox", parts, ARRAY_LEN(parts));
        memcpy(ret->b, h.b, sizeof(ret->b));
        sodium_memzero(&h, sizeof(h));
    }
    sodium_memzero(shared, sizeof(shared));
    return ok;
}

int
capsule_seal_to(const struct box_public *to, uint8_t class, const uint8_t eph_seed[32], const uint8_t nonce[24],
                struct slice plain, struct buf *out, struct err *err)
{
    struct box_public e;
    struct box_secret e_secret;
    struct data_key key;
    crypto_keypair_box(eph_seed, &e, &e_secret);
    bool ok = sealbox_key(&e_secret, to, &e, to, &key);
    sodium_memzero(&e_secret, sizeof(e_secret));
    if (!ok)
        return err_set(err, ERR_INVALID, "capsule: the recipient's key is none");
    int rc = seal_with(CAPSULE_VERSION_SEALED, &e, &key, class, nonce, plain, out, err);
    sodium_memzero(&key, sizeof(key));
    return rc;
}

int
capsule_open_sealed(const struct box_secret *sk, const struct box_public *pk, uint8_t class, struct slice capsule,
                    struct buf *out, struct err *err)
{
    struct reader r;
    int rc = open_head(CAPSULE_VERSION_SEALED, capsule, &r, err);
    if (rc != 0)
        return rc;
    struct box_public e;
    struct data_key key;
    reader_copy(&r, e.b, sizeof(e.b));
    if (!sealbox_key(sk, &e, &e, pk, &key))
        return err_set(err, ERR_INVALID, "capsule: its ephemeral key is none");
    rc = open_with(CAPSULE_VERSION_SEALED, &key, class, &r, out, err);
    sodium_memzero(&key, sizeof(key));
    return rc;
}

struct hash
capsule_hash(struct slice capsule)
{
    return crypto_hash1("smart.capsule", capsule);
}

void
proquint_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char consonants[] = "bdfghjklmnprstvz";
    static const char vowels[] = "aiou";
    MUST(len > 0 && len % 2 == 0);
    for (size_t i = 0; i < len; i += 2) {
        unsigned v = be16_get(bytes + i);
        *out++ = consonants[v >> 12];
        *out++ = vowels[v >> 10 & 3];
        *out++ = consonants[v >> 6 & 15];
        *out++ = vowels[v >> 4 & 3];
        *out++ = consonants[v & 15];
        *out++ = i + 2 < len ? '-' : '\0';
    }
}
