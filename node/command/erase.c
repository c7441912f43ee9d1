/* See erase.h. */
#include "node/command/erase.h"

#include <stdlib.h>

#include "node/command/erase_parts.h"
#include "node/command/rows.h"
#include "node/command/text.h"
#include "node/command/work.h"
#include "storage/keyslots.h"

enum {
    BITS_ASKED = 31, /* classes 1 to 5 */
    /* Room for a note, and for the key capsule that goes with its key if that is new. */
    ESCROW_PER_ORDER = HEADER_CAPSULES_MAX - 2,
};

/* ---- what goes, what is restricted ---- */

static int
check_request(struct ordering *o, struct err *err)
{
    const struct erase_request *r = o->req;
    if (r->classes == 0 || (r->classes & ~BITS_ASKED) != 0)
        return err_field(err, ERR_INVALID, "classes", "classes: give identity, contact, bank, note or activity");
    if (r->ground > GROUND_CONSENT)
        return err_field(err, ERR_INVALID, "ground", "ground: there is no such one");
    if (r->has_note && r->action == ERASE_ORDER && (r->classes & BIT_NOTE))
        return err_field(err, ERR_INVALID, "note", "note: the notes are what goes; keep it elsewhere");
    int rc = draft_date(o->ctx, r->effective, &o->date, err);
    if (rc == 0 && o->date.days > o->ctx->today.days)
        rc = err_field(err, ERR_INVALID, "effective_on", "effective_on: what is ordered is carried out at once");
    if (rc == 0 && r->action == ERASE_RESTRICT && !date_is_none(r->until) && r->until.days <= o->date.days)
        rc = err_field(err, ERR_INVALID, "until", "until: must lie after the day it begins");
    return rc;
}

static bool
outranks_dates(const struct erase_request *r)
{
    return r->ground == GROUND_WRONGLY_HELD || r->ground == GROUND_AUTHORITY;
}

/* Whether something of the class is there: of the member or, where they are asked for, of somebody who ever acted for the member. */
static bool
holds(const struct ordering *o, uint8_t class)
{
    bool ret = retention_holds(&o->row, class) || o->left_over >> (class - 1) & 1;
    for (size_t i = 0; !ret && o->req->representatives && i < o->row.n; i++)
        ret = o->row.entries[i].kind == KIND_REPRESENTATIVE_NAMED && o->row.entries[i].capsule_mask & 1U << (class - 1);
    return ret;
}

/* One class of those asked for: goes, is restricted, stays (nothing of it is there, or not due), or is refused. */
static int
decide_class(struct ordering *o, uint8_t class, struct err *err)
{
    const struct erase_request *r = o->req;
    const uint16_t bit = (uint16_t)(1U << (class - 1));
    struct retention_date d = retention_due(&r->rules, &o->kept, class, o->last_work);
    bool kept_by_law = class == CLASS_IDENTITY || class == CLASS_ACTIVITY,
         come = d.has && d.due.days <= o->ctx->today.days;
    if (!holds(o, class))
        return 0;
    if (r->due_only ? come : (!kept_by_law || come || outranks_dates(r))) {
        o->out.erased |= bit;
        return 0;
    }
    if (r->due_only)
        return 0;
    if (!d.has)
        return err_field(err, ERR_CONFLICT, "classes",
                         "%s must be kept while the membership lasts, or an application is open",
                         class == CLASS_IDENTITY ? "identity" : "activity");
    if (o->now.restricted & bit && o->now.restricted_until[class - 1].days >= d.due.days)
        return 0;
    o->out.restricted |= bit;
    o->out.until[class - 1] = d.due;
    return 0;
}

/* Whether a class is restricted that long already: of two restrictions the longer one holds (docs/PROTOCOL.md §10). */
static bool
outlasts(const struct member_state *s, uint8_t class, struct civil_date until)
{
    struct civil_date now = s->restricted_until[class - 1];
    return s->restricted >> (class - 1) & 1 && (date_is_none(now) || (!date_is_none(until) && now.days >= until.days));
}

static int
decide(struct ordering *o, struct err *err)
{
    const struct erase_request *r = o->req;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(o->out.until); i++)
        o->out.until[i] = r->action == ERASE_RESTRICT ? r->until : DATE_NONE;
    for (uint8_t class = CLASS_IDENTITY; r->action == ERASE_RESTRICT && class <= CLASS_NOTE; class ++)
        if (r->classes >> (class - 1) & 1 && !outlasts(&o->now, class, r->until))
            o->out.restricted |= (uint16_t)(1U << (class - 1));
    for (uint8_t class = CLASS_IDENTITY; r->action == ERASE_ORDER && rc == 0 && class <= CLASS_NOTE; class ++)
        if (r->classes & 1U << (class - 1))
            rc = decide_class(o, class, err);
    return rc;
}

