/* Requests about one posting → drafts. What months in clear cannot show, no rule of the fold can refuse: days, the own country, membership
 * on the first day and overlaps are asked for here. See command.h; docs/PROTOCOL.md §10. */
#include "node/command/posting.h"

#include "node/command/country.h"
#include "node/command/person.h"

/* What one request gathers on its way to a draft. Holds personal data: released by request_release, which wipes. */
struct request {
    const struct command_ctx *ctx;
    const struct posting_request *req;
    bool found; /* the posting has a row */
    struct posting_row row;
    struct posting_state state;
    const struct posting_entry *old; /* what is corrected */
    size_t old_index;
    uint16_t kind;
    struct civil_date from, to; /* days */
    struct civil_date month;    /* of the event */
    struct subject_id member;   /* whose it is */
    struct activity_links links;
    struct draft d;
};

static void
request_release(struct request *q)
{
    posting_row_release(&q->row);
    draft_release(&q->d);
    person_wipe(q, sizeof(*q));
}

int
rows_posting(const struct command_ctx *ctx, const struct subject_id *posting, struct posting_row *ret, struct err *err)
{
    uint8_t key[KEY_POSTING];
    struct slice value;
    key_posting(key, &ctx->unit, posting);
    int rc = rows_get(ctx, TABLE_POSTINGS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "posting", "no such posting");
    return rc != 0 ? rc : posting_row_decode(value, &ctx->unit, posting, ret, err);
}

/* ---- which posting, which event ---- */

/* Another first day is a correction of the issue, also when it is not said which event is corrected. */
static int
find_old(struct request *q, struct err *err)
{
    const struct posting_request *req = q->req;
    size_t i = 0;
    q->kind = req->action == POSTING_ISSUE ? KIND_POSTING_ISSUED : KIND_POSTING_CHANGED;
    if (req->has_corrects) {
        while (i < q->row.n && (q->row.entries[i].at.seq != req->corrects.seq ||
                                !TYPE_EQ(&q->row.entries[i].at.log, &req->corrects.log)))
            i++;
        bool there = i < q->row.n && q->row.entries[i].kind != KIND_POSTING_CANCELLED &&
                     (req->action == POSTING_CHANGE || q->row.entries[i].kind == KIND_POSTING_ISSUED);
        if (!there)
            return err_field(err, ERR_NOTFOUND, "corrects", "corrects: the posting has no such event that can be");
    } else if (req->action == POSTING_CHANGE && !date_is_none(req->from)) {
        i = posting_issue(&q->row);
        if (i == SIZE_MAX)
            return 0; /* the rules say so */
    } else {
        return 0;
    }
    q->old = &q->row.entries[i];
    q->old_index = i;
    q->kind = q->old->kind;
    return work_correctable(q->old->outcome, posting_slot_empty(&q->row, i), err);
}

static int
find_posting(struct request *q, struct err *err)
{
    const struct posting_request *req = q->req;
    struct subject_id id = req->posting;
    bool may_be_new = req->action == POSTING_ISSUE && !req->has_corrects;
    int rc = 0;
    if (req->has_posting) {
        struct posting_row row;
        rc = rows_posting(q->ctx, &id, &row, err);
        if (rc == ERR_NOTFOUND && may_be_new) {
            posting_row_init(&q->row, &q->ctx->unit, &id);
        } else if (rc != 0) {
            return rc;
        } else {
            q->row = row;
            q->found = true;
        }
    } else if (may_be_new) {
        q->ctx->random(q->ctx->random_arg, id.b, sizeof(id.b));
        posting_row_init(&q->row, &q->ctx->unit, &id);
    } else {
        return err_field(err, ERR_INVALID, "posting", "which posting is missing");
    }
    posting_state_of(&q->row, &q->state);
    rc = 0;
    if (q->found && req->has_if_match)
        rc = draft_check_match(&req->if_match, &q->state.last_change, "posting", err);
    return rc != 0 ? rc : find_old(q, err);
}

