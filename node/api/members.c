/* Reading members: one, a page of them, a search, a history. Personal data only of the own unit, only for who may see it. */
#include "node/api/request.h"

#include <stdlib.h>

#include "node/command/names.h"
#include "node/command/retention.h"
#include "storage/taken.h"

enum { SEARCH_WALK_MAX = 20000 }; /* candidates of one search: more means the text says too little */

static const unsigned all_classes = 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT | 1U << CLASS_BANK;

static bool
sees_persons(const struct request *r)
{
    return r->token.role & (ROLE_DESK | ROLE_INTEGRATION | ROLE_MEMBER);
}

static void
put_owed(struct json_out *j, const struct member_state *s)
{
    if (s->n_owed == 0) {
        return;
    }
    json_key(j, "owed");
    json_open(j, '[');
    for (uint8_t i = 0; i < s->n_owed; i++) {
        json_open(j, '{');
        json_put_uint(j, "shares", s->owed[i].shares);
        json_put_int(j, "amount_minor", s->owed[i].amount_minor);
        json_put_text(j, "currency", s->owed[i].currency);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void
put_consents(struct json_out *j, const struct member_state *s)
{
    char name[NUMBERED_NAME_MAX];
    if (s->n_consents == 0) {
        return;
    }
    json_key(j, "consents");
    json_open(j, '[');
    for (uint8_t i = 0; i < s->n_consents; i++) {
        json_open(j, '{');
        json_put_uint(j, "purpose", s->consents[i].purpose);
        json_put_text(j, "purpose_name", purpose_name(s->consents[i].purpose, name));
        json_put_date(j, "given_on", s->consents[i].given_on);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void
put_erased(struct json_out *j, const struct member_state *s)
{
    if (s->erased != 0) {
        put_erasable(j, "erased", s->erased);
    }
    if (s->restricted == 0) {
        return;
    }
    json_key(j, "restricted");
    json_open(j, '[');
    for (uint8_t c = CLASS_IDENTITY; c <= CLASS_NOTE; c++) {
        if ((s->restricted >> (c - 1) & 1) == 0) {
            continue;
        }
        json_open(j, '{');
        json_put_text(j, "class", class_word(c));
        json_put_date(j, "until", s->restricted_until[c - 1]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

unsigned
member_readable(struct request *r, const struct member_row *row, unsigned classes)
{
    return r->token.role == ROLE_MEMBER ? classes : classes & ~((unsigned)retention_restricted(row) << 1);
}

void
member_state_write(struct request *r, struct json_out *j, const struct member_row *row, const struct member_state *s)
{
    char code[UNIT_CODE_MAX];

    unit_code_of(r, &row->unit, code);
    json_put_hex(j, "id", row->subject.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_text(j, "status", status_word(s->status));
    if (s->category != 0) {
        json_put_text(j, "category", category_word(s->category));
        json_put_text(j, "person_type", person_type_word(s->person_type));
        json_put_hex(j, "office", s->office.b, ID_BYTES);
    }
    if (!date_is_none(s->joined_on)) {
        json_put_date(j, "joined_on", s->joined_on);
        json_put_uint(j, "shares", s->shares);
        json_put_int(j, "capital_minor", s->capital_minor);
        json_put_text(j, "currency", s->currency);
    }
    if (s->status == STATUS_LEFT) {
        json_put_date(j, "left_on", s->left_on);
        json_put_text(j, "left_reason", left_word(s->left_reason));
    }
    if (s->left_reason == LEFT_MOVED) {
        unit_code_of(r, &s->moved_to, code);
        json_put_text(j, "moved_to", code);
    }
    static const struct unit_id nowhere;
    if (!TYPE_EQ(&s->came_from, &nowhere)) {
        unit_code_of(r, &s->came_from, code);
        json_put_text(j, "came_from", code);
    }
    json_put_bool(j, "withdrawal_requested", s->request_open);
    if (s->status == STATUS_MERGED) {
        json_put_hex(j, "merged_into", s->merged_into.b, ID_BYTES);
    }
    put_owed(j, s);
    put_consents(j, s);
    put_erased(j, s);
}

static int
put_member(struct request *r, struct json_out *j, const struct member_row *row, struct civil_date as_of,
           unsigned classes, struct err *err)
{
    struct member_state now;
    struct person_input p;

    member_state_at(row, as_of, &now);
    json_open(j, '{');
    member_state_write(r, j, row, &now);
    if (r->api->deps.vault == NULL) {
        json_put_text(j, "personal", "not available here");
    } else if (!unit_is_own(r, &row->unit)) {
        int rc = put_visitor(r, j, row, classes, err);
        if (rc != 0) {
            return rc;
        }
    } else if (classes != 0) {
        unsigned seen = member_readable(r, row, classes);
        int rc = look_note(r, &row->subject, err);
        if (rc == 0) {
            rc = person_load(r, row, seen, &p, err);
        }
        if (rc != 0) {
            return rc;
        }
        const char *word = p.has_identity || p.has_contact || p.has_bank ? "here" : "restricted";
        if (word[0] != 'h' && seen == classes) {
            rc = person_why_nothing(r, row, classes, &word, err);
        }
        json_put_text(j, "personal", word);
        person_write(j, &p);
        person_wipe(&p, sizeof(p));
        size_t waiting = 0;
        rc = rc == 0 && classes == all_classes ? taken_count(r->api->deps.vault, &row->subject, &waiting, err) : 0;
        if (rc != 0) {
            return rc;
        }
        if (waiting > 0) {
            json_put_uint(j, "activities_waiting", waiting);
        }
    }
    json_close(j, '}');
    return 0;
}

/* The member that the path names, in ?unit=, else here, else where it is: who has moved is known at several units. */
static int
member_load(struct request *r, struct member_row *ret, struct err *err)
{
    struct subject_id subject;
    struct unit_id unit;
    bool has_unit = false;
    int rc = param_hex(r, 0, "member", subject.b, ID_BYTES, err);

    if (rc == 0) {
        rc = query_unit(r, &unit, &has_unit, err);
    }
    if (rc == 0) {
        rc = view_member(r->txn, &subject, has_unit ? &unit : &r->api->deps.unit, ret, err);
        if (rc == ERR_NOTFOUND && !has_unit) {
            rc = view_member(r->txn, &subject, NULL, ret, err);
        }
    }
    return rc;
}

int
get_member(struct request *r, struct err *err)
{
    struct member_row row;
    struct member_state last;
    struct civil_date as_of;

    int rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &as_of, err);
    if (rc == 0) {
        rc = member_load(r, &row, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    rc = put_member(r, &j, &row, as_of, sees_persons(r) ? all_classes : 0, err);
    member_state_at(&row, DATE_MAX, &last);
    etag_position(&last.last_change, r->etag);
    member_row_release(&row);
    return rc;
}

void
member_entry_write(struct json_out *j, const struct member_entry *e)
{
    json_open(j, '{');
    put_position(j, &e->at);
    json_put_text(j, "kind", event_kind_name(e->kind));
    json_put_date(j, "effective_on", e->effective);
    json_put_text(j, "precision", e->precision == PRECISION_MONTH ? "month" : "day");
    json_put_text(j, "outcome", outcome_word(e->outcome));
    if (e->reason != VOID_NONE) {
        json_put_text(j, "reason", void_reason_text(e->reason));
    }
    if (e->category != 0) {
        json_put_text(j, "category", category_word(e->category));
    }
    if (e->person_type != 0) {
        json_put_text(j, "person_type", person_type_word(e->person_type));
    }
    if (e->has_office) {
        json_put_hex(j, "office", e->office.b, ID_BYTES);
    }
    if (e->shares != 0) {
        json_put_uint(j, "shares", e->shares);
        bool priced = e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED;
        json_put_int(j, priced ? "share_price_minor" : "amount_minor", priced ? e->share_price_minor : e->amount_minor);
        json_put_text(j, "currency", e->currency);
    }
    if (e->has_other) {
        json_put_hex(j, "other", e->other.b, ID_BYTES);
    }
    if (e->purpose != 0) {
        json_put_uint(j, "purpose", e->purpose);
    }
    if (e->text_version[0] != '\0') {
        json_put_text(j, "text_version", e->text_version);
    }
    for (uint8_t i = 0; i < e->n_refs; i++) {
        if (e->refs[i].role == REF_CORRECTS || e->refs[i].role == REF_CANCELS) {
            const struct position target = {e->refs[i].log, e->refs[i].seq};
            json_key(j, e->refs[i].role == REF_CORRECTS ? "corrects" : "cancels");
            json_open(j, '{');
            put_position(j, &target);
            json_close(j, '}');
        }
    }
    json_close(j, '}');
}

int
get_member_history(struct request *r, struct err *err)
{
    struct member_row row;
    char code[UNIT_CODE_MAX];
    int rc = member_load(r, &row, err);

    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    unit_code_of(r, &row.unit, code);
    json_open(&j, '{');
    json_put_hex(&j, "id", row.subject.b, ID_BYTES);
    json_put_text(&j, "unit", code);
    json_key(&j, "events");
    json_open(&j, '[');
    for (size_t i = 0; i < row.n; i++) {
        member_entry_write(&j, &row.entries[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    member_row_release(&row);
    return 0;
}

static void
page_end(struct json_out *j, const struct subject_id *next)
{
    json_close(j, ']');
    json_key(j, "next");
    if (next != NULL) {
        json_hex(j, next->b, ID_BYTES);
    } else {
        json_none(j);
    }
    json_close(j, '}');
}

static void
page_begin(struct json_out *j, const char *key)
{
    json_open(j, '{');
    json_key(j, key);
    json_open(j, '[');
}

/* One by one within the page: a row may be large, a page of them must not be. */
static int
list_page(struct request *r, const struct unit_id *unit, const struct subject_id *after, size_t limit, struct err *err)
{
    struct civil_date today = r->api->deps.today(r->api->deps.arg);
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    struct subject_id last;
    size_t n = 1;
    int rc = 0;

    page_begin(&j, "members");
    for (size_t i = 0; rc == 0 && i < limit; i++) {
        struct member_row row;
        rc = view_members(r->txn, unit, after, 1, &row, &n, err);
        if (rc != 0 || n == 0) {
            break;
        }
        rc = put_member(r, &j, &row, today, 0, err);
        last = row.subject;
        after = &last;
        member_row_release(&row);
    }
    page_end(&j, n == 0 ? NULL : after);
    return rc;
}

static int
has_all(struct request *r, const struct index_token *tokens, size_t n, const struct subject_id *s, bool *ret,
        struct err *err)
{
    *ret = true;
    for (size_t i = 1; i < n && *ret; i++) {
        int rc = vault_index_has(r->api->deps.vault, tokens[i].token, s, ret, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* What is looked for; the member's id as a cursor. */
struct search {
    struct request *r;
    struct json_out *j;
    struct index_token tokens[INDEX_TOKENS_MAX];
    size_t n_tokens;
    size_t n, limit; /* members that were found */
    bool more;
};

static bool
is_token(const struct index_token *tokens, size_t n, const struct index_token *t)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(tokens[i].token, t->token, sizeof(t->token)) == 0) {
            return true;
        }
    }
    return false;
}

/* Who is restricted is found only by what the desk may read, as it is now: a hit by anything else would confirm a guess. An entry of the
 * index does not say what it was made from. */
static int
may_be_found(const struct search *s, const struct member_row *row, bool *ret, struct err *err)
{
    static const unsigned indexed = 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT;
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct person_input p;
    size_t n = 0;
    unsigned seen = member_readable(s->r, row, indexed);
    *ret = seen == indexed;
    if (*ret || seen == 0) {
        return 0;
    }
    int rc = person_load(s->r, row, seen, &p, err);
    if (rc == 0) {
        rc = index_tokens(s->r->api->deps.vault, &p, tokens, &n, err);
        person_wipe(&p, sizeof(p));
    }
    *ret = rc == 0;
    for (size_t i = 0; *ret && i < s->n_tokens; i++) {
        *ret = is_token(tokens, n, &s->tokens[i]);
    }
    return rc;
}

static int
put_found(struct search *s, const struct subject_id *found, struct err *err)
{
    struct request *r = s->r;
    struct member_row row;
    bool may = false;
    int rc = view_member(r->txn, found, &r->api->deps.unit, &row, err);

    if (rc != 0) {
        return rc == ERR_NOTFOUND ? 0 : rc; /* the index may be ahead of this read transaction */
    }
    rc = may_be_found(s, &row, &may, err);
    if (rc == 0 && may) {
        rc = put_member(r, s->j, &row, r->api->deps.today(r->api->deps.arg), 1U << CLASS_IDENTITY, err);
        s->n++;
    }
    member_row_release(&row);
    return rc;
}

/* found: in order. */
static int
search_walk(struct search *s, const struct subject_id *found, size_t n_found, struct subject_id *cursor, bool started,
            struct err *err)
{
    size_t first = 0;
    bool hit;
    int rc = 0;

    while (started && first < n_found && memcmp(&found[first], cursor, sizeof(*cursor)) <= 0) {
        first++;
    }
    for (size_t i = first; rc == 0 && i < n_found; i++) {
        if (s->n == s->limit) {
            s->more = true;
            return 0;
        }
        if (i - first >= SEARCH_WALK_MAX) {
            return err_field(err, ERR_INVALID, "q", "says too little: add a word");
        }
        rc = has_all(s->r, s->tokens, s->n_tokens, &found[i], &hit, err);
        if (rc == 0 && hit) {
            rc = put_found(s, &found[i], err);
        }
        *cursor = found[i];
    }
    return rc;
}

static int
search_page(struct request *r, const char *q, const struct subject_id *after, size_t limit, struct err *err)
{
    struct search s = {.r = r, .limit = limit};
    struct subject_id cursor = {0}, *found = NULL;
    size_t n_found = 0;

    if (r->api->deps.vault == NULL) {
        return err_set(err, ERR_UNAVAILABLE, "this node holds no personal data to search");
    }
    int rc = index_query(r->api->deps.vault, q, s.tokens, &s.n_tokens, err);
    if (rc == 0 && s.n_tokens == 0) {
        rc = err_field(err, ERR_INVALID, "q", "says nothing to search for");
    }
    if (rc != 0) {
        return rc;
    }
    if (after != NULL) {
        cursor = *after;
    }
    rc = vault_index_all(r->api->deps.vault, s.tokens[0].token, &found, &n_found, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    s.j = &j;
    page_begin(&j, "members");
    rc = search_walk(&s, found, n_found, &cursor, after != NULL, err);
    page_end(&j, s.more ? &cursor : NULL);
    free(found);
    return rc;
}

int
get_members(struct request *r, struct err *err)
{
    const char *q = query_text(r, "q");
    struct unit_id unit = r->api->deps.unit;
    struct subject_id after;
    bool has_unit, has_after = false;
    size_t limit = 0;

    int rc = query_unit(r, &unit, &has_unit, err);
    if (rc == 0) {
        rc = query_limit(r, &limit, err);
    }
    if (rc == 0) {
        rc = query_hex(r, "after", after.b, ID_BYTES, &has_after, err);
    }
    if (rc == 0 && q != NULL && has_unit && !unit_is_own(r, &unit)) {
        rc = err_field(err, ERR_INVALID, "q", "names are known of the own unit only");
    }
    if (rc != 0) {
        return rc;
    }
    if (!has_unit) {
        unit = r->api->deps.unit;
    }
    return q != NULL ? search_page(r, q, has_after ? &after : NULL, limit, err)
                     : list_page(r, &unit, has_after ? &after : NULL, limit, err);
}