static int
nothing(const struct erase_request *r, struct err *err)
{
    return err_field(err, ERR_CONFLICT, "classes",
                     r->action == ERASE_LIFT ? "none of them is restricted"
                     : r->due_only           ? "nothing of them is due"
                                             : "nothing of them is there, or it is restricted already");
}

/* ---- drafts ---- */

/* Classes of an event: those asked for, and what goes with activity links. */
static void
put_classes(struct draft *d, uint16_t bits)
{
    struct erasure *e = &d->payload.erasure;
    if (bits & BIT_ACTIVITY)
        bits |= BITS_WITH_ACTIVITY;
    for (uint8_t class = 1; class <= ERASURE_CLASSES_MAX; class ++)
        if (bits >> (class - 1) & 1)
            e->classes[e->n_classes++] = class;
}

/* Whether there is room for so many more. Of one record there always is. */
static int
check_room(const struct ordering *o, size_t more, struct err *err)
{
    if (o->n + more <= ERASE_DRAFTS_MAX)
        return 0;
    return err_set(err, ERR_LIMIT, "an erasure of more than %d events: erase the records of the person one by one",
                   (int)ERASE_DRAFTS_MAX);
}

static struct draft *
begin(struct ordering *o, uint16_t kind, uint16_t bits)
{
    struct draft *d = &o->drafts[o->n++];
    draft_init(d, o->ctx, kind, &o->member, o->date);
    put_classes(d, bits);
    d->payload.erasure.until = DATE_NONE;
    if (kind != KIND_RESTRICTION_LIFTED)
        d->payload.erasure.ground = o->req->ground ? o->req->ground : GROUND_ASKED;
    return d;
}

/* One event for each date. */
static void
restrictions(struct ordering *o)
{
    uint16_t left = o->out.restricted;
    for (uint8_t i = 0; i < ARRAY_LEN(o->out.until); i++) {
        uint16_t same = 0;
        for (uint8_t k = i; k < ARRAY_LEN(o->out.until); k++)
            if (left >> k & 1 && o->out.until[k].days == o->out.until[i].days)
                same |= (uint16_t)(1U << k);
        if ((left >> i & 1) == 0)
            continue;
        begin(o, KIND_RESTRICTION_ORDERED, same)->payload.erasure.until = o->out.until[i];
        left &= (uint16_t)~same;
    }
}

/* What is left of a list for one order of `room`. */
static size_t
share_of(size_t n, size_t done, size_t room)
{
    return done >= n ? 0 : n - done < room ? n - done : room;
}

static int
put_places(struct ordering *o, struct draft *d, size_t from, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    d->places = reallocarray(NULL, n, sizeof(*d->places));
    if (!d->places)
        return err_set(err, ERR_NOMEM, "erasure: out of memory");
    memcpy(d->places, o->places + from, n * sizeof(*d->places));
    d->payload.erasure.places = d->places;
    d->payload.erasure.n_places = n;
    return 0;
}

static int
put_escrow(struct ordering *o, struct draft *d, size_t from, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    d->escrow = reallocarray(NULL, n, sizeof(*d->escrow));
    if (!d->escrow)
        return err_set(err, ERR_NOMEM, "erasure: out of memory");
    memcpy(d->escrow, o->escrow + from, n * sizeof(*d->escrow));
    d->n_escrow = n;
    return 0;
}

/* As many as it takes for all places to be listed and all keys that stay to be escrowed anew. */
static int
orders(struct ordering *o, bool has_generation, uint32_t generation, struct err *err)
{
    size_t places = 0, escrow = 0;
    int rc = 0;
    do {
        size_t n_places = share_of(o->n_places, places, ERASED_PLACES_MAX),
               n_escrow = share_of(o->n_escrow, escrow, ESCROW_PER_ORDER);
        if (o->n_orders++ == ERASE_ORDERS_MAX)
            return err_set(
                err, ERR_LIMIT,
                "more than %d orders of erasure: name one class at a time, and the records of the person one by one",
                (int)ERASE_ORDERS_MAX);
        rc = check_room(o, 1, err);
        if (rc != 0)
            return rc;
        struct draft *d = begin(o, KIND_ERASURE_ORDERED, o->out.erased);
        d->payload.erasure.has_generation = has_generation;
        d->payload.erasure.generation = generation;
        rc = put_places(o, d, places, n_places, err);
        if (rc == 0)
            rc = put_escrow(o, d, escrow, n_escrow, err);
        places += n_places;
        escrow += n_escrow;
    } while (rc == 0 && (places < o->n_places || escrow < o->n_escrow));
    return rc;
}

