/* See settling.h. A note: TABLE_META "vault-owes-" ‖ sort u8 ‖ id 16 → enum visit_settled u8, or nothing. */
#include "node/host/settling.h"

#include <stdlib.h>

#include "node/host/engine_private.h"
#include "storage/asks.h"

enum sort { SORT_ANSWER = 1, SORT_MOVED = 2 };

static const char NAME[] = "vault-owes-";

enum {
    NAME_BYTES = sizeof(NAME) - 1,
    KEY_NOTE = NAME_BYTES + 1 + ID_BYTES,
    STEP = 64, /* notes done before they are crossed out; a group has few */
};

static void
key_note(uint8_t out[KEY_NOTE], enum sort sort, const struct subject_id *id)
{
    memcpy(out, NAME, NAME_BYTES);
    out[NAME_BYTES] = (uint8_t)sort;
    memcpy(out + NAME_BYTES + 1, id->b, ID_BYTES);
}

static int
note(struct engine *e, enum sort sort, const struct subject_id *id, struct slice value, struct err *err)
{
    uint8_t key[KEY_NOTE];
    key_note(key, sort, id);
    int rc = db_put(e->txn, TABLE_META, slice_of(key, sizeof(key)), value, err);
    e->settling_due |= rc == 0;
    return rc;
}

int
settling_note_answer(struct engine *e, const struct visit *of, enum visit_settled as, struct err *err)
{
    struct subject_id label;
    uint8_t value = (uint8_t)as;
    visits_label(e->config.vault, of, &label);
    return note(e, SORT_ANSWER, &label, slice_of(&value, 1), err);
}

int
settling_note_moved(struct engine *e, const struct subject_id *member, struct err *err)
{
    return note(e, SORT_MOVED, member, slice_of(NULL, 0), err);
}

int
settling_answered(struct engine *e, const struct visit *v, uint8_t *ret, struct err *err)
{
    struct subject_id label;
    struct slice value;
    uint8_t key[KEY_NOTE];
    visits_label(e->config.vault, v, &label);
    key_note(key, SORT_ANSWER, &label);
    int rc = db_get(e->txn, TABLE_META, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret = rc == 0 && value.len == 1 ? value.data[0] : v->settled;
    return 0;
}

/* Requests to move, not what else the member asks. */
static int
deal_with_moves(struct engine *e, const struct subject_id *member, struct err *err)
{
    size_t n = 0;
    struct ask *asks = calloc(ASKS_MAX, sizeof(*asks));
    if (!asks)
        return err_set(err, ERR_NOMEM, "requests: out of memory");
    int rc = asks_list(e->config.vault, member, NULL, asks, ASKS_MAX, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (asks[i].what == ASK_MOVE)
            rc = asks_del(e->config.vault, member, &asks[i].id, NULL, err);
    person_wipe(asks, ASKS_MAX * sizeof(*asks));
    free(asks);
    return rc;
}

struct noted {
    uint8_t key[KEY_NOTE];
    uint8_t as;
};

static int
do_one(struct engine *e, const struct noted *x, struct err *err)
{
    struct subject_id id;
    memcpy(id.b, x->key + NAME_BYTES + 1, ID_BYTES);
    if (x->key[NAME_BYTES] == SORT_MOVED)
        return deal_with_moves(e, &id, err);
    int rc = visits_settle(e->config.vault, &id, (enum visit_settled)x->as, err);
    return rc == ERR_NOTFOUND ? 0 : rc; /* erased since */
}

static int
read_noted(struct engine *e, struct noted ret[STEP], size_t *ret_n, struct err *err)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice key, value;
    *ret_n = 0;
    int rc = db_begin_read(e->config.db, &txn, err);
    if (rc == 0)
        rc = db_cursor_open(txn, TABLE_META, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(NAME, NAME_BYTES), &key, &value, err);
         rc == 0 && *ret_n < STEP && key.len == KEY_NOTE && memcmp(key.data, NAME, NAME_BYTES) == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        memcpy(ret[*ret_n].key, key.data, KEY_NOTE);
        ret[(*ret_n)++].as = value.len == 1 ? value.data[0] : VISIT_OPEN;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
cross_out(struct engine *e, const struct noted *done, size_t n, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_write(e->config.db, &txn, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = db_del(txn, TABLE_META, slice_of(done[i].key, KEY_NOTE), err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
settling_turn(struct engine *e, struct err *err)
{
    struct noted some[STEP];
    size_t n = STEP;
    int rc = 0;
    MUST(!e->txn);
    while (rc == 0 && n == STEP) {
        rc = read_noted(e, some, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = do_one(e, &some[i], err);
        if (rc == 0 && n > 0)
            rc = cross_out(e, some, n, err);
    }
    if (rc != 0)
        return err_wrap(err, "what was answered, in the vault");
    e->settling_due = false;
    return 0;
}
