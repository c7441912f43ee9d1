/* Member rows: entries from events, adding, refolding, and the desk's question before a write. docs/PROTOCOL.md §10. */
#include <stdlib.h>

#include "node/rules/member_step.h"

void
member_row_init(struct member_row *r, const struct unit_id *unit, const struct subject_id *subject)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->subject = *subject;
}

void
member_row_release(struct member_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

/* ---- entries ---- */

static uint8_t
capsule_mask(const struct event_header *h)
{
    unsigned mask = 0;
    for (uint8_t i = 0; i < h->n_capsules; i++) {
        uint8_t class = h->capsules[i].class;
        if (class == CLASS_KEY) {
            mask |= 0x80;
        } else if (class == CLASS_DOSSIER) {
            mask |= 0x40;
        } else if (class >= CLASS_IDENTITY && class <= CLASS_NOTE) {
            mask |= 1U << (class - 1);
        }
    }
    return (uint8_t)mask;
}

static void
take_amount(struct member_entry *ret, const struct share_amount *a)
{
    ret->shares = a->shares;
    if (a->shares > 0) {
        ret->amount_minor = a->amount_minor;
        ret->owed = ret->kind == KIND_MEMBER_ABSORBED && a->owed;
        memcpy(ret->currency, a->currency, sizeof(ret->currency));
    }
}

static void
take_other(struct member_entry *ret, uint16_t kind, const struct event_payload *p)
{
    if (kind >= KIND_REPRESENTATIVE_NAMED && kind <= KIND_MEMBER_ABSORBED) {
        ret->has_other = true;
        ret->other = kind == KIND_MEMBER_ABSORBED ? p->absorbed.from : p->other;
    }
}

static void
take_handover(struct member_entry *ret, const struct event_payload *p)
{
    bool terms = ret->kind == KIND_HANDOVER_ACCEPTED || ret->kind == KIND_HANDOVER_COMPLETED;
    ret->has_home = true;
    ret->home = p->handover.other;
    ret->until = ret->kind == KIND_HANDOVER_OFFERED ? p->handover.proposed : DATE_NONE;
    if (terms) {
        ret->category = p->handover.terms.category;
        ret->person_type = p->handover.terms.person_type;
        ret->has_office = true;
        ret->office = p->handover.terms.office;
        ret->shares = p->handover.terms.shares;
        ret->share_price_minor = p->handover.terms.share_price_minor;
        memcpy(ret->currency, p->handover.terms.currency, sizeof(ret->currency));
    }
    if (ret->kind == KIND_HANDOVER_COMPLETED) {
        ret->voted = p->handover.voted;
        ret->activities = p->handover.activities;
    }
}

static void
take_double(struct member_entry *ret, const struct event_payload *p)
{
    ret->has_home = true;
    ret->home = p->doubled.unit;
    ret->has_other = true;
    ret->other = p->doubled.subject;
    ret->until = DATE_NONE;
    if (ret->kind == KIND_DOUBLE_SETTLED) {
        ret->settled = p->doubled.outcome;
        ret->purpose = p->doubled.reason;
    }
}

static void
take_rights(struct member_entry *ret, const struct event_payload *p)
{
    for (uint8_t i = 0; i < p->erasure.n_classes; i++) {
        ret->classes |= (uint16_t)(1U << (p->erasure.classes[i] - 1));
    }
    ret->ground = ret->kind == KIND_RESTRICTION_LIFTED ? 0 : p->erasure.ground;
    ret->until = ret->kind == KIND_RESTRICTION_ORDERED ? p->erasure.until : DATE_NONE;
}

void
member_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                        struct member_entry *ret)
{
    row_entry_from_event(&member_row_type, at, h, &p->common, (struct row_entry *)ret);
    ret->precision = p->common.has_effective ? p->common.precision : PRECISION_DAY;
    ret->capsule_mask = capsule_mask(h);
    switch (h->kind) {
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_ACCEPTED:
    case KIND_HANDOVER_COMPLETED: take_handover(ret, p); break;
    case KIND_DOUBLE_DECLARED:
    case KIND_DOUBLE_SETTLED: take_double(ret, p); break;
    case KIND_HANDOVER_WITHDRAWN:
    case KIND_HANDOVER_RECEIVED: ret->until = DATE_NONE; break;
    case KIND_ERASURE_ORDERED:
    case KIND_RESTRICTION_ORDERED:
    case KIND_RESTRICTION_LIFTED: take_rights(ret, p); break;
    case KIND_APPLICATION_RECEIVED:
    case KIND_MEMBER_ADMITTED:
        ret->category = p->admission.category;
        ret->person_type = p->admission.person_type;
        ret->has_office = true;
        ret->office = p->admission.office;
        if (h->kind == KIND_MEMBER_ADMITTED) {
            ret->shares = p->admission.shares;
            ret->share_price_minor = p->admission.share_price_minor;
            memcpy(ret->currency, p->admission.currency, sizeof(ret->currency));
        }
        break;
    case KIND_SHARES_SUBSCRIBED:
        ret->shares = p->shares.shares;
        ret->share_price_minor = p->shares.share_price_minor;
        memcpy(ret->currency, p->shares.currency, sizeof(ret->currency));
        break;
    case KIND_CATEGORY_CHANGED: ret->category = p->category; break;
    case KIND_DATA_CHANGED:
        ret->has_office = p->data.has_office;
        ret->office = p->data.has_office ? p->data.office : ret->office;
        break;
    case KIND_SHARES_REPAID: take_amount(ret, &p->repaid); break;
    case KIND_MEMBER_ABSORBED: take_amount(ret, &p->absorbed.brought); break;
    case KIND_CONSENT_GIVEN:
    case KIND_CONSENT_WITHDRAWN:
        ret->purpose = p->consent.purpose;
        if (h->kind == KIND_CONSENT_GIVEN) {
            memcpy(ret->text_version, p->consent.text_version, sizeof(ret->text_version));
        }
        break;
    default: break;
    }
    take_other(ret, h->kind, p);
}

