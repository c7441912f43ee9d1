/* See visits.h. A row: key = label of what it is of, value = wrapped key 57 (below) ‖ host 32 ‖ settled u8 ‖ content of the capsule. So
 * no row says whose it is; the rows of a member are under a token of the member in the blind index's lists. */
#include "storage/visits.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum {
    KEY_VISIT = ID_BYTES + HASH_BYTES + 8 + 1,
    AT_HOST = KEY_VISIT,
    AT_SETTLED = AT_HOST + HASH_BYTES,
    HEAD = AT_SETTLED + 1,
};

_Static_assert((int)LABEL_BYTES == (int)ID_BYTES, "labels are kept as the ids of a list");

/* member 16 ‖ log id 32 ‖ seq u64 ‖ index u8, in the order in which they are told */
static void
key_visit(uint8_t out[KEY_VISIT], const struct subject_id *subject, const struct position *at, uint8_t index)
{
    memcpy(out, subject->b, ID_BYTES);
    key_position(out + ID_BYTES, &at->log, at->seq);
    out[KEY_VISIT - 1] = index;
}

static void
visit_of(const uint8_t *plain, struct visit *ret)
{
    memcpy(ret->subject.b, plain, ID_BYTES);
    memcpy(ret->at.log.b, plain + ID_BYTES, HASH_BYTES);
    ret->at.seq = be64_get(plain + ID_BYTES + HASH_BYTES);
    ret->index = plain[KEY_VISIT - 1];
    memcpy(ret->host.b, plain + AT_HOST, HASH_BYTES);
    ret->settled = plain[AT_SETTLED];
}

static void
label_of(const struct vault *v, const uint8_t key[KEY_VISIT], struct subject_id *ret)
{
    vault_label(v, LABEL_VISIT, slice_of(key, KEY_VISIT), ret->b);
}

static void
token_of(const struct vault *v, const struct subject_id *subject, uint8_t out[VAULT_TOKEN_BYTES])
{
    vault_label(v, LABEL_VISITS_OF, slice_of(subject->b, ID_BYTES), out);
}

static int
row_put(struct vault *v, struct db_txn *txn, const struct subject_id *label, const uint8_t *plain, size_t len,
        struct err *err)
{
    uint8_t *row;
    struct slice key = slice_of(label->b, ID_BYTES);
    int rc = db_put_reserve(txn, TABLE_VISITED, key, len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_VISITED, key, slice_of(plain, len), row);
    return rc;
}

static int
row_add(struct vault *v, struct db_txn *txn, const uint8_t *plain, size_t len, struct err *err)
{
    struct subject_id member, label;
    struct index_entry entry;
    memcpy(member.b, plain, ID_BYTES);
    label_of(v, plain, &label);
    token_of(v, &member, entry.token);
    entry.subject = label;
    int rc = row_put(v, txn, &label, plain, len, err);
    return rc == 0 ? lists_add(v, txn, &entry, 1, err) : rc;
}

/* The row in clear, in memory that the caller wipes and frees. */
static int
row_open(const struct vault *v, enum wrap_use use, struct slice which, struct slice row, size_t least, uint8_t **ret,
         size_t *ret_len, struct err *err)
{
    if (row.len < least + WRAP_OVERHEAD)
        return err_set(err, ERR_CORRUPT, "vault: a visit is cut off");
    size_t len = row.len - WRAP_OVERHEAD;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    if (vault_unwrap(v, use, which, row, plain, len) != 0) {
        free(plain);
        return err_set(err, ERR_CORRUPT, "vault: a visit does not open");
    }
    *ret = plain;
    *ret_len = len;
    return 0;
}

static int
row_get(const struct vault *v, struct db_txn *txn, const struct subject_id *label, uint8_t **ret, size_t *ret_len,
        struct err *err)
{
    struct slice row, key = slice_of(label->b, ID_BYTES);
    int rc = db_get(txn, TABLE_VISITED, key, &row, err);
    return rc == 0 ? row_open(v, WRAP_VISITED, key, row, HEAD, ret, ret_len, err) : rc;
}

static int
row_listed(const struct vault *v, struct db_txn *txn, const struct subject_id *label, uint8_t **ret, size_t *ret_len,
           struct err *err)
{
    int rc = row_get(v, txn, label, ret, ret_len, err);
    return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "vault: a visit is missing") : rc;
}

static void
row_free(uint8_t *plain, size_t len)
{
    if (plain != NULL)
        sodium_memzero(plain, len);
    free(plain);
}

static int
finish(struct db_txn **txn, int rc, struct err *err)
{
    if (rc == 0)
        return db_commit(txn, err);
    db_abort(txn);
    return rc;
}