/* ---- what was said before ---- */

static struct civil_date
first_day(const struct command_ctx *ctx, const struct posting_row *row, size_t issue)
{
    struct civil_date month = row->entries[issue].effective, day = month;
    struct activity_links l;
    struct position at;
    struct err ignored;
    if (posting_slot_links(row, issue, &at) && work_links_read(ctx, &row->posting, &at, &l, &ignored) == 0) {
        if (!date_is_none(l.day) && date_month_start(l.day).days == month.days)
            day = l.day;
        person_wipe(&l, sizeof(l));
    }
    return day;
}

/* The capsule's day, if it is of the month; else the month's last. */
static struct civil_date
last_day_of(const struct activity_links *l, struct civil_date last_month)
{
    bool known = !date_is_none(l->last_day) && date_month_start(l->last_day).days == last_month.days;
    return known ? l->last_day : month_last(last_month);
}

int
posting_days(const struct command_ctx *ctx, const struct posting_row *row, struct civil_date *ret_first,
             struct civil_date *ret_last, struct err *err)
{
    struct posting_state s;
    struct activity_links l = {.last_day = DATE_NONE};
    struct position at;
    size_t issue = posting_issue(row);
    posting_state_of(row, &s);
    if (!s.exists || issue == SIZE_MAX)
        return err_field(err, ERR_NOTFOUND, "posting", "no such posting");
    int rc = posting_links_position(row, &at) ? work_links_read(ctx, &row->posting, &at, &l, err) : 0;
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret_first = first_day(ctx, row, issue);
    *ret_last = last_day_of(&l, s.facts.last_month);
    person_wipe(&l, sizeof(l));
    return 0;
}

static int
read_before(struct request *q, struct err *err)
{
    struct position at;
    bool has = false;
    if (q->old != NULL)
        has = posting_slot_links(&q->row, q->old_index, &at);
    else if (q->found)
        has = posting_links_position(&q->row, &at);
    return work_links_before(q->ctx, &q->row.posting, has, &at, "posting", &q->links, err);
}

/* ---- days and months ---- */

static bool
has_changes(const struct request *q)
{
    for (size_t i = 0; i < q->row.n; i++)
        if (q->row.entries[i].kind == KIND_POSTING_CHANGED && q->row.entries[i].outcome == OUTCOME_APPLIED)
            return true;
    return false;
}

static int
check_given(const struct request *q, struct err *err)
{
    const struct posting_request *req = q->req;
    const struct {
        struct civil_date d;
        const char *field;
    } dates[] = {{req->from, "from"}, {req->to, "to"}, {req->effective, "effective_on"}};
    bool is_new = !q->found;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        if (!date_is_none(dates[i].d) && (dates[i].d.days < DATE_MIN.days || dates[i].d.days > DATE_MAX.days))
            return err_field(err, ERR_INVALID, dates[i].field, "%s: not a date of the register", dates[i].field);
    if (!date_is_none(req->from)) {
        int rc = draft_check_ahead(q->ctx, req->from, "from", err);
        if (rc != 0)
            return rc;
    }
    if (is_new && date_is_none(req->from))
        return err_field(err, ERR_INVALID, "from", "from: the first day is missing");
    if (is_new && date_is_none(req->to))
        return err_field(err, ERR_INVALID, "to", "to: the last day is missing");
    if (is_new && req->country[0] == '\0')
        return err_field(err, ERR_INVALID, "country", "country: missing");
    if (q->kind == KIND_POSTING_ISSUED && !date_is_none(req->effective))
        return err_field(err, ERR_INVALID, "effective_on", "effective_on: a posting begins with from");
    if (q->kind == KIND_POSTING_CHANGED && !date_is_none(req->from))
        return err_field(err, ERR_INVALID, "from", "from: the first day is in the event that issued the posting");
    if (!req->has_corrects && q->old != NULL && has_changes(q) && (!date_is_none(req->to) || req->country[0] != '\0'))
        return err_field(err, ERR_CONFLICT, date_is_none(req->to) ? "country" : "to",
                         "a later change says another; give it without from");
    return 0;
}

