/* A pass that a visitor shows: verified here, whoever else is down; what it opens, for the desk that asked. The visit is on record and the
 * keys that stay are in the vault before the answer leaves. */
#include "node/api/request.h"
#include "node/command/guest.h"
#include "node/command/pass_verify.h"

static bool
known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    struct request *r = arg;

    return r->api->deps.unit_known_at(r->api->deps.arg, unit, ret);
}

void
pass_seen_free(struct request *r)
{
    if (r->pass_seen != NULL) {
        pass_seen_wipe(r->pass_seen);
    }
    free(r->pass_seen);
    r->pass_seen = NULL;
}

static void
put_age(struct json_out *j, const struct pass_seen *p)
{
    json_key(j, "age_s");
    if (p->age_ms >= 0) {
        json_int(j, p->age_ms / 1000);
    } else {
        json_none(j);
    }
}

/* What both answers have: whose pass it is, and how old the knowledge is by which it was judged. */
static void
put_source(struct request *r, struct json_out *j, const struct pass_seen *p)
{
    char code[UNIT_CODE_MAX];

    if (!p->has_unit) {
        return;
    }
    unit_code_of(r, &p->unit, code);
    json_put_text(j, "unit", code);
    put_age(j, p);
    if (p->has_access && p->refusal != PASS_FORGED) {
        json_put_date(j, "from", p->state.from);
        json_put_date(j, "until", p->state.facts.until);
    }
}

/* A problem with two members of its own: reason, by which programs branch, and where known the unit. */
static void
reply_refused(struct request *r, const struct pass_seen *p)
{
    bool text = p->refusal <= PASS_MISTYPED;
    unsigned status = text ? MHD_HTTP_UNPROCESSABLE_CONTENT : MHD_HTTP_FORBIDDEN;
    struct err err = {0};
    char code[UNIT_CODE_MAX];

    (void)err_field(&err, text ? ERR_INVALID : ERR_DENIED, "pass", "%s", p->text);
    reply_problem(r, status, &err);
    MUST(r->out->len > 0);
    r->out->len--; /* the closing brace */
    struct json_out j = {.b = r->out, .comma = true};
    json_put_text(&j, "reason", pass_refusal_word(p->refusal));
    put_source(r, &j, p);
    if (p->refusal == PASS_MOVED) {
        unit_code_of(r, &p->moved_to, code);
        json_put_text(&j, "moved_to", code);
    }
    json_close(&j, '}');
}

/* Before the answer: no record, no answer. */
static int
record(struct request *r, const struct pass_seen *p, struct err *err)
{
    const struct guest_look look = {.home = p->unit,
                                    .member = p->member,
                                    .access = p->access,
                                    .day = r->api->deps.today(r->api->deps.arg),
                                    .actor = r->token.actor,
                                    .classes = p->opened,
                                    .by_pass = true};

    return p->own ? look_note(r, &p->member, err) : guest_opening(r->api->deps.vault, &look, 1, err);
}

void
reply_pass_seen(struct request *r)
{
    const struct pass_seen *p = r->pass_seen;
    struct json_out j = reply_json(r, MHD_HTTP_OK);

    r->personal = true;
    json_open(&j, '{');
    json_put_hex(&j, "id", p->access.b, ID_BYTES);
    json_put_hex(&j, "member", p->member.b, ID_BYTES);
    json_put_text(&j, "unit", r->named_code);
    put_age(&j, p);
    json_put_date(&j, "from", p->state.from);
    json_put_date(&j, "until", p->state.facts.until);
    json_put_uint(&j, "stale_hours", p->state.facts.stale_hours_max);
    put_classes(&j, "classes", p->state.facts.classes);
    put_classes(&j, "opened", p->opened);
    put_classes(&j, "closed", p->closed);
    put_classes(&j, "missing", p->missing);
    person_write(&j, &p->person);
    json_close(&j, '}');
}

static int
verify(struct request *r, struct slice text, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    const struct command_ctx ctx = {
        .txn = r->txn, .vault = d->vault, .unit = d->unit, .actor = r->token.actor, .today = d->today(d->arg)};
    const struct pass_check check = {.ctx = &ctx,
                                     .federation = d->federation,
                                     .production = d->production,
                                     .now = d->now_wall(d->arg),
                                     .foreign_days_max = d->foreign_days_max,
                                     .known_at = known_at,
                                     .arg = r};
    return pass_verify(&check, text, r->pass_seen, err);
}

/* What nobody gets by a slip of the hand is for the operator to see, without what was shown: what was typed wrong is in the metric alone. */
static void
log_guess(struct request *r, enum pass_refusal refusal)
{
    const struct api_deps *d = &r->api->deps;
    char line[96];
    if (d->log == NULL || (refusal != PASS_FORGED && refusal != PASS_UNKNOWN)) {
        return;
    }
    snprintf(line, sizeof(line), "a pass was shown and refused: %s", pass_refusal_word(refusal));
    d->log(d->arg, line);
}

int
post_passes_verify(struct request *r, struct err *err)
{
    struct json_in in;
    struct slice text = {0};
    struct api_op *op;
    char code[UNIT_CODE_MAX];

    int rc = guess_check(r, err);
    if (rc == 0 && r->api->deps.vault == NULL) {
        rc = err_set(err, ERR_UNAVAILABLE, "this node has no keys: passes are verified at the unit's own");
    }
    if (rc == 0) {
        r->pass_seen = calloc(1, sizeof(*r->pass_seen));
        rc = r->pass_seen == NULL ? err_set(err, ERR_NOMEM, "pass") : body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (json_in_slice(&in, "pass", true, &text)) {
        rc = verify(r, text, err);
    }
    rc = json_in_end(&in, rc);
    if (rc != 0) {
        return rc;
    }
    if (r->pass_seen->refusal != PASS_GOOD) {
        enum pass_refusal refusal = r->pass_seen->refusal;
        atomic_fetch_add_explicit(&r->api->counters.passes_refused[refusal], 1, memory_order_relaxed);
        if (refusal == PASS_UNKNOWN || refusal == PASS_FORGED) {
            guess_failed(r);
        }
        log_guess(r, refusal);
        reply_refused(r, r->pass_seen);
        return 0;
    }
    unit_code_of(r, &r->pass_seen->unit, code); /* the transaction is over when the answer is written */
    snprintf(r->named_code, sizeof(r->named_code), "%s", code);
    rc = record(r, r->pass_seen, err);
    if (rc == 0) {
        rc = request_op(r, OP_KEYS_KEEP, MHD_HTTP_OK, &op, err);
    }
    if (rc == 0) {
        op->kept.n = r->pass_seen->own ? 0 : r->pass_seen->n_keys;
        op->kept.keys = r->pass_seen->keys;
    }
    return rc;
}
