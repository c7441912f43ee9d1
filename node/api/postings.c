/* Reading postings: one, a page of a unit or of a member, those in a country, on a day, or of one person on the same days. The months of
 * every unit; days and whose they are of the own unit only. */
#include "node/api/request.h"

static void
put_stays(struct json_out *j, const struct posting_state *s)
{
    json_key(j, "stays");
    json_open(j, '[');
    for (size_t i = 0; i < s->n; i++) {
        json_open(j, '{');
        json_put_text(j, "country", s->stays[i].country);
        put_month(j, "first_month", s->stays[i].first_month);
        put_month(j, "last_month", s->stays[i].last_month);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Whose it is, its days, and what else is in the capsule. A link that is gone is said, and no error. */
static int
put_personal(struct request *r, struct json_out *j, const struct posting_row *row, struct err *err)
{
    struct activity_links links;
    struct position at;
    struct civil_date first, last;
    struct command_ctx ctx = work_ctx(r);
    struct err none = {0};
    if (!unit_is_own(r, &row->unit) || ctx.vault == NULL) {
        json_put_text(j, "personal", "not available here");
        return 0;
    }
    bool has = posting_links_position(row, &at);
    int rc = has ? work_links_read(&ctx, &row->posting, &at, &links, &none) : ERR_NOTFOUND;
    bool hidden = false;
    r->personal = true;
    if (rc == 0) {
        rc = work_is_restricted(r, &links.member, &hidden, &none);
    }
    const char *word = hidden ? "restricted" : "here";
    if (rc == ERR_NOTFOUND) {
        int found = work_why_nothing(r, &row->posting, &word, err);
        if (found != 0) {
            return found;
        }
    }
    json_put_text(j, "personal", word);
    if (rc == ERR_NOTFOUND || hidden) {
        person_wipe(&links, sizeof(links));
        return 0;
    }
    if (rc != 0) {
        *err = none;
        return rc;
    }
    json_put_hex(j, "member", links.member.b, ID_BYTES);
    if (posting_days(&ctx, row, &first, &last, &none) == 0) {
        json_put_date(j, "from", first);
        json_put_date(j, "to", last);
    } else {
        json_put_date(j, "from", links.day);
        json_put_date(j, "to", links.last_day);
    }
    put_filled(j, "reference", &links.number);
    put_filled(j, "text", &links.text);
    if (links.has_actor) {
        json_put_hex(j, "actor", links.actor.b, ID_BYTES);
    }
    person_wipe(&links, sizeof(links));
    return 0;
}

static void
put_posting_events(struct json_out *j, const struct posting_row *row)
{
    json_key(j, "events");
    json_open(j, '[');
    for (size_t i = 0; i < row->n; i++) {
        const struct posting_entry *e = &row->entries[i];
        json_open(j, '{');
        put_outcome(j, &e->at, e->kind, e->effective, e->outcome, e->reason);
        if (e->kind == KIND_POSTING_ISSUED || e->kind == KIND_POSTING_CHANGED) {
            json_put_text(j, "country", e->facts.country);
            put_month(j, "last_month", e->facts.last_month);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

static int
put_posting(struct request *r, struct json_out *j, const struct posting_row *row, bool history, struct err *err)
{
    struct posting_state s;
    char code[UNIT_CODE_MAX];
    posting_state_of(row, &s);
    unit_code_of(r, &row->unit, code);
    json_open(j, '{');
    json_put_hex(j, "id", row->posting.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_text(j, "status", s.exists ? "issued" : s.cancelled ? "cancelled" : "none");
    if (s.exists) {
        json_put_text(j, "country", s.stays[s.n - 1].country);
        put_month(j, "first_month", s.stays[0].first_month);
        put_month(j, "last_month", s.stays[s.n - 1].last_month);
        put_stays(j, &s);
    }
    int rc = put_personal(r, j, row, err);
    if (rc == 0 && history) {
        put_posting_events(j, row);
    }
    json_close(j, '}');
    return rc;
}

int
posting_write(struct request *r, struct json_out *j, const struct subject_id *id, struct err *err)
{
    struct posting_row row;
    int rc = view_posting(r->txn, &r->api->deps.unit, id, &row, err);
    if (rc == 0) {
        rc = put_posting(r, j, &row, true, err);
        posting_row_release(&row);
    }
    return rc;
}

int
get_posting(struct request *r, struct err *err)
{
    struct subject_id id;
    struct unit_id unit;
    struct posting_row row;
    struct posting_state s;
    int rc = param_hex(r, 0, "posting", id.b, ID_BYTES, err);
    rc = rc != 0 ? rc : named_unit(r, &unit, err);
    rc = rc != 0 ? rc : view_posting(r->txn, &unit, &id, &row, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    posting_state_of(&row, &s);
    etag_position(&s.last_change, r->etag);
    rc = put_posting(r, &j, &row, true, err);
    posting_row_release(&row);
    return rc;
}

/* ---- lists ---- */

struct listing {
    struct request *r;
    struct json_out *j;
    struct unit_id unit;
    bool has_member, has_after, has_on, overlapping, own;
    struct subject_id member, after, last;
    const char *country, *reference;
    struct civil_date on;
    size_t limit, n;
    bool more;
};

static bool
in_country(const struct posting_state *s, const char *country, bool has_on, struct civil_date on)
{
    int32_t month = has_on ? date_month_start(on).days : 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct posting_stay *stay = &s->stays[i];
        bool then = !has_on || (stay->first_month.days <= month && month <= stay->last_month.days);
        if (then && (country == NULL || strcmp(stay->country, country) == 0)) {
            return true;
        }
    }
    return false;
}

/* Whether the posting is asked for. Days are asked for where they are known, months elsewhere. */
static int
wanted(const struct listing *q, const struct posting_row *row, bool *ret, struct err *err)
{
    struct posting_state s;
    struct civil_date first, last;
    struct subject_id other;
    struct vault_link link;
    struct command_ctx ctx = work_ctx(q->r);
    int rc = 0;
    posting_state_of(row, &s);
    *ret = (q->country == NULL && !q->has_on) || in_country(&s, q->country, q->has_on, q->on);
    if (!*ret || (!q->overlapping && !(q->has_on && q->own))) {
        return 0;
    }
    rc = posting_days(&ctx, row, &first, &last, err);
    if (rc == 0 && q->has_on) {
        *ret = first.days <= q->on.days && q->on.days <= last.days;
    }
    if (rc == 0 && *ret && q->overlapping) {
        *ret = false;
        rc = vault_link_get(ctx.vault, &row->posting, &link, err);
        rc = rc != 0 ? rc : posting_kept_overlap(&ctx, &link.member, first, last, &row->posting, &other, ret, err);
    }
    if (rc == ERR_NOTFOUND) {
        *ret = false; /* cancelled, or nobody's any more */
        rc = 0;
    }
    return rc;
}

static int
list_one(void *arg, const struct posting_row *row, struct err *err)
{
    struct listing *q = arg;
    bool is_wanted = false;
    struct err why = {0};
    if (q->n == q->limit) {
        q->more = true;
        return ERR_NOTFOUND; /* no more of them */
    }
    q->last = row->posting;
    int rc = wanted(q, row, &is_wanted, &why);
    if (rc != 0) {
        *err = why;
        return rc;
    }
    q->n += is_wanted;
    return is_wanted ? put_posting(q->r, q->j, row, false, err) : 0;
}

static int
list_id(struct listing *q, const struct subject_id *id, struct err *err)
{
    struct posting_row row;
    struct err none = {0};
    int rc = view_posting(q->r->txn, &q->unit, id, &row, &none);
    if (rc == ERR_NOTFOUND) {
        return 0; /* the vault is ahead of this transaction */
    }
    if (rc != 0) {
        *err = none;
        return rc;
    }
    rc = list_one(q, &row, err);
    posting_row_release(&row);
    return rc;
}

/* A member's are few; pages are cut by what was looked at. */
static int
list_of_member(struct listing *q, struct err *err)
{
    struct command_ctx ctx = work_ctx(q->r);
    struct subject_id ids[PAGE_MAX];
    size_t n = 0;
    int rc = postings_of_member(&ctx, &q->member, q->has_after ? &q->after : NULL, q->limit, ids, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = list_id(q, &ids[i], err);
        q->last = ids[i];
    }
    q->more = n == q->limit;
    return rc;
}

static int
list_by_reference(struct listing *q, struct err *err)
{
    struct command_ctx ctx = work_ctx(q->r);
    struct subject_id id;
    struct err none = {0};
    int rc = work_find(&ctx, INDEX_POSTING_NO, q->reference, &id, &none);
    if (rc == ERR_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        *err = none;
        return rc;
    }
    return list_id(q, &id, err);
}

static int
listing_read(struct request *r, struct listing *q, struct err *err)
{
    const char *overlapping = query_text(r, "overlapping");
    *q = (struct listing){.r = r, .country = query_text(r, "country"), .reference = query_text(r, "reference")};
    q->has_on = query_text(r, "on") != NULL;
    q->overlapping = overlapping != NULL && strcmp(overlapping, "true") == 0;
    int rc = named_unit(r, &q->unit, err);
    rc = rc != 0 ? rc : query_limit(r, &q->limit, err);
    rc = rc != 0 ? rc : query_hex(r, "after", q->after.b, ID_BYTES, &q->has_after, err);
    rc = rc != 0 ? rc : query_hex(r, "member", q->member.b, ID_BYTES, &q->has_member, err);
    rc = rc != 0 ? rc : query_date(r, "on", DATE_NONE, &q->on, err);
    q->own = rc == 0 && unit_is_own(r, &q->unit) && r->api->deps.vault != NULL;
    if (rc == 0 && overlapping != NULL && !q->overlapping && strcmp(overlapping, "false") != 0) {
        rc = err_field(err, ERR_INVALID, "overlapping", "is true or false");
    }
    if (rc == 0 && (q->has_member || q->reference != NULL || q->overlapping) && !q->own) {
        rc = err_field(err, ERR_INVALID,
                       q->has_member          ? "member"
                       : q->reference != NULL ? "reference"
                                              : "overlapping",
                       "whose it is, and its reference, is known of the own unit only");
    }
    return rc;
}

int
get_postings(struct request *r, struct err *err)
{
    struct listing q;
    int rc = listing_read(r, &q, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    q.j = &j;
    json_open(&j, '{');
    json_key(&j, "postings");
    json_open(&j, '[');
    if (q.reference != NULL) {
        rc = list_by_reference(&q, err);
    } else if (q.has_member) {
        rc = list_of_member(&q, err);
    } else {
        rc = view_postings(r->txn, &q.unit, q.has_after ? &q.after : NULL, list_one, &q, err);
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (q.more) {
        json_hex(&j, q.last.b, ID_BYTES);
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    return rc;
}
