/* Handovers: what each desk writes. See handover.h; what goes along is in handover_along.c, who must act next in handover_turn.c. */
#include <stdlib.h>

#include "node/command/access_parts.h"
#include "node/command/handover_parts.h"
#include "node/command/person.h"
#include "storage/keyslots.h"

static const struct unit_id no_unit;

/* The parts of one request. */
struct handing {
    const struct command_ctx *ctx;
    const struct handover_request *req;
    struct member_row row; /* of this unit */
    struct member_state now;
    struct civil_date effective;
    struct draft *drafts;
    size_t n;
};

static int
later_of(struct civil_date a, struct civil_date b)
{
    return date_is_none(b) || a.days >= b.days ? a.days : b.days;
}

static int
no_such(struct err *err, const char *what)
{
    return err_field(err, ERR_CONFLICT, "subject", "subject: %s", what);
}

/* The first draft; the caller fills what is its own. */
static struct draft *
begin(struct handing *h, uint16_t kind)
{
    struct draft *d = &h->drafts[h->n];
    draft_init(d, h->ctx, kind, &h->req->member, h->effective);
    d->payload.handover.proposed = DATE_NONE;
    h->n++;
    return d;
}

static int
try_draft(const struct handing *h, const struct draft *d, struct err *err)
{
    int rc = draft_check_payload(d, err);
    return rc == 0 ? draft_try_member(h->ctx, d, &h->row, err) : rc;
}

/* ---- the old home ---- */

static int
check_new_home(const struct handing *h, struct err *err)
{
    const struct unit_id *to = &h->req->unit;
    if (TYPE_EQ(to, &no_unit) || TYPE_EQ(to, &h->ctx->unit))
        return err_field(err, ERR_INVALID, "unit",
                         TYPE_EQ(to, &no_unit) ? "unit: the new home is missing" : "unit: is the own unit");
    return draft_check_unit(h->ctx, to, "unit", err);
}

static int
offer(struct handing *h, struct err *err)
{
    const struct handover_request *q = h->req;
    struct civil_date proposed = date_is_none(q->proposed) ? h->ctx->today : q->proposed;
    int rc = check_new_home(h, err);
    if (rc != 0)
        return rc;
    if (proposed.days < DATE_MIN.days || proposed.days > h->ctx->today.days + HANDOVER_AHEAD_DAYS_MAX)
        return err_field(err, ERR_INVALID, "proposed", "proposed: at most %d days ahead", HANDOVER_AHEAD_DAYS_MAX);
    /* The move may be dated back: the offer then stands from that day on. */
    if (date_is_none(q->effective) && proposed.days < h->effective.days)
        h->effective = proposed;
    struct member_state then;
    char day[DATE_TEXT_MAX];
    member_state_at(&h->row, h->effective, &then);
    if (then.status != STATUS_MEMBER || h->now.status != STATUS_MEMBER)
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: is not a member%s%s",
                         then.status != STATUS_MEMBER ? " on " : " any more",
                         then.status != STATUS_MEMBER ? date_format(h->effective, day) : "");
    if (h->now.offer_open || then.offer_open)
        return no_such(err, "a handover is offered already; withdraw it first");
    if (proposed.days <= h->now.joined_on.days)
        return err_field(err, ERR_CONFLICT, "proposed", "proposed: is not after the first day of the membership");
    struct draft *d = begin(h, KIND_HANDOVER_OFFERED);
    d->payload.handover.other = q->unit;
    d->payload.handover.proposed = proposed;
    rc = try_draft(h, d, err);
    return rc == 0 ? handover_dossier(h->ctx, &h->row, &q->unit, false, d, err) : rc;
}