static void
take_days(struct request *q)
{
    const struct posting_request *req = q->req;
    size_t issue = posting_issue(&q->row);
    struct civil_date first = q->old != NULL && q->kind == KIND_POSTING_ISSUED ? q->old->effective : q->state.said;
    struct civil_date last_month = q->old != NULL ? q->old->facts.last_month : q->state.facts.last_month;
    struct civil_date day = q->links.day;
    if (q->kind == KIND_POSTING_CHANGED) {
        q->from = issue != SIZE_MAX ? first_day(q->ctx, &q->row, issue) : day;
        q->month = !date_is_none(req->effective) ? date_month_start(req->effective)
                   : q->old != NULL              ? q->old->effective
                                                 : q->state.said;
    } else {
        bool known = !date_is_none(day) && date_month_start(day).days == first.days;
        q->from = !date_is_none(req->from) ? req->from : known ? day : first;
        q->month = date_is_none(q->from) ? DATE_NONE : date_month_start(q->from);
    }
    q->to = !date_is_none(req->to)        ? req->to
            : date_is_none(q->state.said) ? DATE_NONE
                                          : last_day_of(&q->links, last_month);
}

/* The day 24 months on: a posting that begins on D ends before it. */
static struct civil_date
days_end(struct civil_date from)
{
    int year, month, day;
    date_to_ymd(from, &year, &month, &day);
    return date_from_ymd(year + POSTING_MONTHS_MAX / 12, month, day); /* 29 February: 1 March */
}

static int
check_days(const struct request *q, struct err *err)
{
    char day[DATE_TEXT_MAX];
    int months = month_number(q->to) - month_number(q->month);
    if (q->to.days < q->from.days)
        return err_field(err, ERR_INVALID, "to", "to: before the first day, %s", date_format(q->from, day));
    if (months < 0)
        return err_field(err, ERR_INVALID, "to", "to: before the month from which the change holds, %.7s",
                         date_format(q->month, day));
    if (months > POSTING_MONTHS_MAX || (q->to.days >= days_end(q->from).days && !q->req->as_recorded))
        return err_field(err, ERR_CONFLICT, "to", "to: the posting would be longer than %d months", POSTING_MONTHS_MAX);
    return 0;
}

/* ---- what only the writer can ask ---- */

static int
check_country(const struct request *q, struct err *err)
{
    struct place_row row;
    struct unit_described unit;
    const char *country = q->d.payload.posting.country;
    if (q->req->country[0] != '\0' && !country_exists(country))
        return err_field(err, ERR_INVALID, "country", "country: %s is no country (ISO 3166-1, two letters)", country);
    int rc = rows_unit(q->ctx, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    bool own = unit_state_at(&row, DATE_MAX, &unit) && strcmp(unit.country, country) == 0;
    place_row_release(&row);
    return own ? err_field(err, ERR_CONFLICT, "country", "country: is the unit's own; a posting goes abroad") : 0;
}

/* The record, or the one that it was merged into. */
static int
check_member_on(const struct request *q, const struct subject_id *member, struct err *err)
{
    struct subject_id one = *member, kept;
    struct member_state s = {.status = STATUS_NONE};
    char day[DATE_TEXT_MAX];
    int rc = work_kept(q->ctx, member, &kept, err);
    while (rc == 0) {
        struct member_row row;
        struct member_state latest;
        rc = rows_member(q->ctx, &one, &row, err);
        if (rc != 0)
            break;
        member_state_at(&row, q->from, &s);
        member_state_at(&row, DATE_MAX, &latest);
        member_row_release(&row);
        if (s.status == STATUS_MEMBER || TYPE_EQ(&one, &kept))
            break;
        one = latest.merged_into;
    }
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "member", "no such member");
    if (rc == 0 && s.status != STATUS_MEMBER && !q->req->as_recorded)
        rc = err_field(err, ERR_CONFLICT, "member", "member: was no member of this unit on %s",
                       date_format(q->from, day));
    return rc;
}

