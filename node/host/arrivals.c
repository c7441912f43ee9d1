/* See arrivals.h. Names pass here: wiped. */
#include "node/host/arrivals.h"

#include <stdlib.h>

#include "node/host/counting.h"
#include "node/host/entitled.h"
#include "storage/received.h"

enum { PAGE = 32 };

/* What is known of one member who arrived. */
enum reading { READ_ALL, READ_LATER, READ_NEVER };

struct arriving {
    const struct arrivals *a;
    struct db_txn *txn;
    const struct handover_view *view;
    struct position completion;
    struct api_op *op;        /* OP_HANDOVER, with the person */
    struct dossier *dossiers; /* TAKEN_DOSSIERS_MAX of them */
    size_t n_dossiers;
};

/* ---- capsules of the old home ---- */

static int
event_at(struct db_txn *txn, const struct position *at, uint32_t *ret_log_no, struct event_header *ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    int rc = evlog_find(txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        *ret_log_no = log.no;
    return rc != 0 ? rc : event_header_decode(ev.header, ret, err);
}

/* ERR_NOTFOUND: the capsule, or a key that opens it, is not here. */
static int
open_one(const struct arriving *x, uint8_t key_class, uint8_t class, struct slice capsule, struct buf *plain,
         struct err *err)
{
    const struct received_filter given = {.unit = &x->view->from, .class = key_class, .on = DATE_NONE};
    return received_open_as(x->a->vault, &x->view->member, &given, class, capsule, plain, err);
}

static int
decode(struct person_input *p, uint8_t class, struct slice plain, struct err *err)
{
    int rc = 0;
    switch (class) {
    case CLASS_IDENTITY:
        rc = person_identity_decode(plain, &p->identity, err);
        p->has_identity = rc == 0;
        break;
    case CLASS_CONTACT:
        rc = person_contact_decode(plain, &p->contact, err);
        p->has_contact = rc == 0;
        break;
    default:
        rc = person_bank_decode(plain, &p->bank, err);
        p->has_bank = rc == 0;
        break;
    }
    return rc;
}

/* A capsule that is not one, or not of its class, will not be better tomorrow: the desk takes over. */
static enum reading
later_or_never(int rc)
{
    return rc == ERR_NOTFOUND ? READ_LATER : READ_NEVER;
}

static bool
is_fault(int rc)
{
    return rc != 0 && rc != ERR_NOTFOUND && rc != ERR_INVALID && rc != ERR_FORGED && rc != ERR_CORRUPT;
}

static int
read_class(struct arriving *x, const struct position *at, uint8_t class, enum reading *ret, struct err *err)
{
    struct event_header h;
    struct slice capsule;
    struct buf plain;
    uint32_t log_no = 0;
    int rc = event_at(x->txn, at, &log_no, &h, err);
    bool found = false;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    for (uint8_t i = 0; rc == 0 && !found && i < h.n_capsules; i++) {
        if (h.capsules[i].class != class)
            continue;
        found = true;
        rc = capsules_get(x->txn, log_no, at->seq, i, &capsule, err);
        if (rc == 0)
            rc = open_one(x, class, class, capsule, &plain, err);
        if (rc == 0)
            rc = decode(&x->op->handover.request.person, class, buf_slice(&plain), err);
    }
    buf_free(&plain);
    if (is_fault(rc))
        return rc;
    if (rc != 0 && *ret == READ_ALL)
        *ret = later_or_never(rc);
    return 0;
}

/* Our own release writes no more than there is room for; of another one's the rest is left to the desks. */
static int
add_dossier(struct arriving *x, struct slice plain, struct err *err)
{
    if (x->n_dossiers == TAKEN_DOSSIERS_MAX)
        return 0;
    int rc = dossier_decode(plain, &x->dossiers[x->n_dossiers], err);
    x->n_dossiers += rc == 0;
    return rc;
}

static int
read_dossier(struct arriving *x, enum reading *ret, struct err *err)
{
    struct event_header h;
    struct slice capsule;
    struct buf plain;
    uint32_t log_no = 0;
    int rc = event_at(x->txn, &x->completion, &log_no, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        if (h.capsules[i].class != CLASS_DOSSIER)
            continue;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        rc = capsules_get(x->txn, log_no, x->completion.seq, i, &capsule, err);
        if (rc == 0)
            rc = open_one(x, CLASS_ACTIVITY, CLASS_DOSSIER, capsule, &plain, err);
        if (rc == 0)
            rc = add_dossier(x, buf_slice(&plain), err);
        buf_free(&plain);
    }
    if (is_fault(rc))
        return rc;
    if (rc != 0 && *ret == READ_ALL)
        *ret = later_or_never(rc);
    return 0;
}

/* ---- one member ---- */

/* The completion that brought her, as this unit's row has it. */
static int
find_completion(struct arriving *x, struct err *err)
{
    struct member_row row;
    int rc = entitled_member(x->txn, &x->view->member, &x->a->identity->unit, &row, err);
    if (rc != 0)
        return rc;
    size_t i = member_arrival_unreceived(&row);
    if (i != SIZE_MAX)
        x->completion = row.entries[i].at;
    member_row_release(&row);
    return i != SIZE_MAX ? 0 : ERR_NOTFOUND;
}

static int
read_member(struct arriving *x, enum reading *ret, struct err *err)
{
    struct person_input *p = &x->op->handover.request.person;
    struct member_row theirs;
    struct member_state s;
    struct position at;
    *ret = READ_ALL;
    int rc = find_completion(x, err);
    if (rc == 0)
        rc = entitled_member(x->txn, &x->view->member, &x->view->from, &theirs, err);
    if (rc == ERR_NOTFOUND)
        *ret = READ_LATER;
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    member_state_at(&theirs, DATE_MAX, &s);
    p->identity.birth_date = DATE_NONE;
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++)
        if ((s.erased & 1U << (class - 1)) == 0 && member_capsule_position(&theirs, class, &at))
            rc = read_class(x, &at, class, ret, err);
    member_row_release(&theirs);
    if (rc == 0 && (s.erased & 1U << (CLASS_DOSSIER - 1)) == 0)
        rc = read_dossier(x, ret, err);
    if (rc == 0 && *ret == READ_ALL && !p->has_identity)
        *ret = READ_NEVER;
    memset(&p->identity.member_no, 0, sizeof(p->identity.member_no));
    return rc;
}

