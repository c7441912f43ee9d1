/* Requests about one member → drafts. See command.h. What is possible is said by node/rules alone; what is written here is only
 * what the rules cannot know: what the desk must give, where references point, what the share costs, which words are well
 * formed. */
#include "node/command/access.h"
#include "node/command/member_work.h"
#include "node/command/names.h"
#include "node/command/person.h"

static int find_member(struct work *w, struct err *err);
static int find_corrected(struct work *w, struct err *err);
static int set_date(struct work *w, struct err *err);
static int check_match(const struct work *w, struct err *err);
static int check_moving(const struct work *w, struct err *err);
static int check_closed(const struct work *w, struct err *err);
static int refer(struct work *w, struct err *err);
static int check_category(const struct work *w, struct err *err);
static int check_office(const struct work *w, struct err *err);
static int check_payload_and_rules(struct work *w, struct err *err);

static void
work_release(struct work *w)
{
    member_row_release(&w->row);
    draft_release(&w->d);
    person_wipe(w, sizeof(*w));
}

int
command_member(const struct command_ctx *ctx, const struct member_request *req, struct draft *ret, struct err *err)
{
    struct work w = {.ctx = ctx, .req = req};
    struct subject_id none = {0};
    member_row_init(&w.row, &ctx->unit, &none);
    int rc = find_member(&w, err);
    if (rc == 0)
        rc = set_date(&w, err);
    if (rc == 0)
        rc = check_match(&w, err);
    if (rc == 0)
        rc = work_fill(&w, err);
    if (rc == 0)
        rc = work_person(&w, err);
    if (rc == 0)
        rc = check_category(&w, err);
    if (rc == 0)
        rc = refer(&w, err);
    if (rc == 0)
        rc = check_office(&w, err);
    if (rc == 0 && req->action == ACTION_CHANGE_DATA && w.found && !w.base)
        rc = access_seal_stale(ctx, &w.row, &w.d, err);
    if (rc == 0)
        rc = work_new_keys(&w, err);
    if (rc == 0)
        rc = check_payload_and_rules(&w, err);
    if (rc == 0)
        rc = check_moving(&w, err);
    if (rc == 0)
        rc = check_closed(&w, err);
    if (rc == 0) {
        *ret = w.d;
        w.d.n_capsules = 0; /* theirs now */
    }
    work_release(&w);
    return rc;
}

bool
work_creates(enum member_action action)
{
    return action == ACTION_APPLY || action == ACTION_ADMIT;
}

static int
find_member(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct subject_id subject = req->subject;
    if (req->has_subject) {
        struct member_row row;
        int rc = rows_member(w->ctx, &subject, &row, err);
        if (rc == ERR_NOTFOUND && work_creates(req->action) && !req->has_corrects && !req->has_if_match) {
            member_row_init(&w->row, &w->ctx->unit, &subject);
            draft_init(&w->d, w->ctx, member_action_kind(req->action), &subject, DATE_NONE);
            return 0;
        }
        if (rc != 0)
            return rc;
        member_row_release(&w->row);
        w->row = row;
        w->found = true;
    } else if (work_creates(req->action) && !req->has_corrects) {
        w->ctx->random(w->ctx->random_arg, subject.b, sizeof(subject.b));
        member_row_init(&w->row, &w->ctx->unit, &subject);
    } else {
        return err_field(err, ERR_INVALID, "subject", "which member is missing");
    }
    draft_init(&w->d, w->ctx, member_action_kind(req->action), &subject, DATE_NONE);
    return req->has_corrects ? find_corrected(w, err) : 0;
}

static int
find_corrected(struct work *w, struct err *err)
{
    size_t i = member_entry_find(&w->row, &w->req->corrects);
    if (i == SIZE_MAX)
        return err_field(err, ERR_NOTFOUND, "corrects", "corrects: the member has no such event");
    const struct member_entry *e = &w->row.entries[i];
    if (e->kind != w->d.kind)
        return err_field(err, ERR_INVALID, "corrects",
                         "corrects: the event is %s, and only another one of that kind can take its place",
                         event_kind_name(e->kind));
    if (e->outcome == OUTCOME_VOID)
        return err_field(err, ERR_CONFLICT, "corrects",
                         "corrects: the event never had an effect (the member %s); record it anew",
                         void_reason_text(e->reason));
    if (e->outcome == OUTCOME_REPLACED && w->row.entries[member_slot_filler(&w->row, i)].kind != KIND_ENTRY_CANCELLED)
        return err_field(err, ERR_CONFLICT, "corrects",
                         "corrects: the event was corrected since; correct the one that took its place");
    w->base = e;
    return 0;
}

/* A correction that says no date keeps it; so may one of a whole month. */
static int
set_date(struct work *w, struct err *err)
{
    struct event_common *c = &w->d.payload.common;
    bool kept = date_is_none(w->req->effective) && w->base;
    int rc = draft_date(w->ctx, kept ? w->base->effective : w->req->effective, &w->effective, err);
    if (rc == 0 && !kept && work_creates(w->req->action))
        rc = draft_check_ahead(w->ctx, w->effective, "effective_on", err);
    if (rc != 0)
        return rc;
    c->effective = w->effective;
    c->precision = kept ? w->base->precision : PRECISION_DAY;
    member_state_at(&w->row, w->effective, &w->now);
    member_state_at(&w->row, DATE_MAX, &w->latest);
    return 0;
}