/* The new generation comes before the order and has no key of what goes, so that "up to the generation before" is all of them. */
static int
end_accesses(struct ordering *o, struct err *err)
{
    size_t n = 0;
    int rc = check_room(o, ACCESS_DRAFTS_MAX, err);
    if (rc == 0)
        rc = access_end_naming(o->ctx, &o->member, o->out.erased | o->out.restricted, o->out.erased, o->drafts + o->n,
                               &n, err);
    o->n += n;
    return rc;
}

static int
add_note(struct ordering *o, struct draft *d, struct err *err)
{
    struct person_note note = {0};
    int rc = text_clean(o->req->note.s, "note", note.s, sizeof(note.s), err);
    if (rc != 0)
        return rc;
    struct draft_capsule *c = &d->capsules[d->n_capsules++];
    c->class = CLASS_NOTE;
    buf_init(&c->plain, CAPSULE_BYTES_MAX);
    rc = person_note_encode(&note, &c->plain, err);
    person_wipe(&note, sizeof(note));
    return rc;
}

/* What is gone needs not be hidden, and what is entered anew is other data. */
static int
lift_erased(struct ordering *o, struct err *err)
{
    uint16_t bits = o->out.erased & o->now.restricted;
    int rc = bits != 0 ? check_room(o, 1, err) : 0;
    if (rc == 0 && bits != 0)
        begin(o, KIND_RESTRICTION_LIFTED, bits);
    return rc;
}

static int
draw_up(struct ordering *o, struct err *err)
{
    uint32_t generation = 0;
    uint64_t slot;
    int rc = keyslot_find(o->ctx->txn, &o->member, &generation, &slot, err);
    bool has_keys = rc == 0;
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0 && o->req->action != ERASE_LIFT)
        rc = erase_find_places(o, err);
    if (rc == 0 && o->out.erased != 0)
        rc = erase_find_escrow(o, has_keys ? generation : 0, err);
    if (rc == 0 && o->ends_accesses)
        rc = end_accesses(o, err);
    size_t from = o->n;
    if (rc == 0)
        rc = lift_erased(o, err);
    size_t first = o->n;
    if (rc == 0)
        rc = check_room(o, ARRAY_LEN(o->out.until), err);
    if (rc == 0 && o->req->action == ERASE_LIFT)
        begin(o, KIND_RESTRICTION_LIFTED, o->req->classes & o->now.restricted);
    if (rc == 0 && o->out.restricted != 0)
        restrictions(o);
    if (rc == 0 && o->out.erased != 0)
        rc = orders(o, has_keys && !o->others_keys, generation, err);
    if (rc == 0 && o->req->has_note && TYPE_EQ(&o->member, &o->req->member))
        rc = add_note(o, &o->drafts[first], err);
    for (size_t i = first; rc == 0 && i < o->n; i++)
        rc = draft_check_payload(&o->drafts[i], err);
    if (rc == 0)
        rc = draft_try_member(o->ctx, &o->drafts[first], &o->row, err);
    if (rc == 0 && o->row.n + (o->n - from) > MEMBER_PAST_MAX)
        rc = err_field(
            err, ERR_CONFLICT, "member",
            "member: %zu events, and it would take %zu more than the %d there can be; name one class at a time",
            o->row.n, o->row.n + (o->n - from) - MEMBER_PAST_MAX, MEMBER_PAST_MAX);
    return rc;
}

/* ---- records of one person ---- */

/* Adds those that were merged into a record and still are. */
static int
add_merged(const struct command_ctx *ctx, const struct member_row *into, struct subject_id ret[ERASE_RECORDS_MAX],
           size_t *n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < into->n; i++) {
        const struct member_entry *e = &into->entries[i];
        struct member_row from;
        struct member_state s;
        bool known = false;
        if (e->kind != KIND_MEMBER_ABSORBED || e->outcome != OUTCOME_APPLIED)
            continue;
        for (size_t k = 0; k < *n; k++)
            known |= TYPE_EQ(&ret[k], &e->other);
        rc = known ? ERR_NOTFOUND : rows_member(ctx, &e->other, &from, err);
        if (rc == 0) {
            member_state_at(&from, DATE_MAX, &s);
            member_row_release(&from);
            known = s.status != STATUS_MERGED || !TYPE_EQ(&s.merged_into, &into->subject);
        }
        if (rc == 0 && !known && *n == ERASE_RECORDS_MAX)
            return err_set(err, ERR_LIMIT, "a person with more than %d records: erase them one by one",
                           (int)ERASE_RECORDS_MAX);
        if (rc == 0 && !known)
            ret[(*n)++] = e->other;
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc;
}

