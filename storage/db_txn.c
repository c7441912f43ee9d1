/* Transactions, rows and cursors. Every failure but "not found" sticks. See db.h. */
#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "storage/db_private.h"

static atomic_uint fail_countdown;

void
db_fail_after(unsigned n)
{
    atomic_store(&fail_countdown, n);
}

/* True for the step on which the countdown of db_fail_after ends. */
static bool
fails_now(void)
{
    unsigned n = atomic_load(&fail_countdown);
    while (n > 0 && !atomic_compare_exchange_weak(&fail_countdown, &n, n - 1))
        ;
    return n == 1;
}

/* ---- a process that ends ---- */

static atomic_bool ended;
static _Atomic(void (*)(enum db_kind, unsigned)) point_hook;

void
db_point_hook(void (*at)(enum db_kind kind, unsigned step))
{
    atomic_store(&point_hook, at);
}

void
db_end(bool on)
{
    atomic_store(&ended, on);
}

bool
db_ended(void)
{
    return atomic_load_explicit(&ended, memory_order_relaxed);
}

bool
db_point(const struct db *db, unsigned step)
{
    void (*hook)(enum db_kind, unsigned) = atomic_load_explicit(&point_hook, memory_order_relaxed);
    if (hook && !db_ended())
        hook(db->kind, step);
    return db_ended();
}

int
db_has_ended(struct err *err)
{
    return err_set(err, ERR_IO, "the process has ended");
}

/* ---- trace ---- */

static _Atomic(FILE *) trace_file;

void
db_trace_to(FILE *f)
{
    atomic_store(&trace_file, f);
}

/* What cannot be written shows in ferror, which is the caller's to ask. */
static void
trace(enum db_trace_step step, unsigned table, struct slice key, size_t value_len)
{
    uint8_t record[DB_TRACE_HEAD + KEY_MAX];
    FILE *f = atomic_load_explicit(&trace_file, memory_order_relaxed);
    if (!f || key.len > KEY_MAX)
        return;
    record[0] = (uint8_t)step;
    record[1] = (uint8_t)table;
    be16_put(record + 2, (uint16_t)key.len);
    be32_put(record + 4, (uint32_t)value_len);
    if (key.len > 0)
        memcpy(record + DB_TRACE_HEAD, key.data, key.len);
    fwrite(record, 1, DB_TRACE_HEAD + key.len, f);
}

/* ---- begin and end ---- */

/* Begins on an environment that is in use already, which is given back if that fails. */
static int
begin(struct db *db, struct db_env *in, bool write, struct db_txn **ret, struct err *err)
{
    struct db_txn *txn = calloc(1, sizeof(*txn));
    if (!txn) {
        db_env_give(db, in);
        return err_set(err, ERR_NOMEM, "begin: out of memory");
    }
    txn->db = db;
    txn->in = in;
    txn->write = write;
    int rc = mdb_txn_begin(in->env, NULL, write ? 0 : MDB_RDONLY, &txn->txn);
    if (rc != 0) {
        free(txn);
        db_env_give(db, in);
        /* LMDB says so after a failed write of its meta page. */
        if (rc == MDB_PANIC)
            db_disk_failed(db, mdb_strerror(rc));
        return db_fault(rc, err, "begin");
    }
    *ret = txn;
    return 0;
}

static void
end(struct db_txn *txn)
{
    db_env_give(txn->db, txn->in);
    free(txn);
}

int
db_begin_read(struct db *db, struct db_txn **ret, struct err *err)
{
    struct db_txn *txn;
    struct db_env *in = db_env_take(db, &txn);
    if (!txn)
        return begin(db, in, false, ret, err);
    int rc = mdb_txn_renew(txn->txn);
    if (rc != 0) {
        mdb_txn_abort(txn->txn);
        end(txn);
        return db_fault(rc, err, "begin");
    }
    *ret = txn;
    return 0;
}

/* A rewrite holds LMDB's lock of writers until it has put another environment in the place of this one: whoever waited for it meanwhile
 * has the lock of a file that is not written any more, and begins again. */
