/* Rewriting an environment under the running program. See db.h, vault_erase.h; docs/STORAGE.md "Rewriting the vault".
 *
 * Every row is copied into an environment of its own, rather than every page (mdb_env_copy): what a page has no row for can still hold
 * bytes of one that was deleted, in the rest of an overflow page for example. The steps, each of which may be the last:
 *
 *   1  rewrite/ made and locked             start: nothing to take back but rewrite/
 *   2  rewrite/data.mdb written, durable      "
 *   3  opened: rewrite/lock.mdb               "
 *   4  rewrite/old.mdb, rewrite/old-lock.mdb are links to the files in use
 *   5  rewrite/data.mdb is data.next        start: goes on with 6 (the new file counts from here on)
 *   6  rewrite/lock.mdb is lock.mdb         start: goes on with 7
 *   7  data.next is data.mdb                start: overwrites and removes what is in rewrite/
 *   8  the program uses it, the old environment is closed
 *   9  the old file is overwritten and gone
 *
 * A lock file belongs to one data file: LMDB keeps in it which transaction was the last, and a process that had the old lock with
 * the new data would read from the wrong meta page. So the two are exchanged while the gate is held exclusively: an flock of the
 * directory that whoever opens the files holds shared. A process that has the old pair open keeps it; its next write transaction
 * sees that the file was replaced. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/db_private.h"

enum { PATH_MAX_BYTES = 4096, TABLE_NAME_MAX = 64, COMMIT_BYTES = 32 << 20, WIPE_BYTES = 1 << 20, DIR_MODE = 0700 };

/* The files of a rewrite by their whole paths. */
struct files {
    const char *dir;
    char rewrite[PATH_MAX_BYTES], data[PATH_MAX_BYTES], lock[PATH_MAX_BYTES], next[PATH_MAX_BYTES];
    char new_data[PATH_MAX_BYTES], new_lock[PATH_MAX_BYTES], old_data[PATH_MAX_BYTES], old_lock[PATH_MAX_BYTES];
};

static bool
path_of(char out[PATH_MAX_BYTES], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_MAX_BYTES, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX_BYTES;
}

static int
files_of(const char *dir, struct files *f, struct err *err)
{
    f->dir = dir;
    bool ok = path_of(f->rewrite, dir, "rewrite") && path_of(f->data, dir, "data.mdb") &&
              path_of(f->lock, dir, "lock.mdb") && path_of(f->next, dir, "data.next") &&
              path_of(f->new_data, f->rewrite, "data.mdb") && path_of(f->new_lock, f->rewrite, "lock.mdb") &&
              path_of(f->old_data, f->rewrite, "old.mdb") && path_of(f->old_lock, f->rewrite, "old-lock.mdb");
    return ok ? 0 : err_set(err, ERR_LIMIT, "rewrite %s: the path is too long", dir);
}

static bool
there(const char *path)
{
    return access(path, F_OK) == 0;
}

static int
flock_wait(int fd, int how)
{
    int rc;
    do
        rc = flock(fd, how);
    while (rc != 0 && errno == EINTR);
    return rc;
}

/* ---- overwriting ---- */

/* No process has the environment open whose lock file this is: LMDB holds a shared lock on its first byte. Not for a lock file of an
 * environment that this process has open: closing it drops the locks. */
static bool
unused(const char *lock_path)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int fd = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool free_ = fcntl(fd, F_SETLK, &l) == 0;
    close(fd);
    return free_;
}

/* Zeros over the whole file, flushed. A file with another name is somebody else's too: left as it is. */
static bool
overwrite(const char *path)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    uint8_t *zeros = calloc(1, WIPE_BYTES);
    bool ok = zeros && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
    for (off_t at = 0; ok && at < st.st_size;) {
        size_t n = st.st_size - at < WIPE_BYTES ? (size_t)(st.st_size - at) : WIPE_BYTES;
        ssize_t written = pwrite(fd, zeros, n, at);
        ok = written > 0 || (written < 0 && errno == EINTR);
        at += written > 0 ? written : 0;
    }
    ok = ok && fdatasync(fd) == 0;
    free(zeros);
    close(fd);
    return ok;
}