int
visits_put(struct vault *v, const struct visit *visit, struct slice content, struct err *err)
{
    struct db_txn *txn;
    struct subject_id label;
    struct slice there;
    struct err none;
    if (content.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "vault: a visit of %zu bytes", content.len);
    size_t len = HEAD + content.len;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    key_visit(plain, &visit->subject, &visit->at, visit->index);
    memcpy(plain + AT_HOST, visit->host.b, HASH_BYTES);
    plain[AT_SETTLED] = visit->settled;
    if (content.len > 0)
        memcpy(plain + HEAD, content.data, content.len);
    label_of(v, plain, &label);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc == 0) {
        rc = db_get(txn, TABLE_VISITED, slice_of(label.b, ID_BYTES), &there, &none);
        if (rc == ERR_NOTFOUND)
            rc = row_add(v, txn, plain, len, err);
        else if (rc != 0)
            *err = none;
        rc = finish(&txn, rc, err);
    }
    row_free(plain, len);
    return rc;
}

/* ---- telling them ---- */

struct told {
    uint8_t key[KEY_VISIT];
    struct subject_id label;
};

static int
compare_told(const void *a, const void *b)
{
    return memcmp(a, b, KEY_VISIT);
}

static int
tell(uint8_t *plain, size_t len, int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg)
{
    struct visit visit;
    visit_of(plain, &visit);
    int rc = one(arg, &visit, slice_of(plain + HEAD, len - HEAD));
    row_free(plain, len);
    return rc;
}

/* The rows of a subject in order: their keys are in the rows. ret: room for labels->n. */
static int
put_in_order(const struct vault *v, struct db_txn *txn, const struct id_list *labels, struct told *ret, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < labels->n && rc == 0; i++) {
        uint8_t *plain = NULL;
        size_t len = 0;
        rc = row_listed(v, txn, &labels->v[i], &plain, &len, err);
        if (rc == 0)
            memcpy(ret[i].key, plain, KEY_VISIT);
        ret[i].label = labels->v[i];
        row_free(plain, len);
    }
    if (rc == 0 && labels->n > 1)
        qsort(ret, labels->n, sizeof(*ret), compare_told);
    return rc;
}

static int
each_of(const struct vault *v, struct db_txn *txn, const struct subject_id *subject, const struct visit *after,
        int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg, struct err *err)
{
    struct id_list labels = {0};
    uint8_t token[VAULT_TOKEN_BYTES], from[KEY_VISIT];
    struct told *told = NULL;
    token_of(v, subject, token);
    int rc = list_read(v, txn, token, &labels, err);
    if (rc == 0 && (told = calloc(labels.n + 1, sizeof(*told))) == NULL)
        rc = err_set(err, ERR_NOMEM, "vault: out of memory");
    if (rc == 0)
        rc = put_in_order(v, txn, &labels, told, err);
    if (after != NULL)
        key_visit(from, &after->subject, &after->at, after->index);
    for (size_t i = 0; i < labels.n && rc == 0; i++) {
        uint8_t *plain = NULL;
        size_t len = 0;
        if (after != NULL && memcmp(told[i].key, from, KEY_VISIT) <= 0)
            continue;
        rc = row_listed(v, txn, &told[i].label, &plain, &len, err);
        if (rc == 0)
            rc = tell(plain, len, one, arg);
    }
    free(told);
    ids_free(&labels);
    return rc;
}

