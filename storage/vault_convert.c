/* A vault of format 1 on its way to the form of today. Format 1 had rows that said in clear what belongs together: which subjects stand
 * under one token, who looked at whom on which day, which record of a host is of which member. docs/STORAGE.md "Vaults of format 1".
 *
 *   FORM_NONE ──(1)──> FORM_MOVING ──(2) rows, CONVERT_STEP in a commit──> FORM_MOVED ──(3) rewrite of the file──> FORM_NOW
 *
 * (1) raises the format, so that no older program sees a vault of which rows have moved. A row is put in its new place in the commit
 * that deletes it in the old one; putting one again changes nothing but counts, and none is put again, since it is gone then. Killed
 * anywhere, the next opening goes on. (3) because LMDB keeps deleted rows in free pages; where there is no room for it, or somebody
 * else rewrites, it is left to the next opening: what is in the vault is whole. */
#include <stdlib.h>

#include "storage/vault_private.h"

enum { CONVERT_STEP = 8192 };

static const char META_FORM[] = "vault.form";

struct old_row {
    uint8_t *bytes; /* key ‖ value */
    size_t key_len, value_len;
};

struct converting {
    struct vault *v;
    const struct vault_opts *opts;
    uint64_t done, all;
    struct old_row rows[CONVERT_STEP];
    size_t n;
};

static struct slice
form_name(void)
{
    return slice_of(META_FORM, sizeof(META_FORM) - 1);
}

int
vault_form_put(struct db_txn *txn, enum vault_form form, struct err *err)
{
    const uint8_t value = (uint8_t)form;
    return db_put(txn, TABLE_VAULT_META, form_name(), slice_of(&value, 1), err);
}

static int
form_get(struct vault *v, enum vault_form *ret, struct err *err)
{
    struct db_txn *txn;
    struct slice value;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_VAULT_META, form_name(), &value, err);
    if (rc == 0 && (value.len != 1 || value.data[0] < FORM_MOVING || value.data[0] > FORM_NOW))
        rc = err_set(err, ERR_CORRUPT, "vault: %s", META_FORM);
    if (rc == 0)
        *ret = (enum vault_form)value.data[0];
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        *ret = FORM_NONE;
        rc = 0;
    }
    db_abort(&txn);
    return rc;
}

static int
form_set(struct vault *v, enum vault_form form, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = vault_form_put(txn, form, err);
    if (rc == 0)
        rc = db_format_raise(txn, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

static void
report(const struct converting *c)
{
    if (c->opts->progress)
        c->opts->progress(c->opts->progress_arg, c->done, c->all);
}

/* ---- rows ---- */

static void
rows_free(struct converting *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->rows[i].bytes);
    c->n = 0;
}

/* The first rows of the table: copies, since the cursor ends before the table changes. */
static int
rows_read(struct converting *c, struct db_txn *txn, enum table t, struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice key, value;
    int rc = db_cursor_open(txn, t, &cursor, err);
    for (rc = rc != 0 ? rc : db_cursor_first(cursor, &key, &value, err); rc == 0 && c->n < CONVERT_STEP;
         rc = db_cursor_next(cursor, &key, &value, err)) {
        struct old_row *row = &c->rows[c->n];
        row->bytes = malloc(key.len + value.len + 1);
        if (!row->bytes) {
            rc = err_set(err, ERR_NOMEM, "vault: out of memory");
            break;
        }
        memcpy(row->bytes, key.data, key.len);
        if (value.len > 0)
            memcpy(row->bytes + key.len, value.data, value.len);
        row->key_len = key.len;
        row->value_len = value.len;
        c->n++;
    }
    db_cursor_close(&cursor);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
put_entries(struct converting *c, struct db_txn *txn, struct err *err)
{
    struct index_entry *entries = calloc(c->n + 1, sizeof(*entries));
    int rc = entries ? 0 : err_set(err, ERR_NOMEM, "vault: out of memory");
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        if (c->rows[i].key_len == sizeof(*entries))
            memcpy(&entries[i], c->rows[i].bytes, sizeof(*entries));
        else
            rc = err_set(err, ERR_CORRUPT, "vault: an entry of the index");
    }
    if (rc == 0)
        rc = lists_add(c->v, txn, entries, c->n, err);
    free(entries);
    return rc;
}

static int
put_rows(struct converting *c, struct db_txn *txn, enum table t, struct err *err)
{
    int rc = 0;
    if (t == TABLE_BLIND_INDEX)
        return put_entries(c, txn, err);
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        struct slice key = slice_of(c->rows[i].bytes, c->rows[i].key_len);
        struct slice value = slice_of(c->rows[i].bytes + c->rows[i].key_len, c->rows[i].value_len);
        switch (t) {
        case TABLE_OPENINGS: rc = opened_put_old(c->v, txn, key, value, err); break;
        case TABLE_LOOKS: rc = looked_put_old(c->v, txn, key, value, err); break;
        default: rc = visited_put_old(c->v, txn, key, value, err); break;
        }
    }
    return rc;
}

static int
move_some(struct converting *c, enum table t, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(c->v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = rows_read(c, txn, t, err);
    if (rc == 0)
        rc = put_rows(c, txn, t, err);
    for (size_t i = 0; i < c->n && rc == 0; i++)
        rc = db_del(txn, t, slice_of(c->rows[i].bytes, c->rows[i].key_len), err);
    if (rc == 0 && c->n > 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    return rc;
}

static const enum table OLD[] = {TABLE_BLIND_INDEX, TABLE_OPENINGS, TABLE_LOOKS, TABLE_VISITS};

static int
count_rows(struct converting *c, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(c->v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(OLD); i++)
        c->all += db_table_entries(txn, OLD[i]);
    rc = db_error(txn, err);
    db_abort(&txn);
    return rc;
}

static int
move_all(struct converting *c, struct err *err)
{
    int rc = count_rows(c, err);
    for (size_t i = 0; i < ARRAY_LEN(OLD) && rc == 0; i++) {
        bool more = true;
        while (rc == 0 && more) {
            rc = move_some(c, OLD[i], err);
            c->done += c->n;
            more = c->n > 0;
            rows_free(c);
            if (rc == 0 && more)
                report(c);
        }
    }
    return rc == 0 ? form_set(c->v, FORM_MOVED, err) : rc;
}

static int
take_old_bytes_out(struct vault *v, struct err *err)
{
    struct err why;
    int rc = db_rewrite(v->db, NULL, &why);
    if (rc == 0)
        return form_set(v, FORM_NOW, err);
    if (rc == ERR_FULL || rc == ERR_BUSY)
        return 0;
    *err = why;
    return rc;
}

int
vault_convert(struct vault *v, const struct vault_opts *opts, struct err *err)
{
    enum vault_form form;
    int rc = form_get(v, &form, err);
    if (rc != 0 || form == FORM_NOW || (opts->read_only && form == FORM_MOVED))
        return rc;
    if (opts->read_only)
        return err_set(err, ERR_VERSION, "vault: of an older format; a start of the node brings it along");
    if (form != FORM_MOVED) {
        struct converting *c = calloc(1, sizeof(*c));
        if (!c)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        c->v = v;
        c->opts = opts;
        rc = form_set(v, FORM_MOVING, err);
        if (rc == 0)
            rc = move_all(c, err);
        rows_free(c);
        free(c);
    }
    return rc == 0 ? take_old_bytes_out(v, err) : rc;
}