static int
withdraw(struct handing *h, struct err *err)
{
    bool made = false;
    size_t n = 0;
    if (!h->now.offer_open)
        return no_such(err, "no handover is offered");
    /* As if it had not been made: dated later, it would stand in the way of what is recorded late. */
    size_t offered = member_entry_find(&h->row, &h->now.offered_at);
    if (date_is_none(h->req->effective) && offered != SIZE_MAX)
        h->effective = h->row.entries[offered].effective;
    struct draft *d = begin(h, KIND_HANDOVER_WITHDRAWN);
    int rc = draft_refer(d, h->ctx, REF_OFFER, &h->now.offered_at, err);
    if (rc == 0)
        rc = try_draft(h, d, err);
    if (rc == 0)
        rc = access_new_generation(h->ctx, &h->row, 0, &h->drafts[h->n], &made, err);
    if (rc == 0 && !made) /* they begin with the withdrawal */
        d->new_keys = d->fresh_keys = true;
    h->n += made;
    if (rc == 0)
        rc = access_renew_all(h->ctx, &h->req->member, &h->drafts[h->n], &n, err);
    h->n += n;
    return rc;
}

/* What is held on the day is owed from then on, and repaid at what was paid for it: each behind the completion, and behind those before it. */
static int
repay(struct handing *h, const struct draft *completion, struct err *err)
{
    struct member_owed held[CURRENCIES_OWED_MAX];
    struct member_row row, next;
    size_t n = member_held_at(&h->row, h->effective, held);
    int rc = draft_after_member(h->ctx, completion, &h->row, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct draft *d = begin(h, KIND_SHARES_REPAID);
        d->payload.repaid = (struct share_amount){.shares = held[i].shares, .amount_minor = held[i].amount_minor};
        memcpy(d->payload.repaid.currency, held[i].currency, sizeof(held[i].currency));
        rc = draft_check_payload(d, err);
        if (rc == 0)
            rc = draft_after_member(h->ctx, d, &row, &next, err);
        if (rc == 0) {
            member_row_release(&row);
            row = next;
        }
    }
    member_row_release(&row);
    return rc;
}

