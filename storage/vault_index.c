/* What the vault keeps beside keys: the blind index and key capsules, and a commit of everything. See vault.h. A token says nothing
 * without the index key, and the index key stays in locked memory. */
#include "storage/vault_private.h"

#include <stdlib.h>

enum {
    KEY_CURSOR = 4,
};

/* ---- blind index ---------------------------------------------------------------------------- */

void
vault_token(const struct vault *v, uint8_t field, struct slice text, uint8_t out[VAULT_TOKEN_BYTES])
{
    crypto_generichash_blake2b_state state;
    MUST(crypto_generichash_blake2b_init(&state, v->secrets->index, sizeof(v->secrets->index), VAULT_TOKEN_BYTES) == 0);
    MUST(crypto_generichash_blake2b_update(&state, &field, 1) == 0);
    if (text.len > 0)
        MUST(crypto_generichash_blake2b_update(&state, text.data, text.len) == 0);
    MUST(crypto_generichash_blake2b_final(&state, out, VAULT_TOKEN_BYTES) == 0);
    sodium_memzero(&state, sizeof(state));
}

static int
put_entries(struct vault *v, struct db_txn *txn, const struct index_entry *entries, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    struct index_entry *sorted = reallocarray(NULL, n, sizeof(*sorted));
    if (!sorted)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(sorted, entries, n * sizeof(*sorted));
    int rc = lists_add(v, txn, sorted, n, err);
    free(sorted);
    return rc;
}

static int
put_cursor(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct err *err)
{
    uint8_t key[KEY_CURSOR], value[8];
    be32_put(key, log_no);
    be64_put(value, seq);
    return db_put(txn, TABLE_INDEX_CURSOR, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

int
vault_index_put(struct vault *v, const struct index_entry *entries, size_t n, uint32_t log_no, uint64_t seq,
                struct err *err)
{
    struct vault_batch b = {.entries = entries, .n_entries = n, .log_no = log_no, .seq = seq};
    return vault_put(v, &b, err);
}

int
vault_index_restart(struct vault *v, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_clear(txn, TABLE_INDEX_CURSOR, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
vault_index_cursor(struct vault *v, uint32_t log_no, uint64_t *ret_seq, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    uint8_t key[KEY_CURSOR];
    struct slice value;
    be32_put(key, log_no);
    rc = db_get(txn, TABLE_INDEX_CURSOR, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && value.len != 8)
        rc = err_set(err, ERR_CORRUPT, "vault: index cursor of log %u", (unsigned)log_no);
    if (rc == 0)
        *ret_seq = be64_get(value.data);
    if (rc == ERR_NOTFOUND) {
        *ret_seq = 0;
        err_clear(err);
        rc = 0;
    }
    db_abort(&txn);
    return rc;
}

int
vault_index_all(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], struct subject_id **ret, size_t *ret_n,
                struct err *err)
{
    struct db_txn *txn;
    struct id_list ids = {0};
    /* What is staged first: it is there until its commit stands. */
    int rc = staged_append(v, token, &ids, err);
    if (rc == 0)
        rc = db_begin_read(v->db, &txn, err);
    if (rc == 0) {
        rc = list_read(v, txn, token, &ids, err);
        db_abort(&txn);
    }
    if (rc != 0) {
        ids_free(&ids);
        return rc;
    }
    ids_sort(&ids);
    *ret = ids.v;
    *ret_n = ids.n;
    return 0;
}

int
vault_index_find(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *after, size_t max,
                 struct subject_id *ret, size_t *ret_n, struct err *err)
{
    struct subject_id *all = NULL;
    size_t n = 0, at = 0;
    int rc = vault_index_all(v, token, &all, &n, err);
    if (rc != 0)
        return rc;
    while (after && at < n && memcmp(&all[at], after, ID_BYTES) <= 0)
        at++;
    *ret_n = n - at < max ? n - at : max;
    if (*ret_n > 0)
        memcpy(ret, &all[at], *ret_n * sizeof(*ret));
    free(all);
    return 0;
}

int
vault_index_has(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *subject, bool *ret,
                struct err *err)
{
    struct db_txn *txn;
    struct index_entry e = {.subject = *subject};
    memcpy(e.token, token, sizeof(e.token));
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = list_has(v, txn, &e, ret, err);
    db_abort(&txn);
    return rc;
}

/* ---- key capsules --------------------------------------------------------------------------- */

void
key_capsule_key(uint8_t out[KEY_KEY_CAPSULE], const struct position *at, uint8_t index)
{
    key_position(out, &at->log, at->seq);
    out[KEY_POSITION] = index;
}

static int
put_capsules(struct db_txn *txn, const struct key_capsule *capsules, size_t n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t key[KEY_KEY_CAPSULE];
        key_capsule_key(key, &capsules[i].at, capsules[i].index);
        rc = db_put(txn, TABLE_KEY_CAPSULES, slice_of(key, sizeof(key)), capsules[i].bytes, err);
    }
    return rc;
}

int
vault_capsules_put(struct vault *v, const struct key_capsule *capsules, size_t n, struct err *err)
{
    struct vault_batch b = {.capsules = capsules, .n_capsules = n};
    return vault_put(v, &b, err);
}

int
vault_capsule_get(struct vault *v, const struct position *at, uint8_t index, struct buf *out, struct err *err)
{
    uint8_t key[KEY_KEY_CAPSULE];
    key_capsule_key(key, at, index);
    return vault_read_value(v, TABLE_KEY_CAPSULES, slice_of(key, sizeof(key)), "key capsule", out, err);
}

/* ---- one commit of everything --------------------------------------------------------------- */

int
vault_put(struct vault *v, const struct vault_batch *b, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = put_capsules(txn, b->capsules, b->n_capsules, err);
    if (rc == 0)
        rc = links_write(v, txn, b->links, b->n_links, err);
    if (rc == 0)
        rc = put_entries(v, txn, b->entries, b->n_entries, err);
    if (rc == 0 && b->log_no != 0)
        rc = put_cursor(txn, b->log_no, b->seq, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}
