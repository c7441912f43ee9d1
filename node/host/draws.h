/* Random bytes for a group of writes: salts, nonces and ids are cut from larger draws, because each draw is a call into the kernel and
 * an event needs several. What is used in a group was drawn in it (a copy of the process, or of its machine, does not go on with the
 * same bytes for longer than that), is used once, and is wiped as it is given out. What is as long as a key is drawn for itself. The
 * writer's thread. */
#ifndef SMARTNODE_HOST_DRAWS_H
#define SMARTNODE_HOST_DRAWS_H

#include <stddef.h>
#include <stdint.h>

enum { DRAWS_BYTES = 512 };

struct draws {
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *arg;
    size_t left; /* the last of bytes */
    uint8_t bytes[DRAWS_BYTES];
};

void draws_init(struct draws *d, void (*random)(void *arg, uint8_t *out, size_t len), void *arg);
/* Forgets what is left: when a group begins. */
void draws_clear(struct draws *d);
/* arg: the struct draws. For command_ctx too. */
void draws_take(void *arg, uint8_t *out, size_t len);

/* Puts n items of item_bytes each (64 at most: MUST) into an order that says nothing. Any thread. */
void draws_shuffle(void (*draw)(void *arg, uint8_t *out, size_t len), void *arg, void *items, size_t n,
                   size_t item_bytes);

#endif
