/* Retention: what is kept beyond its legal date, member by member, and ordering its erasure in bulk; and what another unit was asked to erase
 * of members who moved there, of whom this unit has data in its own right. The rules are node/command/retention.h's. */
#include <stdlib.h>

#include "node/api/erase_parts.h"
#include "node/command/rows.h"

enum {
    RETENTION_IDS_MAX = 200,   /* members of one order in bulk */
    RETENTION_WALK_MAX = 5000, /* members looked at for one page */
};

static const char *const retain_words[RETAIN_N] = {"register", "work", "contact", "bank", "refused"};

/* ---- in bulk ---- */

static int
ids_read(struct json_in *in, struct subject_id *ret, size_t *ret_n, struct err *err)
{
    enum { TEXT = 2 * ID_BYTES + 1 };
    char(*texts)[TEXT] = calloc(RETENTION_IDS_MAX, sizeof(*texts));
    if (!texts)
        return err_set(err, ERR_NOMEM, "retention: out of memory");
    size_t n = 0;
    if (!json_in_texts(in, "members", texts[0], TEXT, RETENTION_IDS_MAX, &n) || n == 0)
        json_in_fail(in, "members", "give a list of 1 to 200 ids");
    for (size_t i = 0; i < n; i++)
        if (!hex_decode(texts[i], ret[i].b, ID_BYTES))
            json_in_fail(in, "members", "has an id that is not 32 hexadecimal digits");
    free(texts);
    *ret_n = n;
    return 0;
}

int
post_retention(struct request *r, struct err *err)
{
    struct retention_rules rules;
    struct subject_id ids[RETENTION_IDS_MAX];
    uint16_t classes = (1U << CLASSES_ASKED) - 1;
    struct json_in in;
    size_t n = 0;
    int rc = erase_rules_load(r, &rules, err);
    if (rc == 0)
        rc = body_open(r, &in, err);
    if (rc != 0)
        return rc;
    rc = ids_read(&in, ids, &n, err);
    erase_classes_read(&in, false, &classes);
    rc = json_in_end(&in, rc);
    if (rc != 0)
        return rc;
    r->ops = calloc(n, sizeof(*r->ops));
    if (!r->ops)
        return err_set(err, ERR_NOMEM, "retention: out of memory");
    r->n_ops = n;
    for (size_t i = 0; i < n; i++) {
        struct erase_request *q = &r->ops[i].erase.request;
        op_init(&r->ops[i], OP_ERASE, MHD_HTTP_OK);
        erase_request_init(q, ERASE_ORDER, &rules);
        q->member = ids[i];
        q->classes = classes;
        q->ground = GROUND_LEGAL_DATE;
        q->due_only = true;
    }
    return 0;
}

