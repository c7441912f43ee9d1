/* See erasing_visits.h. */
#include "node/host/erasing_visits.h"

#include <stdlib.h>

#include "node/command/guest.h"
#include "node/host/engine_private.h"
#include "storage/visits.h"

/* Records of one member. */
struct records {
    bool all; /* else those that propose a contact */
    struct visit *v;
    size_t n, cap;
    struct err err;
};

static bool
has_class(const struct erasure_order *o, uint8_t class)
{
    return o->classes & 1U << class;
}

static bool
proposes(struct slice plain)
{
    struct guest_record *r = malloc(sizeof(*r));
    bool ret = !r || guest_record_decode(plain, r, NULL) != 0 || r->n_contact > 0;
    if (r)
        person_wipe(r, sizeof(*r));
    free(r);
    return ret;
}

static int
collect(void *arg, const struct visit *visit, struct slice plain)
{
    struct records *x = arg;
    if (!x->all && !proposes(plain))
        return 0;
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        struct visit *more = reallocarray(x->v, cap, sizeof(*more));
        if (!more)
            return err_set(&x->err, ERR_NOMEM, "erasures: out of memory");
        x->v = more;
        x->cap = cap;
    }
    x->v[x->n++] = *visit;
    return 0;
}

/* One that comes again, from a host or a keeper, is not stored. */
static int
take_capsules(struct engine *e, const struct erasure_order *o, const struct records *x, struct err *err)
{
    int rc = x->n > 0 ? engine_begin(e, err) : 0;
    if (rc != 0 || x->n == 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < x->n; i++) {
        struct log_row log;
        rc = tombstone_put(e->txn, &x->v[i].at, x->v[i].index, &o->at, err);
        if (rc == 0)
            rc = evlog_find(e->txn, &x->v[i].at.log, &log, err);
        if (rc == 0)
            rc = capsules_del(e->txn, log.no, x->v[i].at.seq, x->v[i].index, err);
        if (rc == ERR_NOTFOUND) {
            err_clear(err);
            rc = 0;
        }
    }
    if (rc == 0)
        return engine_commit(e, err);
    engine_abort(e);
    return rc;
}

struct one {
    const struct visit *wanted;
    struct guest_record *record;
    bool found;
};

static int
read_it(void *arg, const struct visit *visit, struct slice plain)
{
    struct one *x = arg;
    if (!TYPE_EQ(&visit->at, &x->wanted->at) || visit->index != x->wanted->index)
        return 0;
    x->found = guest_record_decode(plain, x->record, NULL) == 0;
    return 1;
}

/* That the host opened or did something stays on record. One that does not read goes as a whole. */
static int
take_contact(struct vault *v, const struct visit *visit, struct guest_record *r, struct err *err)
{
    struct one x = {.wanted = visit, .record = r};
    struct buf plain;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    int rc = visits_each(v, &visit->subject, NULL, read_it, &x, err);
    if (rc == 0 && x.found) {
        guest_record_forget_contact(r);
        rc = guest_record_encode(r, &plain, err);
    }
    if (rc == 0)
        rc = visits_replace(v, visit, x.found ? buf_slice(&plain) : slice_of(NULL, 0), err);
    person_wipe(r, sizeof(*r));
    buf_free(&plain);
    return rc;
}

static int
take_rows(struct engine *e, const struct erasure_order *o, const struct records *x, struct err *err)
{
    struct guest_record *r;
    int rc = 0;
    if (x->n == 0)
        return 0;
    if (x->all)
        return visits_del(e->config.vault, &o->subject, NULL, err);
    r = malloc(sizeof(*r));
    if (!r)
        return err_set(err, ERR_NOMEM, "erasures: out of memory");
    for (size_t i = 0; rc == 0 && i < x->n; i++)
        rc = take_contact(e->config.vault, &x->v[i], r, err);
    free(r);
    return rc;
}

int
erasing_visits(struct engine *e, const struct erasure_order *orders, size_t n, bool *ret_vault, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct erasure_order *o = &orders[i];
        struct records x = {.all = has_class(o, CLASS_IDENTITY) || has_class(o, CLASS_GUEST)};
        if (o->state != ERASURE_NOTED || o->kind != KIND_ERASURE_ORDERED ||
            !TYPE_EQ(&o->unit, &e->config.identity->unit) || (!x.all && !has_class(o, CLASS_CONTACT)))
            continue;
        rc = visits_each(e->config.vault, &o->subject, NULL, collect, &x, &x.err);
        if (rc != 0)
            *err = x.err;
        if (rc == 0)
            rc = take_capsules(e, o, &x, err);
        if (rc == 0)
            rc = take_rows(e, o, &x, err);
        *ret_vault |= rc == 0 && x.n > 0;
        free(x.v);
    }
    return rc;
}
