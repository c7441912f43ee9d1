/* See work.h. */
#include "node/command/work.h"

#include "node/command/guest.h"
#include "node/command/person.h"
#include "node/command/posting.h"
#include "node/command/text.h"

enum { MERGES_MAX = 16, FOUND_MAX = 16 };

struct civil_date
month_last(struct civil_date month)
{
    struct civil_date next = month_first((uint16_t)(month_number(month) + 1));
    return (struct civil_date){next.days - 1};
}

void
work_draft(struct draft *d, const struct command_ctx *ctx, uint16_t kind, const struct subject_id *subject,
           struct civil_date month)
{
    draft_init(d, ctx, kind, subject, month);
    d->payload.common.precision = PRECISION_MONTH;
    /* Who sat at the desk would part a cell; it is in the capsule (docs/PROTOCOL.md §9). */
    memcpy(d->payload.common.actor.b, ctx->unit.b, ID_BYTES);
}

/* ---- whose it is ---- */

int
work_owner(const struct command_ctx *ctx, const struct subject_id *entity, const char *field, struct subject_id *ret,
           struct err *err)
{
    struct vault_link link;
    int rc = vault_link_get(ctx->vault, entity, &link, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_CONFLICT, field, "%s: whose it is is not known here (any more)", field);
    if (rc == 0)
        *ret = link.member;
    return rc;
}

int
work_kept(const struct command_ctx *ctx, const struct subject_id *member, struct subject_id *ret, struct err *err)
{
    struct subject_id kept = *member;
    int rc = 0;
    for (int i = 0; i < MERGES_MAX && rc == 0; i++) {
        struct member_row row;
        struct member_state s;
        rc = rows_member(ctx, &kept, &row, err);
        if (rc != 0)
            break;
        member_state_at(&row, DATE_MAX, &s);
        member_row_release(&row);
        if (s.status != STATUS_MERGED)
            break;
        kept = s.merged_into;
    }
    if (rc == 0)
        *ret = kept;
    return rc;
}

/* On the first, on the last, or on the day of an event between: the state changes on no other. */
static bool
was_member(const struct member_row *row, struct civil_date month, struct member_state *ret)
{
    struct civil_date last = month_last(month);
    member_state_at(row, month, ret);
    if (ret->status == STATUS_MEMBER)
        return true;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->outcome == OUTCOME_APPLIED && e->effective.days > month.days && e->effective.days <= last.days) {
            member_state_at(row, e->effective, ret);
            if (ret->status == STATUS_MEMBER)
                return true;
        }
    }
    return false;
}

int
work_member(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date month, bool as_recorded,
            const char *field, struct subject_id *ret_kept, struct member_state *ret_state, struct err *err)
{
    struct subject_id one = *member, kept;
    struct member_state s;
    char day[DATE_TEXT_MAX];
    bool was = false;
    for (int i = 0; i < MERGES_MAX && !was; i++) {
        struct member_row row;
        int rc = rows_member(ctx, &one, &row, err);
        if (rc == ERR_NOTFOUND)
            return err_field(err, ERR_NOTFOUND, field, "no such member");
        if (rc != 0)
            return rc;
        was = was_member(&row, month, &s);
        struct member_state latest;
        member_state_at(&row, DATE_MAX, &latest);
        member_row_release(&row);
        if (latest.status != STATUS_MERGED)
            break;
        one = latest.merged_into;
    }
    if (!was && !as_recorded)
        return err_field(err, ERR_CONFLICT, field, "%s: was no member of this unit on any day of %.7s", field,
                         date_format(month, day));
    int rc = work_kept(ctx, member, &kept, err);
    if (rc == 0) {
        *ret_kept = kept;
        *ret_state = s;
    }
    return rc;
}

