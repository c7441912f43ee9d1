/* See erasures.h.
 *
 * tombstones   log id 32 ‖ seq u64 ‖ index u8 → log id 32 ‖ seq u64 of the order
 * erasures     log id 32 ‖ seq u64 → version 1 u8 ‖ kind u16 ‖ state u8 ‖ unit 32 ‖ subject 16 ‖ classes u16 ‖ generation u32 ‖ ground u8 ‖
 *              date u32 (two's complement) ‖ done ms u64
 * erasures-due log id 32 ‖ seq u64 → one byte without meaning
 * confirmations: version 1 u8 ‖ depth u32 ‖ log id 32 ‖ seq u64 ‖ date u32 ‖ has backup u8 ‖ date u32 ‖ date u32 (zeros without) */
#include "storage/erasures.h"

#include "proto/base/bytes.h"

enum { ROW_VERSION = 1, ERASURE_ROW_BYTES = 1 + 2 + 1 + 32 + 16 + 2 + 4 + 1 + 4 + 8 };

/* ---- tombstones ---- */

static void
key_tombstone(uint8_t out[KEY_TOMBSTONE], const struct position *at, uint8_t index)
{
    key_position(out, &at->log, at->seq);
    out[KEY_POSITION] = index;
}

static struct position
position_of(const uint8_t *bytes)
{
    struct position p;
    memcpy(p.log.b, bytes, sizeof(p.log.b));
    p.seq = be64_get(bytes + sizeof(p.log.b));
    return p;
}