static int
hand_over(const struct arriving *x, bool *ret_refused, struct err *err)
{
    struct api_op *op = x->op;
    struct actor_id actor = counting_actor(&x->a->identity->unit);
    op->kind = OP_HANDOVER;
    op->status_on_success = 200;
    op->handover.request.action = HANDOVER_RECEIVE;
    op->handover.request.member = x->view->member;
    op->handover.request.effective = op->handover.request.proposed = DATE_NONE;
    op->handover.request.dossiers = x->dossiers;
    op->handover.request.n_dossiers = x->n_dossiers;
    int rc = x->a->run(x->a->arg, &actor, op, err);
    if (rc != 0)
        return rc;
    switch (op->result.err.code) {
    case ERR_NONE: return 0;
    case ERR_INVALID:
    case ERR_CONFLICT:
    case ERR_LIMIT:
    case ERR_NOTFOUND: *ret_refused = true; return 0;
    default: *err = op->result.err; return err->code;
    }
}

static void
remember(struct arrivals_found *f, const struct handover_view *v)
{
    if (date_is_none(f->since) || v->since.days < f->since.days)
        f->since = v->since;
}

static int
one(const struct arrivals *a, const struct handover_view *view, struct arrivals_found *f, struct err *err)
{
    struct arriving x = {.a = a,
                         .view = view,
                         .op = calloc(1, sizeof(*x.op)),
                         .dossiers = calloc(TAKEN_DOSSIERS_MAX, sizeof(*x.dossiers))};
    enum reading r = READ_LATER;
    bool refused = false;
    int rc =
        x.op && x.dossiers ? db_begin_read(a->db, &x.txn, err) : err_set(err, ERR_NOMEM, "arrivals: out of memory");
    if (rc == 0) {
        rc = read_member(&x, &r, err);
        db_abort(&x.txn);
    }
    if (rc == 0 && r == READ_ALL)
        rc = hand_over(&x, &refused, err);
    if (rc == 0) {
        f->received += r == READ_ALL && !refused;
        f->waiting += r == READ_LATER;
        f->by_hand += r == READ_NEVER || refused;
        if (r != READ_ALL || refused)
            remember(f, view);
        err_clear(err);
    }
    if (x.op)
        person_wipe(x.op, sizeof(*x.op));
    if (x.dossiers)
        person_wipe(x.dossiers, TAKEN_DOSSIERS_MAX * sizeof(*x.dossiers));
    free(x.op);
    free(x.dossiers);
    return rc;
}

int
arrivals_run(const struct arrivals *a, struct arrivals_found *ret, struct err *err)
{
    struct handover_view page[PAGE];
    uint8_t after[KEY_HANDOVER];
    size_t n = PAGE;
    int rc = 0;
    *ret = (struct arrivals_found){.since = DATE_NONE};
    for (bool first = true; rc == 0 && n == PAGE; first = false) {
        struct db_txn *txn = NULL;
        struct command_ctx ctx = {.vault = a->vault, .unit = a->identity->unit, .today = a->today};
        rc = db_begin_read(a->db, &txn, err);
        if (rc != 0)
            return rc;
        ctx.txn = txn;
        rc = handovers_open(&ctx, first ? NULL : after, page, PAGE, &n, err);
        db_abort(&txn);
        if (rc == 0 && n > 0)
            memcpy(after, page[n - 1].key, sizeof(after));
        for (size_t i = 0; i < n && rc == 0; i++) {
            if (page[i].turn != TURN_WE_RECEIVE)
                continue;
            if (a->stop && a->stop(a->arg))
                return err_set(err, ERR_UNAVAILABLE, "stopped");
            rc = one(a, &page[i], ret, err);
        }
    }
    return rc;
}
