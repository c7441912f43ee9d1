/* Asking another unit for one person without naming them: the oblivious pseudorandom function of RFC 9497 (mode OPRF, ciphersuite
 * ristretto255-SHA512, 2HashDH), and the entries of an answer. docs/PROTOCOL.md §12.8.
 *
 * The asker blinds its input and sends a group element; the asked unit multiplies it by its key and learns nothing; the asker takes the
 * blind off and has the same output as the asked unit computes from the input itself. Pure: no randomness is drawn here. Any thread. */
#ifndef SMARTNODE_PROTO_OPRF_H
#define SMARTNODE_PROTO_OPRF_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

enum {
    OPRF_ELEMENT_BYTES = 32,
    OPRF_OUTPUT_BYTES = 64,
    OPRF_RANDOM_BYTES = 64,    /* that a blind is made of */
    OPRF_INPUT_MAX = 16384,    /* the RFC's is 65,535 bytes; an identity of §12.8 fits */
    LOOKUP_ENTRY_BYTES = 32,   /* of an answer: tag ‖ masked id */
    LOOKUP_ENTRIES_STEP = 64,  /* an answer has a multiple of these */
    LOOKUP_ENTRIES_MAX = 16384 /* of an answer: half a message */
};

struct oprf_element {
    uint8_t b[OPRF_ELEMENT_BYTES];
};
struct oprf_scalar {
    uint8_t b[32];
}; /* a key or a blind; wipe after use */
struct oprf_output {
    uint8_t b[OPRF_OUTPUT_BYTES];
}; /* wipe after use */

/* Canonical encoding of a group element other than the identity: all that is ever taken from a peer. */
bool oprf_element_ok(const struct oprf_element *e);

/* DeriveKeyPair, its secret half. info: at most 256 bytes (MUST). ERR_INVALID: no key comes of this seed (does not happen by chance). */
int oprf_derive_key(const uint8_t seed[32], struct slice info, struct oprf_scalar *ret, struct err *err) NODISCARD;
/* A blind of random bytes. ERR_INVALID: they make zero (does not happen by chance). */
int oprf_blind_from(const uint8_t random[OPRF_RANDOM_BYTES], struct oprf_scalar *ret, struct err *err) NODISCARD;

/* The three steps. ERR_LIMIT: input over OPRF_INPUT_MAX. ERR_INVALID: an element that is none, or an input that hashes to the identity. */
int oprf_blind(struct slice input, const struct oprf_scalar *blind, struct oprf_element *ret,
               struct err *err) NODISCARD;
int oprf_blind_evaluate(const struct oprf_scalar *key, const struct oprf_element *blinded, struct oprf_element *ret,
                        struct err *err) NODISCARD;
int oprf_finalize(struct slice input, const struct oprf_scalar *blind, const struct oprf_element *evaluated,
                  struct oprf_output *ret, struct err *err) NODISCARD;
/* The output of an input, by who has the key. The same errors. */
int oprf_evaluate(const struct oprf_scalar *key, struct slice input, struct oprf_output *ret,
                  struct err *err) NODISCARD;

/* First byte of H(smart.bucket, input). */
uint8_t lookup_bucket(struct slice input);
/* The entry of one member in the answer to a question with this blinded element. */
void lookup_entry(const struct oprf_output *output, const struct oprf_element *blinded, const struct subject_id *member,
                  uint8_t ret[LOOKUP_ENTRY_BYTES]);
/* The member whose entry has this output among entries (whole ones). False: none. */
bool lookup_find(struct slice entries, const struct oprf_output *output, const struct oprf_element *blinded,
                 struct subject_id *ret);

#endif
