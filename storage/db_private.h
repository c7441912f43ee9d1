/* What db.c and db_txn.c share, and the one thing of a transaction that other modules of this room may do beyond db.h: make an
 * error of their own stick. Not for other rooms. */
#ifndef SMARTNODE_STORAGE_DB_PRIVATE_H
#define SMARTNODE_STORAGE_DB_PRIVATE_H

#include <pthread.h>
#include <sys/types.h>

#include "storage/db.h"

struct MDB_env;
struct MDB_txn;

/* Idle read transactions kept for renewal: more threads than this never read at once. */
enum { DB_POOL_MAX = 64 };

/* An environment of LMDB. A db has one after the other: a rewrite puts another in its place, and the old one is closed when the last
 * transaction on it has ended. */
struct db_env {
    struct MDB_env *env;
    unsigned dbi[TABLE_COUNT_ALL];
    dev_t dev; /* with ino: of its data file */
    ino_t ino;
    /* under the lock of the db */
    unsigned users; /* transactions, and calls that ask it something */
    struct db_txn *pool;
    unsigned n_pool;
};

struct db {
    pthread_mutex_t lock;
    pthread_cond_t unused; /* an environment that is not the current one has no users any more */
    struct db_env *env;    /* the current one */
    enum db_kind kind;
    bool read_only, simulated;
    size_t map_bytes;
    char path[];
};

struct db_txn {
    struct db *db;
    struct db_env *in;
    struct MDB_txn *txn;
    bool write;
    unsigned cursors;  /* open ones: all must be closed before the end */
    struct err failed; /* code 0 = none */
    struct db_txn *next;
};

/* A point of db_point_hook. True: the process has ended. */
bool db_point(const struct db *db, unsigned step);
/* ERR_IO. */
int db_has_ended(struct err *err);

/* Makes an error stick to the transaction: later steps and the commit return it. Returns its code. */
int db_stick(struct db_txn *txn, const struct err *failed);

/* Opens path with the settings of db, adds tables that are missing, checks format and kind. */
int db_env_open(const struct db *db, const char *path, bool create, struct db_env **ret, struct err *err) NODISCARD;
void db_env_close(struct db_env **e); /* no users */
/* The current environment, used until db_env_give. ret_idle (may be NULL): an idle read transaction of it, or NULL. */
struct db_env *db_env_take(struct db *db, struct db_txn **ret_idle);
void db_env_give(struct db *db, struct db_env *e);
bool db_env_is_current(struct db *db, const struct db_env *e);
unsigned db_handle(const struct db_txn *txn, enum table t); /* MUST be a table of this environment */
/* Keeps an ended read transaction as an idle one, with its use of the environment given back. False if it is not to be kept: the
 * caller ends both. */
bool db_pool_give(struct db_txn *txn);
int db_sync_directory(const char *path); /* 0 or errno */

/* storage/db_rewrite.c: the gate of a directory. Whoever opens the files of an environment has it shared, whoever exchanges them
 * exclusively, over all processes. Entering finishes or clears away what an interrupted rewrite left. */
int db_gate_enter(const char *path, bool read_only, int *ret_fd, struct err *err) NODISCARD;
void db_gate_leave(int fd);
/* Whether another process has put another file in the place of this one. */
bool db_replaced(const struct db *db, const struct db_env *e);

/* Error from a code of LMDB or of the operating system. */
int db_fault(int rc, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Ends the process unless this environment is a simulated one: what the disk holds is not known any more. */
void db_disk_failed(struct db *db, const char *reason);

#endif
