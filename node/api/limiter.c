/* See limiter.h. A bucket is one number: the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371, which
 * is a token bucket without refilling). A time that has passed is a full bucket, and its place is free. */
#include "node/api/limiter.h"

#include <pthread.h>
#include <stdlib.h>

#include "proto/crypto.h"

struct bucket {
    uint64_t client;
    int64_t full_at; /* monotonic ms */
};

struct limiter {
    pthread_mutex_t lock;
    int64_t burst, each_ms;
    size_t mask; /* number of places − 1 */
    uint8_t seed[LIMITER_SEED_BYTES];
    struct bucket *buckets;
};

int
limiter_new(struct limiter_rate rate, const uint8_t seed[LIMITER_SEED_BYTES], struct limiter **ret, struct err *err)
{
    size_t places = LIMITER_WAYS;

    if (rate.burst == 0 || rate.each_ms == 0 || rate.clients_max == 0 || rate.clients_max > LIMITER_CLIENTS_MAX) {
        return err_set(err, ERR_INVALID, "rate of a limiter");
    }
    while (places < rate.clients_max) {
        places *= 2;
    }
    struct limiter *l = calloc(1, sizeof(*l));
    struct bucket *buckets = calloc(places, sizeof(*buckets));
    if (l == NULL || buckets == NULL) {
        free(buckets);
        free(l);
        return err_set(err, ERR_NOMEM, "limiter");
    }
    pthread_mutex_init(&l->lock, NULL);
    l->burst = rate.burst;
    l->each_ms = rate.each_ms;
    l->mask = places - 1;
    l->buckets = buckets;
    memcpy(l->seed, seed, sizeof(l->seed));
    for (size_t i = 0; i < places; i++) {
        l->buckets[i].full_at = INT64_MIN;
    }
    *ret = l;
    return 0;
}

void
limiter_free(struct limiter **l)
{
    if (*l == NULL) {
        return;
    }
    pthread_mutex_destroy(&(*l)->lock);
    free((*l)->buckets);
    free(*l);
    *l = NULL;
}

static uint64_t
client_of(const struct limiter *l, const struct hash *token, struct slice address)
{
    static const struct hash none;
    const struct slice parts[] = {
        slice_of(l->seed, sizeof(l->seed)),
        slice_of(token != NULL ? token->b : none.b, HASH_BYTES),
        address,
    };

    return be64_get(crypto_hash_parts("smart.limiter", parts, ARRAY_LEN(parts)).b);
}

/* The client's bucket. If it has none: NULL, or the one that is given up for it, emptied of what it was. */
static struct bucket *
bucket_of(struct limiter *l, uint64_t client, struct mono_ms now, bool make)
{
    struct bucket *first = &l->buckets[client & l->mask & ~(uint64_t)(LIMITER_WAYS - 1)], *least = first;

    for (struct bucket *b = first; b < first + LIMITER_WAYS; b++) {
        if (b->client == client && b->full_at > now.ms) {
            return b;
        }
        if (b->full_at < least->full_at) {
            least = b;
        }
    }
    if (!make) {
        return NULL;
    }
    *least = (struct bucket){client, now.ms};
    return least;
}

static int64_t
try_once(struct limiter *l, const struct hash *token, struct slice address, struct mono_ms now, bool take)
{
    uint64_t client = client_of(l, token, address);

    pthread_mutex_lock(&l->lock);
    struct bucket *b = bucket_of(l, client, now, take);
    int64_t wait = b == NULL ? 0 : b->full_at - now.ms - (l->burst - 1) * l->each_ms;
    if (wait <= 0 && take) {
        b->full_at += l->each_ms;
    }
    pthread_mutex_unlock(&l->lock);
    return wait > 0 ? wait : 0;
}

int64_t
limiter_take(struct limiter *l, const struct hash *token, struct slice address, struct mono_ms now)
{
    return try_once(l, token, address, now, true);
}

int64_t
limiter_wait(struct limiter *l, const struct hash *token, struct slice address, struct mono_ms now)
{
    return try_once(l, token, address, now, false);
}