int
posting_overlap(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date from,
                struct civil_date to, const struct subject_id *except, struct subject_id *ret, bool *ret_found,
                struct err *err)
{
    struct subject_id ids[64], after;
    size_t n = ARRAY_LEN(ids);
    bool found = false;
    int rc = 0;
    for (const struct subject_id *start = NULL; rc == 0 && !found && n == ARRAY_LEN(ids); start = &after) {
        rc = postings_of_member(ctx, member, start, ARRAY_LEN(ids), ids, &n, err);
        for (size_t i = 0; rc == 0 && i < n && !found; i++) {
            struct posting_row row;
            struct civil_date first, last;
            after = ids[i];
            if (TYPE_EQ(&ids[i], except))
                continue;
            rc = rows_posting(ctx, &ids[i], &row, err);
            if (rc == 0) {
                rc = posting_days(ctx, &row, &first, &last, err);
                posting_row_release(&row);
                found = rc == 0 && first.days <= to.days && last.days >= from.days;
            }
            if (found)
                *ret = ids[i];
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* never committed, or cancelled */
        }
    }
    if (rc == 0) {
        *ret_found = found;
        err_clear(err);
    }
    return rc;
}

int
posting_kept_overlap(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date from,
                     struct civil_date to, const struct subject_id *except, struct subject_id *ret, bool *ret_found,
                     struct err *err)
{
    struct subject_id kept;
    int rc = work_kept(ctx, member, &kept, err);
    return rc == 0 ? posting_overlap(ctx, &kept, from, to, except, ret, ret_found, err) : rc;
}

static int
check_overlap(const struct request *q, struct err *err)
{
    struct subject_id other;
    bool found = false;
    int rc = posting_kept_overlap(q->ctx, &q->member, q->from, q->to, &q->row.posting, &other, &found, err);
    if (rc == 0 && found)
        rc = err_field(err, ERR_CONFLICT, date_is_none(q->req->from) ? "to" : "from",
                       "the member is posted already on a day of these");
    return rc;
}

/* Of a new one: as asked for. Of one that is there: as linked, and nobody else's if the request names somebody. */
static int
take_member(struct request *q, struct err *err)
{
    static const struct subject_id nobody;
    bool named = !TYPE_EQ(&q->req->member, &nobody);
    struct subject_id kept, named_kept;
    int rc = 0;
    if (!q->found) {
        if (!named)
            return err_field(err, ERR_INVALID, "member", "whose posting it is is missing");
        rc = check_member_on(q, &q->req->member, err);
        return rc == 0 ? work_kept(q->ctx, &q->req->member, &q->member, err) : rc;
    }
    rc = work_owner(q->ctx, &q->row.posting, "posting", &q->member, err);
    if (rc == 0 && named) {
        rc = work_kept(q->ctx, &q->member, &kept, err);
        if (rc == 0)
            rc = work_kept(q->ctx, &q->req->member, &named_kept, err);
        if (rc == 0 && !TYPE_EQ(&kept, &named_kept))
            rc = err_field(err, ERR_CONFLICT, "member", "member: the posting is another member's");
    }
    return rc == 0 && q->kind == KIND_POSTING_ISSUED ? check_member_on(q, &q->member, err) : rc;
}

/* ---- the draft ---- */

static int
take_facts(struct request *q, struct err *err)
{
    struct posting_facts *f = &q->d.payload.posting;
    if (date_is_none(q->from) || date_is_none(q->to) || date_is_none(q->month))
        return err_field(err, ERR_CONFLICT, "posting", "posting: it was never issued");
    int rc = check_days(q, err);
    if (rc != 0)
        return rc;
    work_draft(&q->d, q->ctx, q->kind, &q->row.posting, q->month);
    *f = q->old != NULL ? q->old->facts : q->state.facts;
    if (q->req->country[0] != '\0')
        memcpy(f->country, q->req->country, sizeof(f->country));
    f->last_month = date_month_start(q->to);
    return draft_check_payload(&q->d, err);
}