int
db_begin_write(struct db *db, struct db_txn **ret, struct err *err)
{
    struct db_txn *txn = NULL;
    if (db_ended())
        return db_has_ended(err);
    int rc = begin(db, db_env_take(db, NULL), true, &txn, err);
    while (rc == 0 && !db_env_is_current(db, txn->in)) {
        mdb_txn_abort(txn->txn);
        end(txn);
        rc = begin(db, db_env_take(db, NULL), true, &txn, err);
    }
    if (rc == 0 && db_replaced(db, txn->in)) {
        mdb_txn_abort(txn->txn);
        end(txn);
        rc = err_set(err, ERR_BUSY, "begin: another process has put a new file in the place of this one; run it again");
    }
    if (rc == 0)
        *ret = txn;
    return rc;
}

int
db_commit(struct db_txn **txn, struct err *err)
{
    struct db_txn *t = *txn;
    MUST(t->cursors == 0);
    int rc = db_error(t, err);
    if (rc != 0 || !t->write) {
        db_abort(txn);
        return rc;
    }
    if (fails_now()) {
        db_abort(txn);
        return err_set(err, ERR_FULL, "commit: a failure was asked for");
    }
    if (db_point(t->db, 0)) {
        db_abort(txn);
        return db_has_ended(err);
    }
    /* A write that was cut short because the disk is full is EIO to LMDB, but leaves errno alone. */
    errno = 0;
    int os = mdb_txn_commit(t->txn);
    if (os == EIO && errno == 0)
        os = ENOSPC;
    struct db *db = t->db;
    end(t);
    *txn = NULL;
    if (os == 0) {
        trace(DB_TRACE_COMMIT, db_kind_of(db), (struct slice){0}, 0);
        return 0;
    }
    rc = db_fault(os, err, "commit");
    if (rc == ERR_IO)
        db_disk_failed(db, mdb_strerror(os));
    return rc;
}

void
db_abort(struct db_txn **txn)
{
    struct db_txn *t = *txn;
    if (!t)
        return;
    *txn = NULL;
    MUST(t->cursors == 0);
    if (!t->write) {
        mdb_txn_reset(t->txn);
        t->failed.code = ERR_NONE;
        if (db_pool_give(t))
            return;
    } else {
        trace(DB_TRACE_ABORT, db_kind_of(t->db), (struct slice){0}, 0);
    }
    mdb_txn_abort(t->txn);
    end(t);
}

struct db *
db_of(struct db_txn *txn)
{
    return txn->db;
}

bool
db_is_write(const struct db_txn *txn)
{
    return txn->write;
}

int
db_error(const struct db_txn *txn, struct err *err)
{
    if (txn->failed.code == ERR_NONE)
        return 0;
    if (err)
        *err = txn->failed;
    return txn->failed.code;
}

int
db_stick(struct db_txn *txn, const struct err *failed)
{
    if (txn->failed.code == ERR_NONE)
        txn->failed = *failed;
    return failed->code;
}

/* ---- rows ---- */

static int
step_failed(struct db_txn *txn, int rc, enum table t, const char *what, struct err *err)
{
    struct err failed;
    if (rc == MDB_NOTFOUND && !err)
        return ERR_NOTFOUND;
    db_fault(rc, &failed, "%s in table %s", what, table_name(t));
    if (rc != MDB_NOTFOUND)
        db_stick(txn, &failed);
    if (err)
        *err = failed;
    return failed.code;
}

static MDB_val
val_of(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.data};
}

static struct slice
slice_from(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}

/* Before every step that writes. */
static int
write_allowed(struct db_txn *txn, enum table t, struct err *err)
{
    MUST(txn->write);
    struct err failed;
    int rc = db_error(txn, err);
    if (rc == 0 && fails_now())
        rc = step_failed(txn, MDB_MAP_FULL, t, "write", err);
    if (rc != 0 || !db_ended())
        return rc;
    rc = db_has_ended(&failed);
    if (err)
        *err = failed;
    return db_stick(txn, &failed);
}

int
db_get(struct db_txn *txn, enum table t, struct slice key, struct slice *ret, struct err *err)
{
    MDB_val k = val_of(key), v;
    int rc = db_error(txn, err);
    if (rc != 0)
        return rc;
    rc = mdb_get(txn->txn, db_handle(txn, t), &k, &v);
    if (rc != 0)
        return step_failed(txn, rc, t, "get", err);
    *ret = slice_from(v);
    return 0;
}

int
db_put(struct db_txn *txn, enum table t, struct slice key, struct slice value, struct err *err)
{
    MDB_val k = val_of(key), v = val_of(value);
    int rc = write_allowed(txn, t, err);
    if (rc != 0)
        return rc;
    trace(DB_TRACE_PUT, t, key, value.len);
    rc = mdb_put(txn->txn, db_handle(txn, t), &k, &v, 0);
    return rc == 0 ? 0 : step_failed(txn, rc, t, "put", err);
}

