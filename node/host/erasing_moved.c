/* See erasing_moved.h. */
#include "node/host/erasing_moved.h"

#include "node/host/engine_private.h"
#include "node/host/entitled.h"

/* Units that a member came from, as far as they gave something along. */
static int
former_homes(const struct engine *e, struct db_txn *txn, const struct subject_id *member,
             struct unit_id ret[ERASING_HOMES_MAX], size_t *ret_n, struct err *err)
{
    const struct unit_id *own = &e->config.identity->unit;
    struct db_cursor *c = NULL;
    struct slice key, value;
    size_t n = 0;
    bool here = false;
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(member->b, ID_BYTES), &key, &value, err);
         rc == 0 && n < ERASING_HOMES_MAX && key.len == KEY_MEMBER && memcmp(key.data, member->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct member_row row;
        bool gave = false;
        memcpy(ret[n].b, key.data + ID_BYTES, HASH_BYTES);
        if (TYPE_EQ(&ret[n], own)) {
            here = true;
            continue;
        }
        rc = member_row_decode(value, &ret[n], member, &row, err);
        if (rc == 0) {
            rc = entitled_by_handover(txn, &row, own, &gave, err);
            member_row_release(&row);
        }
        if (rc != 0)
            break;
        n += gave;
    }
    db_cursor_close(&c);
    *ret_n = here ? n : 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static bool
has_class(const struct erasure_order *o, uint8_t class)
{
    return o->classes & 1U << class;
}

static bool
is_ours(const struct engine *e, const struct erasure_order *o)
{
    return o->state == ERASURE_NOTED && o->kind == KIND_ERASURE_ORDERED && TYPE_EQ(&o->unit, &e->config.identity->unit);
}

/* Events of the home's row that have capsules, one after the other. */
static int
each_event(struct db_txn *txn, const struct subject_id *member, const struct unit_id *home,
           int (*one)(void *arg, const struct log_row *log, const struct event_header *h, struct err *err), void *arg,
           struct err *err)
{
    struct member_row row;
    int rc = entitled_member(txn, member, home, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; rc == 0 && i < row.n; i++) {
        const struct member_entry *x = &row.entries[i];
        struct log_row log;
        struct stored_event ev;
        struct event_header h;
        if (x->capsule_mask == 0 || x->arrival)
            continue;
        rc = evlog_find(txn, &x->at.log, &log, err);
        if (rc == 0)
            rc = evlog_event(txn, log.no, x->at.seq, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0)
            rc = one(arg, &log, &h, err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_row_release(&row);
    return rc;
}

/* Whether the member went from here to the unit; row is of one that was the home. */
static int
leads_to(struct db_txn *txn, const struct member_row *row, const struct unit_id *unit, bool *ret, struct err *err)
{
    struct member_state s;
    int rc = 0;
    *ret = false;
    member_state_at(row, DATE_MAX, &s);
    for (int hop = 0; rc == 0 && hop < COMPLETIONS_MAX && s.left_reason == LEFT_MOVED && s.status == STATUS_LEFT;
         hop++) {
        struct member_row next;
        if (TYPE_EQ(&s.moved_to, unit)) {
            *ret = true;
            break;
        }
        rc = entitled_member(txn, &row->subject, &s.moved_to, &next, err);
        if (rc != 0)
            break;
        member_state_at(&next, DATE_MAX, &s);
        member_row_release(&next);
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
erasing_moved_homes(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                    struct unit_id ret[ERASING_HOMES_MAX], size_t *ret_n, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    size_t n = 0;
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(member->b, ID_BYTES), &key, &value, err);
         rc == 0 && n < ERASING_HOMES_MAX && key.len == KEY_MEMBER && memcmp(key.data, member->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct member_row row;
        bool leads = false;
        memcpy(ret[n].b, key.data + ID_BYTES, HASH_BYTES);
        rc = member_row_decode(value, &ret[n], member, &row, err);
        if (rc == 0) {
            rc = leads_to(txn, &row, unit, &leads, err);
            member_row_release(&row);
        }
        if (rc != 0)
            break;
        n += leads;
    }
    db_cursor_close(&c);
    *ret_n = n;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- main environment ---- */

struct taking {
    struct engine *e;
    const struct erasure_order *o;
};

static int
take_capsules(void *arg, const struct log_row *log, const struct event_header *h, struct err *err)
{
    const struct taking *t = arg;
    struct position at = {.log = log->id, .seq = h->seq};
    int rc = 0;
    for (uint8_t i = 0; rc == 0 && i < h->n_capsules; i++) {
        uint8_t class = h->capsules[i].class;
        bool goes =
            class >= CLASS_IDENTITY && class <= CLASS_DOSSIER && class != CLASS_ACTIVITY && has_class(t->o, class);
        if (goes)
            rc = tombstone_put(t->e->txn, &at, i, &t->o->at, err);
        if (rc == 0 && goes)
            rc = capsules_del(t->e->txn, log->no, h->seq, i, err);
    }
    return rc;
}

static int
take_all(struct engine *e, const struct erasure_order *o, struct err *err)
{
    const struct engine_config *c = &e->config;
    struct unit_id homes[ERASING_HOMES_MAX];
    struct taking t = {e, o};
    size_t n = 0;
    int rc = former_homes(e, e->txn, &o->subject, homes, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!entitled_is_kept(e->txn, c->keep, c->n_keep, &homes[i]))
            rc = each_event(e->txn, &o->subject, &homes[i], take_capsules, &t, err);
    return rc;
}

int
erasing_moved(struct engine *e, const struct erasure_order *orders, size_t n, struct err *err)
{
    size_t ours = 0;
    for (size_t i = 0; i < n; i++)
        ours += is_ours(e, &orders[i]);
    if (ours == 0)
        return 0;
    int rc = engine_begin(e, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (is_ours(e, &orders[i]))
            rc = take_all(e, &orders[i], err);
    if (rc == 0)
        return engine_commit(e, err);
    engine_abort(e);
    return rc;
}

/* ---- vault ---- */

static int
show_keys(void *arg, const struct log_row *log, const struct event_header *h, struct err *err)
{
    const struct erasing_moved_fns *fns = arg;
    int rc = 0;
    if (h->kind != KIND_HANDOVER_OFFERED && h->kind != KIND_HANDOVER_COMPLETED)
        return 0;
    for (uint8_t i = 0; rc == 0 && i < h->n_capsules; i++) {
        struct vault_erase_capsule c = {.at = {.log = log->id, .seq = h->seq}, .index = i};
        if (h->capsules[i].class == CLASS_KEY)
            rc = fns->capsule(fns->arg, &c, err);
    }
    return rc;
}

int
erasing_moved_vault(const struct engine *e, struct db_txn *txn, const struct erasure_order *o,
                    const struct erasing_moved_fns *fns, struct err *err)
{
    struct unit_id homes[ERASING_HOMES_MAX];
    struct erasing_moved_fns copy = *fns;
    size_t n = 0;
    int rc = former_homes(e, txn, &o->subject, homes, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = fns->keys(fns->arg, &homes[i], err);
        if (rc == 0)
            rc = each_event(txn, &o->subject, &homes[i], show_keys, &copy, err);
    }
    return rc;
}
