/* See hearing.h. */
#include "node/host/hearing.h"

#include "storage/evlog.h"

static const char META_HEAR[] = "recover-hear";

static struct slice
name(void)
{
    return slice_of(META_HEAR, sizeof(META_HEAR) - 1);
}

int
hearing_put(struct db_txn *txn, uint32_t peers, struct err *err)
{
    uint8_t value[4];
    be32_put(value, peers);
    return db_put(txn, TABLE_META, name(), slice_of(value, sizeof(value)), err);
}

int
hearing_get(struct db_txn *txn, uint32_t *ret, struct err *err)
{
    struct slice value;
    *ret = 0;
    int rc = db_get(txn, TABLE_META, name(), &value, err);
    if (rc == 0 && value.len != 4)
        return err_set(err, ERR_CORRUPT, "meta: %s", META_HEAR);
    if (rc == 0)
        *ret = be32_get(value.data);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
hearing_check(struct db_txn *txn, struct err *err)
{
    uint32_t peers = 0;
    int rc = hearing_get(txn, &peers, err);
    if (rc != 0 || peers == 0)
        return rc;
    return err_set(err, ERR_UNAVAILABLE,
                   "this node was recovered and writes nothing before it has heard %u peer%s completely; reads go on "
                   "(smartnode status shows the peers, smartnode recover --write-now does not wait)",
                   peers, peers > 1 ? "s" : "");
}

/* What waits for a log that nobody has, or stands still at an event of a newer program, is not waited for. */
static int
is_applied(struct db_txn *txn, const struct unit_id *unit, bool *ret, struct err *err)
{
    uint32_t count = 0;
    int rc = evlog_count(txn, &count, err);
    *ret = true;
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc != 0 || !TYPE_EQ(&row.unit, unit) || row.depth == 0)
            continue;
        uint64_t end = row.head_seq < row.stands_to ? row.head_seq : row.stands_to;
        if (row.applied_seq < end)
            *ret = false;
    }
    return rc;
}

int
hearing_heard(struct db *db, const struct unit_id *unit, uint32_t peers, bool *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t wanted = 0;
    bool applied = false;
    *ret = false;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = hearing_get(txn, &wanted, err);
    if (rc == 0 && wanted > 0 && peers >= wanted)
        rc = is_applied(txn, unit, &applied, err);
    db_abort(&txn);
    if (rc != 0 || wanted == 0 || !applied) {
        *ret = rc == 0 && wanted == 0;
        return rc;
    }
    rc = db_begin_write(db, &txn, err);
    if (rc == 0)
        rc = hearing_put(txn, 0, err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    *ret = rc == 0;
    return rc;
}