int
db_put_reserve(struct db_txn *txn, enum table t, struct slice key, size_t len, uint8_t **ret, struct err *err)
{
    MDB_val k = val_of(key), v = {len, NULL};
    int rc = write_allowed(txn, t, err);
    if (rc != 0)
        return rc;
    trace(DB_TRACE_PUT, t, key, len);
    rc = mdb_put(txn->txn, db_handle(txn, t), &k, &v, MDB_RESERVE);
    if (rc != 0)
        return step_failed(txn, rc, t, "put", err);
    *ret = v.mv_data;
    return 0;
}

int
db_del(struct db_txn *txn, enum table t, struct slice key, struct err *err)
{
    MDB_val k = val_of(key);
    int rc = write_allowed(txn, t, err);
    if (rc != 0)
        return rc;
    trace(DB_TRACE_DEL, t, key, 0);
    rc = mdb_del(txn->txn, db_handle(txn, t), &k, NULL);
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : step_failed(txn, rc, t, "delete", err);
}

int
db_clear(struct db_txn *txn, enum table t, struct err *err)
{
    int rc = write_allowed(txn, t, err);
    if (rc != 0)
        return rc;
    trace(DB_TRACE_CLEAR, t, (struct slice){0}, 0);
    rc = mdb_drop(txn->txn, db_handle(txn, t), 0);
    return rc == 0 ? 0 : step_failed(txn, rc, t, "clear", err);
}

uint64_t
db_table_entries(struct db_txn *txn, enum table t)
{
    MDB_stat st;
    if (db_error(txn, NULL) != 0)
        return 0;
    int rc = mdb_stat(txn->txn, db_handle(txn, t), &st);
    if (rc != 0) {
        step_failed(txn, rc, t, "count", NULL);
        return 0;
    }
    return st.ms_entries;
}

/* ---- cursors ---- */

struct db_cursor {
    struct db_txn *txn;
    MDB_cursor *cursor;
    enum table table;
};

int
db_cursor_open(struct db_txn *txn, enum table t, struct db_cursor **ret, struct err *err)
{
    int rc = db_error(txn, err);
    if (rc != 0)
        return rc;
    struct db_cursor *c = calloc(1, sizeof(*c));
    if (!c)
        return step_failed(txn, ENOMEM, t, "open a cursor", err);
    c->txn = txn;
    c->table = t;
    rc = mdb_cursor_open(txn->txn, db_handle(txn, t), &c->cursor);
    if (rc != 0) {
        free(c);
        return step_failed(txn, rc, t, "open a cursor", err);
    }
    txn->cursors++;
    *ret = c;
    return 0;
}

static int
cursor_get(struct db_cursor *c, MDB_cursor_op op, struct slice key, struct slice *ret_key, struct slice *ret_value,
           struct err *err)
{
    MDB_val k = val_of(key), v;
    int rc = db_error(c->txn, err);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(c->cursor, &k, &v, op);
    if (rc != 0)
        return step_failed(c->txn, rc, c->table, "read", err);
    *ret_key = slice_from(k);
    *ret_value = slice_from(v);
    return 0;
}

int
db_cursor_seek(struct db_cursor *c, struct slice key, struct slice *ret_key, struct slice *ret_value, struct err *err)
{
    return cursor_get(c, MDB_SET_RANGE, key, ret_key, ret_value, err);
}

int
db_cursor_first(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err)
{
    return cursor_get(c, MDB_FIRST, (struct slice){0}, ret_key, ret_value, err);
}

int
db_cursor_last(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err)
{
    return cursor_get(c, MDB_LAST, (struct slice){0}, ret_key, ret_value, err);
}

int
db_cursor_next(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err)
{
    return cursor_get(c, MDB_NEXT, (struct slice){0}, ret_key, ret_value, err);
}

int
db_cursor_prev(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err)
{
    return cursor_get(c, MDB_PREV, (struct slice){0}, ret_key, ret_value, err);
}

void
db_cursor_close(struct db_cursor **c)
{
    if (!*c)
        return;
    mdb_cursor_close((*c)->cursor);
    (*c)->txn->cursors--;
    free(*c);
    *c = NULL;
}
