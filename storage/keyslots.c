/* Subject → generations → slots → keys. See keyslots.h. */
#include "storage/keyslots.h"

#include <sodium.h>
#include <stdlib.h>

#include "proto/event.h"

enum { KEYSLOT_KEY = ID_BYTES + 4, SLOTS_FIRST = 16 };

static void
keyslot_key(uint8_t out[KEYSLOT_KEY], const struct subject_id *subject, uint32_t generation)
{
    memcpy(out, subject->b, ID_BYTES);
    be32_put(out + ID_BYTES, generation);
}

int
keyslots_all(struct db_txn *txn, const struct subject_id *subject, struct keyslot **ret, size_t *ret_n, struct err *err)
{
    uint8_t key[KEYSLOT_KEY];
    struct db_cursor *cursor = NULL;
    struct keyslot *slots = NULL;
    struct slice k, v;
    size_t n = 0, cap = 0;
    keyslot_key(key, subject, 0);
    int rc = db_cursor_open(txn, TABLE_KEYSLOTS, &cursor, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(cursor, slice_of(key, sizeof(key)), &k, &v, err);
         rc == 0 && k.len == KEYSLOT_KEY && v.len == 8 && memcmp(k.data, subject->b, ID_BYTES) == 0;
         rc = db_cursor_next(cursor, &k, &v, err)) {
        if (n == cap) {
            cap = cap ? cap * 2 : SLOTS_FIRST;
            struct keyslot *more = reallocarray(slots, cap, sizeof(*more));
            if (!more) {
                rc = err_set(err, ERR_NOMEM, "out of memory");
                break;
            }
            slots = more;
        }
        slots[n++] = (struct keyslot){be32_get(k.data + ID_BYTES), be64_get(v.data)};
    }
    db_cursor_close(&cursor);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        free(slots);
        return rc;
    }
    err_clear(err);
    *ret = slots;
    *ret_n = n;
    return 0;
}

int
keyslot_find(struct db_txn *txn, const struct subject_id *subject, uint32_t *ret_generation, uint64_t *ret_slot,
             struct err *err)
{
    struct keyslot *slots = NULL;
    size_t n = 0;
    int rc = keyslots_all(txn, subject, &slots, &n, err);
    if (rc == 0 && n == 0)
        rc = err_set(err, ERR_NOTFOUND, "no data keys");
    if (rc == 0) {
        *ret_generation = slots[n - 1].generation;
        *ret_slot = slots[n - 1].slot;
    }
    free(slots);
    return rc;
}