/* Takes away the old file, if it is not in use any more by this process: true if it was overwritten. */
static bool
remove_old(const struct files *f)
{
    bool done = unused(f->old_lock) && overwrite(f->old_data);
    unlink(f->old_data);
    unlink(f->old_lock);
    return done;
}

/* Takes away rewrite/ and what is in it. The caller has the lock of rewrite/. */
static void
remove_rewrite(const struct files *f)
{
    remove_old(f);
    (void)overwrite(f->new_data);
    unlink(f->new_data);
    unlink(f->new_lock);
    rmdir(f->rewrite);
}

/* ---- the gate ---- */

/* rewrite/ of a process that has ended; a living one has it locked. */
static void
clear_abandoned(const struct files *f)
{
    int fd = open(f->rewrite, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_rewrite(f);
    close(fd);
}

/* Steps 6 and 7 of a rewrite that ended after step 5. Any process that still has the old files open keeps them, with their lock file. */
static int
finish(const struct files *f, struct err *err)
{
    if ((there(f->new_lock) && rename(f->new_lock, f->lock) != 0) || rename(f->next, f->data) != 0)
        return err_errno(err, "finish an interrupted rewrite of %s", f->dir);
    int os = db_sync_directory(f->dir);
    return os == 0 ? 0 : db_fault(os, err, "finish an interrupted rewrite of %s", f->dir);
}

static int
gate_open(const char *path, int how, int *ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock_wait(fd, how) != 0) {
        int rc = err_errno(err, "lock %s", path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    *ret = fd;
    return 0;
}

int
db_gate_enter(const char *path, bool read_only, int *ret_fd, struct err *err)
{
    struct files f;
    int fd = -1;
    int rc = files_of(path, &f, err);
    if (rc == 0)
        rc = gate_open(path, LOCK_SH, &fd, err);
    if (rc != 0)
        return rc;
    if (there(f.next) || (!read_only && there(f.rewrite))) {
        if (flock_wait(fd, LOCK_EX) != 0)
            rc = err_errno(err, "lock %s", path);
        if (rc == 0 && there(f.next))
            rc = finish(&f, err);
        if (rc == 0 && !read_only)
            clear_abandoned(&f);
        if (rc == 0 && flock_wait(fd, LOCK_SH) != 0)
            rc = err_errno(err, "lock %s", path);
    }
    if (rc != 0)
        close(fd);
    else
        *ret_fd = fd;
    return rc;
}

void
db_gate_leave(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool
db_replaced(const struct db *db, const struct db_env *e)
{
    char path[PATH_MAX_BYTES];
    struct stat st;
    if (db->kind != DB_VAULT || !path_of(path, db->path, "data.mdb") || stat(path, &st) != 0)
        return false;
    return st.st_dev != e->dev || st.st_ino != e->ino;
}

/* ---- the copy ---- */

struct copy {
    MDB_env *env;
    MDB_txn *from, *to;
    size_t bytes; /* in the transaction */
};

/* As LMDB reports a write that the full disk cut short: EIO, with errno left alone. */
static int
commit_copy(struct copy *c)
{
    errno = 0;
    int rc = mdb_txn_commit(c->to);
    c->to = NULL;
    c->bytes = 0;
    return rc == EIO && errno == 0 ? ENOSPC : rc;
}

/* Rows from where the cursor stands, until there are none (MDB_NOTFOUND) or enough for a commit. */
static int
copy_some(struct copy *c, MDB_cursor *from, MDB_dbi to)
{
    MDB_cursor *put;
    MDB_val key, value;
    int rc = mdb_cursor_open(c->to, to, &put);
    if (rc != 0)
        return rc;
    while (rc == 0 && c->bytes < COMMIT_BYTES) {
        rc = mdb_cursor_get(from, &key, &value, MDB_NEXT);
        if (rc == 0)
            rc = mdb_cursor_put(put, &key, &value, MDB_APPEND);
        c->bytes += rc == 0 ? key.mv_size + value.mv_size : 0;
    }
    mdb_cursor_close(put);
    return rc;
}

static int
copy_table(struct copy *c, const char *name)
{
    MDB_dbi from, to;
    MDB_cursor *cursor;
    MDB_stat before, after;
    unsigned flags = 0;
    int rc = mdb_dbi_open(c->from, name, 0, &from);
    if (rc == 0)
        rc = mdb_dbi_flags(c->from, from, &flags);
    if (rc == 0)
        rc = mdb_dbi_open(c->to, name, flags | MDB_CREATE, &to);
    if (rc == 0)
        rc = mdb_cursor_open(c->from, from, &cursor);
    if (rc != 0)
        return rc;
    while ((rc = copy_some(c, cursor, to)) == 0) {
        rc = commit_copy(c);
        if (rc == 0)
            rc = mdb_txn_begin(c->env, NULL, 0, &c->to);
        if (rc != 0)
            break;
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        return rc;
    rc = mdb_stat(c->from, from, &before);
    if (rc == 0)
        rc = mdb_stat(c->to, to, &after);
    return rc != 0 ? rc : before.ms_entries == after.ms_entries ? 0 : MDB_CORRUPTED;
}

/* All tables that the file has, of whichever release. */
static int
copy_tables(struct copy *c)
{
    MDB_dbi names;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_dbi_open(c->from, NULL, 0, &names);
    if (rc == 0)
        rc = mdb_cursor_open(c->from, names, &cursor);
    if (rc != 0)
        return rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        char name[TABLE_NAME_MAX];
        int n = snprintf(name, sizeof(name), "%.*s", (int)key.mv_size, (const char *)key.mv_data);
        rc = n > 0 && n < TABLE_NAME_MAX ? copy_table(c, name) : MDB_CORRUPTED;
        if (rc != 0)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
write_copy(const struct db *db, struct db_txn *txn, const struct files *f, struct err *err)
{
    struct copy c = {.from = txn->txn};
    MDB_envinfo info;
    int rc = mdb_env_info(txn->in->env, &info);
    if (rc == 0)
        rc = mdb_env_create(&c.env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(c.env, TABLE_COUNT_ALL);
    if (rc == 0)
        rc = mdb_env_set_mapsize(c.env, info.me_mapsize);
    if (rc == 0)
        rc = mdb_env_open(c.env, f->rewrite, MDB_NOLOCK | MDB_NOSYNC, 0600);
    if (rc == 0)
        rc = mdb_txn_begin(c.env, NULL, 0, &c.to);
    if (rc == 0)
        rc = copy_tables(&c);
    if (rc == 0)
        rc = commit_copy(&c);
    if (rc == 0 && !db->simulated)
        rc = mdb_env_sync(c.env, 1);
    if (c.to)
        mdb_txn_abort(c.to);
    if (c.env)
        mdb_env_close(c.env);
    if (rc == 0 && !db->simulated)
        rc = db_sync_directory(f->rewrite);
    return rc == 0 ? 0 : db_fault(rc, err, "write the new file");
}

/* ---- the exchange ---- */

static int
make_rewrite(const struct files *f, int *ret_fd, struct err *err)
{
    int gate = -1, fd = -1;
    int rc = gate_open(f->dir, LOCK_EX, &gate, err);
    if (rc != 0)
        return rc;
    clear_abandoned(f);
    if (mkdir(f->rewrite, DIR_MODE) != 0)
        rc = errno == EEXIST ? err_set(err, ERR_BUSY, "another process is rewriting it")
                             : err_errno(err, "%s", f->rewrite);
    if (rc == 0)
        fd = open(f->rewrite, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)) {
        rc = err_errno(err, "%s", f->rewrite);
        rmdir(f->rewrite);
        if (fd >= 0)
            close(fd);
    }
    db_gate_leave(gate);
    if (rc == 0)
        *ret_fd = fd;
    return rc;
}

static uint64_t
size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Steps 4 to 7, under the gate. Beyond step 5 there is no way back but a start: then it does not return. */
static int
exchange(struct db *db, const struct files *f, struct err *err)
{
    /* Where a file system knows no links, the old file is not overwritten. */
    if (link(f->data, f->old_data) != 0 || link(f->lock, f->old_lock) != 0)
        unlink(f->old_data);
    if (db_point(db, 4))
        return db_has_ended(err);
    if (rename(f->new_data, f->next) != 0)
        return err_errno(err, "put the new file in place");
    int os = db->simulated ? 0 : db_sync_directory(f->dir);
    if (db_point(db, 5))
        return db_has_ended(err);
    if (os != 0 || rename(f->new_lock, f->lock) != 0) {
        int rc = err_errno(err, "put the new file in place");
        if (os != 0)
            db_disk_failed(db, strerrordesc_np(os));
        unlink(f->next);
        return rc;
    }
    if (db_point(db, 6))
        return db_has_ended(err);
    os = rename(f->next, f->data) != 0 ? errno : db->simulated ? 0 : db_sync_directory(f->dir);
    if (os != 0) {
        db_disk_failed(db, strerrordesc_np(os));
        return db_fault(os, err, "put the new file in place");
    }
    return db_point(db, 7) ? db_has_ended(err) : 0;
}

static struct db_env *
make_current(struct db *db, struct db_env *e)
{
    pthread_mutex_lock(&db->lock);
    struct db_env *old = db->env;
    db->env = e;
    pthread_mutex_unlock(&db->lock);
    return old;
}

static void
wait_and_close(struct db *db, struct db_env *old)
{
    pthread_mutex_lock(&db->lock);
    while (old->users > 0)
        pthread_cond_wait(&db->unused, &db->lock);
    pthread_mutex_unlock(&db->lock);
    db_env_close(&old);
}

/* With the write transaction that keeps every other writer out, and rewrite/ locked. *ret_old: to be closed. */
static int
replace(struct db *db, struct db_txn *txn, const struct files *f, struct db_env **ret_old, struct err *err)
{
    struct db_env *fresh = NULL;
    int gate = -1;
    int rc = write_copy(db, txn, f, err);
    if (rc != 0)
        return rc;
    if (db_point(db, 2))
        return db_has_ended(err);
    rc = db_env_open(db, f->rewrite, false, &fresh, err);
    if (rc != 0)
        return rc;
    rc = db_point(db, 3) ? db_has_ended(err) : gate_open(f->dir, LOCK_EX, &gate, err);
    if (rc == 0)
        rc = exchange(db, f, err);
    if (rc == 0)
        *ret_old = make_current(db, fresh);
    else
        db_env_close(&fresh);
    db_gate_leave(gate);
    return rc;
}

int
db_rewrite(struct db *db, struct db_rewritten *ret, struct err *err)
{
    struct files f;
    struct db_txn *txn;
    struct db_env *old = NULL;
    int fd = -1;
    MUST(!db->read_only);
    int rc = files_of(db->path, &f, err);
    if (rc == 0)
        rc = db_begin_write(db, &txn, err);
    if (rc != 0)
        return rc;
    struct db_rewritten done = {.bytes_before = size_of(f.data)};
    rc = make_rewrite(&f, &fd, err);
    if (rc == 0)
        rc = db_point(db, 1) ? db_has_ended(err) : replace(db, txn, &f, &old, err);
    db_abort(&txn);
    if (rc == 0) {
        done.bytes_after = size_of(f.data);
        wait_and_close(db, old);
        if (!db_point(db, 8))
            done.overwritten = remove_old(&f);
        rc = db_point(db, 9) ? db_has_ended(err) : 0;
    }
    if (fd >= 0) {
        if (!db_ended())
            remove_rewrite(&f);
        close(fd);
    }
    if (rc != 0)
        return err_wrap(err, "rewrite %s", db->path);
    if (ret)
        *ret = done;
    return 0;
}