bool
member_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                     struct member_entry *ret)
{
    if (!row_entry_unknown(&member_row_type, at, h, c, (struct row_entry *)ret)) {
        return false;
    }
    ret->precision = c->has_effective ? c->precision : PRECISION_DAY;
    return true;
}

/* ---- adding ---- */

int
member_row_refold(struct member_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct member_fold state;
    struct row row = ROW_OF(&member_row_type, r, &state);
    return row_fold(&row, r->n, FOLD_NONE, w, ret_missing, err);
}

int
member_row_add(struct member_row *r, const struct member_entry *e, const struct member_world *w,
               struct missing *ret_missing, struct err *err)
{
    struct member_fold state;
    struct row row = ROW_OF(&member_row_type, r, &state);
    int rc = row_add(&row, e, w, ret_missing, err);
    ROW_BACK(r, row);
    return rc;
}

/* ---- the desk's question ---- */

static int
say_owed(const struct member_entry *e, struct member_state *s, const char *day, struct err *err)
{
    const struct member_owed *o = member_money_find(s->owed, s->n_owed, e->currency);
    if (o == NULL) {
        return err_field(err, ERR_CONFLICT, "shares", "shares: nothing in %s is owed on %s%s", e->currency, day,
                         s->status == STATUS_MEMBER ? ": shares are repaid to those who left" : "");
    }
    bool shares = e->shares > o->shares;
    return err_field(err, ERR_CONFLICT, shares ? "shares" : "amount_minor",
                     "%s: no more is owed on %s than %llu shares for %lld minor units of %s",
                     shares ? "shares" : "amount_minor", day, (unsigned long long)o->shares, (long long)o->amount_minor,
                     o->currency);
}

/* s: on the day. */
static int
say_more(const struct member_entry *e, struct member_state *s, enum void_reason reason, const char *day,
         struct err *err)
{
    char into[2 * ID_BYTES + 1];
    switch (reason) {
    case VOID_MERGED:
        return err_field(err, ERR_CONFLICT, "subject", "subject: this record was merged into %s; use that one",
                         hex_encode(s->merged_into.b, sizeof(s->merged_into.b), into));
    case VOID_OWED: return say_owed(e, s, day, err);
    case VOID_NOT_LEGAL: return err_field(err, ERR_CONFLICT, "subject", "subject: %s", void_reason_text(reason));
    case VOID_REPRESENTS:
        if (s->n_representatives == REPRESENTATIVES_MAX) {
            return err_field(err, ERR_CONFLICT, "representative",
                             "representative: %d are named already; end one of them first", REPRESENTATIVES_MAX);
        }
        return err_field(err, ERR_CONFLICT, "representative", "representative: is named already on %s", day);
    case VOID_REPRESENTS_NOT:
        return err_field(err, ERR_CONFLICT, "representative", "representative: is not named on %s", day);
    case VOID_CONSENT_GIVEN:
        return err_field(err, ERR_CONFLICT, "purpose", "purpose: there are %d consents; withdraw one first",
                         CONSENTS_MAX);
    case VOID_CONSENT_NOT_GIVEN:
        return err_field(err, ERR_CONFLICT, "purpose", "purpose: the consent is not given on %s", day);
    default: return err_field(err, ERR_CONFLICT, "kind", "kind: the member %s", void_reason_text(reason));
    }
}