static int
check_match(const struct work *w, struct err *err)
{
    const struct position never = {0};
    if (!w->req->has_if_match)
        return 0;
    return draft_check_match(&w->req->if_match, w->found ? &w->latest.last_change : &never, "member", err);
}

/* The rules let amounts of before a move be set right. Of a move on a day to come nothing is late yet: new shares are the new home's, and the
 * completion has settled those held. */
static int
check_moving(const struct work *w, struct err *err)
{
    char day[DATE_TEXT_MAX];
    if (w->req->action != ACTION_SUBSCRIBE || w->base || w->latest.status != STATUS_LEFT ||
        w->latest.left_reason != LEFT_MOVED || w->latest.left_on.days <= w->ctx->today.days)
        return 0;
    return err_field(err, ERR_CONFLICT, "subject",
                     "subject: moves to another unit on %s; shares are subscribed there from then on",
                     date_format(w->latest.left_on, day));
}

/* Last, so that the desk is asked to mean only what is possible. */
static int
check_closed(const struct work *w, struct err *err)
{
    int rc = draft_check_closed(w->ctx, w->effective, CLOSED_SINCE, w->req->adjusts_closed, "effective_on", err);
    if (rc == 0 && w->base)
        rc = draft_check_closed(w->ctx, w->base->effective, CLOSED_SINCE, w->req->adjusts_closed, "effective_on", err);
    return rc;
}

/* The applied entry of that kind that the fold took last. */
static const struct member_entry *
newest(const struct work *w, uint16_t kind)
{
    const struct member_entry *found = NULL;
    for (size_t i = 0; i < w->row.n; i++) {
        const struct member_entry *e = &w->row.entries[i];
        if (e->kind == kind && e->outcome == OUTCOME_APPLIED && e->effective.days <= w->effective.days &&
            (!found || e->effective.days >= found->effective.days))
            found = e;
    }
    return found;
}

const struct member_entry *
work_open_application(const struct work *w)
{
    return w->now.status == STATUS_APPLIED ? newest(w, KIND_APPLICATION_RECEIVED) : NULL;
}

/* After the person, so that a legal name left out is named before what follows from the type. */
static int
check_category(const struct work *w, struct err *err)
{
    const struct admission *a = &w->d.payload.admission;
    if (!work_creates(w->req->action) || a->person_type != PERSON_LEGAL || a->category == CATEGORY_C)
        return 0;
    return err_field(err, ERR_INVALID, "category", "category: %s", void_reason_text(VOID_CATEGORY_PERSON));
}

/* A correction answers what the event corrected answered. */
static int
refer_as_before(struct work *w, struct err *err)
{
    int rc = draft_refer(&w->d, w->ctx, REF_CORRECTS, &w->base->at, err);
    for (uint8_t k = 0; k < w->base->n_refs && rc == 0; k++) {
        const struct event_ref *ref = &w->base->refs[k];
        const struct position to = {.log = ref->log, .seq = ref->seq};
        if (ref->role == REF_APPLICATION || ref->role == REF_REQUEST)
            rc = draft_refer(&w->d, w->ctx, (enum ref_role)ref->role, &to, err);
    }
    return rc;
}

/* §8: roles 2 to 4. The try of the rules would only say that a reference is missing; the desk is told why. */
static int
refer(struct work *w, struct err *err)
{
    const struct member_entry *target = NULL;
    if (w->base)
        return refer_as_before(w, err);
    switch (w->req->action) {
    case ACTION_ADMIT:
        target = work_open_application(w);
        return target ? draft_refer(&w->d, w->ctx, REF_APPLICATION, &target->at, err) : 0;
    case ACTION_REFUSE:
        target = work_open_application(w);
        if (!target)
            return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: no application is open on that day");
        return draft_refer(&w->d, w->ctx, REF_APPLICATION, &target->at, err);
    case ACTION_GRANT_WITHDRAWAL:
    case ACTION_REFUSE_WITHDRAWAL:
        if (w->now.status == STATUS_MEMBER && w->now.request_open)
            target = newest(w, KIND_WITHDRAWAL_REQUESTED);
        if (!target)
            return err_field(err, ERR_CONFLICT, "effective_on",
                             "effective_on: no withdrawal request is open on that day");
        return draft_refer(&w->d, w->ctx, REF_REQUEST, &target->at, err);
    default: return 0;
    }
}

/* An office that the unit does not have is void by the rules; a closed one is only what no desk would mean. One that stays as it was
 * is no new choice. */
static int
check_office(const struct work *w, struct err *err)
{
    const struct event_payload *p = &w->d.payload;
    const struct office_id *office;
    if (w->base && !w->req->has_office)
        return 0;
    if (work_creates(w->req->action))
        office = &p->admission.office;
    else if (w->req->action == ACTION_CHANGE_DATA && p->data.has_office)
        office = &p->data.office;
    else
        return 0;
    struct place_row row;
    int rc = rows_office(w->ctx, office, &row, err);
    if (rc != 0)
        return rc;
    struct office_state state;
    if (office_state_at(&row, w->effective, &state) && !state.open)
        rc = err_field(err, ERR_CONFLICT, "office", "the office is closed on that day");
    place_row_release(&row);
    return rc;
}

static int
check_payload_and_rules(struct work *w, struct err *err)
{
    int rc = draft_check_payload(&w->d, err);
    return rc != 0 ? rc : draft_try_member(w->ctx, &w->d, &w->row, err);
}
