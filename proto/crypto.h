/* The cryptography of suite 1: personalised hashes, signatures with purposes, capsules. docs/PROTOCOL.md §1, §5, §6.
 * Pure: no randomness is drawn here; whoever needs it passes it in. crypto_init() once before anything else. */
#ifndef SMARTNODE_PROTO_CRYPTO_H
#define SMARTNODE_PROTO_CRYPTO_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

enum { SUITE_1 = 1 };
enum purpose { PURPOSE_SEAL = 1, PURPOSE_CERTIFICATE = 2, PURPOSE_ROOT_STATEMENT = 3, PURPOSE_CARD = 4 };

struct sign_secret {
    uint8_t b[64];
}; /* Ed25519 secret key as libsodium keeps it; wipe after use */
struct box_secret {
    uint8_t b[32];
}; /* X25519 */
struct data_key {
    uint8_t b[32];
}; /* of a capsule; wipe after use */

/* Initialises libsodium. ERR_UNAVAILABLE if it cannot. Any thread, any number of times. */
int crypto_init(struct err *err) NODISCARD;

/* H(use, a ‖ b ‖ c …): BLAKE2b-256 personalised by use (at most 16 characters). */
struct hash crypto_hash_parts(const char *use, const struct slice *parts, size_t n_parts);
struct hash crypto_hash1(const char *use, struct slice bytes);

struct log_id crypto_log_id(struct slice first_header);
struct hash crypto_header_hash(struct slice header);
struct chain_value crypto_chain(struct chain_value before, struct hash header_hash);
struct chain_value crypto_chain_start(struct log_id log); /* chain(0) = log id */
struct unit_id crypto_unit_id(struct sign_public root);
struct federation_id crypto_federation(const char *name);

/* Key pairs from a 32-byte seed (deterministic) – the caller draws the seed. Ed25519: the seed of RFC 8032; X25519: the seed
 * is the secret key. */
void crypto_keypair_sign(const uint8_t seed[32], struct sign_public *ret_pk, struct sign_secret *ret_sk);
void crypto_keypair_box(const uint8_t seed[32], struct box_public *ret_pk, struct box_secret *ret_sk);

/* Signs suite ‖ purpose ‖ body (body at most 512 bytes, MUST). */
struct seal crypto_sign_purpose(const struct sign_secret *sk, enum purpose purpose, struct slice body);
/* ERR_FORGED if it does not fit. what names the thing in the error. */
int crypto_verify(struct sign_public pk, enum purpose purpose, struct slice body, const struct seal *sig,
                  const char *what, struct err *err) NODISCARD;

struct seal crypto_seal(const struct sign_secret *sk, const struct log_id *log, uint64_t seq,
                        const struct chain_value *chain);
int crypto_seal_verify(struct sign_public pk, const struct log_id *log, uint64_t seq, const struct chain_value *chain,
                       const struct seal *seal, struct err *err) NODISCARD;

/* Capsules (§6). nonce is 24 random bytes; eph_seed 32 random bytes. out gets the capsule bytes appended.
 * seal: ERR_LIMIT if larger than CAPSULE_BYTES_MAX. open: ERR_INVALID for malformed, ERR_DENIED if the key is another,
 * ERR_FORGED if it does not decrypt. out holds plaintext: free it with buf_free, which wipes. */
enum { CAPSULE_BYTES_MAX = 65536, CAPSULE_NONCE_BYTES = 24, CAPSULE_CLASS_MAX = 255 };
enum capsule_class {
    CLASS_IDENTITY = 1,
    CLASS_CONTACT = 2,
    CLASS_BANK = 3,
    CLASS_ACTIVITY = 4,
    CLASS_NOTE = 5,
    CLASS_COUNTING = 6, /* a key, never a capsule */
    CLASS_GUEST = 7,    /* 7 and 8: under the class 4 key of the member */
    CLASS_DOSSIER = 8,
    CLASS_KEY = 15
};
int capsule_seal(const struct data_key *key, uint8_t class, const uint8_t nonce[24], struct slice plain,
                 struct buf *out, struct err *err) NODISCARD;
int capsule_open(const struct data_key *key, uint8_t class, struct slice capsule, struct buf *out,
                 struct err *err) NODISCARD;
int capsule_seal_to(const struct box_public *to, uint8_t class, const uint8_t eph_seed[32], const uint8_t nonce[24],
                    struct slice plain, struct buf *out, struct err *err) NODISCARD;
int capsule_open_sealed(const struct box_secret *sk, const struct box_public *pk, uint8_t class, struct slice capsule,
                        struct buf *out, struct err *err) NODISCARD;
struct hash capsule_hash(struct slice capsule);

/* Text for people: proquints (arXiv:0901.4016), 5 letters and a dash for each 16 bits. out: len/2 * 6 bytes. len even. */
void proquint_encode(const uint8_t *bytes, size_t len, char *out);

#endif
