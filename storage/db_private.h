/* What db.c and db_txn.c share, and the one thing of a transaction that other modules of this room may do beyond db.h: make an
 * error of their own stick. Not for other rooms. */
#ifndef SMARTNODE_STORAGE_DB_PRIVATE_H
#define SMARTNODE_STORAGE_DB_PRIVATE_H

#include "storage/db.h"

struct MDB_env;
struct MDB_txn;

/* Idle read transactions kept for renewal: more threads than this never read at once. */
enum { DB_POOL_MAX = 64 };

struct db_txn {
    struct db *db;
    struct MDB_txn *txn;
    bool write;
    unsigned cursors;  /* open ones: all must be closed before the end */
    struct err failed; /* code 0 = none */
    struct db_txn *next;
};

/* Makes an error stick to the transaction: later steps and the commit return it. Returns its code. */
int db_stick(struct db_txn *txn, const struct err *failed);

struct MDB_env *db_env(struct db *db);
unsigned db_handle(struct db *db, enum table t); /* MUST be a table of this environment */
/* An idle read transaction, or NULL. */
struct db_txn *db_pool_take(struct db *db);
/* False if the pool is full: the caller frees it. */
bool db_pool_give(struct db *db, struct db_txn *txn);
/* Error from a code of LMDB or of the operating system. */
int db_fault(int rc, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Ends the process unless this environment is a simulated one: what the disk holds is not known any more. */
void db_disk_failed(struct db *db, const char *reason);

#endif
