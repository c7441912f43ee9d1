/* See copied.h. */
#include "node/host/copied.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "node/host/datadir.h"
#include "node/host/guests.h"

enum { MARK_BYTES = 8 + 8 + 4 };

static const char MARK[] = "main-file";

static int
mark_of(const char *path, uint8_t ret[MARK_BYTES], struct err *err)
{
    char file[PATH_BYTES_MAX];
    struct statx st;
    int rc = path_join(path, "main/data.mdb", file, err);
    if (rc != 0)
        return rc;
    if (statx(AT_FDCWD, file, 0, STATX_INO | STATX_BTIME, &st) != 0)
        return err_set(err, ERR_IO, "%s: %s", file, strerror(errno));
    /* Not every file system knows births; the inode alone still tells most copies. */
    bool born = (st.stx_mask & STATX_BTIME) != 0;
    be64_put(ret, st.stx_ino);
    be64_put(ret + 8, born ? (uint64_t)st.stx_btime.tv_sec : 0);
    be32_put(ret + 16, born ? st.stx_btime.tv_nsec : 0);
    return 0;
}

int
copied_check(struct db *db, const char *path, bool *ret_copied, struct err *err)
{
    uint8_t now[MARK_BYTES];
    struct slice key = slice_of(MARK, sizeof(MARK) - 1), was;
    struct db_txn *txn = NULL;
    bool copied = false;
    int rc = mark_of(path, now, err);
    if (rc == 0)
        rc = db_begin_write(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_META, key, &was, err);
    if (rc == 0 && slice_eq(was, slice_of(now, sizeof(now)))) {
        db_abort(&txn);
        *ret_copied = false;
        return 0;
    }
    copied = rc == 0;
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0 && copied)
        rc = guests_drop_known(txn, err);
    if (rc == 0)
        rc = db_put(txn, TABLE_META, key, slice_of(now, sizeof(now)), err);
    if (rc != 0) {
        db_abort(&txn);
        return rc;
    }
    rc = db_commit(&txn, err);
    if (rc == 0)
        *ret_copied = copied;
    return rc;
}
