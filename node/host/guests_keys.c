/* See guests_keys.h. */
#include "node/host/guests_keys.h"

#include <sodium.h>

#include "node/rules/member.h"
#include "proto/crypto.h"
#include "storage/keyslots.h"

enum { KEYS_MAX = 1 << 20 };

static int
key_add(struct guests_keys *k, const struct subject_id *member, const struct data_key *key, struct err *err)
{
    if (k->n == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 256;
        struct member_key *more = cap <= KEYS_MAX ? sodium_allocarray(cap, sizeof(*more)) : NULL;
        if (!more)
            return err_set(err, ERR_NOMEM, "guests: no locked memory for keys");
        if (k->n > 0)
            memcpy(more, k->v, k->n * sizeof(*more));
        sodium_free(k->v);
        k->v = more;
        k->cap = cap;
    }
    k->v[k->n++] = (struct member_key){*member, *key};
    return 0;
}

static int
keys_of(struct guests_keys *k, struct db_txn *txn, const struct subject_id *member, struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    int index = vault_class_index(CLASS_ACTIVITY);
    size_t n = 0;
    int rc = keyslots_all(txn, member, &slots, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        int there = vault_slot(k->vault, slots[i].slot, &keys, err);
        if (there == 0 && vault_key_there(&keys.keys[index]))
            rc = key_add(k, member, &keys.keys[index], err);
        else if (there != 0 && there != ERR_NOTFOUND && there != ERR_CORRUPT)
            rc = there;
    }
    free(slots);
    sodium_memzero(&keys, sizeof(keys));
    return rc;
}

static int
load_granted(struct guests_keys *k, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct subject_id member, last = {{0}};
    bool any = false;
    int rc = db_cursor_open(txn, TABLE_ACCESS_OF, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &value, err); rc == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len != KEY_ACCESS_OF || memcmp(key.data + ID_BYTES, k->unit.b, HASH_BYTES) != 0)
            continue;
        memcpy(member.b, key.data, ID_BYTES);
        if (any && TYPE_EQ(&member, &last))
            continue;
        any = true;
        last = member;
        rc = keys_of(k, txn, &member, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    k->granted = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Also of an offer that was taken back or completed since: what was looked at before is told afterwards. */
static int
add_offered(struct guests_keys *k, struct db_txn *txn, const struct subject_id *member, struct slice value,
            struct err *err)
{
    struct member_row row;
    bool offered = false;
    int rc = member_row_decode(value, &k->unit, member, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < row.n && !offered; i++)
        offered = row.entries[i].kind == KIND_HANDOVER_OFFERED && row.entries[i].outcome == OUTCOME_APPLIED;
    member_row_release(&row);
    return offered ? keys_of(k, txn, member, err) : 0;
}

static int
load_offered(struct guests_keys *k, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &value, err); rc == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct subject_id member;
        if (key.len != KEY_MEMBER || memcmp(key.data + ID_BYTES, k->unit.b, HASH_BYTES) != 0)
            continue;
        memcpy(member.b, key.data, ID_BYTES);
        rc = add_offered(k, txn, &member, value, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    k->offered = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The one that fitted last is tried first. */
static bool
open_from(struct guests_keys *k, size_t first, uint8_t class, struct slice capsule, struct buf *plain,
          struct subject_id *ret)
{
    for (size_t i = first; i <= k->n; i++) {
        size_t at = i == first ? k->last : i - 1;
        buf_clear(plain);
        if (at < k->n && capsule_open(&k->v[at].key, class, capsule, plain, NULL) == 0) {
            k->last = at;
            *ret = k->v[at].member;
            return true;
        }
    }
    return false;
}

int
guests_keys_open(struct guests_keys *k, struct db_txn *txn, uint8_t class, struct slice capsule, struct buf *plain,
                 struct subject_id *ret, struct err *err)
{
    int rc = k->granted ? 0 : load_granted(k, txn, err);
    if (rc != 0 || open_from(k, 0, class, capsule, plain, ret))
        return rc;
    size_t tried = k->n;
    if (k->offered)
        return ERR_NOTFOUND;
    rc = load_offered(k, txn, err);
    if (rc != 0)
        return rc;
    return open_from(k, tried, class, capsule, plain, ret) ? 0 : ERR_NOTFOUND;
}

void
guests_keys_free(struct guests_keys *k)
{
    sodium_free(k->v);
    k->v = NULL;
    k->n = k->cap = 0;
}
