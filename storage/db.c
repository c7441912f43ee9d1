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

struct db {
    MDB_env *env;
    MDB_dbi dbi[TABLE_COUNT_ALL];
    enum db_kind kind;
    bool read_only;
    bool simulated;
    pthread_mutex_t pool_lock;
    struct db_txn *pool;
    unsigned n_pool;
    char path[];
};

static int open_env(struct db *db, const struct db_opts *opts, struct err *err);
static int open_tables(struct db *db, bool create, struct err *err);

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
    pthread_mutex_init(&db->pool_lock, NULL);
    int rc = open_env(db, opts, err);
    if (rc == 0)
        rc = open_tables(db, opts->create, err);
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
    while (d->pool) {
        struct db_txn *txn = d->pool;
        d->pool = txn->next;
        mdb_txn_abort(txn->txn);
        free(txn);
    }
    if (d->env)
        mdb_env_close(d->env);
    pthread_mutex_destroy(&d->pool_lock);
    free(d);
    *db = NULL;
}

static int
open_env(struct db *db, const struct db_opts *opts, struct err *err)
{
    /* A reader slot belongs to a transaction, not to a thread, so that idle transactions can be kept. */
    unsigned flags = MDB_NOTLS;
    if (opts->kind == DB_MAIN)
        flags |= MDB_NORDAHEAD;
    if (opts->read_only)
        flags |= MDB_RDONLY;
    else if (opts->volatile_for_simulation)
        flags |= MDB_NOSYNC | MDB_NOMETASYNC;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t map_bytes = (opts->map_bytes + page - 1) / page * page;
    int rc = mdb_env_create(&db->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(db->env, TABLE_COUNT_ALL);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(db->env, READERS_MAX);
    if (rc == 0 && map_bytes > 0)
        rc = mdb_env_set_mapsize(db->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_open(db->env, db->path, flags, FILE_MODE);
    return rc == 0 ? 0 : db_fault(rc, err, "open");
}

/* ---- format and tables ---- */

static enum table
meta_table(enum db_kind kind)
{
    return kind == DB_MAIN ? TABLE_META : TABLE_VAULT_META;
}

/* MDB_NOTFOUND if there is no such table. */
static int
open_table(struct db *db, MDB_txn *txn, enum table t, unsigned flags)
{
    return mdb_dbi_open(txn, table_name(t), flags, &db->dbi[t]);
}

static int
write_format(struct db *db, MDB_txn *txn, struct err *err)
{
    uint8_t raw[FORMAT_BYTES];
    be32_put(raw, STORAGE_FORMAT);
    raw[4] = (uint8_t)db->kind;
    enum table meta = meta_table(db->kind);
    MDB_val key = {sizeof(FORMAT_KEY) - 1, (void *)(uintptr_t)FORMAT_KEY};
    MDB_val value = {sizeof(raw), raw};
    int rc = open_table(db, txn, meta, MDB_CREATE);
    if (rc == 0)
        rc = mdb_put(txn, db->dbi[meta], &key, &value, 0);
    return rc == 0 ? 0 : db_fault(rc, err, "create");
}

static int
read_format(struct db *db, MDB_txn *txn, struct err *err)
{
    MDB_val key = {sizeof(FORMAT_KEY) - 1, (void *)(uintptr_t)FORMAT_KEY};
    MDB_val value;
    int rc = mdb_get(txn, db->dbi[meta_table(db->kind)], &key, &value);
    if (rc == MDB_NOTFOUND || (rc == 0 && value.mv_size < FORMAT_BYTES))
        return err_set(err, ERR_CORRUPT, "it does not say its format");
    if (rc != 0)
        return db_fault(rc, err, "read the format");
    const uint8_t *raw = value.mv_data;
    uint32_t format = be32_get(raw);
    if (format > STORAGE_FORMAT)
        return err_set(err, ERR_VERSION, "it has format %u, written by a newer program; this one knows up to %d",
                       (unsigned)format, STORAGE_FORMAT);
    if (format < 1 || raw[4] != db->kind)
        return err_set(err, ERR_CORRUPT, "its format row makes no sense");
    return 0;
}

/* The directory is one of ours and of the right kind, or empty and to be filled. */
static int
check_format(struct db *db, MDB_txn *txn, bool create, struct err *err)
{
    int rc = open_table(db, txn, meta_table(db->kind), 0);
    if (rc == 0)
        return read_format(db, txn, err);
    if (rc != MDB_NOTFOUND)
        return db_fault(rc, err, "open table %s", table_name(meta_table(db->kind)));
    enum db_kind other = db->kind == DB_MAIN ? DB_VAULT : DB_MAIN;
    if (open_table(db, txn, meta_table(other), 0) == 0)
        return err_set(err, ERR_INVALID, "this is a %s, not a %s", kind_name(other), kind_name(db->kind));
    MDB_stat st;
    rc = mdb_env_stat(db->env, &st);
    if (rc != 0)
        return db_fault(rc, err, "read its size");
    if (st.ms_entries > 0)
        return err_set(err, ERR_INVALID, "this database is not one of this program");
    if (!create || db->read_only)
        return err_set(err, ERR_NOTFOUND, "nothing was created there yet");
    return write_format(db, txn, err);
}

static int
open_tables(struct db *db, bool create, struct err *err)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, db->read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return db_fault(rc, err, "begin");
    rc = check_format(db, txn, create, err);
    for (unsigned t = 0; rc == 0 && t < TABLE_COUNT_ALL; t++) {
        if (table_db(t) != db->kind)
            continue;
        int os = open_table(db, txn, t, db->read_only ? 0 : MDB_CREATE);
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

struct MDB_env *
db_env(struct db *db)
{
    return db->env;
}

unsigned
db_handle(struct db *db, enum table t)
{
    MUST(table_db(t) == db->kind);
    return db->dbi[t];
}

struct db_txn *
db_pool_take(struct db *db)
{
    pthread_mutex_lock(&db->pool_lock);
    struct db_txn *txn = db->pool;
    if (txn) {
        db->pool = txn->next;
        db->n_pool--;
    }
    pthread_mutex_unlock(&db->pool_lock);
    return txn;
}

bool
db_pool_give(struct db *db, struct db_txn *txn)
{
    pthread_mutex_lock(&db->pool_lock);
    bool room = db->n_pool < DB_POOL_MAX;
    if (room) {
        txn->next = db->pool;
        db->pool = txn;
        db->n_pool++;
    }
    pthread_mutex_unlock(&db->pool_lock);
    return room;
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
    int os = mdb_env_info(db->env, &info);
    if (os == 0)
        os = mdb_env_stat(db->env, &st);
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
    int rc = mdb_reader_check(db->env, &dead);
    if (rc != 0)
        return db_fault(rc, err, "clear dead readers");
    if (ret_cleared)
        *ret_cleared = (unsigned)dead;
    return 0;
}

static int
sync_directory(const char *path)
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
    int rc = mdb_env_copyfd2(db->env, fd, MDB_CP_COMPACT);
    if (rc == 0 && fsync(fd) != 0)
        rc = errno;
    if (close(fd) != 0 && rc == 0)
        rc = errno;
    if (rc == 0)
        rc = sync_directory(to_dir);
    if (rc != 0) {
        unlink(path);
        return db_fault(rc, err, "copy to %s", to_dir);
    }
    return 0;
}
