/* The inside of the vault, for vault.c and vault_index.c. */
#ifndef SMARTNODE_STORAGE_VAULT_PRIVATE_H
#define SMARTNODE_STORAGE_VAULT_PRIVATE_H

#include "storage/vault.h"

struct secrets {
    uint8_t wrap[KEY_BYTES];
    uint8_t index[KEY_BYTES];
};

struct vault {
    struct db *db;
    struct secrets *secrets; /* locked pages */
    uint8_t *pool;           /* locked pages: SLOT_PLAIN bytes for each slot of the batch */
    uint64_t pool_first;     /* slot number of pool[0] */
    uint32_t pool_count;     /* slots in the batch */
    uint32_t pool_next;      /* of the batch, the next to give out */
    uint32_t fill;           /* size of the next batch */
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
};

/* Appends the value of a key to out. ERR_NOTFOUND says "no such <what>". */
int vault_read_value(struct vault *v, enum table t, struct slice key, const char *what, struct buf *out,
                     struct err *err) NODISCARD;

#endif