/* The acceptance, and what it says. */
static int
find_acceptance(struct handing *h, struct position *ret, struct handover *ret_terms, struct err *err)
{
    struct member_row theirs;
    if (!h->now.offer_open)
        return no_such(err, "no handover is offered");
    int rc = rows_member_of(h->ctx, &h->now.offer_to, &h->req->member, &theirs, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? no_such(err, "the other unit has not accepted yet") : rc;
    bool found = member_acceptance_of(&theirs, &h->now.offered_at, ret);
    size_t i = found ? member_entry_find(&theirs, ret) : SIZE_MAX;
    if (i != SIZE_MAX) {
        const struct member_entry *e = &theirs.entries[i];
        *ret_terms = (struct handover){.other = h->now.offer_to, .proposed = DATE_NONE};
        ret_terms->terms = (struct admission){.category = e->category,
                                              .person_type = e->person_type,
                                              .office = e->office,
                                              .shares = e->shares,
                                              .share_price_minor = e->share_price_minor};
        memcpy(ret_terms->terms.currency, e->currency, sizeof(e->currency));
    }
    member_row_release(&theirs);
    return i != SIZE_MAX ? 0 : no_such(err, "the other unit has not accepted yet");
}

/* A unit that has closed since it accepted can record nothing of a member. */
static int
check_stands(const struct handing *h, const struct unit_id *to, struct err *err)
{
    struct err closed;
    int rc = draft_check_unit(h->ctx, to, "unit", &closed);
    if (rc == ERR_CONFLICT)
        return err_field(err, rc, "unit", "unit: the new home has closed; take the offer back (withdraw)");
    if (rc != 0)
        *err = closed;
    return rc;
}

static int
complete(struct handing *h, struct err *err)
{
    const struct handover_request *q = h->req;
    struct position accepted;
    struct handover terms;
    size_t n = 0;
    int rc = find_acceptance(h, &accepted, &terms, err);
    if (rc != 0)
        return rc;
    if (q->activities > ACTIVITIES_TAKEN_ALONG)
        return err_field(err, ERR_INVALID, "activities", "activities: closed or taken");
    if (date_is_none(q->effective)) {
        h->effective = h->now.offer_day;
        member_state_at(&h->row, h->effective, &h->now);
    }
    if (h->effective.days > h->ctx->today.days + HANDOVER_AHEAD_DAYS_MAX)
        return err_field(err, ERR_INVALID, "effective_on", "effective_on: at most %d days ahead",
                         HANDOVER_AHEAD_DAYS_MAX);
    struct member_state latest;
    member_state_at(&h->row, DATE_MAX, &latest);
    struct draft *d = begin(h, KIND_HANDOVER_COMPLETED);
    d->payload.handover = terms;
    d->payload.handover.voted = q->voted;
    d->payload.handover.activities = q->activities != 0 ? q->activities : ACTIVITIES_CLOSED;
    rc = draft_refer(d, h->ctx, REF_OFFER, &latest.offered_at, err);
    if (rc == 0)
        rc = draft_refer(d, h->ctx, REF_ACCEPTANCE, &accepted, err);
    if (rc == 0)
        rc = try_draft(h, d, err);
    if (rc == 0)
        rc = check_stands(h, &terms.other, err);
    if (rc == 0)
        rc = draft_check_closed(h->ctx, h->effective, CLOSED_SINCE, q->adjusts_closed, "effective_on", err);
    if (rc == 0)
        rc = draft_check_closed_there(h->ctx, &terms.other, latest.offer_day, &accepted, h->effective,
                                      q->adjusts_closed, "effective_on", err);
    if (rc == 0)
        rc = handover_dossier(h->ctx, &h->row, &terms.other, q->activities == ACTIVITIES_TAKEN_ALONG, d, err);
    if (rc == 0 && !q->owed_stays)
        rc = repay(h, d, err);
    if (rc == 0)
        rc = access_end_all(h->ctx, &q->member, ACCESS_END_MOVED, false, &h->drafts[h->n], &n, err);
    h->n += n;
    return rc;
}

/* ---- the new home ---- */

/* The old home's row with an open offer to this unit. */
static int
find_offer(struct handing *h, struct member_row *ret, struct member_state *ret_state, struct err *err)
{
    struct handover_view v;
    struct unit_id from = h->req->unit;
    int rc = 0;
    if (TYPE_EQ(&from, &no_unit)) {
        rc = handover_of(h->ctx, &h->req->member, &v, err);
        if (rc != 0)
            return rc;
        if (v.turn != TURN_WE_ACCEPT)
            return no_such(err, v.turn == TURN_THEY_COMPLETE ? "the offer was accepted already"
                                                             : "nobody offers this member to this unit");
        from = v.from;
    }
    rc = rows_member_of(h->ctx, &from, &h->req->member, ret, err);
    if (rc != 0)
        return rc;
    member_state_at(ret, DATE_MAX, ret_state);
    if (ret_state->offer_open && TYPE_EQ(&ret_state->offer_to, &h->ctx->unit))
        return 0;
    member_row_release(ret);
    return no_such(err, "that unit does not offer this member to this unit");
}

static int
take_price(const struct handing *h, struct civil_date on, struct admission *a, struct err *err)
{
    const struct handover_request *q = h->req;
    struct place_row row;
    struct unit_described unit;
    a->shares = q->has_shares ? q->shares : 1;
    if (a->shares < 1 || a->shares > SHARES_MAX)
        return err_field(err, ERR_INVALID, "shares", "shares: must be 1 to %d", SHARES_MAX);
    if (q->has_price && q->currency[0] != '\0') {
        a->share_price_minor = q->share_price_minor;
        memcpy(a->currency, q->currency, sizeof(a->currency));
        return 0;
    }
    int rc = rows_unit(h->ctx, &row, err);
    if (rc != 0)
        return rc;
    bool described = unit_state_at(&row, on, &unit);
    place_row_release(&row);
    if (!described)
        return err_field(err, ERR_CONFLICT, "unit", "unit: has no share price on that day");
    a->share_price_minor = q->has_price ? q->share_price_minor : unit.share_price_minor;
    memcpy(a->currency, unit.currency, sizeof(a->currency));
    return 0;
}

static int
check_office(const struct handing *h, struct civil_date on, struct err *err)
{
    struct place_row row;
    struct office_state s;
    if (!h->req->has_office)
        return err_field(err, ERR_INVALID, "office", "office: at which office the member will be is missing");
    int rc = rows_office(h->ctx, &h->req->office, &row, err);
    if (rc != 0)
        return rc;
    if (!office_state_at(&row, on, &s) || !s.open)
        rc = err_field(err, ERR_CONFLICT, "office", "office: is not open on that day");
    place_row_release(&row);
    return rc;
}

static int
accept_member(struct handing *h, struct err *err)
{
    struct member_row theirs;
    struct member_state s;
    if (h->now.status == STATUS_MEMBER || h->now.status == STATUS_APPLIED)
        return no_such(err, "is a member or applicant here already");
    int rc = find_offer(h, &theirs, &s, err);
    if (rc != 0)
        return rc;
    struct civil_date on = {later_of(s.offer_day, DATE_NONE)};
    struct unit_id from = theirs.unit;
    member_row_release(&theirs);
    struct draft *d = begin(h, KIND_HANDOVER_ACCEPTED);
    d->payload.handover.other = from;
    struct admission *a = &d->payload.handover.terms;
    a->category = h->req->category != 0 ? h->req->category : s.category;
    a->person_type = s.person_type;
    a->office = h->req->office;
    if (a->person_type == PERSON_LEGAL && a->category != CATEGORY_C)
        return err_field(err, ERR_INVALID, "category", "category: %s", void_reason_text(VOID_CATEGORY_PERSON));
    rc = check_office(h, on, err);
    if (rc == 0)
        rc = take_price(h, on, a, err);
    if (rc == 0)
        rc = draft_refer(d, h->ctx, REF_OFFER, &s.offered_at, err);
    if (rc == 0)
        rc = try_draft(h, d, err);
    return rc == 0 ? draft_check_closed(h->ctx, on, CLOSED_SINCE, h->req->adjusts_closed, "proposed", err) : rc;
}

/* The ground on which a class was restricted last. */
static uint8_t
ground_of(const struct member_row *row, uint8_t c)
{
    uint8_t ground = GROUND_ASKED;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->kind == KIND_RESTRICTION_ORDERED && e->outcome == OUTCOME_APPLIED && e->classes >> c & 1)
            ground = e->ground;
    }
    return ground;
}

