/* A hash table from fixed-size keys to fixed-size values, open addressing, with a cap on its entries. Keys are compared byte
 * by byte; the hash is SipHash-2-4 under a key given at init, so that who chooses the keys cannot choose collisions. */
#ifndef SMARTNODE_BASE_MAP_H
#define SMARTNODE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAP_HASH_KEY_BYTES = 16 };

struct map {
    uint8_t
        *slots; /* each: state (8 bytes: one says which, four are of the hash), key padded to 8, value padded to 8 */
    size_t slot_bytes;
    size_t key_bytes;
    size_t value_offset;
    size_t value_bytes;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t used; /* count and tombstones */
    size_t max;
    uint8_t hash_key[MAP_HASH_KEY_BYTES];
};

/* hash_key: 16 bytes, or NULL for all zero (keys that nobody hostile chooses, and deterministic runs). max: entries at most. */
void map_init(struct map *m, size_t key_bytes, size_t value_bytes, size_t max, const uint8_t *hash_key);
void map_free(struct map *m);  /* releases; usable again after map_init */
void map_clear(struct map *m); /* empties; keeps the memory */
/* The value, valid until the next put or remove; NULL if absent. Aligned to 8. */
void *map_get(const struct map *m, const void *key);
/* The value of a new (zeroed) or present entry; NULL if memory or max ran out. ret_new may be NULL. */
void *map_put(struct map *m, const void *key, bool *ret_new);
bool map_remove(struct map *m, const void *key); /* false if absent */
/* Iterates in table order; start with *cursor = 0. False at the end. No put or remove meanwhile. */
bool map_next(const struct map *m, size_t *cursor, const void **ret_key, void **ret_value);

#endif
