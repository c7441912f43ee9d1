/* See access_upkeep.h. */
#include "node/host/access_upkeep.h"

#include <stdlib.h>

#include "node/command/access.h"

enum { STEP = 256 }; /* accesses looked at in one read transaction */

struct due {
    size_t n;
    struct {
        enum access_action action;
        struct subject_id access, member;
        uint8_t reason;
    } v[STEP];
};

/* Whether the member is one on the day; why its access ends if not. */
static int
member_ends(const struct access_upkeep *u, struct db_txn *txn, const struct subject_id *member, uint8_t *ret_reason,
            struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice value;
    struct member_row row;
    struct member_state s;
    *ret_reason = 0;
    key_member(key, member, &u->unit);
    int rc = db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    if (rc == 0)
        rc = member_row_decode(value, &u->unit, member, &row, err);
    if (rc != 0)
        return rc;
    member_state_at(&row, u->today, &s);
    if (s.status == STATUS_LEFT || s.status == STATUS_MERGED)
        *ret_reason = s.status == STATUS_LEFT && s.left_reason == LEFT_MOVED ? ACCESS_END_MOVED : ACCESS_END_LEFT;
    member_row_release(&row);
    return 0;
}

static int
look_at(const struct access_upkeep *u, struct db_txn *txn, const struct subject_id *access, struct slice value,
        struct due *due, struct err *err)
{
    struct access_row row;
    struct access_state s;
    uint8_t reason = 0;
    int rc = access_row_decode(value, &u->unit, access, &row, err);
    if (rc != 0)
        return rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    if (!access_is_open(&s, u->today))
        return 0;
    rc = member_ends(u, txn, &s.facts.member, &reason, err);
    if (rc != 0 || (reason == 0 && !access_year_due(&s, u->today)))
        return rc;
    due->v[due->n].action = reason != 0 ? ACCESS_END_ALL : ACCESS_RENEW;
    due->v[due->n].access = *access;
    due->v[due->n].member = s.facts.member;
    due->v[due->n++].reason = reason;
    return 0;
}

/* The next STEP accesses of the unit after `from`, which becomes the last of them; *ret_more: there are more. */
static int
find_due(const struct access_upkeep *u, uint8_t from[KEY_ACCESS], bool *ret_more, struct due *due, struct err *err)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice key, value;
    size_t looked = 0;
    uint8_t first[KEY_ACCESS];
    due->n = 0;
    *ret_more = false;
    memcpy(first, from, KEY_ACCESS);
    int rc = db_begin_read(u->db, &txn, err);
    if (rc == 0)
        rc = db_cursor_open(txn, TABLE_ACCESS, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(from, KEY_ACCESS), &key, &value, err);
    while (rc == 0 && key.len == KEY_ACCESS && memcmp(key.data, u->unit.b, HASH_BYTES) == 0) {
        struct subject_id access;
        if (looked == STEP) {
            *ret_more = true;
            break;
        }
        memcpy(access.b, key.data + HASH_BYTES, ID_BYTES);
        if (memcmp(key.data, first, KEY_ACCESS) != 0) {
            memcpy(from, key.data, KEY_ACCESS);
            rc = look_at(u, txn, &access, value, due, err);
            looked++;
        }
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

static int
write_due(const struct access_upkeep *u, const struct due *due, struct access_upkept *ret, struct err *refusal,
          struct err *err)
{
    struct api_op *op = malloc(sizeof(*op));
    int rc = op == NULL ? err_set(err, ERR_NOMEM, "access: out of memory") : 0;
    for (size_t i = 0; i < due->n && rc == 0; i++) {
        if (u->stop != NULL && u->stop(u->arg)) {
            rc = err_set(err, ERR_UNAVAILABLE, "stopped");
            break;
        }
        memset(op, 0, sizeof(*op));
        op->kind = OP_ACCESS;
        op->access = (struct access_request){.action = due->v[i].action,
                                             .member = due->v[i].member,
                                             .has_access = true,
                                             .access = due->v[i].access,
                                             .reason = due->v[i].reason};
        rc = u->run(u->arg, &u->actor, op, err);
        if (rc != 0)
            break;
        if (op->result.err.code != ERR_NONE)
            *refusal = op->result.err;
        else if (op->result.has_position && due->v[i].action == ACCESS_RENEW)
            ret->renewed++;
        else if (op->result.has_position)
            ret->ended++;
    }
    free(op);
    return rc;
}

int
access_upkeep_run(const struct access_upkeep *u, struct access_upkept *ret, struct err *err)
{
    uint8_t from[KEY_ACCESS] = {0};
    struct due due;
    struct err refusal = {0};
    bool more = true;
    int rc = 0;
    *ret = (struct access_upkept){0};
    memcpy(from, u->unit.b, HASH_BYTES);
    while (rc == 0 && more) {
        rc = find_due(u, from, &more, &due, err);
        if (rc == 0)
            rc = write_due(u, &due, ret, &refusal, err);
    }
    if (rc == 0 && refusal.code != ERR_NONE) {
        if (err != NULL)
            *err = refusal;
        rc = refusal.code;
    }
    return rc;
}