/* A person's right does not end with the move: what the old home has restricted is restricted here from the reception on, until the same
 * days. One event for each day and ground. */
static int
restrict_again(struct handing *h, const struct unit_id *from, struct err *err)
{
    struct member_row theirs;
    struct member_state s;
    int rc = rows_member_of(h->ctx, from, &h->req->member, &theirs, err);
    if (rc != 0)
        return rc;
    member_state_at(&theirs, DATE_MAX, &s);
    uint16_t left = s.restricted;
    for (uint8_t c = 0; rc == 0 && c < CLASSES_MAX; c++) {
        if ((left >> c & 1) == 0)
            continue;
        struct draft *d = begin(h, KIND_RESTRICTION_ORDERED);
        struct erasure *e = &d->payload.erasure;
        *e = (struct erasure){.until = s.restricted_until[c], .ground = ground_of(&theirs, c)};
        for (uint8_t k = c; k < CLASSES_MAX; k++) {
            if ((left >> k & 1) == 0 || s.restricted_until[k].days != e->until.days ||
                ground_of(&theirs, k) != e->ground)
                continue;
            e->classes[e->n_classes++] = (uint8_t)(k + 1);
            left &= (uint16_t) ~(1U << k);
        }
        rc = draft_check_payload(d, err);
    }
    member_row_release(&theirs);
    return rc;
}

