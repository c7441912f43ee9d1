/* Requests about one activity → drafts. See command.h. */
#include "node/command/guest.h"
#include "node/command/person.h"
#include "node/command/retention.h"
#include "node/command/rows.h"
#include "node/command/work.h"

/* What one request gathers on its way to a draft. Holds personal data: released by request_release, which wipes. */
struct request {
    const struct command_ctx *ctx;
    const struct activity_request *req;
    bool found; /* the activity has a row */
    struct activity_row row;
    const struct activity_entry *old; /* what is corrected */
    size_t old_index;
    struct civil_date month;
    struct subject_id member; /* whose it is */
    struct work_guest guest;
    struct member_state state;
    struct activity_links links;
    struct draft d;
};

static void
request_release(struct request *q)
{
    activity_row_release(&q->row);
    draft_release(&q->d);
    person_wipe(q, sizeof(*q));
}

static uint16_t
kind_of(enum work_action action)
{
    switch (action) {
    case WORK_OPEN_ACTIVITY: return KIND_ACTIVITY_OPENED;
    case WORK_CHANGE_ACTIVITY: return KIND_ACTIVITY_CHANGED;
    default: return KIND_ACTIVITY_CLOSED;
    }
}

static int
find_old(struct request *q, struct err *err)
{
    const struct position *at = &q->req->corrects;
    for (size_t i = 0; i < q->row.n && q->req->has_corrects; i++) {
        const struct activity_entry *e = &q->row.entries[i];
        if (e->at.seq == at->seq && TYPE_EQ(&e->at.log, &at->log) && e->kind == kind_of(q->req->action)) {
            q->old = e;
            q->old_index = i;
            return work_correctable(e->outcome, activity_slot_empty(&q->row, i), err);
        }
    }
    if (q->req->has_corrects)
        return err_field(err, ERR_NOTFOUND, "corrects", "corrects: the activity has no such event of that kind");
    return 0;
}

static int
find_activity(struct request *q, struct err *err)
{
    const struct activity_request *req = q->req;
    struct subject_id id = req->activity;
    struct activity_state s;
    int rc = 0;
    if (req->has_activity) {
        struct activity_row row;
        rc = rows_activity(q->ctx, &id, &row, err);
        if (rc == ERR_NOTFOUND && req->action == WORK_OPEN_ACTIVITY && !req->has_corrects) {
            activity_row_init(&q->row, &q->ctx->unit, &id);
            return 0;
        }
        if (rc != 0)
            return rc;
        q->row = row;
        q->found = true;
        activity_state_at(&row, DATE_MAX, &s);
        if (req->has_if_match)
            rc = draft_check_match(&req->if_match, &s.last_change, "activity", err);
    } else if (req->action == WORK_OPEN_ACTIVITY && !req->has_corrects) {
        q->ctx->random(q->ctx->random_arg, id.b, sizeof(id.b));
        activity_row_init(&q->row, &q->ctx->unit, &id);
    } else {
        return err_field(err, ERR_INVALID, "activity", "which activity is missing");
    }
    return rc != 0 ? rc : find_old(q, err);
}

static int
take_month(struct request *q, struct err *err)
{
    struct civil_date day;
    int rc = draft_date(q->ctx, q->req->effective, &day, err);
    if (rc == 0)
        rc = draft_check_ahead(q->ctx, day, "effective_on", err);
    if (rc != 0)
        return rc;
    q->month = q->old != NULL && date_is_none(q->req->effective) ? q->old->effective : date_month_start(day);
    rc = draft_check_closed(q->ctx, q->month, CLOSED_YEAR, q->req->adjusts_closed, "effective_on", err);
    if (rc == 0 && q->old != NULL)
        rc = draft_check_closed(q->ctx, q->old->effective, CLOSED_YEAR, q->req->adjusts_closed, "effective_on", err);
    if (rc == 0)
        work_draft(&q->d, q->ctx, kind_of(q->req->action), &q->row.activity, q->month);
    return rc;
}

/* A new one has a capsule, an old one gets another when what is in it changes. */
static bool
wants_capsule(const struct request *q)
{
    const struct activity_request *req = q->req;
    if (req->action == WORK_CLOSE_ACTIVITY)
        return false;
    return !q->found || req->has_number || req->has_text || (q->old != NULL && !date_is_none(req->effective));
}

/* Of another unit, by a grant or a pass that stands. */
static int
take_visitor(struct request *q, struct err *err)
{
    int rc = guest_key(q->ctx, &q->req->unit, &q->req->member, "member", &q->guest.unit, &q->guest.key, err);
    if (rc == 0 && !q->req->has_office)
        rc = err_field(err, ERR_INVALID, "office", "office: of a visitor's activity it must be given");
    q->guest.is = rc == 0;
    q->member = q->req->member;
    return rc == 0 ? work_visitor(q->ctx, &q->guest.unit, &q->member, q->month, q->req->as_recorded, "member", err)
                   : rc;
}

/* A month that was over before the member's activities were erased is not entered again. */
static int
take_new_member(struct request *q, struct err *err)
{
    struct member_row row;
    int rc = work_member(q->ctx, &q->req->member, q->month, q->req->as_recorded, "member", &q->member, &q->state, err);
    if (rc == 0)
        rc = rows_member(q->ctx, &q->member, &row, err);
    if (rc != 0)
        return rc;
    rc = retention_check_erased(&row, CLASS_ACTIVITY, month_last(q->month), "member", err);
    member_row_release(&row);
    return rc;
}