int
erase_records(const struct command_ctx *ctx, const struct subject_id *member, struct subject_id ret[ERASE_RECORDS_MAX],
              size_t *ret_n, struct err *err)
{
    size_t n = 1;
    int rc = work_kept(ctx, member, &ret[0], err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct member_row row;
        rc = rows_member(ctx, &ret[i], &row, err);
        if (rc != 0)
            break;
        rc = add_merged(ctx, &row, ret, &n, err);
        member_row_release(&row);
    }
    if (rc == 0)
        *ret_n = n;
    return rc;
}

/* The one at hand; *ret_any: something is to be done of it. */
static int
order_record(struct ordering *o, const struct subject_id *record, bool *ret_any, struct err *err)
{
    o->member = *record;
    o->out = (struct erased_record){.member = *record};
    o->n_places = o->n_escrow = 0;
    o->ends_accesses = o->others_keys = false;
    int rc = rows_member(o->ctx, record, &o->row, err);
    if (rc != 0)
        return rc;
    member_state_at(&o->row, DATE_MAX, &o->now);
    rc = retention_left_over(o->ctx, &o->row, &o->left_over, err);
    if (rc == 0)
        rc = decide(o, err);
    bool any = o->out.erased != 0 || o->out.restricted != 0 ||
               (o->req->action == ERASE_LIFT && (o->req->classes & o->now.restricted) != 0);
    if (rc == 0 && any)
        rc = draw_up(o, err);
    *ret_any |= any;
    member_row_release(&o->row);
    return rc;
}

/* The record named, whose answer is the request's, comes last. */
static int
order_all(struct ordering *o, struct erase_outcome *out, struct err *err)
{
    struct subject_id records[ERASE_RECORDS_MAX];
    const struct subject_id *named = &o->req->member;
    size_t n = 0;
    bool any = false;
    int rc = o->req->one_record ? 0 : erase_records(o->ctx, named, records, &n, err);
    if (rc == 0 && o->req->classes & BIT_ACTIVITY)
        rc = retention_last_work(o->ctx, &o->kept.subject, &o->last_work, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (TYPE_EQ(&records[i], named))
            continue;
        rc = order_record(o, &records[i], &any, err);
        out->records[out->n++] = o->out;
    }
    if (rc == 0)
        rc = order_record(o, named, &any, err);
    out->records[out->n++] = o->out;
    return rc != 0 || any ? rc : nothing(o->req, err);
}

/* The row of the record named is checked against what the client saw, and the one kept is loaded. */
static int
load_kept(struct ordering *o, struct err *err)
{
    struct member_state now;
    struct subject_id kept;
    int rc = rows_member(o->ctx, &o->req->member, &o->kept, err);
    if (rc != 0)
        return rc;
    member_state_at(&o->kept, DATE_MAX, &now);
    if (o->req->has_if_match)
        rc = draft_check_match(&o->req->if_match, &now.last_change, "member", err);
    if (rc == 0 && now.status == STATUS_MERGED) {
        rc = work_kept(o->ctx, &o->req->member, &kept, err);
        member_row_release(&o->kept);
        if (rc == 0)
            rc = rows_member(o->ctx, &kept, &o->kept, err);
        return rc;
    }
    if (rc != 0)
        member_row_release(&o->kept);
    return rc;
}

int
command_erase(const struct command_ctx *ctx, const struct erase_request *req, struct draft *ret, size_t *ret_n,
              struct erase_outcome *ret_outcome, struct err *err)
{
    struct ordering o = {.ctx = ctx, .req = req, .drafts = ret, .last_work = DATE_NONE};
    struct erase_outcome out = {.n = 0};
    int rc = check_request(&o, err);
    if (rc == 0)
        rc = load_kept(&o, err);
    if (rc != 0)
        return rc;
    rc = order_all(&o, &out, err);
    member_row_release(&o.kept);
    free(o.places);
    free(o.escrow);
    if (rc != 0) {
        for (size_t i = 0; i < o.n; i++)
            draft_release(&ret[i]);
        return rc;
    }
    out.events = (uint32_t)o.n;
    *ret_n = o.n;
    *ret_outcome = out;
    return 0;
}
