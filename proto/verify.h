/* What must hold before anything from outside is stored: runs against a chain and a seal, first events against a root key,
 * references against chain values, evidence. docs/PROTOCOL.md §5, §7, §8, §12.5, §12.6. Pure. */
#ifndef SMARTNODE_PROTO_VERIFY_H
#define SMARTNODE_PROTO_VERIFY_H

#include "proto/event.h"

/* A run of events that ends at a seal. frames borrows. */
struct run {
    struct log_id log;
    uint64_t first;
    uint32_t count;
    struct slice frames;
    struct seal seal;
};

/* Verifies run against the chain value before its first event and the log's signing key. On success *ret_chain is the chain
 * value after it. ERR_INVALID framing or header or seq, ERR_LIMIT over RUN_*_MAX, ERR_FORGED commitment, log id or seal,
 * ERR_VERSION. An absent payload does not fit its commitment (§4). Allocates nothing. */
int verify_run(const struct run *run, const struct chain_value *before, const struct sign_public *signing_key,
               struct chain_value *ret_chain, struct err *err) NODISCARD;

/* Splits and checks the first event of a log on its own: log id, kind 1, seq 1, payload, certificate under the root key in it,
 * unit id format, root statement's signature if present (and that it names this unit, federation and nonce).
 * Whether that root key is trusted for that unit is the caller's question. ERR_INVALID, ERR_FORGED, ERR_VERSION. */
int verify_first_event(const struct log_id *log, struct slice header, struct slice payload,
                       struct event_header *ret_header, struct log_opened *ret_opened, struct err *err) NODISCARD;

/* The body that a root key signs as a certificate (§7), for verify and for init: CERTIFICATE_BODY_BYTES appended to out.
 * Sign it with crypto_sign_purpose(…, PURPOSE_CERTIFICATE, …), which puts suite and purpose before it. */
enum { CERTIFICATE_BODY_BYTES = 2 * HASH_BYTES + 1 + 8 + 4 * KEY_BYTES };
void certificate_body(const struct unit_id *unit, const struct federation_id *fed, bool production, uint64_t serial,
                      const struct sign_public *signing, const struct box_public *exchange,
                      const struct box_public *transport, const struct box_public *recovery, struct buf *out);

/* EventAt: header and payload prove themselves against the chain value that a reference names. ERR_FORGED. */
int verify_event_at(const struct chain_value *before, struct slice header, struct slice payload, uint64_t seq,
                    const struct chain_value *expected, struct event_header *ret_header, struct err *err) NODISCARD;

/* Evidence: computes the chain from before over n header hashes and checks the seal at first + n − 1. *ret_at receives the
 * chain value after event `at` (first−1 ≤ at ≤ first+n−1). ERR_FORGED, ERR_INVALID. */
int verify_evidence(const struct log_id *log, uint64_t first, const struct chain_value *before,
                    struct slice header_hashes, const struct seal *seal, const struct sign_public *signing_key,
                    uint64_t at, struct chain_value *ret_at, struct err *err) NODISCARD;

#endif