int
keyslot_last(struct db_txn *txn, uint64_t *ret, struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice k, v;
    uint64_t last = 0;
    int rc = db_cursor_open(txn, TABLE_KEYSLOTS, &cursor, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(cursor, &k, &v, err); rc == 0; rc = db_cursor_next(cursor, &k, &v, err))
        if (v.len == 8 && be64_get(v.data) > last)
            last = be64_get(v.data);
    db_cursor_close(&cursor);
    if (rc == ERR_NOTFOUND)
        *ret = last;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
keyslot_put(struct db_txn *txn, const struct subject_id *subject, uint32_t generation, uint64_t slot, struct err *err)
{
    uint8_t key[KEYSLOT_KEY], value[8];
    keyslot_key(key, subject, generation);
    be64_put(value, slot);
    return db_put(txn, TABLE_KEYSLOTS, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

/* ---- what orders take ---- */

static void
going_add(struct keys_going *g, const struct erasure_order *o)
{
    unsigned classes = 0;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_DOSSIER; class ++)
        if (o->classes & 1U << class && vault_class_index(class) >= 0)
            classes |= 1U << vault_class_index(class);
    if (g->n < GOING_MAX) {
        g->v[g->n].by = o->at;
        g->v[g->n].classes = classes;
        g->v[g->n++].generation = o->generation;
        return;
    }
    g->v[GOING_MAX - 1].classes |= classes;
    if (o->generation > g->v[GOING_MAX - 1].generation)
        g->v[GOING_MAX - 1].generation = o->generation;
}

int
keys_going(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *member, struct keys_going *ret,
           struct err *err)
{
    enum { PAGE = 16 };
    struct erasure_order orders[PAGE];
    size_t n = PAGE;
    struct position after;
    bool first = true;
    int rc = 0;
    ret->n = 0;
    if (erasures_due(txn) == 0)
        return 0;
    for (; rc == 0 && n == PAGE; first = false) {
        rc = erasures_list(txn, true, first ? NULL : &after, orders, PAGE, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            if (orders[i].state == ERASURE_NOTED && orders[i].kind == KIND_ERASURE_ORDERED &&
                TYPE_EQ(&orders[i].unit, unit) && TYPE_EQ(&orders[i].subject, member))
                going_add(ret, &orders[i]);
        if (rc == 0 && n > 0)
            after = orders[n - 1].at;
    }
    return rc;
}

unsigned
keys_going_of(const struct keys_going *going, uint32_t generation)
{
    unsigned classes = 0;
    for (size_t i = 0; going && i < going->n; i++)
        classes |= generation <= going->v[i].generation ? going->v[i].classes : 0;
    return classes;
}

/* ---- keys ---- */

/* 0 = the slot is there and opens, 1 = it has no keys (any more); a damaged one is noted. */
static int
read_slot(struct vault *vault, uint64_t slot, struct slot_keys *ret, uint64_t *damaged, struct err *err)
{
    int rc = vault_slot(vault, slot, ret, err);
    if (rc == ERR_CORRUPT && *damaged == 0)
        *damaged = slot;
    return rc == ERR_NOTFOUND || rc == ERR_CORRUPT ? 1 : rc;
}

static int
none_fits(uint64_t damaged, struct err *err)
{
    if (damaged != 0)
        return err_set(err, ERR_CORRUPT, "vault: key slot %llu does not open", (unsigned long long)damaged);
    return err_set(err, ERR_NOTFOUND, "no data key that opens it");
}

int
keyslots_open(struct db_txn *txn, struct vault *vault, const struct subject_id *subject, uint8_t class,
              struct slice capsule, struct buf *plain, struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    size_t n = 0, start = plain->len;
    uint64_t damaged = 0;
    int index = vault_class_index(class);
    bool opened = false;
    int rc = keyslots_all(txn, subject, &slots, &n, err);
    while (rc == 0 && !opened && n > 0 && index >= 0) {
        rc = read_slot(vault, slots[--n].slot, &keys, &damaged, err);
        if (rc == 0 && vault_key_there(&keys.keys[index]))
            rc = capsule_open(&keys.keys[index], class, capsule, plain, err);
        else if (rc == 0)
            rc = 1;
        opened = rc == 0;
        rc = rc == 1 || rc == ERR_DENIED ? 0 : rc;
        MUST(opened || rc != 0 || plain->len == start);
    }
    free(slots);
    sodium_memzero(&keys, sizeof(keys));
    return rc != 0 ? rc : opened ? 0 : none_fits(damaged, err);
}

int
keyslots_first(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
               const struct keys_going *going, uint8_t class, struct data_key *ret, struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    size_t n = 0;
    uint64_t damaged = 0;
    int index = vault_class_index(class);
    bool found = false;
    int rc = keyslots_all(txn, subject, &slots, &n, err);
    for (size_t i = 0; rc == 0 && !found && i < n && index >= 0; i++) {
        rc = read_slot(vault, slots[i].slot, &keys, &damaged, err);
        bool goes = keys_going_of(going, slots[i].generation) & 1U << index;
        found = rc == 0 && !goes && vault_key_there(&keys.keys[index]);
        rc = rc == 1 ? 0 : rc;
    }
    if (rc == 0 && found)
        *ret = keys.keys[index];
    free(slots);
    sodium_memzero(&keys, sizeof(keys));
    return rc != 0 ? rc : found ? 0 : none_fits(damaged, err);
}

void
keyslot_keys_free(struct keyslot_key **keys, size_t n)
{
    if (*keys)
        sodium_memzero(*keys, n * sizeof(**keys));
    free(*keys);
    *keys = NULL;
}

int
keyslots_class(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
               const struct keys_going *going, uint8_t class, size_t max, struct keyslot_key **ret, size_t *ret_n,
               struct err *err)
{
    struct keyslot *slots = NULL;
    struct keyslot_key *list = NULL;
    struct slot_keys keys;
    size_t n = 0, found = 0;
    uint64_t damaged = 0;
    int index = vault_class_index(class);
    int rc = keyslots_all(txn, subject, &slots, &n, err);
    size_t room = n < max ? n : max;
    if (rc == 0 && room > 0 && (list = calloc(room, sizeof(*list))) == NULL)
        rc = err_set(err, ERR_NOMEM, "out of memory");
    while (rc == 0 && n > 0 && found < room && index >= 0) {
        rc = read_slot(vault, slots[--n].slot, &keys, &damaged, err);
        bool goes = index >= 0 && keys_going_of(going, slots[n].generation) & 1U << index;
        if (rc == 0 && !goes && vault_key_there(&keys.keys[index]))
            list[found++] = (struct keyslot_key){slots[n].generation, keys.keys[index]};
        rc = rc == 1 ? 0 : rc;
    }
    free(slots);
    sodium_memzero(&keys, sizeof(keys));
    if (rc != 0 || found == 0)
        keyslot_keys_free(&list, found);
    if (rc == 0) {
        *ret = list;
        *ret_n = found;
    }
    return rc;
}

int
keyslots_newest(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
                const struct keys_going *going, struct slot_keys *ret, uint32_t *ret_generation, uint64_t *ret_damaged,
                struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys, newest = {0};
    size_t n = 0;
    int rc = keyslots_all(txn, subject, &slots, &n, err);
    uint32_t generation = rc == 0 && n > 0 ? slots[n - 1].generation : 0;
    unsigned have = 0;
    *ret_damaged = 0;
    while (rc == 0 && n > 0 && have != VAULT_ALL_CLASSES) {
        rc = read_slot(vault, slots[--n].slot, &keys, ret_damaged, err);
        unsigned passed_over = have | keys_going_of(going, slots[n].generation);
        for (size_t c = 0; rc == 0 && c < VAULT_CLASSES; c++) {
            if (passed_over & 1U << c || !vault_key_there(&keys.keys[c]))
                continue;
            newest.keys[c] = keys.keys[c];
            newest.slot = slots[n].slot;
            have |= 1U << c;
        }
        rc = rc == 1 ? 0 : rc;
    }
    if (rc == 0) {
        *ret = newest;
        *ret_generation = generation;
    }
    free(slots);
    sodium_memzero(&keys, sizeof(keys));
    sodium_memzero(&newest, sizeof(newest));
    return rc;
}