int
work_visitor(const struct command_ctx *ctx, const struct unit_id *home, const struct subject_id *member,
             struct civil_date month, bool as_recorded, const char *field, struct err *err)
{
    struct member_row row;
    struct member_state s;
    char day[DATE_TEXT_MAX];
    int rc = as_recorded ? ERR_NOTFOUND : rows_member_of(ctx, home, member, &row, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    if (rc != 0)
        return rc;
    bool was = was_member(&row, month, &s);
    member_row_release(&row);
    return was ? 0
               : err_field(err, ERR_CONFLICT, field, "%s: was no member of her unit on any day of %.7s", field,
                           date_format(month, day));
}

int
work_office(const struct command_ctx *ctx, const struct office_id *office, struct civil_date month, struct err *err)
{
    struct place_row row;
    struct office_state state;
    int rc = rows_office(ctx, office, &row, err);
    if (rc != 0)
        return rc;
    if (office_state_at(&row, month, &state) && !state.open)
        rc = err_field(err, ERR_CONFLICT, "office", "the office is closed in that month");
    place_row_release(&row);
    return rc;
}

/* ---- numbers ---- */

struct number_search {
    const struct command_ctx *ctx;
    enum index_field field;
    uint8_t token[VAULT_TOKEN_BYTES];
    const struct numbered *mine; /* left out; NULL = none */
    bool live, cancelled, unreadable;
    struct subject_id live_id, cancelled_id;
};

/* Whether the capsule at the position has the number. */
static int
has_number(struct number_search *s, const struct subject_id *entity, const struct position *at, bool *ret,
           struct err *err)
{
    struct activity_links links;
    uint8_t token[VAULT_TOKEN_BYTES];
    struct err ignored;
    *ret = false;
    int rc = work_links_read(s->ctx, entity, at, &links, err);
    if (rc == ERR_NOTFOUND) {
        s->unreadable = true;
        return 0;
    }
    if (rc != 0)
        return rc;
    *ret = index_work_number(s->ctx->vault, s->field, links.number.s, token, &ignored) == 0 &&
           memcmp(token, s->token, sizeof(token)) == 0;
    person_wipe(&links, sizeof(links));
    return 0;
}

static void
note(struct number_search *s, const struct subject_id *entity, bool cancelled)
{
    if (cancelled) {
        s->cancelled = true;
        s->cancelled_id = *entity;
    } else {
        s->live = true;
        s->live_id = *entity;
    }
}

static int
look_at_slot(struct number_search *s, const struct subject_id *entity, size_t slot, bool has, const struct position *at,
             bool cancelled, struct err *err)
{
    bool mine = s->mine != NULL && TYPE_EQ(&s->mine->entity, entity) && s->mine->slot == slot;
    bool same = false;
    bool unreadable = s->unreadable;
    int rc = has && !mine ? has_number(s, entity, at, &same, err) : 0;
    if (cancelled)
        s->unreadable = unreadable;
    if (rc == 0 && same)
        note(s, entity, cancelled);
    return rc;
}

static int
look_at_invoice(struct number_search *s, const struct subject_id *entity, struct err *err)
{
    struct invoice_row row;
    int rc = rows_invoice(s->ctx, entity, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < row.n && rc == 0; i++) {
        const struct invoice_entry *e = &row.entries[i];
        struct position at;
        bool has = invoice_links_position(&row, i, &at);
        if (e->outcome == OUTCOME_APPLIED)
            rc = look_at_slot(s, entity, invoice_slot(&row, i), has, &at, e->kind == KIND_INVOICE_CANCELLED, err);
    }
    invoice_row_release(&row);
    return rc;
}

static int
look_at_activity(struct number_search *s, const struct subject_id *entity, struct err *err)
{
    struct activity_row row;
    struct activity_state state;
    struct position at;
    int rc = rows_activity(s->ctx, entity, &row, err);
    if (rc != 0)
        return rc;
    activity_state_at(&row, DATE_MAX, &state);
    bool has = activity_links_position(&row, &at);
    rc = look_at_slot(s, entity, 0, has, &at, !state.exists, err);
    activity_row_release(&row);
    return rc;
}

static int
look_at_posting(struct number_search *s, const struct subject_id *entity, struct err *err)
{
    struct posting_row row;
    struct posting_state state;
    struct position at;
    int rc = rows_posting(s->ctx, entity, &row, err);
    if (rc != 0)
        return rc;
    posting_state_of(&row, &state);
    bool has = posting_links_position(&row, &at);
    rc = look_at_slot(s, entity, 0, has, &at, !state.exists, err);
    posting_row_release(&row);
    return rc;
}

static int
look_at(struct number_search *s, const struct subject_id *entity, struct err *err)
{
    switch (s->field) {
    case INDEX_INVOICE_NO: return look_at_invoice(s, entity, err);
    case INDEX_POSTING_NO: return look_at_posting(s, entity, err);
    default: return look_at_activity(s, entity, err);
    }
}

static const char *
numbered_word(enum index_field field)
{
    switch (field) {
    case INDEX_INVOICE_NO: return "invoice or credit note";
    case INDEX_POSTING_NO: return "posting";
    default: return "activity";
    }
}

/* Looks at all that were ever indexed under the number, until a live one has it. */
static int
number_search(struct number_search *s, struct err *err)
{
    struct subject_id found[FOUND_MAX], after;
    size_t n = FOUND_MAX;
    int rc = 0;
    for (bool started = false; rc == 0 && n == FOUND_MAX && !s->live; started = true) {
        rc = vault_index_find(s->ctx->vault, s->token, started ? &after : NULL, FOUND_MAX, found, &n, err);
        for (size_t i = 0; i < n && rc == 0 && !s->live; i++) {
            rc = look_at(s, &found[i], err);
            if (rc == ERR_NOTFOUND) /* its event was never committed */
                rc = 0;
        }
        after = n > 0 ? found[n - 1] : after;
    }
    if (rc == 0)
        err_clear(err);
    return rc;
}

int
work_number_free(const struct command_ctx *ctx, const struct numbered *mine, const char *number, struct err *err)
{
    struct number_search s = {.ctx = ctx, .field = mine->field, .mine = mine};
    int rc = index_work_number(ctx->vault, mine->field, number, s.token, err);
    if (rc == 0)
        rc = number_search(&s, err);
    if (rc == 0 && (s.live || s.unreadable))
        rc =
            err_field(err, ERR_CONFLICT, "number", "number: another %s of the unit has it", numbered_word(mine->field));
    return rc;
}

int
work_find(const struct command_ctx *ctx, enum index_field field, const char *number, struct subject_id *ret,
          struct err *err)
{
    struct number_search s = {.ctx = ctx, .field = field};
    int rc = index_work_number(ctx->vault, field, number, s.token, err);
    if (rc == 0)
        rc = number_search(&s, err);
    if (rc == 0 && !s.live && !s.cancelled)
        rc = err_field(err, ERR_NOTFOUND, "number", "no %s of the unit has that number", numbered_word(field));
    if (rc == 0)
        *ret = s.live ? s.live_id : s.cancelled_id;
    return rc;
}

/* ---- capsules ---- */

int
work_texts(const struct work_text *texts, size_t n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        if (texts[i].has)
            rc = text_clean(texts[i].in->s, texts[i].field, texts[i].out->s, sizeof(texts[i].out->s), err);
    return rc;
}

int
work_links_before(const struct command_ctx *ctx, const struct subject_id *entity, bool has, const struct position *at,
                  const char *field, struct activity_links *ret, struct err *err)
{
    int rc = has ? work_links_read(ctx, entity, at, ret, err) : 0;
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_CONFLICT, field,
                         "%s: what was recorded of it cannot be read here any more, so it cannot be changed", field);
    if (rc == 0 && !has) {
        memset(ret, 0, sizeof(*ret));
        ret->day = DATE_NONE;
        ret->last_day = DATE_NONE;
    }
    if (rc == 0) {
        ret->has_actor = true;
        ret->actor = ctx->actor;
    }
    return rc;
}

