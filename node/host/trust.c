/* Pinned cards. See trust.h. */
#include "node/host/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROW_VERSION = 1, FLAG_KEEPER = 1, ROW_MAX = CARD_TEXT_MAX + 1024 };

static int
row_decode(struct slice row, struct trusted *ret, struct err *err)
{
    struct reader r = reader_of(row);
    struct trusted t = {0};
    bool first_root;
    uint8_t version = reader_u8(&r);
    t.keeper = reader_u8(&r) & FLAG_KEEPER;
    t.pinned_at.ms = (int64_t)reader_u64(&r);
    t.n_endpoints = reader_u8(&r);
    if (version != ROW_VERSION || t.n_endpoints > TRUST_ENDPOINTS_MAX)
        return err_set(err, ERR_CORRUPT, "a pinned peer's row cannot be read");
    for (uint8_t i = 0; i < t.n_endpoints; i++) {
        uint8_t len = reader_u8(&r);
        if (len > ENDPOINT_BYTES_MAX)
            return err_set(err, ERR_CORRUPT, "a pinned peer's row cannot be read");
        reader_copy(&r, t.endpoints[i], len);
    }
    if (r.failed)
        return err_set(err, ERR_CORRUPT, "a pinned peer's row cannot be read");
    int rc = card_read(slice_of(r.p, reader_left(&r)), &t.card, &first_root, err);
    if (rc == 0)
        *ret = t;
    return rc;
}

int
trust_list(struct db_txn *txn, struct trusted **ret, size_t *ret_n, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, v;
    size_t n = 0;
    struct trusted *list = calloc(TRUST_MAX, sizeof(*list));
    if (!list)
        return err_set(err, ERR_NOMEM, "peers: out of memory");
    int rc = db_cursor_open(txn, TABLE_PEERS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &k, &v, err); rc == 0 && n < TRUST_MAX;
         rc = db_cursor_next(c, &k, &v, err)) {
        rc = row_decode(v, &list[n], err);
        if (rc != 0)
            break;
        n++;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        free(list);
        return rc;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

int
trust_find(struct db_txn *txn, const struct unit_id *unit, struct trusted *ret, struct err *err)
{
    struct slice v;
    int rc = db_get(txn, TABLE_PEERS, slice_of(unit->b, sizeof(unit->b)), &v, err);
    return rc == 0 ? row_decode(v, ret, err) : rc;
}

/* What else is pinned: the same unit, or another one under the same code. */
static int
compare_pinned(struct db_txn *txn, const struct unit_card *card, struct trusted *ret_old, bool *ret_has_old,
               struct err *err)
{
    struct trusted *list = NULL;
    size_t n = 0;
    int rc = trust_list(txn, &list, &n, err);
    *ret_has_old = false;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct unit_card *other = &list[i].card;
        if (!TYPE_EQ(&other->unit, &card->unit)) {
            if (strcmp(other->unit_code, card->unit_code) == 0)
                rc = err_field(err, ERR_EXISTS, "card", "another unit is pinned under the code %s", card->unit_code);
            continue;
        }
        *ret_old = list[i];
        *ret_has_old = true;
        if (!TYPE_EQ(&other->root_key, &card->root_key))
            rc = err_field(err, ERR_CONFLICT, "card",
                           "%s is pinned with another root key; remove it first, after asking the unit by telephone",
                           card->unit_code);
        else if (card->serial < other->serial ||
                 (card->serial == other->serial && card->issued_on.days < other->issued_on.days))
            rc = err_field(err, ERR_CONFLICT, "card", "a newer card of %s is pinned", card->unit_code);
    }
    if (rc == 0 && !*ret_has_old && n >= TRUST_MAX)
        rc = err_set(err, ERR_LIMIT, "more than %d peers", TRUST_MAX);
    free(list);
    return rc;
}

static void
row_encode(const struct trusted *t, struct slice card_text, struct buf *out)
{
    buf_put_u8(out, ROW_VERSION);
    buf_put_u8(out, t->keeper ? FLAG_KEEPER : 0);
    buf_put_u64(out, (uint64_t)t->pinned_at.ms);
    buf_put_u8(out, t->n_endpoints);
    for (uint8_t i = 0; i < t->n_endpoints; i++) {
        buf_put_u8(out, (uint8_t)strlen(t->endpoints[i]));
        buf_put(out, t->endpoints[i], strlen(t->endpoints[i]));
    }
    buf_put(out, card_text.data, card_text.len);
}

static int
check_card(const struct identity *own, const struct unit_card *card, struct err *err)
{
    if (!TYPE_EQ(&card->federation, &own->federation))
        return err_field(err, ERR_FEDERATION, "card", "%s belongs to the federation %s, this node to %s",
                         card->unit_code, card->federation_name.s, own->federation_name.s);
    if (card->production != own->production)
        return err_field(err, ERR_FEDERATION, "card", "%s is a %s unit, this node is a %s one", card->unit_code,
                         card->production ? "production" : "test", own->production ? "production" : "test");
    if (TYPE_EQ(&card->unit, &own->unit))
        return err_field(err, ERR_EXISTS, "card", "this is the card of this very unit");
    if (strcmp(card->unit_code, own->unit_code) == 0)
        return err_field(err, ERR_EXISTS, "card", "another unit with our own code %s", card->unit_code);
    return 0;
}

int
trust_pin(struct db_txn *txn, const struct identity *own, struct slice card_text, const struct trusted *settings,
          struct err *err)
{
    struct trusted t = {0}, old;
    bool first_root = false, has_old = false;
    struct unit_card card;
    struct buf row;
    struct timespec now;
    int rc = card_read(card_text, &card, &first_root, err);
    if (rc == 0)
        rc = check_card(own, &card, err);
    if (rc == 0 && !first_root)
        rc = err_field(err, ERR_UNTRUSTED, "card",
                       "%s has changed its root key; removing the old card and confirming this one is up to you",
                       card.unit_code);
    if (rc == 0)
        rc = compare_pinned(txn, &card, &old, &has_old, err);
    if (rc != 0)
        return rc;
    if (settings)
        t = *settings;
    else if (has_old)
        t = old;
    clock_gettime(CLOCK_REALTIME, &now);
    t.pinned_at.ms = (int64_t)now.tv_sec * 1000;
    buf_init(&row, ROW_MAX);
    row_encode(&t, card_text, &row);
    rc = buf_check(&row, "pinned peer", err);
    if (rc == 0)
        rc = db_put(txn, TABLE_PEERS, slice_of(card.unit.b, sizeof(card.unit.b)), buf_slice(&row), err);
    buf_free(&row);
    return rc;
}

int
trust_remove(struct db_txn *txn, const struct unit_id *unit, struct err *err)
{
    struct slice v;
    int rc = db_get(txn, TABLE_PEERS, slice_of(unit->b, sizeof(unit->b)), &v, err);
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_NOTFOUND, "no such peer is pinned");
    return rc == 0 ? db_del(txn, TABLE_PEERS, slice_of(unit->b, sizeof(unit->b)), err) : rc;
}
