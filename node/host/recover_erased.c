/* What erasures have taken away for good, and the walk over the own logs that finds it. See recover_private.h. */
#include <stdlib.h>

#include "node/host/recover_private.h"

enum { PLACES_MAX = 1 << 26, WALK_EVENTS = 4096, PLACE_KEY = HASH_BYTES + 8, KEY_KEY = ID_BYTES + 1 };

static int
walk_stretch(struct db *db, const struct log_row *row, uint64_t *seq, own_event_fn *each, void *arg, bool *ret_end,
             struct err *err)
{
    struct db_txn *txn = NULL;
    struct evlog_iter it;
    struct stored_event stored;
    struct event_header h;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    *ret_end = false;
    rc = evlog_iter_init(&it, txn, row->no, *seq + 1, err);
    for (int i = 0; rc == 0 && i < WALK_EVENTS; i++) {
        rc = evlog_iter_next(&it, &stored, err);
        if (rc == ERR_NOTFOUND) {
            *ret_end = true;
            rc = 0;
            break;
        }
        if (rc == 0)
            rc = event_header_decode(stored.header, &h, err);
        struct own_event ev = {.txn = txn, .row = row, .header = &h, .payload = stored.payload};
        if (rc == 0)
            rc = each(arg, &ev, err);
        if (rc == 0)
            *seq = h.seq;
    }
    evlog_iter_release(&it);
    db_abort(&txn);
    return rc;
}

static int
row_of(struct db *db, uint32_t no, struct log_row *ret, uint32_t *ret_count, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, ret_count, err);
    if (rc == 0 && no <= *ret_count)
        rc = evlog_get(txn, no, ret, err);
    db_abort(&txn);
    return rc;
}

int
own_events_walk(struct db *db, const struct unit_id *unit, own_event_fn *each, void *arg, struct err *err)
{
    uint32_t count = 1;
    int rc = 0;
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct log_row row;
        uint64_t seq = 0;
        bool end = false;
        rc = row_of(db, no, &row, &count, err);
        if (rc != 0 || no > count || !TYPE_EQ(&row.unit, unit) || row.head_seq == 0)
            continue;
        while (rc == 0 && !end)
            rc = walk_stretch(db, &row, &seq, each, arg, &end, err);
    }
    return rc;
}

int
own_events_count(struct db *db, const struct unit_id *unit, uint64_t *ret, struct err *err)
{
    uint32_t count = 1;
    uint64_t n = 0;
    int rc = 0;
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct log_row row;
        rc = row_of(db, no, &row, &count, err);
        if (rc == 0 && no <= count && TYPE_EQ(&row.unit, unit))
            n += row.head_seq;
    }
    if (rc == 0)
        *ret = n;
    return rc;
}

static void
place_key(uint8_t out[PLACE_KEY], const struct log_id *log, uint64_t seq)
{
    memcpy(out, log->b, HASH_BYTES);
    be64_put(out + HASH_BYTES, seq);
}

static void
key_key(uint8_t out[KEY_KEY], const struct subject_id *subject, uint8_t class)
{
    memcpy(out, subject->b, ID_BYTES);
    out[ID_BYTES] = class;
}

/* A key whose capsule is of a deeper log, or later in the same one, was made afterwards, or beside it where it lists nothing. */
static int
note_all(struct erased *e, const struct own_event *ev, const uint8_t key[KEY_KEY], struct err *err)
{
    struct all_until *until = map_put(&e->all, key, NULL);
    if (!until)
        return err_set(err, ERR_NOMEM, "erasures: out of memory");
    if (ev->row->depth > until->depth || (TYPE_EQ(&ev->row->id, &until->at.log) && ev->header->seq > until->at.seq))
        *until = (struct all_until){ev->row->depth, {ev->row->id, ev->header->seq}};
    return 0;
}

static int
note_keys(struct erased *e, const struct own_event *ev, const struct event_payload *p, struct err *err)
{
    for (uint8_t i = 0; i < p->erasure.n_classes; i++) {
        uint8_t key[KEY_KEY];
        key_key(key, &p->common.subject, p->erasure.classes[i]);
        if (!p->erasure.has_generation) {
            int rc = note_all(e, ev, key, err);
            if (rc != 0)
                return rc;
            continue;
        }
        uint64_t to = 1 + (uint64_t)p->erasure.generation, *limit = map_put(&e->keys, key, NULL);
        if (!limit)
            return err_set(err, ERR_NOMEM, "erasures: out of memory");
        *limit = to > *limit ? to : *limit;
    }
    return 0;
}

/* Also one that is void counts: what somebody ordered to be forgotten is not brought back by a copy. */
static int
note_erasure(void *arg, const struct own_event *ev, struct err *err)
{
    struct erased *e = arg;
    struct erased_place places[ERASED_PLACES_MAX];
    struct event_payload p;
    struct err ignored;
    if (ev->header->kind != KIND_ERASURE_ORDERED || ev->payload.len == 0 ||
        event_payload_decode(KIND_ERASURE_ORDERED, ev->header->kind_version, ev->payload, &p, &ignored) != 0)
        return 0;
    size_t n = erased_places_read(ev->payload, places);
    for (size_t i = 0; i < n; i++) {
        uint8_t key[PLACE_KEY];
        place_key(key, &places[i].log, places[i].seq);
        uint64_t *bits = map_put(&e->places, key, NULL);
        if (!bits)
            return err_set(err, ERR_NOMEM, "erasures: out of memory");
        *bits |= places[i].indexes;
    }
    return note_keys(e, ev, &p, err);
}

int
erased_load(struct db *db, const struct unit_id *unit, struct erased *ret, struct err *err)
{
    map_init(&ret->places, PLACE_KEY, sizeof(uint64_t), PLACES_MAX, NULL);
    map_init(&ret->keys, KEY_KEY, sizeof(uint64_t), PLACES_MAX, NULL);
    map_init(&ret->all, KEY_KEY, sizeof(struct all_until), PLACES_MAX, NULL);
    int rc = own_events_walk(db, unit, note_erasure, ret, err);
    if (rc != 0)
        erased_free(ret);
    return rc;
}

void
erased_free(struct erased *e)
{
    map_free(&e->places);
    map_free(&e->keys);
    map_free(&e->all);
}

bool
erased_place(const struct erased *e, const struct position *at, uint8_t index)
{
    uint8_t key[PLACE_KEY];
    place_key(key, &at->log, at->seq);
    const uint64_t *bits = map_get(&e->places, key);
    return bits && (*bits >> index & 1) != 0;
}

bool
erased_key(const struct erased *e, const struct subject_id *subject, const struct keyed_class *key, uint32_t depth,
           const struct position *at)
{
    uint8_t which[KEY_KEY];
    key_key(which, subject, key->class);
    const uint64_t *limit = map_get(&e->keys, which);
    const struct all_until *until = map_get(&e->all, which);
    if (limit && key->generation < *limit)
        return true;
    if (!until)
        return false;
    return TYPE_EQ(&at->log, &until->at.log) ? at->seq <= until->at.seq : depth <= until->depth;
}