int
work_capsule(struct draft *d, const struct activity_links *links, const struct work_guest *guest, struct err *err)
{
    MUST(d->n_capsules < DRAFT_CAPSULES_MAX);
    struct draft_capsule *c = &d->capsules[d->n_capsules++];
    struct activity_links l = *links;
    c->class = CLASS_ACTIVITY;
    c->has_key = guest != NULL && guest->is;
    if (c->has_key) {
        c->key = guest->key;
        l.has_unit = true;
        l.unit = guest->unit;
    }
    buf_init(&c->plain, CAPSULE_BYTES_MAX);
    d->key_subject = d->link_member = l.member;
    d->has_link = true;
    int rc = activity_links_encode(&l, &c->plain, err);
    person_wipe(&l, sizeof(l));
    return rc;
}

int
work_guest(const struct command_ctx *ctx, const struct subject_id *entity, const char *field, struct work_guest *ret,
           struct err *err)
{
    struct vault_link link;
    ret->is = false;
    int rc = vault_link_get(ctx->vault, entity, &link, err);
    if (rc != 0 || (link.flags & LINK_OTHER_UNIT) == 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = guest_key(ctx, NULL, &link.member, field, &ret->unit, &ret->key, err);
    ret->is = rc == 0;
    return rc;
}

int
work_correctable(enum outcome outcome, bool slot_empty, struct err *err)
{
    if (outcome == OUTCOME_REPLACED && !slot_empty)
        return err_field(err, ERR_CONFLICT, "corrects", "corrects: it was corrected since: correct that correction");
    if (outcome != OUTCOME_APPLIED && outcome != OUTCOME_REPLACED && outcome != OUTCOME_CONFLICT)
        return err_field(err, ERR_CONFLICT, "corrects", "corrects: that event has no effect");
    return 0;
}
