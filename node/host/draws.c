/* See draws.h. */
#include "node/host/draws.h"

#include <sodium.h>
#include <string.h>

#include "proto/base/types.h"

void
draws_init(struct draws *d, void (*random)(void *arg, uint8_t *out, size_t len), void *arg)
{
    d->random = random;
    d->arg = arg;
    d->left = 0;
}

void
draws_clear(struct draws *d)
{
    sodium_memzero(d->bytes, sizeof(d->bytes));
    d->left = 0;
}

void
draws_take(void *arg, uint8_t *out, size_t len)
{
    struct draws *d = arg;
    if (len >= KEY_BYTES) {
        d->random(d->arg, out, len);
        return;
    }
    if (len > d->left) {
        d->random(d->arg, d->bytes, sizeof(d->bytes));
        d->left = sizeof(d->bytes);
    }
    uint8_t *from = d->bytes + sizeof(d->bytes) - d->left;
    memcpy(out, from, len);
    sodium_memzero(from, len);
    d->left -= len;
}

/* Fisher and Yates; the little that the remainder favours is nothing here. */
void
draws_shuffle(void (*draw)(void *arg, uint8_t *out, size_t len), void *arg, void *items, size_t n, size_t item_bytes)
{
    uint8_t *v = items, swap[64];
    MUST(item_bytes <= sizeof(swap));
    for (size_t i = n; i > 1; i--) {
        uint64_t r;
        draw(arg, (uint8_t *)&r, sizeof(r));
        uint8_t *a = v + r % i * item_bytes, *b = v + (i - 1) * item_bytes;
        memcpy(swap, a, item_bytes);
        memmove(a, b, item_bytes);
        memcpy(b, swap, item_bytes);
    }
}