void
erase_reply_many(struct request *r)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "results");
    json_open(&j, '[');
    for (size_t i = 0; i < r->n_ops; i++) {
        struct api_op *op = &r->ops[i];
        json_open(&j, '{');
        json_put_hex(&j, "id", op->erase.request.member.b, ID_BYTES);
        if (op->result.err.code != ERR_NONE) {
            json_key(&j, "problem");
            problem_write(&j, http_status(&op->result.err), &op->result.err);
        } else {
            put_position(&j, &op->result.position);
            erase_result_write(&j, op);
        }
        json_close(&j, '}');
        r->replayed |= op->result.replayed;
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

/* ---- what is due ---- */

static void
put_rules(struct json_out *j, const struct retention_rules *rules)
{
    json_key(j, "rules");
    json_open(j, '[');
    for (size_t i = 0; i < RETAIN_N; i++) {
        json_open(j, '{');
        json_put_text(j, "what", retain_words[i]);
        json_put_uint(j, i <= RETAIN_WORK ? "years" : "days", rules->v[i]);
        json_put_text(j, "ground", rules->ground[i]);
        json_put_bool(j, "set_by_unit", rules->set[i]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Classes, bit class − 1, of which some record of the person has something; row is that of the one kept. */
static int
held_by_all(const struct command_ctx *ctx, const struct member_row *row, uint16_t *ret, struct err *err)
{
    struct subject_id records[ERASE_RECORDS_MAX];
    size_t n = 1;
    bool merged = false;
    *ret = 0;
    for (size_t i = 0; i < row->n; i++)
        merged |= row->entries[i].kind == KIND_MEMBER_ABSORBED;
    int rc = merged ? erase_records(ctx, &row->subject, records, &n, err) : 0;
    if (rc == ERR_LIMIT) { /* to be erased one by one */
        err_clear(err);
        n = 1;
        rc = 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct member_row other;
        if (i > 0 && (rc = rows_member(ctx, &records[i], &other, err)) != 0)
            break;
        uint16_t left_over = 0;
        for (uint8_t c = 0; c < CLASSES_ASKED; c++)
            *ret |= (uint16_t)(retention_holds(i > 0 ? &other : row, (uint8_t)(c + 1)) << c);
        rc = retention_left_over(ctx, i > 0 ? &other : row, &left_over, err);
        *ret |= left_over;
        if (i > 0)
            member_row_release(&other);
    }
    return rc;
}

/* ---- what another home was asked for ---- */

/* A member who moved away: the new home, or one after it, erased what it has; what this unit keeps in its own right is for it to decide. */
struct asked {
    struct subject_id member;
    struct position at; /* of the order */
    struct unit_id unit;
    struct civil_date on;
    uint8_t ground;
    uint16_t classes; /* bit class − 1, of those of which this unit has something and has restricted nothing */
    struct retention_date dates[CLASSES_ASKED];
};
struct asked_list {
    struct asked *v; /* heap */
    size_t n, cap;
};

/* Orders of one erasure are shown once. */
static int
add_asked(struct asked_list *list, const struct asked *a, struct err *err)
{
    for (size_t i = list->n; i-- > 0 && TYPE_EQ(&list->v[i].member, &a->member);)
        if (TYPE_EQ(&list->v[i].unit, &a->unit) && list->v[i].on.days == a->on.days && list->v[i].classes == a->classes)
            return 0;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        struct asked *more = reallocarray(list->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "retention: out of memory");
        list->v = more;
        list->cap = cap;
    }
    list->v[list->n++] = *a;
    return 0;
}

static int
orders_in(const struct member_row *there, const struct asked *like, uint16_t held, struct asked_list *list,
          struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < there->n; i++) {
        const struct member_entry *e = &there->entries[i];
        struct asked a = *like;
        if (e->kind != KIND_ERASURE_ORDERED || e->outcome != OUTCOME_APPLIED || (e->classes & held) == 0)
            continue;
        a.at = e->at;
        a.unit = there->unit;
        a.on = e->effective;
        a.ground = e->ground;
        a.classes = e->classes & held;
        rc = add_asked(list, &a, err);
    }
    return rc;
}

/* From home to home, as far as they follow from each other. */
static int
find_asked(struct request *r, const struct member_row *row, const struct asked *like, uint16_t held,
           struct asked_list *list, struct err *err)
{
    struct member_state s;
    int rc = 0;
    member_state_at(row, DATE_MAX, &s);
    for (int hop = 0; rc == 0 && hop < COMPLETIONS_MAX && s.status == STATUS_LEFT && s.left_reason == LEFT_MOVED;
         hop++) {
        struct member_row there;
        struct unit_id unit = s.moved_to;
        rc = view_member(r->txn, &row->subject, &unit, &there, err);
        if (rc != 0)
            break;
        rc = TYPE_EQ(&unit, &row->unit) ? 0 : orders_in(&there, like, held, list, err);
        member_state_at(&there, DATE_MAX, &s);
        member_row_release(&there);
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static void
put_asked(struct request *r, struct json_out *j, const struct asked *a, struct civil_date today)
{
    char code[UNIT_CODE_MAX];
    unit_code_of(r, &a->unit, code);
    json_open(j, '{');
    json_put_hex(j, "id", a->member.b, ID_BYTES);
    json_put_text(j, "unit", code);
    put_position(j, &a->at);
    json_put_date(j, "on", a->on);
    json_put_text(j, "ground", ground_word(a->ground));
    json_key(j, "own");
    json_open(j, '[');
    for (uint8_t c = 0; c < CLASSES_ASKED; c++) {
        if ((a->classes >> c & 1) == 0)
            continue;
        json_open(j, '{');
        json_put_text(j, "class", erasable_words[c]);
        json_put_date(j, "due", a->dates[c].has ? a->dates[c].due : DATE_NONE);
        if (a->dates[c].has)
            json_put_text(j, "rule", retain_words[a->dates[c].what]);
        /* what no law keeps may go on request, whatever its date */
        json_put_bool(j, "may_go",
                      (c + 1 != CLASS_IDENTITY && c + 1 != CLASS_ACTIVITY) ||
                          (a->dates[c].has && a->dates[c].due.days <= today.days));
        json_close(j, '}');
    }
    json_close(j, ']');
    json_close(j, '}');
}

/* One member: an entry if something of theirs is due. */
static int
put_due(struct request *r, struct json_out *j, const struct command_ctx *ctx, const struct retention_rules *rules,
        const struct member_row *row, size_t *n, struct asked_list *asked, struct err *err)
{
    struct member_state s;
    struct retention_date dates[CLASSES_ASKED];
    struct civil_date last_work = DATE_NONE;
    bool any = false;
    int rc = 0;
    member_state_at(row, DATE_MAX, &s);
    if (s.status != STATUS_LEFT && s.status != STATUS_REFUSED)
        return 0;
    uint16_t held = 0;
    rc = held_by_all(ctx, row, &held, err);
    if (rc == 0 && held & 1U << (CLASS_ACTIVITY - 1) && r->api->deps.vault != NULL)
        rc = retention_last_work(ctx, &row->subject, &last_work, err);
    struct asked like = {.member = row->subject};
    for (uint8_t c = 0; rc == 0 && c < CLASSES_ASKED; c++) {
        dates[c] = like.dates[c] = retention_due(rules, row, (uint8_t)(c + 1), last_work);
        dates[c].has &= held >> c & 1 && dates[c].due.days <= ctx->today.days;
        /* links of a record that never had work are nothing to ask about by themselves */
        if (c + 1 != CLASS_ACTIVITY || !date_is_none(last_work))
            any |= dates[c].has;
    }
    if (rc == 0)
        rc = find_asked(r, row, &like, held & (uint16_t)~s.restricted, asked, err);
    if (rc != 0 || !any)
        return rc;
    json_open(j, '{');
    json_put_hex(j, "id", row->subject.b, ID_BYTES);
    json_put_text(j, "status", status_word(s.status));
    if (s.status == STATUS_LEFT)
        json_put_date(j, "left_on", s.left_on);
    json_key(j, "due");
    json_open(j, '[');
    for (uint8_t c = 0; c < CLASSES_ASKED; c++) {
        if (!dates[c].has)
            continue;
        json_open(j, '{');
        json_put_text(j, "class", erasable_words[c]);
        json_put_date(j, "since", dates[c].due);
        json_put_text(j, "rule", retain_words[dates[c].what]);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_close(j, '}');
    (*n)++;
    return 0;
}

int
get_retention(struct request *r, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn,
                                    .vault = r->api->deps.vault,
                                    .unit = r->api->deps.unit,
                                    .today = r->api->deps.today(r->api->deps.arg)};
    struct retention_rules rules;
    struct asked_list asked = {.n = 0};
    struct subject_id at;
    bool has_after = false, more = false;
    size_t limit = 0, n = 0, got = 1;
    int rc = erase_rules_load(r, &rules, err);
    if (rc == 0)
        rc = query_limit(r, &limit, err);
    if (rc == 0)
        rc = query_hex(r, "after", at.b, ID_BYTES, &has_after, err);
    if (rc != 0)
        return rc;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    put_rules(&j, &rules);
    json_key(&j, "members");
    json_open(&j, '[');
    for (size_t walked = 0; rc == 0 && !more; walked++) {
        struct member_row row;
        rc = view_members(r->txn, &r->api->deps.unit, has_after ? &at : NULL, 1, &row, &got, err);
        if (rc != 0 || got == 0)
            break;
        rc = put_due(r, &j, &ctx, &rules, &row, &n, &asked, err);
        at = row.subject;
        has_after = true;
        member_row_release(&row);
        more = n + asked.n >= limit || walked + 1 == RETENTION_WALK_MAX;
    }
    json_close(&j, ']');
    json_key(&j, "asked_elsewhere");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < asked.n; i++)
        put_asked(r, &j, &asked.v[i], ctx.today);
    json_close(&j, ']');
    free(asked.v);
    json_key(&j, "next");
    if (more)
        json_hex(&j, at.b, ID_BYTES);
    else
        json_none(&j);
    json_close(&j, '}');
    return rc;
}
