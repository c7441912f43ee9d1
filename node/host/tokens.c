/* See tokens.h. The table has no index by member: those that are over leave it after a day, so that it stays short. */
#include "node/host/tokens.h"

enum { CHOSEN_MAX = 256 };
#define KEPT_MS (24LL * 3600 * 1000)

struct chosen {
    size_t n;
    struct hash keys[CHOSEN_MAX];
};

/* Whether the row is wanted; arg is the caller's. */
typedef bool (*wanted_fn)(const void *arg, const struct token_row *row);

static int
choose(struct db_txn *txn, wanted_fn wanted, const void *arg, size_t max, struct chosen *ret, struct err *err)
{
    struct db_cursor *c = NULL;
    struct token_row row;
    struct slice key, value;
    ret->n = 0;
    int rc = db_cursor_open(txn, TABLE_TOKENS, &c, err);
    if (rc == 0)
        rc = db_cursor_first(c, &key, &value, err);
    while (rc == 0 && ret->n < max && ret->n < CHOSEN_MAX) {
        rc = key.len == HASH_BYTES ? token_row_decode(value, &row, err) : err_set(err, ERR_CORRUPT, "token row");
        if (rc != 0)
            break;
        if (wanted(arg, &row))
            memcpy(ret->keys[ret->n++].b, key.data, HASH_BYTES);
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

struct end_of {
    struct subject_id member;
    struct wall_ms now;
};

static bool
is_good_and_of(const void *arg, const struct token_row *row)
{
    const struct end_of *e = arg;
    return row->role == ROLE_MEMBER && TYPE_EQ(&row->subject, &e->member) && token_row_check(row, e->now, NULL) == 0;
}

static int
revoke(struct db_txn *txn, const struct hash *hash, struct wall_ms now, struct err *err)
{
    uint8_t room[TOKEN_ROW_BYTES_MAX];
    struct slice value, key = slice_of(hash->b, sizeof(hash->b));
    struct token_row row;
    struct buf b;
    int rc = db_get(txn, TABLE_TOKENS, key, &value, err);
    if (rc == 0)
        rc = token_row_decode(value, &row, err);
    if (rc != 0)
        return rc;
    row.revoked = now;
    buf_fixed(&b, room, sizeof(room));
    rc = token_row_encode(&row, &b, err);
    return rc != 0 ? rc : db_put(txn, TABLE_TOKENS, key, buf_slice(&b), err);
}

int
tokens_end(struct db_txn *txn, const struct subject_id *member, struct wall_ms now, size_t *ret_n, struct err *err)
{
    const struct end_of e = {*member, now};
    struct chosen found = {.n = CHOSEN_MAX};
    size_t n = 0;
    int rc = 0;
    /* A revoked one is not good any more, so each turn finds others. */
    while (rc == 0 && found.n == CHOSEN_MAX) {
        rc = choose(txn, is_good_and_of, &e, CHOSEN_MAX, &found, err);
        for (size_t i = 0; rc == 0 && i < found.n; i++, n++)
            rc = revoke(txn, &found.keys[i], now, err);
    }
    if (rc == 0 && ret_n)
        *ret_n = n;
    return rc;
}

int
tokens_check_room(struct db_txn *txn, const struct subject_id *member, struct wall_ms now, struct err *err)
{
    const struct end_of e = {*member, now};
    struct chosen found;
    int rc = choose(txn, is_good_and_of, &e, TOKENS_OF_MEMBER_MAX, &found, err);
    if (rc == 0 && found.n == TOKENS_OF_MEMBER_MAX)
        rc = err_field(err, ERR_LIMIT, "tokens",
                       "%d tokens of the member are good; end them, or wait until they are over",
                       (int)TOKENS_OF_MEMBER_MAX);
    return rc;
}

static bool
is_long_over(const void *arg, const struct token_row *row)
{
    const struct wall_ms *now = arg;
    int64_t end = row->revoked.ms != 0 ? row->revoked.ms : row->expires.ms;
    return row->role == ROLE_MEMBER && end != 0 && end < now->ms - KEPT_MS;
}

int
tokens_expire(struct db_txn *txn, struct wall_ms now, size_t max, size_t *ret_n, struct err *err)
{
    struct chosen found;
    int rc = choose(txn, is_long_over, &now, max, &found, err);
    for (size_t i = 0; rc == 0 && i < found.n; i++)
        rc = db_del(txn, TABLE_TOKENS, slice_of(found.keys[i].b, sizeof(found.keys[i].b)), err);
    if (rc == 0)
        *ret_n = found.n;
    return rc;
}
