/* One event: which rows it is about, by its kind. docs/PROTOCOL.md §9, §10. What it does to them: entity.c, entity_work.c, entity_posting.c. */
#include "node/apply/apply_private.h"

/* Ranges of §9 by what their subject is. */
enum {
    KIND_PLACES_MIN = 16,
    KIND_PLACES_MAX = 31,
    KIND_MEMBERS_MIN = 32,
    KIND_MEMBERS_MAX = 63,
    KIND_ACCESSES_MIN = 80,
    KIND_ACCESSES_MAX = 95,
    KIND_ACTIVITIES_MIN = 104,
    KIND_ACTIVITIES_MAX = 107,
    KIND_INVOICES_MIN = 108,
    KIND_INVOICES_MAX = 111,
    KIND_POSTINGS_MIN = 224,
    KIND_POSTINGS_MAX = 239,
};

int
event_void(struct apply *a, struct event *e, enum void_reason reason, struct err *err)
{
    uint8_t key[KEY_POSITION], value = (uint8_t)reason;
    key_position(key, &e->at.log, e->at.seq);
    e->outcome = OUTCOME_VOID;
    e->reason = reason;
    return state_put(a->state, TABLE_VOIDS, slice_of(key, sizeof(key)), slice_of(&value, 1), err);
}

/* What the subject of a kind is, known or not (§10). */
static enum entity_type
entity_type_of(uint16_t kind)
{
    if (kind >= KIND_PLACES_MIN && kind <= KIND_PLACES_MAX)
        return ENTITY_OFFICE;
    if (kind >= KIND_ACCESSES_MIN && kind <= KIND_ACCESSES_MAX)
        return ENTITY_ACCESS;
    if (kind >= KIND_ACTIVITIES_MIN && kind <= KIND_ACTIVITIES_MAX)
        return ENTITY_ACTIVITY;
    if (kind >= KIND_INVOICES_MIN && kind <= KIND_INVOICES_MAX)
        return ENTITY_INVOICE;
    if (kind >= KIND_POSTINGS_MIN && kind <= KIND_POSTINGS_MAX)
        return ENTITY_POSTING;
    return ENTITY_MEMBER;
}

/* The entity waits from here on. */
static int
event_holds_up(struct apply *a, struct event *e, const struct event_common *c, struct err *err)
{
    struct entity entity = {.type = entity_type_of(e->header.kind), .unit = *e->unit, .subject = c->subject};
    struct member_entry member;
    struct place_entry place;
    struct activity_entry activity;
    struct invoice_entry invoice;
    struct posting_entry posting;
    struct access_entry access;
    switch (entity.type) {
    case ENTITY_OFFICE:
        return place_entry_unknown(&e->at, &e->header, c, &place)
                   ? entity_place(a, &entity, &place, &e->outcome, &e->reason, err)
                   : 0;
    case ENTITY_ACCESS:
        return access_entry_unknown(&e->at, &e->header, c, &access)
                   ? entity_access(a, &entity, &access, &e->outcome, &e->reason, err)
                   : 0;
    case ENTITY_ACTIVITY:
        return activity_entry_unknown(&e->at, &e->header, c, &activity)
                   ? entity_work(a, &entity, &activity, &e->outcome, &e->reason, err)
                   : 0;
    case ENTITY_INVOICE:
        return invoice_entry_unknown(&e->at, &e->header, c, &invoice)
                   ? entity_work(a, &entity, &invoice, &e->outcome, &e->reason, err)
                   : 0;
    case ENTITY_POSTING:
        return posting_entry_unknown(&e->at, &e->header, c, &posting)
                   ? entity_posting(a, &entity, &posting, &e->outcome, &e->reason, err)
                   : 0;
    default:
        return member_entry_unknown(&e->at, &e->header, c, &member)
                   ? entity_member(a, &entity, &member, &e->outcome, &e->reason, err)
                   : 0;
    }
}

/* A kind or version without effect in this program (§9). */
static int
event_unknown(struct apply *a, struct event *e, struct err *err)
{
    struct event_common c;
    int rc = event_common_decode(e->payload, &c, err);
    if (rc == ERR_INVALID || (rc == 0 && event_kind_own(e->header.kind, e->header.kind_version) && c.has_subject_unit))
        return event_void(a, e, VOID_MALFORMED, err);
    if (rc != 0 || !e->header.must_understand)
        return rc;
    if (!c.has_subject) {
        e->halt = true;
        return 0;
    }
    if (e->header.kind == KIND_PERSON_ACTIVE || e->header.kind == KIND_PERIOD_CLOSED)
        return 0; /* in no entity */
    /* What a unit says of another's member is no part of that member's row, or one unit could hold up, or fill, another's rows. */
    if (c.has_subject_unit && !TYPE_EQ(&c.subject_unit, e->unit))
        return 0;
    return event_holds_up(a, e, &c, err);
}