/* Of a new one: as asked for. Of one that is there: as linked, and nobody else's if the request names somebody. */
static int
take_member(struct request *q, struct err *err)
{
    static const struct subject_id nobody;
    bool named = !TYPE_EQ(&q->req->member, &nobody), opens = q->req->action == WORK_OPEN_ACTIVITY;
    struct subject_id kept, named_kept;
    if (!q->found) {
        if (!named)
            return err_field(err, ERR_INVALID, "member", "whose activity it is is missing");
        if (q->req->has_unit && !TYPE_EQ(&q->req->unit, &q->ctx->unit))
            return take_visitor(q, err);
        return take_new_member(q, err);
    }
    if (!opens && !named && !wants_capsule(q))
        return 0;
    int rc = work_owner(q->ctx, &q->row.activity, "activity", &q->member, err);
    if (rc == 0)
        rc = work_guest(q->ctx, &q->row.activity, "activity", &q->guest, err);
    if (rc == 0 && q->guest.is && named && !TYPE_EQ(&q->req->member, &q->member))
        return err_field(err, ERR_CONFLICT, "member", "member: the activity is another member's");
    if (rc == 0 && q->guest.is)
        return opens ? work_visitor(q->ctx, &q->guest.unit, &q->member, q->month, q->req->as_recorded, "member", err)
                     : 0;
    if (rc == 0 && named) {
        rc = work_kept(q->ctx, &q->member, &kept, err);
        if (rc == 0)
            rc = work_kept(q->ctx, &q->req->member, &named_kept, err);
        if (rc == 0 && !TYPE_EQ(&kept, &named_kept))
            rc = err_field(err, ERR_CONFLICT, "member", "member: the activity is another member's");
    }
    return rc == 0 && opens
               ? work_member(q->ctx, &q->member, q->month, q->req->as_recorded, "member", &kept, &q->state, err)
               : rc;
}

/* What is not given stays as it was: as in the event that is corrected, or as in force in the month. */
static int
take_facets(struct request *q, struct err *err)
{
    const struct activity_request *req = q->req;
    struct activity_facets *f = &q->d.payload.activity;
    struct activity_state s;
    if (req->action == WORK_CLOSE_ACTIVITY)
        return 0;
    activity_state_at(&q->row, q->month, &s);
    if (q->old != NULL)
        *f = q->old->facets;
    else if (req->action == WORK_CHANGE_ACTIVITY && s.exists)
        *f = s.facets;
    else
        f->office = q->state.office;
    f->sector = req->has_sector ? req->sector : f->sector;
    f->culture = req->has_culture ? req->culture : f->culture;
    f->office = req->has_office ? req->office : f->office;
    if (f->sector == 0 && (req->has_sector || req->action == WORK_OPEN_ACTIVITY))
        return err_field(err, ERR_INVALID, "sector", "sector: missing");
    if (f->sector == 0)
        return 0; /* a change of what is not open: the rules say so */
    return req->has_office || !q->found ? work_office(q->ctx, &f->office, q->month, err) : 0;
}

static int
take_links(struct request *q, struct err *err)
{
    const struct activity_request *req = q->req;
    struct activity_links *l = &q->links;
    struct position at;
    if (req->action == WORK_CLOSE_ACTIVITY && (req->has_number || req->has_text))
        return err_field(err, ERR_INVALID, req->has_number ? "number" : "text", "a closing changes no data");
    if (!wants_capsule(q))
        return 0;
    bool has = q->old != NULL ? activity_slot_links(&q->row, q->old_index, &at) : activity_links_position(&q->row, &at);
    int rc = work_links_before(q->ctx, &q->row.activity, has, &at, "activity", l, err);
    if (rc != 0)
        return rc;
    l->member = q->member;
    if (!date_is_none(req->effective))
        l->day = req->effective;
    else if (q->old == NULL)
        l->day = q->ctx->today;
    const struct work_text texts[] = {{req->has_number, &req->number, "number", &l->number},
                                      {req->has_text, &req->text, "text", &l->text}};
    rc = work_texts(texts, ARRAY_LEN(texts), err);
    if (rc == 0 && req->has_number && l->number.s[0] != '\0') {
        const struct numbered mine = {.field = INDEX_ACTIVITY_NO, .entity = q->row.activity};
        rc = work_number_free(q->ctx, &mine, l->number.s, err);
    }
    return rc == 0 ? work_capsule(&q->d, l, &q->guest, err) : rc;
}

static int
check_rules(const struct request *q, struct err *err)
{
    struct event_header header;
    struct activity_entry entry;
    const struct position next = {0};
    struct member_world below, world;
    draft_world(q->ctx, &below, &world);
    draft_header(&q->d, &header);
    activity_entry_from_event(&next, &header, &q->d.payload, &entry);
    return activity_row_try(&q->row, &entry, &world, err);
}

/* A change of what is not there has no facets to be encoded: the rules' answer comes first. */
static int
check(const struct request *q, struct err *err)
{
    int rc = check_rules(q, err);
    return rc == 0 ? draft_check_payload(&q->d, err) : rc;
}

int
command_activity(const struct command_ctx *ctx, const struct activity_request *req, struct draft *ret, struct err *err)
{
    struct request q = {.ctx = ctx, .req = req};
    int rc = find_activity(&q, err);
    if (rc == 0)
        rc = take_month(&q, err);
    if (rc == 0)
        rc = take_member(&q, err);
    if (rc == 0)
        rc = take_facets(&q, err);
    if (rc == 0 && q.old != NULL)
        rc = draft_refer(&q.d, ctx, REF_CORRECTS, &q.old->at, err);
    if (rc == 0)
        rc = take_links(&q, err);
    if (rc == 0)
        rc = check(&q, err);
    if (rc == 0) {
        *ret = q.d;
        q.d.n_capsules = 0; /* theirs now */
    }
    request_release(&q);
    return rc;
}
