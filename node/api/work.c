/* Reading activities and invoices: one, a page of a month or of a member, by number. What is in clear of every unit; whose it is, of the
 * own unit only. */
#include <stdlib.h>

#include "node/api/request.h"

/* What work_links_read and its like look at. */
struct command_ctx
work_ctx(struct request *r)
{
    struct command_ctx ctx = {.txn = r->txn,
                              .vault = r->api->deps.vault,
                              .unit = r->api->deps.unit,
                              .today = r->api->deps.today(r->api->deps.arg)};
    return ctx;
}

void
put_month(struct json_out *j, const char *key, struct civil_date month)
{
    char text[DATE_TEXT_MAX + 1];
    if (date_is_none(month)) {
        json_key(j, key);
        json_none(j);
        return;
    }
    date_format(month, text);
    text[7] = '\0';
    json_put_text(j, key, text);
}

void
put_filled(struct json_out *j, const char *key, const struct person_text *t)
{
    if (t->s[0] != '\0') {
        json_put_text(j, key, t->s);
    }
}

/* Another unit's activity or invoice, of a member of this one; *ret_unit (may be NULL): whose, zeros if the link does not say. Ids are drawn
 * by each unit for itself: two of them may use the same, and the link is about one. */
static bool
is_abroad(const struct command_ctx *ctx, const struct subject_id *entity, struct unit_id *ret_unit)
{
    struct vault_link link;
    if (vault_link_get(ctx->vault, entity, &link, NULL) != 0 || (link.flags & LINK_ABROAD) == 0) {
        return false;
    }
    if (ret_unit != NULL) {
        *ret_unit = link.unit;
    }
    return true;
}

static bool
is_said(const struct unit_id *unit)
{
    static const struct unit_id none;
    return !TYPE_EQ(unit, &none);
}

/* Whether the link of the entity is about the one of this unit. */
static bool
is_linked_here(struct request *r, const struct command_ctx *ctx, const struct unit_id *unit,
               const struct subject_id *entity)
{
    struct unit_id whose;
    bool abroad = is_abroad(ctx, entity, &whose);
    return unit_is_own(r, unit) ? !abroad : abroad && (!is_said(&whose) || TYPE_EQ(&whose, unit));
}

int
work_is_restricted(struct request *r, const struct subject_id *member, bool *ret, struct err *err)
{
    struct member_row row;
    if (r->token.role == ROLE_MEMBER) {
        return 0;
    }
    int rc = view_member(r->txn, member, &r->api->deps.unit, &row, err);
    if (rc != 0) {
        return rc == ERR_NOTFOUND ? 0 : rc; /* a guest's */
    }
    *ret = retention_restricted(&row) >> (CLASS_ACTIVITY - 1) & 1;
    member_row_release(&row);
    return 0;
}

int
work_why_nothing(struct request *r, const struct subject_id *entity, const char **ret, struct err *err)
{
    struct command_ctx ctx = work_ctx(r);
    struct vault_link link;
    struct member_row row;
    struct err none = {0};
    bool erased = false;
    int rc = vault_link_get(ctx.vault, entity, &link, &none);
    if (rc == ERR_NOTFOUND) {
        *ret = "erased"; /* an order takes links, and nothing else does */
        return 0;
    }
    const struct unit_id *home = link.flags & LINK_OTHER_UNIT ? &link.unit : &ctx.unit;
    rc = rc != 0 ? rc : view_member(r->txn, &link.member, home, &row, &none);
    if (rc == 0) {
        erased = !date_is_none(retention_erased_on(&row, CLASS_ACTIVITY));
        member_row_release(&row);
    } else if (rc != ERR_NOTFOUND) {
        *err = none;
        return rc;
    }
    *ret = erased                         ? "erased"
           : link.flags & LINK_OTHER_UNIT ? "closed"
           : link.flags & LINK_ABROAD     ? "not yet here"
                                          : "lost";
    return 0;
}

