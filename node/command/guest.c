/* See guest.h. */
#include "node/command/guest.h"

#include <stdlib.h>

#include "node/command/access.h"
#include "node/command/person.h"
#include "node/command/rows.h"
#include "node/command/text.h"
#include "node/command/work.h"
#include "storage/received.h"

int
guest_opening(struct vault *vault, const struct guest_look *looks, size_t n, struct err *err)
{
    struct opening o[GUEST_LOOKS_MAX];
    if (n > GUEST_LOOKS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d members opened at once", GUEST_LOOKS_MAX);
    for (size_t i = 0; i < n; i++)
        o[i] = (struct opening){.home = looks[i].home,
                                .subject = looks[i].member,
                                .day = looks[i].day,
                                .actor = looks[i].actor,
                                .access = looks[i].access,
                                .count = 1,
                                .done = (looks[i].classes & OPENED_CLASSES) | (looks[i].by_pass ? OPENED_BY_PASS : 0)};
    return n == 0 ? 0 : openings_note(vault, o, n, err);
}

int
guest_knowledge(bool known, struct wall_ms known_at, struct wall_ms now, uint32_t days_max, int64_t *ret_age_ms,
                struct err *err)
{
    static const int64_t day_ms = INT64_C(86400000);
    int64_t age = known && now.ms > known_at.ms ? now.ms - known_at.ms : 0;
    if (ret_age_ms != NULL)
        *ret_age_ms = known ? age : -1;
    if (days_max == 0)
        return 0;
    if (!known)
        return err_set(err, ERR_DENIED,
                       "this node has not heard of that unit since it was set up or restored; its members stay closed "
                       "until it has, or until an operator sets foreign_days_max");
    if (age / day_ms >= days_max)
        return err_set(err, ERR_DENIED,
                       "what this node knows of that unit is %lld days old; its members stay closed until it is heard "
                       "of, or until an operator sets foreign_days_max",
                       (long long)(age / day_ms));
    return 0;
}

/* The subject of the event that gave the key: the grant or pass. */
int
guest_access_of_key(const struct command_ctx *ctx, const struct received_key *key, struct subject_id *ret,
                    struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_common common;
    int rc = evlog_find(ctx->txn, &key->from.log, &log, err);
    if (rc == 0)
        rc = evlog_event(ctx->txn, log.no, key->from.seq, &ev, err);
    if (rc == 0)
        rc = event_common_decode(ev.payload, &common, err);
    if (rc == 0 && !common.has_subject)
        rc = err_set(err, ERR_NOTFOUND, "no access");
    if (rc == 0)
        *ret = common.subject;
    return rc;
}

static int
access_opens(const struct command_ctx *ctx, const struct access_key *which, const struct subject_id *member, bool *ret,
             struct err *err)
{
    struct access_row row;
    struct access_state s;
    *ret = false;
    int rc = access_load(ctx, which, &row, err);
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    *ret = access_stands(&s, ctx->today) && TYPE_EQ(&s.facts.member, member) &&
           (s.is_pass || TYPE_EQ(&s.facts.host, &ctx->unit));
    return 0;
}

int
guest_key_stands(const struct command_ctx *ctx, const struct received_key *key, bool *ret, struct err *err)
{
    struct access_key which = {.unit = key->unit};
    *ret = false;
    int rc = guest_access_of_key(ctx, key, &which.access, err);
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    return access_opens(ctx, &which, &key->subject, ret, err);
}

/* Keys one after the other are mostly of one access. */
struct asking {
    const struct command_ctx *ctx;
    struct access_key last;
    bool asked, opens;
};

static int
may_be_used(void *arg, const struct received_key *key, bool *ret, struct err *err)
{
    struct asking *q = arg;
    struct access_key which = {.unit = key->unit};
    struct member_row own;
    int rc;
    *ret = false;
    if (key->kind == KIND_HANDOVER_OFFERED)
        return 0;
    if (key->kind == KIND_HANDOVER_COMPLETED) {
        rc = rows_member(q->ctx, &key->subject, &own, err);
        if ((*ret = rc == 0))
            member_row_release(&own);
    } else {
        rc = guest_access_of_key(q->ctx, key, &which.access, err);
        if (rc == 0 && !(q->asked && TYPE_EQ(&q->last.access, &which.access) && TYPE_EQ(&q->last.unit, &which.unit))) {
            rc = access_opens(q->ctx, &which, &key->subject, &q->opens, err);
            q->asked = rc == 0;
            q->last = which;
        }
        *ret = rc == 0 && q->opens;
    }
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
find_key(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
         struct received_key *ret, struct err *err)
{
    struct received_filter filter = {.unit = unit, .class = CLASS_ACTIVITY, .on = ctx->today};
    struct asking q = {.ctx = ctx};
    if (ctx->vault == NULL)
        return err_set(err, ERR_NOTFOUND, "no vault");
    return received_newest_of(ctx->vault, member, &filter, may_be_used, &q, ret, err);
}

int
guest_key(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member, const char *field,
          struct unit_id *ret_unit, struct data_key *ret_key, struct err *err)
{
    struct received_key found;
    int rc = find_key(ctx, unit, member, &found, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_CONFLICT, field,
                         "%s: is a member of another unit, and no grant or pass that stands today allows this here",
                         field);
    if (rc != 0)
        return rc;
    *ret_unit = found.unit;
    *ret_key = found.key;
    person_wipe(&found, sizeof(found));
    return 0;
}

bool
guest_known(const struct command_ctx *ctx, const struct subject_id *member)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(ctx->txn, TABLE_MEMBERS, &c, NULL);
    if (rc != 0)
        return false;
    rc = db_cursor_seek(c, slice_of(member->b, sizeof(member->b)), &key, &value, NULL);
    bool known = rc == 0 && key.len == KEY_MEMBER && memcmp(key.data, member->b, sizeof(member->b)) == 0;
    db_cursor_close(&c);
    return known;
}

int
guest_access(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
             struct subject_id *ret, struct err *err)
{
    struct received_filter filter = {.unit = unit, .class = CLASS_ACTIVITY, .on = DATE_NONE};
    struct received_key found;
    int rc = find_key(ctx, unit, member, &found, err);
    if (rc == ERR_NOTFOUND)
        rc = received_newest(ctx->vault, member, &filter, &found, err);
    if (rc == 0)
        rc = guest_access_of_key(ctx, &found, ret, err);
    person_wipe(&found, sizeof(found));
    return rc;
}

static int
add_record(const struct command_ctx *ctx, const struct unit_id *home, const struct guest_record *record,
           struct draft *d, struct err *err)
{
    struct received_filter filter = {.unit = home, .class = CLASS_ACTIVITY, .on = DATE_NONE};
    struct received_key key;
    int rc = received_newest(ctx->vault, &record->member, &filter, &key, err);
    if (rc != 0)
        return rc;
    struct draft_capsule *c = &d->capsules[d->n_capsules++];
    c->class = CLASS_GUEST;
    c->has_key = true;
    c->key = key.key;
    buf_init(&c->plain, CAPSULE_BYTES_MAX);
    person_wipe(&key, sizeof(key));
    return guest_record_encode(record, &c->plain, err);
}

int
guest_draft(const struct command_ctx *ctx, const struct unit_id *home, const struct guest_record *records, size_t n,
            struct draft *ret, struct err *err)
{
    struct draft d;
    int rc = 0;
    MUST(n >= 1 && n <= DRAFT_CAPSULES_MAX);
    work_draft(&d, ctx, KIND_GUEST_RECORDED, NULL, date_month_start(ctx->today));
    d.payload.guest.home = *home;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_record(ctx, home, &records[i], &d, err);
    if (rc == 0)
        rc = draft_check_payload(&d, err);
    if (rc == 0)
        *ret = d;
    else
        draft_release(&d);
    return rc;
}

int
command_guest_proposal(const struct command_ctx *ctx, const struct guest_proposal *req, struct draft *ret,
                       struct err *err)
{
    struct person_input person = {.has_contact = true, .contact = req->contact};
    struct unit_id home;
    struct data_key key;
    struct guest_record *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return err_set(err, ERR_NOMEM, "proposal: out of memory");
    person.identity.birth_date = DATE_NONE;
    int rc = guest_key(ctx, &req->home, &req->member, "member", &home, &key, err);
    person_wipe(&key, sizeof(key));
    if (rc == 0)
        rc = person_check(&person, 0, ctx->today, &person, err);
    if (rc == 0)
        rc = text_clean(req->text, "text", r->text, sizeof(r->text), err);
    if (rc == 0 && person_contact_empty(&person.contact))
        rc = err_field(err, ERR_INVALID, "contact", "contact: nothing in it; a proposal says at least one thing anew");
    if (rc == 0) {
        r->member = req->member;
        r->unit = req->home;
        r->day = ctx->today;
        r->actor = ctx->actor;
        r->n_contact = 1;
        r->contact = person.contact;
        r->has_access = guest_access(ctx, &req->home, &req->member, &r->access, err) == 0;
        rc = guest_draft(ctx, &req->home, r, 1, ret, err);
    }
    person_wipe(&person, sizeof(person));
    person_wipe(r, sizeof(*r));
    free(r);
    return rc;
}

int
guest_confirmation(const struct command_ctx *ctx, const struct position *ended, struct draft *ret, struct err *err)
{
    struct log_row log;
    struct draft d;
    draft_init(&d, ctx, KIND_COPIES_DESTROYED, NULL, ctx->today);
    d.payload.destroyed.backup_on = d.payload.destroyed.backup_gone_on = DATE_NONE;
    d.refs[0] = (struct event_ref){.role = REF_CONFIRMS, .log = ended->log, .seq = ended->seq};
    d.n_refs = 1;
    int rc = evlog_find(ctx->txn, &ended->log, &log, err);
    if (rc == 0)
        rc = evlog_chain_at(ctx->txn, &log, ended->seq, &d.refs[0].chain, err);
    if (rc == 0)
        rc = draft_check_payload(&d, err);
    if (rc == 0)
        *ret = d;
    else
        draft_release(&d);
    return rc;
}