static int
reference_free(const struct request *q, struct err *err)
{
    const struct numbered mine = {.field = INDEX_POSTING_NO, .entity = q->row.posting};
    int rc = work_number_free(q->ctx, &mine, q->links.number.s, err);
    if (rc == ERR_CONFLICT)
        return err_field(err, rc, "reference", "reference: another posting of the unit has it");
    if (rc == ERR_INVALID)
        return err_field(err, rc, "reference", "reference: has no letter or digit, or is not UTF-8");
    return rc;
}

static int
take_links(struct request *q, struct err *err)
{
    const struct posting_request *req = q->req;
    struct activity_links *l = &q->links;
    const struct work_text texts[] = {{req->has_reference, &req->reference, "reference", &l->number},
                                      {req->has_text, &req->text, "text", &l->text}};
    l->member = q->member;
    l->day = q->from;
    l->last_day = q->to;
    int rc = work_texts(texts, ARRAY_LEN(texts), err);
    if (rc == 0 && req->has_reference && l->number.s[0] != '\0')
        rc = reference_free(q, err);
    return rc == 0 ? work_capsule(&q->d, l, NULL, err) : rc;
}

static int
check_rules(const struct command_ctx *ctx, const struct draft *d, const struct posting_row *row, struct err *err)
{
    struct event_header header;
    struct posting_entry entry;
    const struct position next = {0};
    struct member_world below, world;
    draft_world(ctx, &below, &world);
    draft_header(d, &header);
    posting_entry_from_event(&next, &header, &d->payload, &entry);
    return posting_row_try(row, &entry, &world, err);
}

int
command_posting(const struct command_ctx *ctx, const struct posting_request *req, struct draft *ret, struct err *err)
{
    struct request q = {.ctx = ctx, .req = req};
    int rc = find_posting(&q, err);
    if (rc == 0)
        rc = check_given(&q, err);
    if (rc == 0)
        rc = read_before(&q, err);
    if (rc == 0) {
        take_days(&q);
        rc = take_facts(&q, err);
    }
    if (rc == 0)
        rc = take_member(&q, err);
    if (rc == 0 && q.old != NULL)
        rc = draft_refer(&q.d, ctx, REF_CORRECTS, &q.old->at, err);
    if (rc == 0)
        rc = check_rules(ctx, &q.d, &q.row, err);
    if (rc == 0 && !req->as_recorded)
        rc = check_country(&q, err);
    if (rc == 0 && !req->as_recorded)
        rc = check_overlap(&q, err);
    if (rc == 0)
        rc = take_links(&q, err);
    if (rc == 0) {
        *ret = q.d;
        q.d.n_capsules = 0; /* theirs now */
    }
    request_release(&q);
    return rc;
}

int
cancel_posting(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct posting_row row;
    struct posting_state now;
    size_t i = 0;
    int rc = rows_posting(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    posting_state_of(&row, &now);
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &now.last_change, "posting", err);
    while (i < row.n && (row.entries[i].at.seq != req->event.seq || !TYPE_EQ(&row.entries[i].at.log, &req->event.log)))
        i++;
    if (rc == 0 && i == row.n)
        rc = err_field(err, ERR_NOTFOUND, "event", "event: the posting has no such event");
    if (rc == 0) {
        const struct posting_entry *e = &row.entries[i];
        struct cancel_target t = {e->kind,   e->effective, PRECISION_MONTH, e->outcome,
                                  e->reason, false,        false,           {{{0}}, 0}};
        t.emptied = e->outcome == OUTCOME_REPLACED && posting_slot_empty(&row, i);
        t.has_links = posting_slot_links(&row, i, &t.links);
        rc = cancel_start(ctx, req, KIND_POSTING_CANCELLED, &t, d, err);
    }
    if (rc == 0)
        rc = check_rules(ctx, d, &row, err);
    posting_row_release(&row);
    return rc;
}