static int
say(const struct row *row, const struct row_entry *head, enum void_reason reason, struct err *err)
{
    const struct member_entry *e = (const struct member_entry *)head;
    struct member_state s;
    char day[DATE_TEXT_MAX], other[DATE_TEXT_MAX];
    member_state_at(row->ctx, e->effective, &s);
    date_format(e->effective, day);
    switch (reason) {
    case VOID_NOT_APPLICANT:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: no application is open on %s", day);
    case VOID_ALREADY_APPLIED:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: an application is open already on %s", day);
    case VOID_ALREADY_MEMBER:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: is a member already, since %s",
                         date_format(s.joined_on, other));
    case VOID_NOT_MEMBER:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: is not a member on %s", day);
    case VOID_MOVED:
    case VOID_NEW_HOME:
        if (date_is_none(s.left_on)) /* on a day to come */
            member_state_at(row->ctx, DATE_MAX, &s);
        return err_field(err, ERR_CONFLICT, "subject", "subject: moved to another unit on %s%s",
                         date_format(s.left_on, other),
                         reason == VOID_MOVED ? "" : "; of what was before, only amounts can be changed here");
    case VOID_FIRST_DAY:
        return err_field(err, ERR_CONFLICT, "effective_on",
                         "effective_on: is a member since %s; a move needs a later day",
                         date_format(s.joined_on, other));
    case VOID_NO_OFFER:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: no such offer is open on %s", day);
    case VOID_ACCEPTED: return err_field(err, ERR_CONFLICT, "offer", "offer: was accepted already");
    case VOID_NO_DOUBLE:
    case VOID_DOUBLE: return err_field(err, ERR_CONFLICT, "other", "other: the member %s", void_reason_text(reason));
    case VOID_LEFT:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the member left on %s",
                         date_format(s.left_on, other));
    case VOID_DECEASED:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the member died on %s",
                         date_format(s.left_on, other));
    case VOID_SAME_CATEGORY:
        return err_field(err, ERR_CONFLICT, "category", "category: the member is in it already on %s", day);
    case VOID_CATEGORY_PERSON:
        return err_field(err, ERR_INVALID, "category",
                         "category: A and B are for natural persons, this is a legal person");
    case VOID_REQUEST_OPEN:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: a withdrawal request is open already on %s",
                         day);
    case VOID_NO_REQUEST:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: no withdrawal request is open on %s", day);
    case VOID_REFERENCE:
        return err_field(
            err, ERR_CONFLICT, "reference",
            "reference: the event to correct or to answer is missing, void, of another kind, or not the open one");
    case VOID_NO_OFFICE:
    case VOID_MAKES_IMPOSSIBLE: return 0;
    case VOID_TOO_MANY:
        return member_moving_scarce(e) ? err_field(err, ERR_CONFLICT, "subject",
                                                   "subject: no more can be recorded of the moves of this member")
                                       : 0;
    case VOID_SHARES:
        return err_field(err, ERR_CONFLICT, "shares",
                         "shares: more than %d, or a fifth currency, would be held and owed in all",
                         (int)SHARES_HELD_MAX);
    default: return say_more(e, &s, reason, day, err);
    }
}

/* ret_after: as row_try. */
static int
ask(const struct member_row *r, const struct member_entry *e, const struct member_world *w, struct row *ret_after,
    struct err *err)
{
    if (!member_rules.known(e->kind, e->kind_version)) {
        return err_field(err, ERR_INVALID, "kind", "kind: %u in version %u is not of the register", e->kind,
                         e->kind_version);
    }
    struct member_fold state;
    struct row row = ROW_OF(&member_row_type, r, &state);
    return row_try(&row, r->n, e, w, ret_after, err);
}

int
member_row_try(const struct member_row *r, const struct member_entry *e, const struct member_world *w, struct err *err)
{
    return ask(r, e, w, NULL, err);
}

int
member_row_try_passed(const struct member_row *r, const struct member_entry *e, const struct member_world *w,
                      struct err *err)
{
    struct row row;
    struct member_row after = *r;
    struct member_passed was, is;
    char into[2 * ID_BYTES + 1];
    if (!member_passed_on(r, &was)) {
        return 0;
    }
    int rc = ask(r, e, w, &row, err);
    if (rc != 0) {
        return rc;
    }
    ROW_BACK(&after, row);
    if (member_passed_on(&after, &is) && !member_passed_equal(&was, &is)) {
        rc = err_field(
            err, ERR_CONFLICT, "subject",
            "subject: the shares that passed on when this record was merged into %s would become others; undo "
            "the merge first",
            hex_encode(was.into.b, sizeof(was.into.b), into));
    }
    member_row_release(&after);
    return rc;
}

int
member_row_after(const struct member_row *r, const struct member_entry *e, const struct member_world *w,
                 struct member_row *ret, struct err *err)
{
    struct row row;
    struct member_row after = *r;
    int rc = ask(r, e, w, &row, err);
    if (rc != 0) {
        return rc;
    }
    ROW_BACK(&after, row);
    *ret = after;
    return 0;
}

ROW_ENTRY_BEGINS(struct member_entry);

const struct row_type member_row_type = {
    .rules = &member_rules,
    .what = "member row",
    .refers = "to correct or to answer",
    .entry_size = sizeof(struct member_entry),
    .refs_max = ARRAY_LEN(((struct member_entry *)NULL)->refs),
    .say = say,
};
