/* Hash table with linear probing. See map.h. */
#include "proto/base/map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum { SLOT_FREE = 0, SLOT_USED = 1, SLOT_DELETED = 2, SLOT_HASH = 4, SLOT_HEAD = 8, CAPACITY_FIRST = 16 };

static size_t
round8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static uint8_t *
slot_at(const struct map *m, size_t i)
{
    return m->slots + i * m->slot_bytes;
}

void
map_init(struct map *m, size_t key_bytes, size_t value_bytes, size_t max, const uint8_t *hash_key)
{
    *m = (struct map){.key_bytes = key_bytes, .value_bytes = value_bytes, .max = max};
    m->value_offset = SLOT_HEAD + round8(key_bytes);
    m->slot_bytes = m->value_offset + round8(value_bytes);
    if (hash_key)
        memcpy(m->hash_key, hash_key, MAP_HASH_KEY_BYTES);
}

void
map_free(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->capacity = m->count = m->used = 0;
}

void
map_clear(struct map *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        slot_at(m, i)[0] = SLOT_FREE;
    m->count = m->used = 0;
}

static uint32_t
hash_of(const struct map *m, const void *key)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint32_t v;
    crypto_shorthash(out, key, m->key_bytes, m->hash_key);
    memcpy(&v, out, sizeof(v));
    return v;
}

static uint32_t
slot_hash(const uint8_t *slot)
{
    uint32_t v;
    memcpy(&v, slot + SLOT_HASH, sizeof(v));
    return v;
}

/* The slot of key, or the first free one on its way; *ret_reuse is a deleted one before it, if any. */
static uint8_t *
probe(const struct map *m, const void *key, uint32_t hash, uint8_t **ret_reuse)
{
    size_t i = hash & (m->capacity - 1);
    *ret_reuse = NULL;
    for (;; i = (i + 1) & (m->capacity - 1)) {
        uint8_t *s = slot_at(m, i);
        if (s[0] == SLOT_FREE)
            return s;
        if (s[0] == SLOT_DELETED) {
            if (!*ret_reuse)
                *ret_reuse = s;
        } else if (slot_hash(s) == hash && memcmp(s + SLOT_HEAD, key, m->key_bytes) == 0) {
            return s;
        }
    }
}

void *
map_get(const struct map *m, const void *key)
{
    uint8_t *reuse;
    if (m->count == 0)
        return NULL;
    uint8_t *s = probe(m, key, hash_of(m, key), &reuse);
    return s[0] == SLOT_USED ? s + m->value_offset : NULL;
}

static bool
rehash(struct map *m, size_t capacity)
{
    struct map old = *m;
    if (capacity > SIZE_MAX / m->slot_bytes || capacity > UINT32_MAX)
        return false;
    m->slots = calloc(capacity, m->slot_bytes);
    if (!m->slots) {
        m->slots = old.slots;
        return false;
    }
    m->capacity = capacity;
    m->used = m->count;
    for (size_t i = 0; i < old.capacity; i++) {
        const uint8_t *from = slot_at(&old, i);
        if (from[0] != SLOT_USED)
            continue;
        /* All keys differ, and nothing was deleted yet. */
        size_t at = slot_hash(from) & (capacity - 1);
        while (slot_at(m, at)[0] != SLOT_FREE)
            at = (at + 1) & (capacity - 1);
        memcpy(slot_at(m, at), from, m->slot_bytes);
    }
    free(old.slots);
    return true;
}

void *
map_put(struct map *m, const void *key, bool *ret_new)
{
    uint8_t *reuse = NULL, *s = NULL;
    uint32_t hash = hash_of(m, key);
    if (m->capacity > 0) {
        s = probe(m, key, hash, &reuse);
        if (s[0] == SLOT_USED) {
            if (ret_new)
                *ret_new = false;
            return s + m->value_offset;
        }
    }
    if (m->count >= m->max)
        return NULL;
    if (m->capacity == 0 || (m->used + 1) * 4 > m->capacity * 3) {
        size_t want = m->capacity == 0 ? CAPACITY_FIRST : m->count * 2 >= m->capacity ? m->capacity * 2 : m->capacity;
        if (!rehash(m, want))
            return NULL;
        s = probe(m, key, hash, &reuse);
    }
    if (reuse)
        s = reuse;
    else
        m->used++;
    memset(s, 0, m->slot_bytes);
    s[0] = SLOT_USED;
    memcpy(s + SLOT_HASH, &hash, sizeof(hash));
    memcpy(s + SLOT_HEAD, key, m->key_bytes);
    m->count++;
    if (ret_new)
        *ret_new = true;
    return s + m->value_offset;
}

bool
map_remove(struct map *m, const void *key)
{
    uint8_t *reuse;
    if (m->count == 0)
        return false;
    uint8_t *s = probe(m, key, hash_of(m, key), &reuse);
    if (s[0] != SLOT_USED)
        return false;
    s[0] = SLOT_DELETED;
    m->count--;
    return true;
}

bool
map_next(const struct map *m, size_t *cursor, const void **ret_key, void **ret_value)
{
    while (*cursor < m->capacity) {
        uint8_t *s = slot_at(m, (*cursor)++);
        if (s[0] == SLOT_USED) {
            *ret_key = s + SLOT_HEAD;
            *ret_value = s + m->value_offset;
            return true;
        }
    }
    return false;
}