static int
event_place(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    struct place_entry entry;
    struct entity entity = {.type = ENTITY_UNIT, .unit = *e->unit};
    if (p->kind >= KIND_OFFICE_OPENED && p->kind <= KIND_OFFICE_CLOSED) {
        entity.type = ENTITY_OFFICE;
        entity.subject = p->common.subject;
    }
    place_entry_from_event(&e->at, &e->header, p, &entry);
    return entity_place(a, &entity, &entry, &e->outcome, &e->reason, err);
}

static int
event_member(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    struct member_entry entry;
    struct entity entity = {.type = ENTITY_MEMBER, .unit = *e->unit, .subject = p->common.subject};
    member_entry_from_event(&e->at, &e->header, p, &entry);
    return entity_member(a, &entity, &entry, &e->outcome, &e->reason, err);
}

static int
event_work(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    struct activity_entry activity;
    struct invoice_entry invoice;
    struct entity entity = {.type = entity_type_of(p->kind), .unit = *e->unit, .subject = p->common.subject};
    if (entity.type == ENTITY_ACTIVITY) {
        activity_entry_from_event(&e->at, &e->header, p, &activity);
        return entity_work(a, &entity, &activity, &e->outcome, &e->reason, err);
    }
    invoice_entry_from_event(&e->at, &e->header, p, &invoice);
    return entity_work(a, &entity, &invoice, &e->outcome, &e->reason, err);
}

static int
event_posting(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    struct posting_entry entry;
    struct entity entity = {.type = ENTITY_POSTING, .unit = *e->unit, .subject = p->common.subject};
    posting_entry_from_event(&e->at, &e->header, p, &entry);
    return entity_posting(a, &entity, &entry, &e->outcome, &e->reason, err);
}

static int
event_access(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    struct access_entry entry;
    struct entity entity = {.type = ENTITY_ACCESS, .unit = *e->unit, .subject = p->common.subject};
    access_entry_from_event(&e->at, &e->header, p, &entry);
    return entity_access(a, &entity, &entry, &e->outcome, &e->reason, err);
}

static int
event_known(struct apply *a, struct event *e, struct err *err)
{
    struct event_payload p;
    int rc = event_payload_decode(e->header.kind, e->header.kind_version, e->payload, &p, err);
    if (rc == 0)
        rc = event_payload_check_writer(&p, e->unit, err);
    if (rc == ERR_INVALID && e->at.seq > 1)
        return event_void(a, e, VOID_MALFORMED, err);
    if (rc != 0)
        return rc == ERR_NOMEM ? rc : err_set(err, ERR_CORRUPT, "an event does not read");
    if (p.kind == KIND_LOG_OPENED)
        return entity_unit_code(a, e->unit, p.log_opened.unit_code, err);
    if (closings_forbid(a, e->unit, &e->at, p.kind))
        return event_void(a, e, VOID_UNIT_CLOSED, err);
    if (member_kind(p.kind))
        return event_member(a, e, &p, err);
    if (p.kind >= KIND_PLACES_MIN && p.kind <= KIND_PLACES_MAX)
        return event_place(a, e, &p, err);
    if (p.kind >= KIND_ACCESS_GRANTED && p.kind <= KIND_ACCESS_RENEWED)
        return event_access(a, e, &p, err);
    if (p.kind >= KIND_ACTIVITIES_MIN && p.kind <= KIND_INVOICES_MAX)
        return event_work(a, e, &p, err);
    if (p.kind == KIND_PERSON_ACTIVE)
        return entity_active(a, e, &p, err);
    if (p.kind == KIND_PERIOD_CLOSED)
        return entity_period(a, e, &p, err);
    if (p.kind >= KIND_POSTINGS_MIN && p.kind <= KIND_POSTINGS_MAX)
        return event_posting(a, e, &p, err);
    if (p.kind == KIND_COPIES_DESTROYED)
        return entity_confirmation(a, e, &p, err);
    return 0; /* escrow.opened: the vault's; others have no row of their own */
}

int
event_apply(struct apply *a, struct event *e, const struct log_row *row, uint64_t seq, struct slice header,
            struct slice payload, struct err *err)
{
    e->at = (struct position){row->id, seq};
    e->unit = &row->unit;
    e->payload = payload;
    e->outcome = OUTCOME_APPLIED;
    e->reason = VOID_NONE;
    e->halt = false;
    a->event = e;
    kin_clear(a);
    int rc = event_header_decode(header, &e->header, err);
    if (rc != 0 || e->header.seq != seq || (seq == 1 && e->header.kind != KIND_LOG_OPENED))
        return err_set(err, ERR_CORRUPT, "the header of an event does not read");
    if (seq > 1 && e->header.kind == KIND_LOG_OPENED)
        rc = event_void(a, e, VOID_KIND, err);
    else if (payload.len == 0)
        e->halt = true; /* dropped: a later version's (§4) */
    else if (event_kind_known(e->header.kind, e->header.kind_version))
        rc = event_known(a, e, err);
    else
        rc = event_unknown(a, e, err);
    a->event = NULL;
    if (rc == 0 && !e->halt) {
        a->stats.applied++;
        a->stats.void_events += e->outcome == OUTCOME_VOID;
    }
    return rc;
}
