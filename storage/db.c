/* Environments: opening with the checks of format and kind, usage, copies, the pool of read transactions. See db.h. */
#include "storage/db.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/db_private.h"

enum { READERS_MAX = 1024, FILE_MODE = 0600, FORMAT_BYTES = 5, EXIT_DISK_FAILED = 74 };

static const char FORMAT_KEY[] = "format"; /* → format u32 ‖ kind u8, in the meta table of either kind */

static int open_mdb(const struct db *db, struct db_env *e, const char *path, struct err *err);
static int open_tables(const struct db *db, struct db_env *e, bool create, struct err *err);

static const char *
kind_name(enum db_kind kind)
{
    return kind == DB_MAIN ? "main environment" : "vault";
}

static bool
file_exists(const char *dir, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

int
db_open(const struct db_opts *opts, struct db **ret, struct err *err)
{
    struct stat st;
    if (stat(opts->path, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_NOTFOUND, "storage %s: no such directory", opts->path);
    /* LMDB would make an empty one. */
    if ((!opts->create || opts->read_only) && !file_exists(opts->path, "data.mdb"))
        return err_set(err, ERR_NOTFOUND, "storage %s: nothing was created there yet", opts->path);

    size_t path_bytes = strlen(opts->path) + 1;
    struct db *db = calloc(1, sizeof(*db) + path_bytes);
    if (!db)
        return err_set(err, ERR_NOMEM, "storage: out of memory");
    memcpy(db->path, opts->path, path_bytes);
    db->kind = opts->kind;
    db->read_only = opts->read_only;
    db->simulated = opts->volatile_for_simulation;
    db->map_bytes = opts->map_bytes;
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->unused, NULL);
    int rc = db_env_open(db, db->path, opts->create, &db->env, err);
    /* It waited for a rewrite by another process, and has the file from before. */
    while (rc == 0 && !db->read_only && db_replaced(db, db->env)) {
        db_env_close(&db->env);
        rc = db_env_open(db, db->path, opts->create, &db->env, err);
    }
    if (rc == 0)
        rc = db_reader_check(db, NULL, err);
    if (rc != 0) {
        err_wrap(err, "storage %s", opts->path);
        db_close(&db);
        return rc;
    }
    *ret = db;
    return 0;
}

void
db_close(struct db **db)
{
    struct db *d = *db;
    if (!d)
        return;
    db_env_close(&d->env);
    pthread_cond_destroy(&d->unused);
    pthread_mutex_destroy(&d->lock);
    free(d);
    *db = NULL;
}

int
db_env_open(const struct db *db, const char *path, bool create, struct db_env **ret, struct err *err)
{
    int gate = -1;
    struct db_env *e = calloc(1, sizeof(*e));
    if (!e)
        return err_set(err, ERR_NOMEM, "storage: out of memory");
    /* The files that a rewrite is about to put in place are behind a lock of its own. */
    int rc = path == db->path ? db_gate_enter(path, db->read_only, &gate, err) : 0;
    if (rc == 0)
        rc = open_mdb(db, e, path, err);
    /* Not held any longer: the tables wait for LMDB's lock of writers, whose holder may be at a rewrite and want the gate. */
    db_gate_leave(gate);
    if (rc == 0)
        rc = open_tables(db, e, create, err);
    if (rc != 0)
        db_env_close(&e);
    else
        *ret = e;
    return rc;
}

void
db_env_close(struct db_env **e)
{
    struct db_env *old = *e;
    if (!old)
        return;
    while (old->pool) {
        struct db_txn *txn = old->pool;
        old->pool = txn->next;
        mdb_txn_abort(txn->txn);
        free(txn);
    }
    if (old->env)
        mdb_env_close(old->env);
    free(old);
    *e = NULL;
}

static int
open_mdb(const struct db *db, struct db_env *e, const char *path, struct err *err)
{
    /* A reader slot belongs to a transaction, not to a thread, so that idle transactions can be kept. */
    unsigned flags = MDB_NOTLS;
    if (db->kind == DB_MAIN)
        flags |= MDB_NORDAHEAD;
    if (db->read_only)
        flags |= MDB_RDONLY;
    else if (db->simulated)
        flags |= MDB_NOSYNC | MDB_NOMETASYNC;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t map_bytes = (db->map_bytes + page - 1) / page * page;
    struct stat st;
    int fd = -1, rc = mdb_env_create(&e->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(e->env, TABLE_COUNT_ALL);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(e->env, READERS_MAX);
    if (rc == 0 && map_bytes > 0)
        rc = mdb_env_set_mapsize(e->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_open(e->env, path, flags, FILE_MODE);
    if (rc == 0)
        rc = mdb_env_get_fd(e->env, &fd);
    if (rc == 0 && fstat(fd, &st) != 0)
        rc = errno;
    if (rc != 0)
        return db_fault(rc, err, "open");
    e->dev = st.st_dev;
    e->ino = st.st_ino;
    return 0;
}

/* ---- format and tables ---- */

static enum table
meta_table(enum db_kind kind)
{
    return kind == DB_MAIN ? TABLE_META : TABLE_VAULT_META;
}

/* MDB_NOTFOUND if there is no such table. */
static int
open_table(struct db_env *e, MDB_txn *txn, enum table t, unsigned flags)
{
    return mdb_dbi_open(txn, table_name(t), flags, &e->dbi[t]);
}

static uint32_t
newest_format(enum db_kind kind)
{
    return kind == DB_MAIN ? MAIN_FORMAT : VAULT_FORMAT;
}

static int
write_format(const struct db *db, struct db_env *e, MDB_txn *txn, struct err *err)
{
    uint8_t raw[FORMAT_BYTES];
    be32_put(raw, newest_format(db->kind));
    raw[4] = (uint8_t)db->kind;
    enum table meta = meta_table(db->kind);
    MDB_val key = {sizeof(FORMAT_KEY) - 1, (void *)(uintptr_t)FORMAT_KEY};
    MDB_val value = {sizeof(raw), raw};
    int rc = open_table(e, txn, meta, MDB_CREATE);
    if (rc == 0)
        rc = mdb_put(txn, e->dbi[meta], &key, &value, 0);
    return rc == 0 ? 0 : db_fault(rc, err, "create");
}

static int
read_format(const struct db *db, struct db_env *e, MDB_txn *txn, struct err *err)
{
    MDB_val key = {sizeof(FORMAT_KEY) - 1, (void *)(uintptr_t)FORMAT_KEY};
    MDB_val value;
    int rc = mdb_get(txn, e->dbi[meta_table(db->kind)], &key, &value);
    if (rc == MDB_NOTFOUND || (rc == 0 && value.mv_size < FORMAT_BYTES))
        return err_set(err, ERR_CORRUPT, "it does not say its format");
    if (rc != 0)
        return db_fault(rc, err, "read the format");
    const uint8_t *raw = value.mv_data;
    uint32_t format = be32_get(raw);
    if (format > newest_format(db->kind))
        return err_set(err, ERR_VERSION, "it has format %u, written by a newer program; this one knows up to %u",
                       (unsigned)format, (unsigned)newest_format(db->kind));
    if (format < 1 || raw[4] != db->kind)
        return err_set(err, ERR_CORRUPT, "its format row makes no sense");
    return 0;
}

int
db_format_raise(struct db_txn *txn, struct err *err)
{
    uint8_t raw[FORMAT_BYTES];
    enum db_kind kind = db_kind_of(db_of(txn));
    be32_put(raw, newest_format(kind));
    raw[4] = (uint8_t)kind;
    return db_put(txn, meta_table(kind), slice_of(FORMAT_KEY, sizeof(FORMAT_KEY) - 1), slice_of(raw, sizeof(raw)), err);
}

/* The directory is one of ours and of the right kind, or empty and to be filled. */
static int
check_format(const struct db *db, struct db_env *e, MDB_txn *txn, bool create, struct err *err)
{
    int rc = open_table(e, txn, meta_table(db->kind), 0);
    if (rc == 0)
        return read_format(db, e, txn, err);
    if (rc != MDB_NOTFOUND)
        return db_fault(rc, err, "open table %s", table_name(meta_table(db->kind)));
    enum db_kind other = db->kind == DB_MAIN ? DB_VAULT : DB_MAIN;
    if (open_table(e, txn, meta_table(other), 0) == 0)
        return err_set(err, ERR_INVALID, "this is a %s, not a %s", kind_name(other), kind_name(db->kind));
    MDB_stat st;
    rc = mdb_env_stat(e->env, &st);
    if (rc != 0)
        return db_fault(rc, err, "read its size");
    if (st.ms_entries > 0)
        return err_set(err, ERR_INVALID, "this database is not one of this program");
    if (!create || db->read_only)
        return err_set(err, ERR_NOTFOUND, "nothing was created there yet");
    return write_format(db, e, txn, err);
}

static int
open_tables(const struct db *db, struct db_env *e, bool create, struct err *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(e->env, NULL, db->read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return db_fault(rc, err, "begin");
    rc = check_format(db, e, txn, create, err);
    for (unsigned t = 0; rc == 0 && t < TABLE_COUNT_ALL; t++) {
        if (table_db(t) != db->kind)
            continue;
        int os = open_table(e, txn, t, db->read_only ? 0 : MDB_CREATE);
        if (os == MDB_NOTFOUND)
            rc = err_set(err, ERR_VERSION, "table %s is missing; a start of the node adds it", table_name(t));
        else if (os != 0)
            rc = db_fault(os, err, "open table %s", table_name(t));
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn); /* handles of an aborted transaction would be lost */
    return rc == 0 ? 0 : db_fault(rc, err, "create tables");
}

/* ---- what the transactions need of it ---- */

enum db_kind
db_kind_of(const struct db *db)
{
    return db->kind;
}

struct db_env *
db_env_take(struct db *db, struct db_txn **ret_idle)
{
    pthread_mutex_lock(&db->lock);
    struct db_env *e = db->env;
    e->users++;
    if (ret_idle) {
        *ret_idle = e->pool;
        if (e->pool) {
            e->pool = e->pool->next;
            e->n_pool--;
        }
    }
    pthread_mutex_unlock(&db->lock);
    return e;
}

static void
give_locked(struct db *db, struct db_env *e)
{
    MUST(e->users > 0);
    if (--e->users == 0 && e != db->env)
        pthread_cond_broadcast(&db->unused);
}

void
db_env_give(struct db *db, struct db_env *e)
{
    pthread_mutex_lock(&db->lock);
    give_locked(db, e);
    pthread_mutex_unlock(&db->lock);
}

bool
db_env_is_current(struct db *db, const struct db_env *e)
{
    pthread_mutex_lock(&db->lock);
    bool current = db->env == e;
    pthread_mutex_unlock(&db->lock);
    return current;
}

unsigned
db_handle(const struct db_txn *txn, enum table t)
{
    MUST(table_db(t) == txn->db->kind);
    return txn->in->dbi[t];
}

bool
db_pool_give(struct db_txn *txn)
{
    struct db *db = txn->db;
    struct db_env *e = txn->in;
    pthread_mutex_lock(&db->lock);
    bool keep = e == db->env && e->n_pool < DB_POOL_MAX;
    if (keep) {
        txn->next = e->pool;
        e->pool = txn;
        e->n_pool++;
        give_locked(db, e);
    }
    pthread_mutex_unlock(&db->lock);
    return keep;
}

static enum err_code
code_of(int rc)
{
    switch (rc) {
    case MDB_NOTFOUND: return ERR_NOTFOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_FULL;
    case ENOMEM: return ERR_NOMEM;
    case MDB_VERSION_MISMATCH: return ERR_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_BAD_TXN:
    case MDB_INCOMPATIBLE: return ERR_CORRUPT;
    case MDB_READERS_FULL:
    case EAGAIN:
    case EBUSY: return ERR_BUSY;
    case MDB_TXN_FULL:
    case MDB_BAD_VALSIZE: return ERR_LIMIT;
    default: return ERR_IO;
    }
}

int
db_fault(int rc, struct err *err, const char *fmt, ...)
{
    char what[96], reason[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    /* mdb_strerror uses strerror for the system's numbers, which threads share. */
    const char *text = rc > 0 ? strerror_r(rc, reason, sizeof(reason)) : mdb_strerror(rc);
    if (rc == MDB_MAP_FULL)
        text = "the map is full";
    return err_set(err, code_of(rc), "%s: %s", what, text);
}

void
db_disk_failed(struct db *db, const char *reason)
{
    if (db->simulated)
        return;
    char line[1024];
    snprintf(line, sizeof(line),
             "storage %s: the disk failed while writing (%s); the process ends, for what the disk holds is not known. "
             "Check the disk, then start again: everything acknowledged before is kept.",
             db->path, reason);
    check_last_words(line);
    _exit(EXIT_DISK_FAILED);
}

/* ---- service ---- */

/* Pages on the free list, which LMDB keeps as table 0: each row a count and that many page numbers. */
static int
free_pages(MDB_txn *txn, size_t *ret)
{
    MDB_cursor *c;
    MDB_val key, value;
    size_t n = 0;
    int rc = mdb_cursor_open(txn, 0, &c);
    if (rc != 0)
        return rc;
    while ((rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
        size_t count;
        memcpy(&count, value.mv_data, sizeof(count));
        n += count;
    }
    mdb_cursor_close(c);
    if (rc == MDB_NOTFOUND)
        *ret = n;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
db_usage(struct db *db, struct db_usage *ret, struct err *err)
{
    MDB_envinfo info;
    MDB_stat st;
    size_t n_free = 0;
    struct db_txn *txn;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    int os = mdb_env_info(txn->in->env, &info);
    if (os == 0)
        os = mdb_env_stat(txn->in->env, &st);
    if (os == 0)
        os = free_pages(txn->txn, &n_free);
    db_abort(&txn);
    if (os != 0)
        return db_fault(os, err, "storage %s: read its usage", db->path);
    size_t pages = info.me_last_pgno + 1;
    *ret = (struct db_usage){
        .map_bytes = info.me_mapsize,
        .used_bytes = (pages > n_free ? pages - n_free : 0) * st.ms_psize,
        .readers = info.me_numreaders,
        .readers_max = info.me_maxreaders,
    };
    return 0;
}

int
db_reader_check(struct db *db, unsigned *ret_cleared, struct err *err)
{
    int dead = 0;
    struct db_env *e = db_env_take(db, NULL);
    int rc = mdb_reader_check(e->env, &dead);
    db_env_give(db, e);
    if (rc != 0)
        return db_fault(rc, err, "clear dead readers");
    if (ret_cleared)
        *ret_cleared = (unsigned)dead;
    return 0;
}

int
db_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

int
db_copy(struct db *db, const char *to_dir, struct err *err)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/data.mdb", to_dir);
    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(err, ERR_LIMIT, "copy to %s: the path is too long", to_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_EXISTS, "copy to %s: there is a database already", to_dir);
    if (fd < 0)
        return err_errno(err, "copy to %s", to_dir);
    struct db_env *e = db_env_take(db, NULL);
    int rc = mdb_env_copyfd2(e->env, fd, MDB_CP_COMPACT);
    db_env_give(db, e);
    if (rc == 0 && fsync(fd) != 0)
        rc = errno;
    if (close(fd) != 0 && rc == 0)
        rc = errno;
    if (rc == 0)
        rc = db_sync_directory(to_dir);
    if (rc != 0) {
        unlink(path);
        return db_fault(rc, err, "copy to %s", to_dir);
    }
    return 0;
}
