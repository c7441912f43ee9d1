/* Destroying what is in the vault. See vault_erase.h. */
#include <stddef.h>
#include <stdlib.h>

#include "storage/lookups.h"
#include "storage/vault_private.h"

/* A slot that does not open has no key that anybody could use: it goes as a whole. */
static int
erase_slot(struct vault *v, struct db_txn *txn, const struct vault_erase_slot *s, struct vault_erased *done,
           struct err *err)
{
    uint8_t key[KEY_SLOT], plain[SLOT_PLAIN], row[SLOT_WRAPPED];
    be64_put(key, s->slot);
    int rc = vault_slot_read(v, txn, s->slot, plain, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    if (rc != 0 && rc != ERR_CORRUPT)
        return rc;
    if (rc == ERR_CORRUPT)
        memset(plain, 0, sizeof(plain));
    bool damaged = rc == ERR_CORRUPT, changed = damaged;
    for (unsigned c = 0; c < VAULT_CLASSES; c++) {
        uint8_t *k = plain + c * KEY_BYTES;
        if (!(s->classes & 1U << c) || sodium_is_zero(k, KEY_BYTES))
            continue;
        sodium_memzero(k, KEY_BYTES);
        done->keys++;
        changed = true;
    }
    bool empty = sodium_is_zero(plain, sizeof(plain));
    rc = 0;
    if (changed && empty) {
        rc = db_del(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), err);
        done->slots++;
    } else if (changed) {
        vault_wrap(v, WRAP_SLOT, slice_of(key, sizeof(key)), slice_of(plain, sizeof(plain)), row);
        rc = db_put(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), slice_of(row, sizeof(row)), err);
    }
    sodium_memzero(plain, sizeof(plain));
    return rc;
}

/* Deletes a row; *count goes up if it was there. */
static int delete (struct db_txn *txn, enum table t, struct slice key, uint64_t *count, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, t, key, &value, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    *count += rc == 0;
    return rc != 0 ? rc : db_del(txn, t, key, err);
}

static int
erase_capsules(struct db_txn *txn, const struct vault_erase *what, struct vault_erased *done, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < what->n_capsules && rc == 0; i++) {
        uint8_t key[KEY_KEY_CAPSULE];
        key_capsule_key(key, &what->capsules[i].at, what->capsules[i].index);
        rc = delete (txn, TABLE_KEY_CAPSULES, slice_of(key, sizeof(key)), &done->capsules, err);
    }
    return rc;
}

/* Which links go: sorted by member, which is compared alone. */
struct doomed_links {
    struct vault_erase_linked *v;
    size_t n;
};

_Static_assert(offsetof(struct vault_erase_linked, member) == 0, "compared as an id");

static bool
takes(const struct vault_erase_linked *x, const struct vault_link *l)
{
    static const struct unit_id nowhere;
    return x->all || ((l->flags & LINK_OTHER_UNIT) != 0 &&
                      (TYPE_EQ(&l->unit, &nowhere) ? x->earlier : TYPE_EQ(&l->unit, &x->home)));
}

static bool
is_doomed(const struct doomed_links *d, const struct vault_link *l)
{
    const struct vault_erase_linked *x = bsearch(&l->member, d->v, d->n, sizeof(*d->v), vault_compare_ids);
    if (!x)
        return false;
    while (x > d->v && TYPE_EQ(&x[-1].member, &l->member))
        x--;
    for (; x < d->v + d->n && TYPE_EQ(&x->member, &l->member); x++)
        if (takes(x, l))
            return true;
    return false;
}

