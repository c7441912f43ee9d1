/* How often somebody may try and fail: a token bucket for each client, in a table of fixed size. It knows no clock:
 * the caller says what time it is. Any thread. */
#ifndef SMARTNODE_API_LIMITER_H
#define SMARTNODE_API_LIMITER_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

struct limiter;

enum {
    LIMITER_SEED_BYTES = 16,
    LIMITER_WAYS = 8, /* places where a client can stand */
    LIMITER_CLIENTS_MAX = 1 << 20,
};

struct limiter_rate {
    uint32_t burst;   /* tries at once; at least 1 */
    uint32_t each_ms; /* one comes back after that long; at least 1 */
    uint32_t
        clients_max; /* remembered at a time, 16 bytes each; 1 … LIMITER_CLIENTS_MAX, rounded up to a power of two of at least 8 */
};

/* seed: random, so that nobody can choose addresses that stand in one place. ERR_INVALID: the rate; ERR_NOMEM. */
int limiter_new(struct limiter_rate rate, const uint8_t seed[LIMITER_SEED_BYTES], struct limiter **ret,
                struct err *err) NODISCARD;
void limiter_free(struct limiter **l);

/* A client is the token that it shows (NULL = none that is known) together with its address (any bytes).
 *
 * take: 0, and one try is gone; or how many milliseconds are left until there is one again, and nothing is taken.
 * wait: the same without taking, for a try whose failure alone is to count.
 *
 * Where all places of a client are taken, whoever has most tries left is forgotten, so that a flood of addresses never frees one
 * that is waiting before those of the flood; what was forgotten starts with a full burst. */
int64_t limiter_take(struct limiter *l, const struct hash *token, struct slice address, struct mono_ms now);
int64_t limiter_wait(struct limiter *l, const struct hash *token, struct slice address, struct mono_ms now);

#endif