static int
each_of_all(const struct vault *v, struct db_txn *txn, const struct visit *after,
            int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, row;
    struct subject_id from = {0};
    int rc = db_cursor_open(txn, TABLE_VISITED, &c, err);
    if (after != NULL)
        visits_label(v, after, &from);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(from.b, ID_BYTES), &k, &row, err);
    if (rc == 0 && after != NULL && k.len == ID_BYTES && memcmp(k.data, from.b, ID_BYTES) == 0)
        rc = db_cursor_next(c, &k, &row, err);
    while (rc == 0) {
        uint8_t *plain = NULL;
        size_t len = 0;
        rc = k.len == LABEL_BYTES ? row_open(v, WRAP_VISITED, k, row, HEAD, &plain, &len, err)
                                  : err_set(err, ERR_CORRUPT, "vault: a visit");
        if (rc == 0)
            rc = tell(plain, len, one, arg);
        if (rc == 0)
            rc = db_cursor_next(c, &k, &row, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
visits_each(struct vault *v, const struct subject_id *subject, const struct visit *after,
            int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = subject != NULL ? each_of(v, txn, subject, after, one, arg, err) : each_of_all(v, txn, after, one, arg, err);
    db_abort(&txn);
    return rc > 0 ? 0 : rc;
}

int
visits_get(struct vault *v, const struct subject_id *subject, const struct position *at, uint8_t index,
           struct visit *ret, struct buf *plain, struct err *err)
{
    struct db_txn *txn;
    struct subject_id label;
    uint8_t key[KEY_VISIT];
    uint8_t *row = NULL;
    size_t len = 0;
    key_visit(key, subject, at, index);
    label_of(v, key, &label);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = row_get(v, txn, &label, &row, &len, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "no such record of a host");
    if (rc == 0 && plain != NULL) {
        buf_put(plain, row + HEAD, len - HEAD);
        rc = buf_check(plain, "vault: a visit", err);
    }
    if (rc == 0)
        visit_of(row, ret);
    row_free(row, len);
    db_abort(&txn);
    return rc;
}

void
visits_label(const struct vault *v, const struct visit *of, struct subject_id *ret)
{
    uint8_t key[KEY_VISIT];
    key_visit(key, &of->subject, &of->at, of->index);
    label_of(v, key, ret);
}

int
visits_settle(struct vault *v, const struct subject_id *label, enum visit_settled settled, struct err *err)
{
    struct db_txn *txn;
    uint8_t *plain = NULL;
    size_t len = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = row_get(v, txn, label, &plain, &len, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "no such record of a host");
    if (rc == 0) {
        plain[AT_SETTLED] = (uint8_t)settled;
        rc = row_put(v, txn, label, plain, len, err);
    }
    row_free(plain, len);
    return finish(&txn, rc, err);
}

/* Takes the row out, and its label out of the member's list. */
static int
row_del(struct vault *v, struct db_txn *txn, const struct subject_id *member, const struct subject_id *label,
        struct err *err)
{
    struct index_entry entry = {.subject = *label};
    uint64_t count = 0;
    token_of(v, member, entry.token);
    int rc = db_del(txn, TABLE_VISITED, slice_of(label->b, ID_BYTES), err);
    return rc == 0 ? lists_remove(v, txn, &entry, 1, &count, err) : rc;
}

/* before: the row as it is. */
static int
replace_row(struct vault *v, struct db_txn *txn, const struct subject_id *label, const uint8_t before[HEAD],
            struct slice content, struct err *err)
{
    size_t len = HEAD + content.len;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(plain, before, HEAD);
    memcpy(plain + HEAD, content.data, content.len);
    int rc = row_put(v, txn, label, plain, len, err);
    row_free(plain, len);
    return rc;
}

int
visits_replace(struct vault *v, const struct visit *visit, struct slice content, struct err *err)
{
    struct db_txn *txn;
    uint8_t key[KEY_VISIT], *before = NULL;
    struct subject_id label;
    size_t len = 0;
    if (content.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "vault: a visit of %zu bytes", content.len);
    key_visit(key, &visit->subject, &visit->at, visit->index);
    label_of(v, key, &label);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = row_get(v, txn, &label, &before, &len, err);
    if (rc == ERR_NOTFOUND) {
        db_abort(&txn);
        err_clear(err);
        return 0;
    }
    if (rc == 0)
        rc = content.len == 0 ? row_del(v, txn, &visit->subject, &label, err)
                              : replace_row(v, txn, &label, before, content, err);
    row_free(before, len);
    return finish(&txn, rc, err);
}

int
visits_del(struct vault *v, const struct subject_id *subject, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct id_list labels = {0};
    uint8_t token[VAULT_TOKEN_BYTES];
    struct index_entry *entries = NULL;
    uint64_t count = 0;
    token_of(v, subject, token);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = list_read(v, txn, token, &labels, err);
    if (rc == 0 && (entries = calloc(labels.n + 1, sizeof(*entries))) == NULL)
        rc = err_set(err, ERR_NOMEM, "vault: out of memory");
    for (size_t i = 0; i < labels.n && rc == 0; i++) {
        memcpy(entries[i].token, token, sizeof(token));
        entries[i].subject = labels.v[i];
        rc = db_del(txn, TABLE_VISITED, slice_of(labels.v[i].b, ID_BYTES), err);
    }
    if (rc == 0)
        rc = lists_remove(v, txn, entries, labels.n, &count, err);
    if (rc == 0 && labels.n == 0)
        db_abort(&txn);
    else
        rc = finish(&txn, rc, err);
    if (rc == 0 && ret_n != NULL)
        *ret_n = labels.n;
    free(entries);
    ids_free(&labels);
    return rc;
}

/* ---- format 1 ---- */

int
visited_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value, struct err *err)
{
    uint8_t *old = NULL;
    size_t len = 0;
    if (key.len != KEY_VISIT)
        return err_set(err, ERR_CORRUPT, "vault: a visit");
    int rc = row_open(v, WRAP_VISIT, slice_of(key.data, ID_BYTES), value, HASH_BYTES + 1, &old, &len, err);
    if (rc != 0)
        return rc;
    uint8_t *plain = malloc(KEY_VISIT + len);
    if (plain != NULL) {
        memcpy(plain, key.data, KEY_VISIT);
        memcpy(plain + KEY_VISIT, old, len);
        rc = row_add(v, txn, plain, KEY_VISIT + len, err);
        row_free(plain, KEY_VISIT + len);
    } else {
        rc = err_set(err, ERR_NOMEM, "vault: out of memory");
    }
    row_free(old, len);
    return rc;
}