/* Whose it is, and what else is in the capsule. A link that is gone is said, and no error. */
static int
put_links(struct request *r, struct json_out *j, const struct unit_id *unit, const struct subject_id *entity, bool has,
          const struct position *at, const char *number_key, struct err *err)
{
    struct activity_links links;
    struct command_ctx ctx = work_ctx(r);
    struct err none = {0};
    if (ctx.vault == NULL || !is_linked_here(r, &ctx, unit, entity)) {
        json_put_text(j, "personal", "not available here");
        return 0;
    }
    bool hidden = false;
    int rc = has ? work_links_read(&ctx, entity, at, &links, &none) : ERR_NOTFOUND;
    r->personal = true;
    if (rc == 0) {
        rc = work_is_restricted(r, &links.member, &hidden, &none);
    }
    const char *word = hidden ? "restricted" : "here";
    if (rc == ERR_NOTFOUND) {
        int found = work_why_nothing(r, entity, &word, err);
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
    if (links.has_unit) {
        char code[UNIT_CODE_MAX];
        unit_code_of(r, &links.unit, code);
        json_put_text(j, "member_unit", code);
    }
    if (links.has_activity) {
        json_put_hex(j, "activity", links.activity.b, ID_BYTES);
    }
    json_put_date(j, "date", links.day);
    put_filled(j, number_key, &links.number);
    put_filled(j, "client", &links.client);
    put_filled(j, "client_number", &links.client_number);
    put_filled(j, "text", &links.text);
    if (links.has_actor) {
        json_put_hex(j, "actor", links.actor.b, ID_BYTES);
    }
    person_wipe(&links, sizeof(links));
    return 0;
}

void
put_outcome(struct json_out *j, const struct position *at, uint16_t kind, struct civil_date month, enum outcome outcome,
            enum void_reason reason)
{
    put_position(j, at);
    json_put_text(j, "kind", event_kind_name(kind));
    put_month(j, "month", month);
    json_put_text(j, "outcome", outcome_word(outcome));
    if (reason != VOID_NONE) {
        json_put_text(j, "reason", void_reason_text(reason));
    }
}

/* ---- activities ---- */

static void
put_activity_events(struct json_out *j, const struct activity_row *row)
{
    json_key(j, "events");
    json_open(j, '[');
    for (size_t i = 0; i < row->n; i++) {
        const struct activity_entry *e = &row->entries[i];
        json_open(j, '{');
        put_outcome(j, &e->at, e->kind, e->effective, e->outcome, e->reason);
        if (e->kind == KIND_ACTIVITY_OPENED || e->kind == KIND_ACTIVITY_CHANGED) {
            put_work_facets(j, &e->facets);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

static int
put_activity(struct request *r, struct json_out *j, const struct activity_row *row, bool history, struct err *err)
{
    struct activity_state s;
    struct position at;
    char code[UNIT_CODE_MAX];
    activity_state_at(row, DATE_MAX, &s);
    unit_code_of(r, &row->unit, code);
    json_open(j, '{');
    json_put_hex(j, "id", row->activity.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_text(j, "status", !s.exists ? "none" : s.open ? "open" : "closed");
    if (s.exists) {
        put_work_facets(j, &s.facets);
        put_month(j, "opened", s.opened);
        put_month(j, "closed", s.closed);
    }
    bool has = activity_links_position(row, &at);
    int rc = put_links(r, j, &row->unit, &row->activity, has, &at, "activity_no", err);
    if (rc == 0 && history) {
        put_activity_events(j, row);
    }
    json_close(j, '}');
    return rc;
}

/* ---- invoices ---- */

static int
put_invoice_events(struct request *r, struct json_out *j, const struct invoice_row *row, struct err *err)
{
    int rc = 0;
    json_key(j, "events");
    json_open(j, '[');
    for (size_t i = 0; rc == 0 && i < row->n; i++) {
        const struct invoice_entry *e = &row->entries[i];
        struct position at;
        json_open(j, '{');
        put_outcome(j, &e->at, e->kind, e->effective, e->outcome, e->reason);
        if (e->kind == KIND_INVOICE_CREDITED) {
            bool has = invoice_links_position(row, i, &at);
            json_put_int(j, "amount_minor", e->credit.amount_minor);
            json_put_int(j, "contribution_minor", e->credit.contribution_minor);
            rc = put_links(r, j, &row->unit, &row->invoice, has, &at, "invoice_no", err);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
    return rc;
}

static void
put_invoice_facts(struct json_out *j, const struct invoice_state *s)
{
    put_month(j, "month", s->month);
    put_work_facets(j, &s->facts.facets);
    json_put_int(j, "amount_minor", s->facts.amount_minor);
    json_put_text(j, "currency", s->facts.currency);
    json_put_uint(j, "rate_bp", s->facts.rate_bp);
    json_put_int(j, "contribution_minor", s->facts.contribution_minor);
    json_put_uint(j, "credit_notes", s->credit_notes);
    json_put_int(j, "credited_minor", s->credited.amount_minor);
    json_put_int(j, "contribution_back_minor", s->credited.contribution_minor);
}

static int
put_invoice(struct request *r, struct json_out *j, const struct invoice_row *row, bool history, struct err *err)
{
    struct invoice_state s;
    struct position at;
    char code[UNIT_CODE_MAX];
    bool has = false;
    invoice_state_at(row, DATE_MAX, &s);
    unit_code_of(r, &row->unit, code);
    json_open(j, '{');
    json_put_hex(j, "id", row->invoice.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_text(j, "status", !s.exists ? "none" : s.cancelled ? "cancelled" : "issued");
    if (s.exists) {
        put_invoice_facts(j, &s);
    }
    for (size_t i = 0; !has && i < row->n; i++) {
        has = row->entries[i].kind == KIND_INVOICE_ISSUED && invoice_links_position(row, i, &at);
    }
    int rc = put_links(r, j, &row->unit, &row->invoice, has, &at, "invoice_no", err);
    if (rc == 0 && history) {
        rc = put_invoice_events(r, j, row, err);
    }
    json_close(j, '}');
    return rc;
}

/* ---- one ---- */

int
named_unit(struct request *r, struct unit_id *ret, struct err *err)
{
    bool has;
    int rc = query_unit(r, ret, &has, err);
    if (rc == 0 && !has) {
        *ret = r->api->deps.unit;
    }
    return rc;
}

/* Either of them; which one, the request knows. */
union work_row {
    struct activity_row activity;
    struct invoice_row invoice;
};

static int
read_work(struct request *r, bool invoice, const struct unit_id *unit, const struct subject_id *id, union work_row *ret,
          struct err *err)
{
    return invoice ? view_invoice(r->txn, unit, id, &ret->invoice, err)
                   : view_activity(r->txn, unit, id, &ret->activity, err);
}

static void
release_work(bool invoice, union work_row *row)
{
    if (invoice) {
        invoice_row_release(&row->invoice);
    } else {
        activity_row_release(&row->activity);
    }
}

/* Releases the row. */
static int
put_work(struct request *r, struct json_out *j, bool invoice, union work_row *row, bool history, struct err *err)
{
    int rc =
        invoice ? put_invoice(r, j, &row->invoice, history, err) : put_activity(r, j, &row->activity, history, err);
    release_work(invoice, row);
    return rc;
}

static void
work_etag(bool invoice, const union work_row *row, char *ret)
{
    struct activity_state a;
    struct invoice_state i;
    if (invoice) {
        invoice_state_at(&row->invoice, DATE_MAX, &i);
    } else {
        activity_state_at(&row->activity, DATE_MAX, &a);
    }
    etag_position(invoice ? &i.last_change : &a.last_change, ret);
}

static int
get_one(struct request *r, bool invoice, struct err *err)
{
    struct subject_id id;
    struct unit_id unit;
    union work_row row;
    int rc = param_hex(r, 0, invoice ? "invoice" : "activity", id.b, ID_BYTES, err);
    rc = rc != 0 ? rc : named_unit(r, &unit, err);
    rc = rc != 0 ? rc : read_work(r, invoice, &unit, &id, &row, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    work_etag(invoice, &row, r->etag);
    return put_work(r, &j, invoice, &row, true, err);
}

int
get_activity(struct request *r, struct err *err)
{
    return get_one(r, false, err);
}

int
get_invoice(struct request *r, struct err *err)
{
    return get_one(r, true, err);
}

int
work_write(struct request *r, struct json_out *j, bool invoice, const struct subject_id *id, struct err *err)
{
    union work_row row;
    int rc = read_work(r, invoice, &r->api->deps.unit, id, &row, err);
    return rc != 0 ? rc : put_work(r, j, invoice, &row, true, err);
}

/* ---- lists ---- */

struct listing {
    bool invoices;
    struct unit_id unit;
    bool has_member, has_after;
    struct subject_id member, after;
    uint16_t month; /* 0 = all */
    const char *number;
    size_t limit;
};

static int
month_query(struct request *r, uint16_t *ret, struct err *err)
{
    char text[DATE_TEXT_MAX + 1];
    struct civil_date first;
    const char *month = query_text(r, "month");
    *ret = 0;
    if (month == NULL) {
        return 0;
    }
    if (strlen(month) != 7) {
        return err_field(err, ERR_INVALID, "month", "must be a month, YYYY-MM");
    }
    snprintf(text, sizeof(text), "%s-01", month);
    int rc = date_parse(text, "month", &first, err);
    if (rc == 0) {
        *ret = month_number(first);
    }
    return rc;
}

static int
listing_read(struct request *r, bool invoices, struct listing *ret, struct err *err)
{
    const char *number_key = invoices ? "invoice_no" : "activity_no";
    struct listing q = {.invoices = invoices, .number = query_text(r, number_key)};
    int rc = named_unit(r, &q.unit, err);
    rc = rc != 0 ? rc : query_limit(r, &q.limit, err);
    rc = rc != 0 ? rc : query_hex(r, "after", q.after.b, ID_BYTES, &q.has_after, err);
    rc = rc != 0 ? rc : query_hex(r, "member", q.member.b, ID_BYTES, &q.has_member, err);
    if (rc == 0 && invoices) {
        rc = month_query(r, &q.month, err);
    }
    if (rc == 0 && (q.has_member || q.number != NULL) && (!unit_is_own(r, &q.unit) || r->api->deps.vault == NULL)) {
        rc = err_field(err, ERR_INVALID, q.has_member ? "member" : number_key,
                       "whose it is, and its number, is known of the own unit only");
    }
    if (rc == 0 && q.has_member && q.month != 0) {
        rc = err_field(err, ERR_INVALID, "month", "does not go with member: ask for one of them");
    }
    *ret = q;
    return rc;
}

/* In whichever unit it is: a link of an earlier release does not say. If two units have one of this id, neither is meant for certain. */
static int
read_anywhere(struct request *r, bool invoice, const struct subject_id *id, union work_row *ret, struct err *err)
{
    struct unit_info *units = malloc(API_UNITS_MAX * sizeof(*units));
    struct unit_id where = {0};
    size_t n = 0, found = 0;
    int rc = units == NULL ? err_set(err, ERR_NOMEM, "units") : 0;
    if (rc == 0) {
        rc = view_units(r->txn, r->api->deps.today(r->api->deps.arg), units, API_UNITS_MAX, &n, err);
    }
    for (size_t i = 0; rc == 0 && i < n && i < API_UNITS_MAX; i++) {
        rc = unit_is_own(r, &units[i].unit) ? ERR_NOTFOUND : read_work(r, invoice, &units[i].unit, id, ret, err);
        if (rc == 0) {
            release_work(invoice, ret);
            where = units[i].unit;
            found++;
        }
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    free(units);
    if (rc != 0) {
        return rc;
    }
    return found == 1 ? read_work(r, invoice, &where, id, ret, err) : ERR_NOTFOUND;
}

static int
read_abroad(struct request *r, const struct command_ctx *ctx, bool invoice, const struct subject_id *id,
            union work_row *ret, struct err *err)
{
    struct unit_id unit;
    if (!is_abroad(ctx, id, &unit)) {
        return ERR_NOTFOUND;
    }
    return is_said(&unit) ? read_work(r, invoice, &unit, id, ret, err) : read_anywhere(r, invoice, id, ret, err);
}

static int
put_one(struct request *r, const struct listing *q, const struct subject_id *id, struct json_out *j, struct err *err)
{
    union work_row row;
    struct err none = {0};
    struct command_ctx ctx = work_ctx(r);
    int rc = read_work(r, q->invoices, &q->unit, id, &row, &none);
    if (rc == ERR_NOTFOUND && q->has_member) {
        rc = read_abroad(r, &ctx, q->invoices, id, &row, &none);
    }
    if (rc == ERR_NOTFOUND) {
        return 0; /* of the other sort, or the vault is ahead of this transaction */
    }
    if (rc != 0) {
        *err = none;
        return rc;
    }
    return put_work(r, j, q->invoices, &row, false, err);
}

/* Activities and invoices of a member stand in one list: pages are cut by what was looked at, and may hold fewer. */
static int
list_of_member(struct request *r, const struct listing *q, struct json_out *j, struct subject_id *last, bool *ret_more,
               struct err *err)
{
    struct command_ctx ctx = work_ctx(r);
    struct subject_id ids[PAGE_MAX];
    size_t n = 0;
    int rc = work_of_member(&ctx, &q->member, q->has_after ? &q->after : NULL, q->limit, ids, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = put_one(r, q, &ids[i], j, err);
        *last = ids[i];
    }
    *ret_more = n == q->limit;
    return rc;
}

static int
list_of_unit(struct request *r, const struct listing *q, struct json_out *j, struct subject_id *last, bool *ret_more,
             struct err *err)
{
    const struct subject_id *after = q->has_after ? &q->after : NULL;
    int rc = 0;
    size_t n = 1;
    for (size_t i = 0; rc == 0 && n == 1 && i < q->limit; i++) {
        union work_row row;
        rc = q->invoices ? view_invoices(r->txn, &q->unit, q->month, after, 1, &row.invoice, &n, err)
                         : view_activities(r->txn, &q->unit, after, 1, &row.activity, &n, err);
        if (rc != 0 || n == 0) {
            break;
        }
        *last = q->invoices ? row.invoice.invoice : row.activity.activity;
        rc = put_work(r, j, q->invoices, &row, false, err);
        after = last;
    }
    *ret_more = n == 1;
    return rc;
}

static int
list_by_number(struct request *r, const struct listing *q, struct json_out *j, struct err *err)
{
    struct command_ctx ctx = work_ctx(r);
    struct subject_id id;
    struct err none = {0};
    int rc = work_find(&ctx, q->invoices ? INDEX_INVOICE_NO : INDEX_ACTIVITY_NO, q->number, &id, &none);
    if (rc == ERR_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        *err = none;
        return rc;
    }
    return put_one(r, q, &id, j, err);
}

static int
list(struct request *r, bool invoices, struct err *err)
{
    struct listing q;
    struct subject_id last;
    bool more = false;
    int rc = listing_read(r, invoices, &q, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, invoices ? "invoices" : "activities");
    json_open(&j, '[');
    if (q.number != NULL) {
        rc = list_by_number(r, &q, &j, err);
    } else if (q.has_member) {
        rc = list_of_member(r, &q, &j, &last, &more, err);
    } else {
        rc = list_of_unit(r, &q, &j, &last, &more, err);
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (more) {
        json_hex(&j, last.b, ID_BYTES);
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    return rc;
}

int
get_activities(struct request *r, struct err *err)
{
    return list(r, false, err);
}

int
get_invoices(struct request *r, struct err *err)
{
    return list(r, true, err);
}