/* Adds the entities whose links go. A link that does not open is nobody's. */
static int
entities_of(struct vault *v, struct db_txn *txn, const struct doomed_links *doomed, struct id_list *entities,
            struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    struct vault_link link;
    int rc = db_cursor_open(txn, TABLE_LINKS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0; rc = db_cursor_next(c, &key, &row, err)) {
        if (link_open(v, key, row, &link) != 0 || !is_doomed(doomed, &link))
            continue;
        rc = ids_add(entities, key.data, 1, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
erase_links(struct vault *v, struct db_txn *txn, const struct vault_erase *what, struct id_list *ret_entities,
            struct vault_erased *done, struct err *err)
{
    struct doomed_links d = {.n = what->n_linked};
    if (what->n_linked == 0)
        return 0;
    d.v = reallocarray(NULL, d.n, sizeof(*d.v));
    if (!d.v)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(d.v, what->linked, d.n * sizeof(*d.v));
    qsort(d.v, d.n, sizeof(*d.v), vault_compare_ids);
    int rc = entities_of(v, txn, &d, ret_entities, err);
    for (size_t i = 0; i < ret_entities->n && rc == 0; i++) {
        rc = db_del(txn, TABLE_LINKS, slice_of(ret_entities->v[i].b, ID_BYTES), err);
        done->links++;
    }
    free(d.v);
    return rc;
}

/* Entries that lead to subjects or to entities whose links went: one walk. And the single ones. */
static int
erase_index(struct vault *v, struct db_txn *txn, const struct vault_erase *what, struct id_list *subjects,
            struct vault_erased *done, struct err *err)
{
    struct index_entry *entries = NULL;
    size_t n = 0;
    int rc = ids_add(subjects, what->indexed, what->n_indexed, err);
    if (rc == 0 && subjects->n > 0) {
        ids_sort(subjects);
        rc = vault_entries_of(v, txn, subjects->v, subjects->n, &entries, &n, err);
    }
    if (rc == 0)
        rc = lists_remove(v, txn, entries, n, &done->entries, err);
    if (rc == 0 && what->n_entries > 0) {
        struct index_entry *more = reallocarray(entries, what->n_entries, sizeof(*more));
        if (more) {
            entries = more;
            memcpy(entries, what->entries, what->n_entries * sizeof(*entries));
            rc = lists_remove(v, txn, entries, what->n_entries, &done->entries, err);
        } else {
            rc = err_set(err, ERR_NOMEM, "vault: out of memory");
        }
    }
    if (rc == 0)
        rc = lookup_erase(txn, what->indexed, what->n_indexed, &done->lookups, err);
    free(entries);
    return rc;
}

static int
erase_all(struct vault *v, struct db_txn *txn, const struct vault_erase *what, struct vault_erased *done,
          struct err *err)
{
    struct id_list doomed = {0};
    int rc = 0;
    for (size_t i = 0; i < what->n_slots && rc == 0; i++)
        rc = erase_slot(v, txn, &what->slots[i], done, err);
    if (rc == 0)
        rc = erase_capsules(txn, what, done, err);
    if (rc == 0)
        rc = erase_links(v, txn, what, &doomed, done, err);
    if (rc == 0)
        rc = erase_index(v, txn, what, &doomed, done, err);
    if (rc == 0)
        rc = received_erase(txn, what->received, what->n_received, &done->received, err);
    if (rc == 0)
        rc = parted_erase(v, txn, what->received, what->n_received, &done->received, err);
    if (rc == 0)
        rc = openings_erase(v, txn, what->openings, what->n_openings, &done->openings, err);
    if (rc == 0)
        rc = looks_erase(v, txn, what->looks, what->n_looks, &done->openings, err);
    ids_free(&doomed);
    return rc;
}

int
vault_erase(struct vault *v, const struct vault_erase *what, struct vault_erased *ret, struct err *err)
{
    struct db_txn *txn;
    struct vault_erased done = {0};
    MUST(v->staged.links.count == 0 || what->n_entries + what->n_indexed + what->n_linked == 0);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = erase_all(v, txn, what, &done, err);
    uint64_t changes = done.keys + done.slots + done.capsules + done.entries + done.links + done.received +
                       done.openings + done.lookups;
    if (rc == 0 && changes > 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc == 0)
        err_clear(err);
    if (rc == 0 && ret)
        *ret = done;
    return rc;
}

int
vault_rewrite(struct vault *v, struct db_rewritten *ret, struct err *err)
{
    return db_rewrite(v->db, ret, err);
}