static int
receive(struct handing *h, struct err *err)
{
    const struct person_input *p = &h->req->person;
    size_t i = member_arrival_unreceived(&h->row);
    uint32_t generation;
    uint64_t slot;
    if (i == SIZE_MAX)
        return no_such(err, "no completed handover waits to be received");
    if (!p->has_identity)
        return err_field(err, ERR_INVALID, "family_name", "the member's data is not here yet; enter at least the name");
    const struct member_entry arrival = h->row.entries[i];
    struct person_input checked;
    int checked_rc = person_check(p, arrival.person_type, h->ctx->today, &checked, err);
    if (checked_rc != 0)
        return checked_rc;
    p = &checked;
    if (date_is_none(h->req->effective))
        h->effective = arrival.effective;
    struct draft *d = begin(h, KIND_HANDOVER_RECEIVED);
    int rc = draft_refer(d, h->ctx, REF_COMPLETION, &arrival.at, err);
    if (rc == 0)
        rc = person_capsule(d, CLASS_IDENTITY, p, err);
    if (rc == 0 && p->has_contact)
        rc = person_capsule(d, CLASS_CONTACT, p, err);
    if (rc == 0 && p->has_bank)
        rc = person_capsule(d, CLASS_BANK, p, err);
    /* Keys of this unit's own; of somebody who was here before, a new generation. */
    d->new_keys = true;
    struct err none;
    d->fresh_keys = keyslot_find(h->ctx->txn, &h->req->member, &generation, &slot, &none) == 0;
    if (rc == 0)
        rc = draft_check_payload(d, err);
    if (rc == 0)
        rc = draft_try_member(h->ctx, d, &h->row, err);
    person_wipe(&checked, sizeof(checked));
    return rc == 0 ? restrict_again(h, &arrival.home, err) : rc;
}

/* ---- the whole ---- */

static int
load_row(struct handing *h, struct err *err)
{
    const struct position never = {0};
    int rc = rows_member(h->ctx, &h->req->member, &h->row, err);
    if (rc == ERR_NOTFOUND && h->req->action == HANDOVER_ACCEPT) {
        member_row_init(&h->row, &h->ctx->unit, &h->req->member);
        err_clear(err);
        rc = 0;
    }
    if (rc == 0)
        rc = draft_date(h->ctx, h->req->effective, &h->effective, err);
    if (rc != 0)
        return rc;
    member_state_at(&h->row, DATE_MAX, &h->now);
    return h->req->has_if_match
               ? draft_check_match(&h->req->if_match, h->row.n > 0 ? &h->now.last_change : &never, "member", err)
               : 0;
}

int
command_handover(const struct command_ctx *ctx, const struct handover_request *req, struct draft *ret, size_t *ret_n,
                 struct err *err)
{
    struct handing h = {.ctx = ctx, .req = req, .drafts = ret};
    member_row_init(&h.row, &ctx->unit, &req->member);
    int rc = load_row(&h, err);
    if (rc == 0) {
        switch (req->action) {
        case HANDOVER_OFFER: rc = offer(&h, err); break;
        case HANDOVER_WITHDRAW: rc = withdraw(&h, err); break;
        case HANDOVER_ACCEPT: rc = accept_member(&h, err); break;
        case HANDOVER_COMPLETE: rc = complete(&h, err); break;
        case HANDOVER_RECEIVE: rc = receive(&h, err); break;
        default: rc = err_field(err, ERR_INVALID, "action", "action: is none of a handover"); break;
        }
    }
    for (size_t i = 0; rc != 0 && i < h.n; i++)
        draft_release(&ret[i]);
    if (rc == 0)
        *ret_n = h.n;
    member_row_release(&h.row);
    return rc;
}
