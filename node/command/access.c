/* Requests about grants and passes → drafts. See access.h. */
#include "node/command/access_parts.h"
#include "node/command/room.h"
#include "node/command/work.h"
#include "storage/keyslots.h"

static const struct subject_id nobody;

/* ---- rows ---- */

int
access_of_member(struct db_txn *txn, const struct subject_id *member, const struct access_key *after,
                 struct access_key *ret, size_t max, size_t *ret_n, struct err *err)
{
    uint8_t from[KEY_ACCESS_OF] = {0};
    struct db_cursor *c = NULL;
    struct slice key, value;
    size_t n = 0;
    memcpy(from, member->b, ID_BYTES);
    if (after != NULL)
        key_access_of(from, member, &after->unit, &after->access);
    int rc = db_cursor_open(txn, TABLE_ACCESS_OF, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    while (rc == 0 && n < max && key.len == KEY_ACCESS_OF && memcmp(key.data, member->b, ID_BYTES) == 0) {
        if (after == NULL || memcmp(key.data, from, KEY_ACCESS_OF) != 0) {
            memcpy(ret[n].unit.b, key.data + ID_BYTES, HASH_BYTES);
            memcpy(ret[n].access.b, key.data + ID_BYTES + HASH_BYTES, ID_BYTES);
            n++;
        }
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
access_load(const struct command_ctx *ctx, const struct access_key *key, struct access_row *ret, struct err *err)
{
    uint8_t raw[KEY_ACCESS];
    struct slice value;
    key_access(raw, &key->unit, &key->access);
    int rc = rows_get(ctx, TABLE_ACCESS, slice_of(raw, sizeof(raw)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "access", "no such grant or pass");
    return rc != 0 ? rc : access_row_decode(value, &key->unit, &key->access, ret, err);
}

/* What is open of a member of the own unit today. */
struct open_access {
    struct subject_id access;
    struct access_state state;
    size_t events; /* of its row */
};
struct open_list {
    size_t n, events; /* events: of the rows of all, the ended too */
    struct open_access v[ACCESS_OPEN_MAX];
};

static int
list_open(const struct command_ctx *ctx, const struct subject_id *member, struct open_list *ret, struct err *err)
{
    enum { STEP = 64 };
    struct access_key keys[STEP], after;
    size_t n = STEP;
    int rc = 0;
    ret->n = ret->events = 0;
    for (bool first = true; rc == 0 && n == STEP; first = false) {
        rc = access_of_member(ctx->txn, member, first ? NULL : &after, keys, STEP, &n, err);
        for (size_t i = 0; rc == 0 && i < n && ret->n < ACCESS_OPEN_MAX; i++) {
            struct access_row row;
            if (!TYPE_EQ(&keys[i].unit, &ctx->unit))
                continue;
            rc = access_load(ctx, &keys[i], &row, err);
            if (rc != 0)
                break;
            struct open_access *o = &ret->v[ret->n];
            access_state_of(&row, &o->state);
            o->access = keys[i].access;
            o->events = row.n;
            ret->events += row.n;
            ret->n += access_is_open(&o->state, ctx->today) && TYPE_EQ(&o->state.facts.member, member);
            access_row_release(&row);
        }
        if (n > 0)
            after = keys[n - 1];
    }
    return rc;
}

/* ---- drafts ---- */

static int
try_draft(const struct command_ctx *ctx, const struct draft *d, struct err *err)
{
    const struct access_key key = {.unit = ctx->unit, .access = d->payload.common.subject};
    const struct position next = {0}; /* after everything in the row */
    struct event_header header;
    struct access_entry entry;
    struct access_row row;
    struct member_world below, world;
    int rc = draft_check_payload(d, err);
    if (rc != 0)
        return rc;
    rc = access_load(ctx, &key, &row, err);
    if (rc == ERR_NOTFOUND) {
        access_row_init(&row, &key.unit, &key.access);
        err_clear(err);
        rc = 0;
    }
    if (rc != 0)
        return rc;
    draft_world(ctx, &below, &world);
    draft_header(d, &header);
    access_entry_from_event(&next, &header, &d->payload, &entry);
    rc = access_row_try(&row, &entry, &world, err);
    access_row_release(&row);
    return rc;
}

static struct civil_date
later(struct civil_date a, struct civil_date b)
{
    return date_is_none(b) || a.days >= b.days ? a : b;
}

/* What follows in the row is dated on or after what is there. */
static struct civil_date
next_date(const struct command_ctx *ctx, const struct access_state *s)
{
    return later(later(ctx->today, s->from), s->keyed_on);
}

static int
draft_revoke(const struct command_ctx *ctx, const struct subject_id *access, const struct access_state *s,
             uint8_t reason, struct draft *d, struct err *err)
{
    draft_init(d, ctx, KIND_ACCESS_REVOKED, access, next_date(ctx, s));
    d->payload.access = (struct access){.until = DATE_NONE, .reason = reason};
    return try_draft(ctx, d, err);
}

static int
draft_renew(const struct command_ctx *ctx, const struct subject_id *access, const struct access_state *s,
            const struct member_row *older_of, struct draft *d, struct err *err)
{
    draft_init(d, ctx, KIND_ACCESS_RENEWED, access, next_date(ctx, s));
    d->payload.access.until = DATE_NONE;
    int rc = access_seal(ctx, s, older_of, d, err);
    return rc == 0 ? try_draft(ctx, d, err) : rc;
}

static void
release_all(struct draft *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        draft_release(&d[i]);
}

bool
access_gives(const struct access_state *s, uint16_t classes)
{
    return (classes & (s->facts.classes | 1U << (CLASS_ACTIVITY - 1))) != 0;
}

/* Which accesses end, and what begins instead. */
struct ending {
    const struct open_access *one; /* this; NULL = all that are open and */
    uint16_t naming;               /* give a key of one of these classes; 0 = all */
    uint8_t reason;
    bool new_keys;
    uint16_t without; /* classes of which the new generation has nothing */
};

static bool
ends(const struct ending *how, const struct open_access *o)
{
    return how->one != NULL ? TYPE_EQ(&how->one->access, &o->access)
                            : how->naming == 0 || access_gives(&o->state, how->naming);
}

/* A new generation, and its keys for the accesses that stand. */
static int
begin_anew(const struct command_ctx *ctx, const struct member_row *member, const struct ending *how,
           const struct open_list *open, struct draft *ret, size_t *n, struct err *err)
{
    bool fresh = false;
    int rc = access_new_generation(ctx, member, how->without, &ret[*n], &fresh, err);
    *n += fresh;
    /* Of a record without data that could be sealed anew (cancelled, merged, which both may be undone), or without room for it, the keys begin with the
     * end itself. */
    if (rc == 0 && !fresh) {
        ret[0].key_subject = member->subject;
        ret[0].new_keys = ret[0].fresh_keys = true;
        ret[0].fresh_without = how->without;
    }
    for (size_t i = 0; rc == 0 && i < open->n; i++) {
        if (ends(how, &open->v[i]) || open->v[i].events >= ROOM_RENEWED_LAST)
            continue;
        rc = draft_renew(ctx, &open->v[i].access, &open->v[i].state, NULL, &ret[*n], err);
        *n += rc == 0;
    }
    return rc;
}

static int
end_access(const struct command_ctx *ctx, const struct member_row *member, const struct ending *how, struct draft *ret,
           size_t *ret_n, struct err *err)
{
    const struct open_access *one = how->one;
    struct open_list open;
    size_t n = 0;
    int rc = one != NULL ? draft_revoke(ctx, &one->access, &one->state, how->reason, &ret[0], err) : 0;
    n += one != NULL && rc == 0;
    rc = rc == 0 ? list_open(ctx, &member->subject, &open, err) : rc;
    for (size_t i = 0; rc == 0 && one == NULL && i < open.n; i++) {
        if (!ends(how, &open.v[i]))
            continue;
        rc = draft_revoke(ctx, &open.v[i].access, &open.v[i].state, how->reason, &ret[n], err);
        n += rc == 0;
    }
    if (rc == 0 && n > 0 && how->new_keys)
        rc = begin_anew(ctx, member, how, &open, ret, &n, err);
    if (rc != 0)
        release_all(ret, n);
    else
        *ret_n = n;
    return rc;
}

static int
end_some(const struct command_ctx *ctx, const struct subject_id *member, const struct ending *how, struct draft *ret,
         size_t *ret_n, struct err *err)
{
    struct member_row row;
    int rc = rows_member(ctx, member, &row, err);
    if (rc != 0)
        return rc;
    rc = end_access(ctx, &row, how, ret, ret_n, err);
    member_row_release(&row);
    return rc;
}

int
access_end_all(const struct command_ctx *ctx, const struct subject_id *member, uint8_t reason, bool new_keys,
               struct draft *ret, size_t *ret_n, struct err *err)
{
    const struct ending how = {.reason = reason, .new_keys = new_keys};
    return end_some(ctx, member, &how, ret, ret_n, err);
}

int
access_end_naming(const struct command_ctx *ctx, const struct subject_id *member, uint16_t naming, uint16_t without,
                  struct draft *ret, size_t *ret_n, struct err *err)
{
    const struct ending how = {.naming = naming, .reason = ACCESS_END_ERASED, .new_keys = true, .without = without};
    return end_some(ctx, member, &how, ret, ret_n, err);
}

int
access_renew_all(const struct command_ctx *ctx, const struct subject_id *member, struct draft *ret, size_t *ret_n,
                 struct err *err)
{
    struct open_list open;
    size_t n = 0;
    int rc = list_open(ctx, member, &open, err);
    for (size_t i = 0; rc == 0 && i < open.n; i++) {
        if (open.v[i].events >= ROOM_RENEWED_LAST)
            continue;
        rc = draft_renew(ctx, &open.v[i].access, &open.v[i].state, NULL, &ret[n], err);
        n += rc == 0;
    }
    if (rc != 0)
        release_all(ret, n);
    else
        *ret_n = n;
    return rc;
}

/* ---- giving ---- */

static int
check_given(const struct command_ctx *ctx, const struct access_request *q, struct err *err)
{
    bool pass = q->action == ACCESS_ISSUE;
    if (q->classes == 0 || q->classes > ACCESS_CLASSES_ALL)
        return err_field(err, ERR_INVALID, "classes", "classes: one or more of identity, contact, bank, activity");
    if (!pass && q->purpose == 0)
        return err_field(err, ERR_INVALID, "purpose", "purpose: is missing");
    if (!pass && TYPE_EQ(&q->host, &ctx->unit))
        return err_field(err, ERR_INVALID, "host", "host: is the own unit");
    if (!pass) {
        int rc = draft_check_unit(ctx, &q->host, "host", err);
        if (rc != 0 && rc != ERR_NOTFOUND) /* of one that is not known here no key is, which is said below */
            return rc;
        err_clear(err);
    }
    if (pass && (q->stale_hours_max == 0 || q->stale_hours_max > STALE_HOURS_MAX))
        return err_field(err, ERR_INVALID, "stale_hours", "stale_hours: from 1 to %d", STALE_HOURS_MAX);
    if (q->from.days < ctx->today.days || q->from.days > ctx->today.days + ACCESS_AHEAD_DAYS_MAX)
        return err_field(err, ERR_INVALID, "from", "from: today or at most %d days ahead", ACCESS_AHEAD_DAYS_MAX);
    if (!date_is_none(q->until) && (q->until.days < q->from.days || q->until.days > DATE_MAX.days))
        return err_field(err, ERR_INVALID, "until", "until: is before the first day");
    if (pass && q->until.days > q->from.days + PASS_DAYS_MAX)
        return err_field(err, ERR_INVALID, "until", "until: a pass is valid for at most %d days", PASS_DAYS_MAX);
    return 0;
}

/* Of a record that was merged: the one that is kept. */
static int
not_this_record(const struct command_ctx *ctx, const struct subject_id *record, struct err *err)
{
    struct subject_id kept;
    char hex[HEX16_MAX];
    int rc = work_kept(ctx, record, &kept, err);
    return rc != 0 ? rc
                   : err_field(err, ERR_CONFLICT, "member",
                               "member: was merged into %s: give the grant or pass for that record",
                               hex_encode(kept.b, ID_BYTES, hex));
}

/* What is given must be possible to end, and whoever was given much to erase. */
static int
check_room(const struct command_ctx *ctx, const struct subject_id *member, const struct open_list *open,
           struct err *err)
{
    uint32_t generation = 0;
    uint64_t slot;
    char hex[HEX16_MAX], day[DATE_TEXT_MAX];
    if (open->n >= ACCESS_STANDING_MAX)
        return err_field(err, ERR_CONFLICT, "member", "member: has %d grants and passes; revoke one first",
                         ACCESS_STANDING_MAX);
    for (size_t i = 0; i < open->n; i++)
        if (open->v[i].events >= ROOM_RENEWED)
            return err_field(
                err, ERR_CONFLICT, "member",
                "member: %s %s, which stands since %s, was renewed %zu times, whenever another one ended: revoke "
                "it first, and give it anew",
                open->v[i].state.is_pass ? "pass" : "grant", hex_encode(open->v[i].access.b, ID_BYTES, hex),
                date_format(open->v[i].state.from, day), open->v[i].events - 1);
    int rc = keyslot_find(ctx->txn, member, &generation, &slot, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    if (generation < ROOM_GENERATIONS && open->events < ROOM_ACCESS_EVENTS)
        return 0;
    return err_field(
        err, ERR_CONFLICT, "member",
        "member: grants and passes of this record were ended %u times, each with new keys; no more can be given. Those "
        "that run out by themselves count for nothing. To go on, admit the person anew and merge this record into the new "
        "one",
        (unsigned)generation);
}

static int
check_member(const struct command_ctx *ctx, const struct member_row *row, uint16_t classes, struct err *err)
{
    struct member_state now, last;
    struct open_list open;
    char day[DATE_TEXT_MAX];
    member_state_at(row, ctx->today, &now);
    member_state_at(row, DATE_MAX, &last);
    if (now.status == STATUS_MERGED)
        return not_this_record(ctx, &row->subject, err);
    if (now.status != STATUS_MEMBER)
        return err_field(err, ERR_CONFLICT, "member", "member: is no member of this unit today");
    if (last.status == STATUS_LEFT && last.left_reason == LEFT_MOVED)
        return err_field(err, ERR_CONFLICT, "member",
                         "member: moves to another unit on %s, which gives grants and passes from then on",
                         date_format(last.left_on, day));
    if (classes & now.restricted)
        return err_field(err, ERR_CONFLICT, "classes", "classes: one of them is restricted, nobody is let see it");
    int rc = list_open(ctx, &row->subject, &open, err);
    return rc == 0 ? check_room(ctx, &row->subject, &open, err) : rc;
}

static int
give(const struct command_ctx *ctx, struct access_request *q, struct draft *d, size_t *ret_n, struct err *err)
{
    size_t rest = 0;
    struct access_state s;
    struct member_row row;
    q->from = date_is_none(q->from) ? ctx->today : q->from;
    if (q->action == ACCESS_ISSUE) {
        q->stale_hours_max = q->stale_hours_max != 0 ? q->stale_hours_max : STALE_HOURS_DEFAULT;
        q->until = date_is_none(q->until) ? (struct civil_date){q->from.days + PASS_DAYS_DEFAULT} : q->until;
    }
    if (!q->has_access)
        ctx->random(ctx->random_arg, q->access.b, sizeof(q->access.b));
    int rc = check_given(ctx, q, err);
    if (rc == 0)
        rc = rows_member(ctx, &q->member, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "member", "member: no such member") : rc;
    memset(&s, 0, sizeof(s));
    s.is_pass = q->action == ACCESS_ISSUE;
    s.facts = (struct access){.member = q->member, .classes = q->classes, .until = q->until};
    if (s.is_pass) {
        s.facts.pass_key = q->pass_key;
        s.facts.stale_hours_max = q->stale_hours_max;
    } else {
        s.facts.host = q->host;
        s.facts.purpose = q->purpose;
    }
    draft_init(d, ctx, s.is_pass ? KIND_PASS_ISSUED : KIND_ACCESS_GRANTED, &q->access, q->from);
    d->payload.access = s.facts;
    rc = check_member(ctx, &row, q->classes, err);
    if (rc == 0)
        rc = access_seal(ctx, &s, &row, d, err);
    member_row_release(&row);
    if (rc == 0)
        rc = try_draft(ctx, d, err);
    if (rc == 0)
        rc = access_seal_rest(ctx, d, d + 1, &rest, err);
    if (rc == 0)
        *ret_n = 1 + rest;
    return rc;
}

/* ---- ending, renewing ---- */

static int
state_of(const struct command_ctx *ctx, const struct access_request *q, struct access_state *ret, size_t *ret_events,
         struct err *err)
{
    const struct access_key key = {.unit = ctx->unit, .access = q->access};
    struct access_row row;
    if (!q->has_access)
        return err_field(err, ERR_INVALID, "access", "access: is missing");
    int rc = access_load(ctx, &key, &row, err);
    if (rc != 0)
        return rc;
    access_state_of(&row, ret);
    *ret_events = row.n;
    access_row_release(&row);
    if (!ret->exists || (!TYPE_EQ(&q->member, &nobody) && !TYPE_EQ(&q->member, &ret->facts.member)))
        return err_field(err, ERR_NOTFOUND, "access", "no such grant or pass");
    return 0;
}

static int
revoke(const struct command_ctx *ctx, const struct access_request *q, struct draft *ret, size_t *ret_n, struct err *err)
{
    struct open_access one = {.access = q->access};
    struct access_state *s = &one.state;
    struct member_row row;
    char day[DATE_TEXT_MAX];
    if (q->reason > ACCESS_END_NOT_NEEDED)
        return err_field(err, ERR_INVALID, "reason", "reason: is not one of the registry");
    int rc = state_of(ctx, q, s, &one.events, err);
    if (rc != 0)
        return rc;
    if (s->revoked)
        return err_field(err, ERR_CONFLICT, "access", "access: it was revoked on %s", date_format(s->revoked_on, day));
    if (!access_is_open(s, ctx->today))
        return err_field(err, ERR_CONFLICT, "access", "access: it ended on %s", date_format(s->facts.until, day));
    rc = rows_member(ctx, &s->facts.member, &row, err);
    if (rc != 0)
        return rc;
    const struct ending how = {.one = &one, .reason = q->reason != 0 ? q->reason : ACCESS_END_ASKED, .new_keys = true};
    rc = end_access(ctx, &row, &how, ret, ret_n, err);
    member_row_release(&row);
    return rc;
}

static int
renew(const struct command_ctx *ctx, const struct access_request *q, struct draft *ret, size_t *ret_n, struct err *err)
{
    struct access_state s;
    size_t events = 0;
    int rc = state_of(ctx, q, &s, &events, err);
    *ret_n = 0;
    if (rc != 0 || events + 1 >= MEMBER_PAST_MAX || !access_year_due(&s, ctx->today)) /* the last one is for its end */
        return rc;
    rc = draft_renew(ctx, &q->access, &s, NULL, ret, err);
    *ret_n = rc == 0;
    return rc;
}

int
command_access(const struct command_ctx *ctx, const struct access_request *req, struct draft *ret, size_t *ret_n,
               struct err *err)
{
    struct access_request q = *req;
    switch (req->action) {
    case ACCESS_GRANT:
    case ACCESS_ISSUE: return give(ctx, &q, ret, ret_n, err);
    case ACCESS_REVOKE: return revoke(ctx, &q, ret, ret_n, err);
    case ACCESS_RENEW: return renew(ctx, &q, ret, ret_n, err);
    case ACCESS_END_ALL:
        return access_end_all(ctx, &q.member, q.reason != 0 ? q.reason : ACCESS_END_LEFT, true, ret, ret_n, err);
    }
    return err_field(err, ERR_INVALID, "action", "action: is none about access");
}
