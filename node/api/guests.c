/* Members of other units at this desk, and own members at other units' desks: what a grant opens here, who looked there, what hosts
 * propose. docs/PROTOCOL.md §6 class 7, §12.7; docs/openapi.yaml. */
#include <stdlib.h>

#include "node/api/request.h"
#include "node/command/guest.h"
#include "storage/openings.h"
#include "storage/visits.h"

enum { PROPOSAL_TEXT_MAX = 2 * HASH_BYTES + 1 + 20 + 1 + 3 + 1, LOOKS_STEP = 64, PROPOSALS_WALK_MAX = 20000 };

/* ---- a visitor ---- */

static int
visitor_open(struct request *r, const struct member_row *row, unsigned classes, struct person_input *p,
             struct guest_opened *opened, int64_t *age_ms, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    struct command_ctx ctx = work_ctx(r);
    struct wall_ms at = {0};
    bool known = d->unit_known_at(d->arg, &row->unit, &at);
    int rc = guest_knowledge(known, at, d->now_wall(d->arg), d->foreign_days_max, age_ms, err);
    if (rc == 0) {
        rc = guest_person(&ctx, row, classes, p, opened, err);
    }
    if (rc != 0 || opened->classes == 0) {
        return rc;
    }
    const struct guest_look look = {.home = row->unit,
                                    .member = row->subject,
                                    .access = opened->access,
                                    .day = ctx.today,
                                    .actor = r->token.actor,
                                    .classes = opened->classes};
    rc = guest_opening(d->vault, &look, 1, err);
    if (rc != 0) {
        person_wipe(p, sizeof(*p));
    }
    return rc;
}

int
put_visitor(struct request *r, struct json_out *j, const struct member_row *row, unsigned classes, struct err *err)
{
    struct guest_opened opened = {0};
    struct person_input p;
    struct err why = {0};
    int64_t age_ms = -1;
    if (classes == 0) {
        json_put_text(j, "personal", "not available here");
        return 0;
    }
    int rc = visitor_open(r, row, classes, &p, &opened, &age_ms, &why);
    if (rc == ERR_DENIED) {
        json_put_text(j, "personal", "closed");
        json_put_text(j, "closed_because", why.text);
    } else if (rc != 0) {
        *err = why;
        return rc;
    } else {
        r->personal = true;
        json_put_text(j, "personal", opened.classes != 0 ? "here" : "not yet here");
        if (opened.moving) {
            json_put_bool(j, "by_handover", true);
        } else {
            json_put_hex(j, "access", opened.access.b, ID_BYTES);
        }
        put_classes(j, "granted", opened.granted);
        person_write(j, &p);
        person_wipe(&p, sizeof(p));
    }
    if (age_ms >= 0) {
        json_put_int(j, "known_age_s", age_ms / 1000);
    }
    return 0;
}

/* ---- who looked ---- */

/* The member of this unit that the path names. */
static int
own_member(struct request *r, struct subject_id *ret, struct err *err)
{
    struct member_row row;
    int rc = param_hex(r, 0, "member", ret->b, ID_BYTES, err);
    if (rc == 0 && r->api->deps.vault == NULL) {
        rc = err_set(err, ERR_UNAVAILABLE, "this node holds no personal data");
    }
    if (rc == 0 && r->token.role == ROLE_MEMBER && !TYPE_EQ(ret, &r->token.subject)) {
        rc = err_set(err, ERR_DENIED, "this token shows its own member only");
    }
    if (rc == 0) {
        rc = view_member(r->txn, ret, &r->api->deps.unit, &row, err);
    }
    if (rc == 0) {
        member_row_release(&row);
    }
    return rc;
}

struct visit_walk {
    struct request *r;
    struct json_out *j;
    struct guest_record record;
    bool proposals; /* only those, and with what they propose */
    bool open_only;
    bool whole;   /* all that a record says, for the member's export */
    bool contact; /* whole: what it proposes, too */
    size_t n, max, walked;
    struct visit last;
};