int
tombstone_find(struct db_txn *txn, const struct position *at, uint8_t index, bool *ret, struct position *ret_by,
               struct err *err)
{
    uint8_t key[KEY_TOMBSTONE];
    struct slice value;
    key_tombstone(key, at, index);
    int rc = db_get(txn, TABLE_TOMBSTONES, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    if (rc == 0 && value.len != KEY_POSITION)
        return err_set(err, ERR_CORRUPT, "tombstones: a row does not read");
    if (rc == ERR_NOTFOUND && err != NULL)
        err_clear(err);
    if (rc == 0 && ret_by != NULL)
        *ret_by = position_of(value.data);
    *ret = rc == 0;
    return 0;
}

int
tombstone_put(struct db_txn *txn, const struct position *at, uint8_t index, const struct position *by, struct err *err)
{
    uint8_t key[KEY_TOMBSTONE], value[KEY_POSITION];
    bool there;
    int rc = tombstone_find(txn, at, index, &there, NULL, err);
    if (rc != 0 || there)
        return rc;
    key_tombstone(key, at, index);
    key_position(value, &by->log, by->seq);
    return db_put(txn, TABLE_TOMBSTONES, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

/* ---- orders ---- */

static void
erasure_encode(const struct erasure_order *e, uint8_t out[ERASURE_ROW_BYTES])
{
    uint8_t *p = out;
    *p++ = ROW_VERSION;
    be16_put(p, e->kind);
    p[2] = (uint8_t)e->state;
    p += 3;
    memcpy(p, e->unit.b, 32);
    memcpy(p + 32, e->subject.b, 16);
    p += 48;
    be16_put(p, e->classes);
    be32_put(p + 2, e->generation);
    p[6] = e->ground;
    be32_put(p + 7, (uint32_t)e->effective.days);
    be64_put(p + 11, (uint64_t)e->done.ms);
}

static int
erasure_decode(const struct position *at, struct slice row, struct erasure_order *ret, struct err *err)
{
    const uint8_t *p = row.data;
    if (row.len != ERASURE_ROW_BYTES || p[0] != ROW_VERSION || p[3] < ERASURE_NOTED || p[3] > ERASURE_DONE)
        return err_set(err, ERR_CORRUPT, "erasures: a row does not read");
    *ret = (struct erasure_order){.at = *at, .kind = be16_get(p + 1), .state = (enum erasure_state)p[3]};
    p += 4;
    memcpy(ret->unit.b, p, 32);
    memcpy(ret->subject.b, p + 32, 16);
    p += 48;
    ret->classes = be16_get(p);
    ret->generation = be32_get(p + 2);
    ret->ground = p[6];
    ret->effective.days = (int32_t)be32_get(p + 7);
    ret->done.ms = (int64_t)be64_get(p + 11);
    return 0;
}

int
erasure_get(struct db_txn *txn, const struct position *at, struct erasure_order *ret, struct err *err)
{
    uint8_t key[KEY_POSITION];
    struct slice row;
    key_position(key, &at->log, at->seq);
    int rc = db_get(txn, TABLE_ERASURES, slice_of(key, sizeof(key)), &row, err);
    return rc == 0 ? erasure_decode(at, row, ret, err) : rc;
}

int
erasure_put(struct db_txn *txn, const struct erasure_order *e, struct err *err)
{
    uint8_t raw[KEY_POSITION], row[ERASURE_ROW_BYTES];
    key_position(raw, &e->at.log, e->at.seq);
    struct slice key = slice_of(raw, sizeof(raw));
    erasure_encode(e, row);
    int rc = db_put(txn, TABLE_ERASURES, key, slice_of(row, sizeof(row)), err);
    if (rc != 0)
        return rc;
    if (e->state != ERASURE_DONE)
        return db_put(txn, TABLE_ERASURES_DUE, key, slice_of("\1", 1), err);
    return db_del(txn, TABLE_ERASURES_DUE, key, err);
}

int
erasures_list(struct db_txn *txn, bool due, const struct position *after, struct erasure_order *ret, size_t max,
              size_t *ret_n, struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice key, value;
    uint8_t from[KEY_POSITION];
    size_t n = 0;
    int rc = db_cursor_open(txn, due ? TABLE_ERASURES_DUE : TABLE_ERASURES, &cursor, err);
    if (rc != 0)
        return rc;
    if (after != NULL) {
        key_position(from, &after->log, after->seq + 1);
        rc = db_cursor_seek(cursor, slice_of(from, sizeof(from)), &key, &value, err);
    } else {
        rc = db_cursor_first(cursor, &key, &value, err);
    }
    for (; rc == 0 && n < max; rc = db_cursor_next(cursor, &key, &value, err)) {
        if (key.len != KEY_POSITION) {
            rc = err_set(err, ERR_CORRUPT, "erasures: a key does not read");
            break;
        }
        struct position at = position_of(key.data);
        rc = due ? erasure_get(txn, &at, &ret[n], err) : erasure_decode(&at, value, &ret[n], err);
        if (rc != 0) {
            rc = rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "erasures: one that is due is not there") : rc;
            break;
        }
        n++;
    }
    db_cursor_close(&cursor);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0)
        *ret_n = n;
    return rc;
}

uint64_t
erasures_due(struct db_txn *txn)
{
    return db_table_entries(txn, TABLE_ERASURES_DUE);
}

/* ---- confirmations ---- */

void
key_confirmation(uint8_t out[KEY_CONFIRMATION], const struct position *asked, const struct unit_id *unit)
{
    key_position(out, &asked->log, asked->seq);
    memcpy(out + KEY_POSITION, unit->b, sizeof(unit->b));
}

void
confirmation_encode(const struct confirmation *c, uint8_t out[CONFIRMATION_ROW_BYTES])
{
    memset(out, 0, CONFIRMATION_ROW_BYTES);
    out[0] = ROW_VERSION;
    be32_put(out + 1, c->depth);
    key_position(out + 5, &c->at.log, c->at.seq);
    be32_put(out + 45, (uint32_t)c->effective.days);
    out[49] = c->has_backup;
    if (c->has_backup) {
        be32_put(out + 50, (uint32_t)c->backup.days);
        be32_put(out + 54, (uint32_t)c->backup_gone.days);
    }
}

int
confirmation_decode(struct slice bytes, struct confirmation *ret, struct err *err)
{
    const uint8_t *p = bytes.data;
    if (bytes.len != CONFIRMATION_ROW_BYTES || p[0] != ROW_VERSION || p[49] > 1)
        return err_set(err, ERR_CORRUPT, "a confirmation does not read");
    *ret = (struct confirmation){.depth = be32_get(p + 1), .at = position_of(p + 5), .has_backup = p[49] == 1};
    ret->effective.days = (int32_t)be32_get(p + 45);
    ret->backup = ret->backup_gone = DATE_NONE;
    if (ret->has_backup) {
        ret->backup.days = (int32_t)be32_get(p + 50);
        ret->backup_gone.days = (int32_t)be32_get(p + 54);
    }
    return 0;
}

int
confirmations_list(struct db_txn *txn, const struct position *asked, struct confirmed_by *ret, size_t max,
                   size_t *ret_n, struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice key, value;
    uint8_t prefix[KEY_POSITION];
    size_t n = 0;
    key_position(prefix, &asked->log, asked->seq);
    int rc = db_cursor_open(txn, TABLE_CONFIRMATIONS, &cursor, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(cursor, slice_of(prefix, sizeof(prefix)), &key, &value, err); rc == 0 && n < max;
         rc = db_cursor_next(cursor, &key, &value, err)) {
        if (key.len != KEY_CONFIRMATION || memcmp(key.data, prefix, sizeof(prefix)) != 0)
            break;
        rc = confirmation_decode(value, &ret[n].c, err);
        if (rc != 0)
            break;
        memcpy(ret[n++].unit.b, key.data + KEY_POSITION, sizeof(ret->unit.b));
    }
    db_cursor_close(&cursor);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0)
        *ret_n = n;
    return rc;
}
