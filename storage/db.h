/* LMDB behind an interface that the rest of the program can use without <lmdb.h>. Two environments exist: main and vault.
 * Errors stick to the transaction: after a failed step every later one returns the same error and commit refuses, so code reads
 * straight down and checks once. Memory returned by gets and cursors is borrowed until the transaction ends, or, in a write
 * transaction, until the next write. docs/STORAGE.md.
 *
 * Durability: default sync (MDB_NOSYNC only where `volatile_for_simulation` asks for it), no WRITEMAP, no DUPSORT. A failed
 * flush of the disk ends the process (after it the page cache does not say what the disk holds).
 * Threads: one write transaction at a time in the process (LMDB blocks the second); read transactions from any thread, a
 * transaction object stays with the thread that uses it at the moment (MDB_NOTLS). */
#ifndef SMARTNODE_STORAGE_DB_H
#define SMARTNODE_STORAGE_DB_H

#include <stdio.h>

#include "proto/base/bytes.h"
#include "proto/base/types.h"
#include "storage/keys.h"

struct db;
struct db_txn;
struct db_cursor;

struct db_opts {
    const char *path;             /* directory, must exist */
    size_t map_bytes;             /* sparse; see docs/STORAGE.md */
    enum db_kind kind;            /* DB_MAIN or DB_VAULT: which tables exist */
    bool create;                  /* create tables in an empty directory */
    bool read_only;               /* for verify and report on a stopped node */
    bool volatile_for_simulation; /* no flush: never in a daemon */
};

/* ERR_IO, ERR_NOTFOUND (no directory, or not created), ERR_INVALID (another kind, or not ours), ERR_VERSION (newer storage
 * format), ERR_CORRUPT, ERR_NOMEM, ERR_FULL. Cleans stale readers. One directory is open once in a process (LMDB's locks). */
int db_open(const struct db_opts *opts, struct db **ret, struct err *err) NODISCARD;
void db_close(struct db **db); /* no transaction may be open */
/* Says in the transaction that the directory has the newest format: programs that know only older ones refuse it from the commit on. */
int db_format_raise(struct db_txn *txn, struct err *err) NODISCARD;

int db_begin_read(struct db *db, struct db_txn **ret, struct err *err) NODISCARD;
int db_begin_write(struct db *db, struct db_txn **ret, struct err *err) NODISCARD;
/* Durable when it returns 0. ERR_FULL when map or disk is full: nothing was written. Any failure of the disk itself does not
 * return: a line on standard error and _exit(74), unless the environment is a simulated one (ERR_IO). Frees the transaction in
 * every case. */
int db_commit(struct db_txn **txn, struct err *err) NODISCARD;
void db_abort(struct db_txn **txn); /* also ends a read transaction; NULL inside is fine */
enum db_kind db_kind_of(const struct db *db);
struct db *db_of(struct db_txn *txn);
bool db_is_write(const struct db_txn *txn);
/* 0 or the error that stuck. */
int db_error(const struct db_txn *txn, struct err *err) NODISCARD;

/* ERR_NOTFOUND does not stick; anything else does. */
int db_get(struct db_txn *txn, enum table t, struct slice key, struct slice *ret, struct err *err) NODISCARD;
int db_put(struct db_txn *txn, enum table t, struct slice key, struct slice value, struct err *err) NODISCARD;
/* Room of len bytes for the value; filled by the caller before the next call (MDB_RESERVE). */
int db_put_reserve(struct db_txn *txn, enum table t, struct slice key, size_t len, uint8_t **ret,
                   struct err *err) NODISCARD;
int db_del(struct db_txn *txn, enum table t, struct slice key, struct err *err) NODISCARD; /* absent is fine */
int db_clear(struct db_txn *txn, enum table t, struct err *err) NODISCARD;                 /* empties the table */

/* Cursors. Key and value borrow. seek finds the first key ≥ key. All give ERR_NOTFOUND at the end (does not stick). */
int db_cursor_open(struct db_txn *txn, enum table t, struct db_cursor **ret, struct err *err) NODISCARD;
int db_cursor_seek(struct db_cursor *c, struct slice key, struct slice *ret_key, struct slice *ret_value,
                   struct err *err) NODISCARD;
int db_cursor_first(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err) NODISCARD;
int db_cursor_last(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err) NODISCARD;
int db_cursor_next(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err) NODISCARD;
int db_cursor_prev(struct db_cursor *c, struct slice *ret_key, struct slice *ret_value, struct err *err) NODISCARD;
void db_cursor_close(struct db_cursor **c); /* before its transaction ends */

struct db_usage {
    size_t map_bytes, used_bytes; /* used = pages in use */
    uint32_t readers, readers_max;
};
int db_usage(struct db *db, struct db_usage *ret, struct err *err) NODISCARD;
uint64_t db_table_entries(struct db_txn *txn, enum table t); /* 0 on error, which sticks */
/* Clears slots of dead readers; at start and every minute. */
int db_reader_check(struct db *db, unsigned *ret_cleared, struct err *err) NODISCARD;
/* A consistent, compacted copy into an empty directory while the program runs (backup, vault rewrite); durable when it returns
 * 0. ERR_EXISTS, ERR_FULL, ERR_IO, ERR_LIMIT (path). */
int db_copy(struct db *db, const char *to_dir, struct err *err) NODISCARD;

/* Writes the environment into a new file as db_copy does and puts it in the place of the old one, under the running program:
 * vault_rewrite (storage/vault_erase.h) says what that is for, what it promises and its errors. */
struct db_rewritten {
    uint64_t bytes_before, bytes_after; /* of the files */
    bool overwritten; /* false: another process had the old file open, or it cannot be written any more */
};
int db_rewrite(struct db *db, struct db_rewritten *ret, struct err *err) NODISCARD;
/* Test hook: the n-th next put, delete, clear or commit fails with ERR_FULL (0 = off). Process-wide. */
void db_fail_after(unsigned n);

/* Test hook, for a process that ends: called at every point where one that ends leaves another disk than at the point before. step: 0 = a commit
 * of a write transaction is about to be made durable; else the step of a rewrite that was just done (storage/db_rewrite.c). NULL = off. */
void db_point_hook(void (*at)(enum db_kind kind, unsigned step));
/* Test hook: true = from now on, or from the point on where the hook calls it, nothing reaches the disk: begin of a write, every write, commit
 * and rewrite fail with ERR_IO, and nothing is tidied up either. What is open is to be closed then; false = another process. Process-wide. */
void db_end(bool on);
bool db_ended(void);

/* Hook of tests and benchmarks: every step that writes is recorded to f, so that a bare LMDB loop can do the same again. NULL = off.
 * Process-wide; not to be changed while a write transaction is open. A record: step u8 ‖ table u8 (of commit and abort: the
 * db_kind) ‖ length of the key u16 ‖ length of the value u32 ‖ key. Values, which may be personal, are not recorded. */
enum db_trace_step { DB_TRACE_PUT = 1, DB_TRACE_DEL, DB_TRACE_CLEAR, DB_TRACE_COMMIT, DB_TRACE_ABORT };
enum { DB_TRACE_HEAD = 8 };
void db_trace_to(FILE *f);

#endif