static void
put_work(struct json_out *j, const struct guest_record *g)
{
    json_key(j, "work");
    json_open(j, '[');
    for (size_t i = 0; i < g->n_work; i++) {
        const struct position at = {g->work[i].log, g->work[i].seq};
        json_open(j, '{');
        json_put_hex(j, "id", g->work[i].entity, ID_BYTES);
        json_put_text(j, "kind", event_kind_name(g->work[i].kind));
        put_position(j, &at);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static const char *
settled_word(const struct visit *v)
{
    static const char *const words[] = {"open", "accepted", "declined"};
    return v->settled < ARRAY_LEN(words) ? words[v->settled] : words[0];
}

static void
put_record(struct visit_walk *w, const struct visit *v)
{
    struct json_out *j = w->j;
    const struct guest_record *g = &w->record;
    char code[UNIT_CODE_MAX];
    unit_code_of(w->r, &v->host, code);
    json_open(j, '{');
    json_put_text(j, "unit", code);
    json_put_date(j, "day", g->day);
    json_put_hex(j, "actor", g->actor.b, ID_BYTES);
    if (g->has_access && TYPE_EQ(&g->access, &g->member)) {
        json_put_bool(j, "by_handover", true);
    } else if (g->has_access) {
        json_put_hex(j, "access", g->access.b, ID_BYTES);
    }
    json_put_uint(j, "count", g->opened);
    put_classes(j, "classes", g->classes);
    json_put_bool(j, "pass_shown", g->pass_shown);
    put_work(j, g);
    put_position(j, &v->at);
    if (w->whole && g->text[0] != '\0') {
        json_put_text(j, "text", g->text);
    }
    if (w->whole && g->n_contact > 0) {
        json_put_text(j, "proposal", settled_word(v));
        if (w->contact) {
            contact_write(j, "contact", &g->contact);
        }
    }
    json_close(j, '}');
}

/* Whether the desk may not read contact data of this member. */
static int
hides_contact(struct request *r, const struct subject_id *member, bool *ret, struct err *err)
{
    struct member_row row;
    *ret = false;
    if (r->token.role == ROLE_MEMBER) {
        return 0;
    }
    int rc = view_member(r->txn, member, &r->api->deps.unit, &row, err);
    if (rc != 0) {
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    *ret = retention_restricted(&row) >> (CLASS_CONTACT - 1) & 1;
    member_row_release(&row);
    return 0;
}

static int
put_proposal(struct visit_walk *w, const struct visit *v)
{
    struct json_out *j = w->j;
    bool hidden = false;
    int rc = hides_contact(w->r, &v->subject, &hidden, NULL);
    if (rc != 0) {
        return rc;
    }
    const struct guest_record *g = &w->record;
    char code[UNIT_CODE_MAX], hex[HEX32_MAX], id[PROPOSAL_TEXT_MAX];
    unit_code_of(w->r, &v->host, code);
    hex_encode(v->at.log.b, HASH_BYTES, hex);
    snprintf(id, sizeof(id), "%s-%llu-%u", hex, (unsigned long long)v->at.seq, v->index);
    json_open(j, '{');
    json_put_text(j, "id", id);
    json_put_hex(j, "member", v->subject.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_date(j, "day", g->day);
    json_put_text(j, "status", settled_word(v));
    json_put_text(j, "personal", hidden ? "restricted" : "here");
    if (!hidden) {
        contact_write(j, "contact", &g->contact);
    }
    if (!hidden && g->text[0] != '\0') {
        json_put_text(j, "text", g->text);
    }
    json_close(j, '}');
    return 0;
}

static int
one_visit(void *arg, const struct visit *v, struct slice plain)
{
    struct visit_walk *w = arg;
    if (w->n == w->max || (!w->whole && w->walked++ == PROPOSALS_WALK_MAX)) {
        return 1;
    }
    w->last = *v;
    if (guest_record_decode(plain, &w->record, NULL) != 0) {
        return 0;
    }
    if (!w->proposals) {
        put_record(w, v);
        w->n++;
    } else if (w->record.n_contact > 0 && !(w->open_only && v->settled != VISIT_OPEN)) {
        w->n++;
        return put_proposal(w, v);
    }
    return 0;
}

static int
visits_write(struct request *r, struct json_out *j, const struct subject_id *member, const struct visit *after,
             struct visit_walk *w, struct err *err)
{
    w->r = r;
    w->j = j;
    r->personal = true;
    int rc = visits_each(r->api->deps.vault, member, after, one_visit, w, err);
    person_wipe(&w->record, sizeof(w->record));
    return rc;
}

int
visits_export(struct request *r, struct json_out *j, const struct subject_id *member, bool with_contact,
              struct err *err)
{
    struct visit_walk *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(err, ERR_NOMEM, "records of hosts");
    }
    w->max = SIZE_MAX;
    w->whole = true;
    w->contact = with_contact;
    int rc = visits_write(r, j, member, NULL, w, err);
    free(w);
    return rc;
}

/* Who opened the record at this unit's own desk. */
static int
put_looks(struct request *r, struct json_out *j, const struct subject_id *member, struct err *err)
{
    struct look page[LOOKS_STEP], after;
    size_t n = LOOKS_STEP;
    int rc = 0;
    json_key(j, "own_desk");
    json_open(j, '[');
    for (const struct look *from = NULL; rc == 0 && n == LOOKS_STEP; from = &after) {
        rc = looks_list(r->api->deps.vault, member, DATE_NONE, DATE_NONE, from, page, LOOKS_STEP, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            json_open(j, '{');
            json_put_date(j, "day", page[i].day);
            json_put_hex(j, "actor", page[i].actor.b, ID_BYTES);
            json_put_uint(j, "count", page[i].count);
            json_close(j, '}');
            after = page[i];
        }
    }
    json_close(j, ']');
    return rc;
}

int
get_member_openings(struct request *r, struct err *err)
{
    struct subject_id member;
    struct visit_walk *w;
    int rc = own_member(r, &member, err);
    if (rc != 0) {
        return rc;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(err, ERR_NOMEM, "openings");
    }
    w->max = SIZE_MAX;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_put_hex(&j, "id", member.b, ID_BYTES);
    json_key(&j, "units");
    json_open(&j, '[');
    rc = visits_write(r, &j, &member, NULL, w, err);
    json_close(&j, ']');
    if (rc == 0) {
        rc = put_looks(r, &j, &member, err);
    }
    json_close(&j, '}');
    free(w);
    return rc;
}

/* ---- proposals ---- */

int
get_member_proposals(struct request *r, struct err *err)
{
    struct subject_id member;
    struct visit_walk *w;
    int rc = own_member(r, &member, err);
    if (rc != 0) {
        return rc;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(err, ERR_NOMEM, "proposals");
    }
    w->max = SIZE_MAX;
    w->proposals = true;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "proposals");
    json_open(&j, '[');
    rc = visits_write(r, &j, &member, NULL, w, err);
    json_close(&j, ']');
    json_close(&j, '}');
    free(w);
    return rc;
}

/* The id of a proposal: where it stands in the host's log. */
static int
proposal_parse(const char *text, size_t len, struct visit *ret)
{
    char copy[PROPOSAL_TEXT_MAX], *end = NULL;
    if (len >= sizeof(copy) || len < 2 * HASH_BYTES + 4) {
        return ERR_NOTFOUND;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    copy[2 * HASH_BYTES] = '\0';
    if (text[2 * HASH_BYTES] != '-' || !hex_decode(copy, ret->at.log.b, HASH_BYTES)) {
        return ERR_NOTFOUND;
    }
    ret->at.seq = strtoull(copy + 2 * HASH_BYTES + 1, &end, 10);
    if (*end != '-') {
        return ERR_NOTFOUND;
    }
    unsigned long index = strtoul(end + 1, &end, 10);
    ret->index = (uint8_t)index;
    return *end == '\0' && index < HEADER_CAPSULES_MAX ? 0 : ERR_NOTFOUND;
}

int
get_proposals(struct request *r, struct err *err)
{
    const char *text = query_text(r, "after");
    struct visit after = {0};
    size_t limit = 0;
    int rc = query_limit(r, &limit, err);
    if (rc == 0 && r->api->deps.vault == NULL) {
        rc = err_set(err, ERR_UNAVAILABLE, "this node holds no personal data");
    }
    /* A cursor: the member's id, a hyphen, the proposal's. */
    if (rc == 0 && text != NULL) {
        char hex[2 * ID_BYTES + 1];
        size_t len = strlen(text);
        bool fits = len > 2 * ID_BYTES + 1 && text[2 * ID_BYTES] == '-';
        if (fits) {
            memcpy(hex, text, 2 * ID_BYTES);
            hex[2 * ID_BYTES] = '\0';
            fits = hex_decode(hex, after.subject.b, ID_BYTES) &&
                   proposal_parse(text + 2 * ID_BYTES + 1, len - 2 * ID_BYTES - 1, &after) == 0;
        }
        rc = fits ? 0 : err_field(err, ERR_INVALID, "after", "is not a cursor of this list");
    }
    if (rc != 0) {
        return rc;
    }
    struct visit_walk *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(err, ERR_NOMEM, "proposals");
    }
    w->max = limit;
    w->proposals = w->open_only = true;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "proposals");
    json_open(&j, '[');
    rc = visits_write(r, &j, NULL, text != NULL ? &after : NULL, w, err);
    json_close(&j, ']');
    json_key(&j, "next");
    if (w->n == w->max || w->walked > PROPOSALS_WALK_MAX) {
        char member[HEX32_MAX], log[HEX32_MAX], next[2 * ID_BYTES + 1 + PROPOSAL_TEXT_MAX];
        hex_encode(w->last.subject.b, ID_BYTES, member);
        hex_encode(w->last.at.log.b, HASH_BYTES, log);
        int n = snprintf(next, sizeof(next), "%s-%s-%llu-%u", member, log, (unsigned long long)w->last.at.seq,
                         w->last.index);
        json_text(&j, next, (size_t)n);
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    free(w);
    return rc;
}

struct wanted_proposal {
    struct visit visit;
    struct guest_record record;
};

static int
find_proposal(struct request *r, const struct subject_id *member, struct wanted_proposal *p, struct err *err)
{
    const struct slice *id = &r->params[1];
    struct buf plain;
    int rc = proposal_parse((const char *)id->data, id->len, &p->visit);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    if (rc == 0) {
        rc = visits_get(r->api->deps.vault, member, &p->visit.at, p->visit.index, &p->visit, &plain, err);
    }
    if (rc == 0) {
        rc = guest_record_decode(buf_slice(&plain), &p->record, err);
    }
    buf_free(&plain);
    if (rc == ERR_NOTFOUND || (rc == 0 && p->record.n_contact == 0)) {
        rc = err_field(err, ERR_NOTFOUND, "proposal", "no such proposal for this member");
    }
    return rc;
}

/* Accept: the home's own event makes it so. Decline: nothing but that it was. */
static int
settle_read(struct request *r, bool accept, const struct wanted_proposal *p, struct api_op **ret, struct err *err)
{
    struct api_op *op;
    int rc = request_op(r, accept ? OP_MEMBER : OP_SETTLE, MHD_HTTP_OK, &op, err);
    if (rc != 0) {
        return rc;
    }
    if (accept) {
        op_member_init(op, ACTION_CHANGE_DATA, MHD_HTTP_OK);
        struct member_request *q = &op->member.request;
        q->subject = p->visit.subject;
        q->has_subject = q->has_if_match = q->person.has_contact = true;
        q->person.contact = p->record.contact;
        rc = if_match_position(r, &q->if_match, err);
    }
    op->settles.as = accept ? VISIT_ACCEPTED : VISIT_DECLINED;
    op->settles.member = p->visit.subject;
    op->settles.at = p->visit.at;
    op->settles.index = p->visit.index;
    *ret = op;
    return rc;
}

int
post_proposal(struct request *r, struct err *err)
{
    bool accept = strstr(r->route->pattern, "/accept") != NULL;
    struct subject_id member;
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    struct wanted_proposal *p = calloc(1, sizeof(*p));
    rc = p == NULL ? err_set(err, ERR_NOMEM, "proposal") : own_member(r, &member, err);
    if (rc == 0) {
        rc = find_proposal(r, &member, p, err);
    }
    if (rc == 0) { /* whether it may still be answered, the writer says */
        rc = settle_read(r, accept, p, &op, err);
    }
    if (rc == 0 && accept) {
        (void)json_in_date(&in, "effective_on", false, &op->member.request.effective);
    }
    if (p != NULL) {
        person_wipe(p, sizeof(*p));
    }
    free(p);
    return json_in_end(&in, rc);
}

/* At the host: what the visitor says her address is. */
int
post_contact_proposal(struct request *r, struct err *err)
{
    struct json_in in, contact;
    struct api_op *op;
    bool has_unit = false;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_PROPOSE, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        rc = param_hex(r, 0, "member", op->propose.member.b, ID_BYTES, err);
    }
    if (rc == 0) {
        rc = query_unit(r, &op->propose.home, &has_unit, err);
    }
    if (rc == 0 && (!has_unit || unit_is_own(r, &op->propose.home))) {
        rc = err_field(err, ERR_INVALID, "unit",
                       "give ?unit= with the code of the visitor's home; of own members the data is changed");
    }
    if (rc == 0) {
        if (json_in_object(&in, "contact", &contact)) {
            contact_read(&contact, &op->propose.contact);
            (void)!json_in_done(&contact);
        } else {
            json_in_fail(&in, "contact", "is missing: all of it, as it should be");
        }
        (void)json_in_text(&in, "text", false, op->propose.text, sizeof(op->propose.text));
    }
    return json_in_end(&in, rc);
}

int
post_guest_records(struct request *r, struct err *err)
{
    struct json_in in;
    int rc = body_open(r, &in, err);
    if (rc == 0) {
        rc = json_in_end(&in, 0);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_ACCEPTED);
    r->api->deps.record_guests(r->api->deps.arg);
    json_open(&j, '{');
    json_put_text(&j, "status", "being written");
    json_close(&j, '}');
    return 0;
}
