/* See pass_verify.h. */
#include "node/command/pass_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/retention.h"
#include "node/command/rows.h"
#include "proto/pass.h"

enum { MS_PER_HOUR = 3600000 };

const char *
pass_refusal_word(enum pass_refusal r)
{
    static const char *const words[] = {"good",         "not_a_pass",   "later_version", "mistyped", "other_federation",
                                        "unknown_unit", "unknown_pass", "forged",        "revoked",  "not_yet_valid",
                                        "expired",      "moved",        "left",          "erased",   "restricted",
                                        "stale",        "silent",       "no_keys"};
    return (size_t)r < ARRAY_LEN(words) ? words[r] : "unknown";
}

void
pass_seen_wipe(struct pass_seen *p)
{
    person_wipe(p, sizeof(*p));
}

/* A judgement, with its words. Always true, so that a chain of checks ends with it. */
static bool PRINTF_LIKE(3, 4) refuse(struct pass_seen *p, enum pass_refusal why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(p->text, sizeof(p->text), fmt, args);
    va_end(args);
    p->refusal = why;
    return true;
}

/* "as this node has known it 3 h ago" */
enum { AGE_TEXT_MAX = 96 };
static const char *
age_text(int64_t ms, char out[AGE_TEXT_MAX])
{
    if (ms < 0)
        (void)snprintf(out, AGE_TEXT_MAX, "this node has never known all that its home unit wrote");
    else if (ms < 2 * 24 * (int64_t)MS_PER_HOUR)
        (void)snprintf(out, AGE_TEXT_MAX, "what this node knows of its home unit is %lld h old",
                       (long long)(ms / MS_PER_HOUR));
    else
        (void)snprintf(out, AGE_TEXT_MAX, "what this node knows of its home unit is %lld days old",
                       (long long)(ms / (24 * (int64_t)MS_PER_HOUR)));
    return out;
}

/* ---- the text ---- */

static bool
read_text(const struct pass_check *c, struct slice text, struct pass *pass, struct pass_seen *p)
{
    struct err err = {0};
    switch (pass_decode(text, pass, &err)) {
    case 0: break;
    case ERR_FORGED: return refuse(p, PASS_MISTYPED, "the pass was mistyped or is cut off: scan or type it again");
    case ERR_VERSION: return refuse(p, PASS_LATER_VERSION, "the pass is of a later version than this program");
    default: return refuse(p, PASS_NOT_A_PASS, "this is no pass");
    }
    p->has_unit = true;
    p->unit = pass->unit;
    memcpy(p->access.b, pass->id.b, sizeof(p->access.b));
    if (pass_fits(pass, &c->federation, c->production, &err) != 0)
        return refuse(p, PASS_OTHER_FEDERATION, "the pass is of another federation, or of a test federation");
    return false;
}

/* ---- what is known of it ---- */

static int
find_pass(const struct pass_check *c, struct pass_seen *p, bool *ret_over, struct err *err)
{
    const struct access_key key = {.unit = p->unit, .access = p->access};
    struct access_row row;
    struct slice ignored;
    struct wall_ms known_at = {0};
    char age[AGE_TEXT_MAX];
    p->own = TYPE_EQ(&p->unit, &c->ctx->unit);
    p->age_ms = -1;
    if (p->own)
        p->age_ms = 0;
    else if (c->known_at(c->arg, &p->unit, &known_at))
        p->age_ms = c->now.ms > known_at.ms ? c->now.ms - known_at.ms : 0;
    int rc = rows_get(c->ctx, TABLE_UNITS, slice_of(p->unit.b, sizeof(p->unit.b)), &ignored, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        *ret_over = refuse(p, PASS_UNKNOWN_UNIT, "this node knows nothing of the unit that issued the pass");
        return 0;
    }
    rc = rc == 0 ? access_load(c->ctx, &key, &row, err) : rc;
    if (rc == 0) {
        access_state_of(&row, &p->state);
        access_row_release(&row);
        p->has_access = p->state.exists && p->state.is_pass;
    }
    if (rc == ERR_NOTFOUND || (rc == 0 && !p->has_access)) {
        err_clear(err);
        *ret_over =
            refuse(p, PASS_UNKNOWN, "the pass is not known here, perhaps not yet: %s", age_text(p->age_ms, age));
        return 0;
    }
    p->member = p->state.facts.member;
    return rc;
}

/* By what became of the member, not because somebody revoked it. */
static bool
ended_of_itself(const struct access_state *s)
{
    return s->revoked_why == ACCESS_END_ERASED || s->revoked_why == ACCESS_END_MOVED ||
           s->revoked_why == ACCESS_END_LEFT;
}

static bool
judge_pass(const struct pass_check *c, const struct box_public *key, struct pass_seen *p)
{
    const struct access_state *s = &p->state;
    char day[DATE_TEXT_MAX];
    if (!TYPE_EQ(key, &s->facts.pass_key))
        return refuse(p, PASS_FORGED, "the pass is forged: its secret is not the one that was issued");
    if (s->revoked && !ended_of_itself(s))
        return refuse(p, PASS_REVOKED, "the pass was revoked on %s", date_format(s->revoked_on, day));
    if (s->revoked) /* whatever its days were: judge_ended */
        return false;
    if (c->ctx->today.days < s->from.days)
        return refuse(p, PASS_NOT_YET, "the pass is valid from %s on", date_format(s->from, day));
    if (c->ctx->today.days > s->facts.until.days)
        return refuse(p, PASS_EXPIRED, "the pass was valid until %s", date_format(s->facts.until, day));
    return false;
}

/* Also of what was entered anew since. */
static bool
any_erased(const struct member_row *row, unsigned classes)
{
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        if (classes >> (class - 1) & 1 && !date_is_none(retention_erased_on(row, class)))
            return true;
    return false;
}

/* Of a pass that ended by an erasure, a restriction, a move or a leaving, where the member's state today does not say it. */
static bool
judge_ended(const struct member_row *row, struct pass_seen *p)
{
    const struct access_state *s = &p->state;
    const unsigned opened = s->facts.classes | 1U << (CLASS_ACTIVITY - 1); /* a key of class 4 every pass has */
    struct member_state now;
    char day[DATE_TEXT_MAX];
    if (!s->revoked)
        return false;
    (void)date_format(s->revoked_on, day);
    member_state_at(row, DATE_MAX, &now);
    if (s->revoked_why == ACCESS_END_MOVED) {
        p->moved_to = now.moved_to;
        return refuse(p, PASS_MOVED, "the pass ended on %s: the member moves to another unit", day);
    }
    if (s->revoked_why == ACCESS_END_LEFT)
        return refuse(p, PASS_LEFT, "the pass ended on %s with the membership", day);
    if (any_erased(row, opened))
        return refuse(p, PASS_ERASED, "the pass ended on %s: something that it opened was erased", day);
    if (now.restricted & opened)
        return refuse(p, PASS_RESTRICTED, "the pass ended on %s: something that it opened was restricted", day);
    return refuse(p, PASS_REVOKED, "the pass ended on %s, when something that it opened was restricted for a time",
                  day);
}

static bool
judge_member(const struct pass_check *c, const struct member_row *row, struct pass_seen *p)
{
    struct member_state now;
    uint16_t named = p->state.facts.classes;
    member_state_at(row, c->ctx->today, &now);
    if (now.status == STATUS_LEFT && now.left_reason == LEFT_MOVED) {
        p->moved_to = now.moved_to;
        return refuse(p, PASS_MOVED, "the member has moved to another unit, which issues passes now");
    }
    if (judge_ended(row, p))
        return true;
    if (now.status != STATUS_MEMBER)
        return refuse(p, PASS_LEFT, "whoever the pass was issued to is no member of that unit any more");
    if ((named & ~now.erased) == 0)
        return refuse(p, PASS_ERASED, "what the pass opened was erased");
    if ((named & ~(now.erased | now.restricted)) == 0)
        return refuse(p, PASS_RESTRICTED, "what the pass opens is restricted: no desk reads it");
    p->closed = (uint16_t)(named & (now.erased | now.restricted));
    return false;
}

static bool
judge_knowledge(const struct pass_check *c, struct pass_seen *p)
{
    struct wall_ms known_at = {0};
    struct err err = {0};
    char age[AGE_TEXT_MAX];
    if (p->own)
        return false;
    if (p->age_ms > (int64_t)p->state.facts.stale_hours_max * MS_PER_HOUR)
        return refuse(p, PASS_STALE, "%s; the pass allows %u h", age_text(p->age_ms, age),
                      p->state.facts.stale_hours_max);
    bool known = c->known_at(c->arg, &p->unit, &known_at);
    if (guest_knowledge(known, known_at, c->now, c->foreign_days_max, NULL, &err) != 0)
        return refuse(p, PASS_SILENT, "%s", err.text);
    return false;
}

/* ---- opening ---- */

struct opener {
    const struct pass_check *check;
    struct box_public pk;
    struct box_secret sk;
    size_t n;
    struct received_key keys[PASS_KEYS_MAX]; /* of all classes, the newest events first */
    struct buf capsule, plain;
};

/* Places that keys of activities leave to the others. */
enum { OTHER_KEYS = 64 };

static void
take_keys(struct opener *o, const struct pass_seen *p, const struct access_keys *from,
          const struct key_capsule_content *content)
{
    for (size_t i = 0; i < content->n_keys && o->n < PASS_KEYS_MAX; i++) {
        const struct keyed_class *k = &content->keys[i];
        bool there = k->class == CLASS_ACTIVITY && o->n >= PASS_KEYS_MAX - OTHER_KEYS;
        for (size_t j = 0; j < o->n && !there; j++)
            there = o->keys[j].class == k->class && o->keys[j].generation == k->generation;
        if (there)
            continue;
        o->keys[o->n++] = (struct received_key){.subject = p->member,
                                                .unit = p->unit,
                                                .class = k->class,
                                                .generation = k->generation,
                                                .from = from->at,
                                                .kind = from->kind,
                                                .until = p->state.facts.until,
                                                .key = k->key};
    }
}

/* A capsule that is not there, or sealed to somebody else (an escrow), is passed over. */
static int
open_key_capsule(struct opener *o, const struct pass_seen *p, const struct access_keys *from, uint8_t index,
                 struct err *err)
{
    struct key_capsule_content content;
    buf_clear(&o->capsule);
    buf_clear(&o->plain);
    int rc = vault_capsule_get(o->check->ctx->vault, &from->at, index, &o->capsule, err);
    if (rc == 0)
        rc = capsule_open_sealed(&o->sk, &o->pk, CLASS_KEY, buf_slice(&o->capsule), &o->plain, err);
    if (rc == 0)
        rc = key_capsule_decode(buf_slice(&o->plain), KEY_USE_PASS, &p->unit, &p->member, &content, err);
    if (rc == 0) {
        take_keys(o, p, from, &content);
        person_wipe(&content, sizeof(content));
    }
    if (rc == ERR_NOTFOUND || rc == ERR_DENIED || rc == ERR_INVALID || rc == ERR_FORGED) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

static int
open_keys(struct opener *o, const struct pass_seen *p, struct err *err)
{
    const struct access_key key = {.unit = p->unit, .access = p->access};
    struct access_row row;
    int rc = access_load(o->check->ctx, &key, &row, err);
    if (rc != 0)
        return rc;
    size_t n = access_keys_of(&row, NULL, 0);
    struct access_keys *events = calloc(n + 1, sizeof(*events));
    if (events)
        (void)access_keys_of(&row, events, n);
    access_row_release(&row);
    if (!events)
        return err_set(err, ERR_NOMEM, "pass: out of memory");
    for (size_t i = 0; rc == 0 && i < n; i++)
        for (uint8_t index = 0; rc == 0 && index < 8; index++)
            if (events[i].capsules & 1U << index)
                rc = open_key_capsule(o, p, &events[i], index, err);
    free(events);
    return rc;
}

static int
class_read(uint8_t class, struct slice plain, struct person_input *ret, struct err *err)
{
    int rc;
    switch (class) {
    case CLASS_IDENTITY:
        rc = person_identity_decode(plain, &ret->identity, err);
        ret->has_identity = rc == 0;
        return rc;
    case CLASS_CONTACT:
        rc = person_contact_decode(plain, &ret->contact, err);
        ret->has_contact = rc == 0;
        return rc;
    default:
        rc = person_bank_decode(plain, &ret->bank, err);
        ret->has_bank = rc == 0;
        return rc;
    }
}

/* The capsule of the class in force, if it is here; nothing if not, or if no key fits. */
static int
open_class(struct opener *o, const struct member_row *row, uint8_t class, struct pass_seen *p, struct err *err)
{
    const struct command_ctx *ctx = o->check->ctx;
    struct position at;
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice bytes;
    if (!member_capsule_position(row, class, &at))
        return 0;
    p->missing |= (uint16_t)(1U << (class - 1));
    int rc = evlog_find(ctx->txn, &at.log, &log, err);
    rc = rc == 0 ? evlog_event(ctx->txn, log.no, at.seq, &ev, err) : rc;
    rc = rc == 0 ? event_header_decode(ev.header, &h, err) : rc;
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        if (h.capsules[i].class != class)
            continue;
        rc = capsules_get(ctx->txn, log.no, at.seq, i, &bytes, err);
        for (size_t k = 0; rc == 0 && k < o->n; k++) {
            if (o->keys[k].class != class)
                continue;
            buf_clear(&o->plain);
            rc = capsule_open(&o->keys[k].key, class, bytes, &o->plain, err);
            if (rc == 0 && class_read(class, buf_slice(&o->plain), &p->person, err) == 0) {
                p->opened |= (uint16_t)(1U << (class - 1));
                return 0;
            }
            /* What another unit wrote badly is as if it were not there. */
            rc = rc == ERR_DENIED || rc == ERR_FORGED || rc == ERR_INVALID ? 0 : rc;
        }
        break;
    }
    if (rc == ERR_NOTFOUND)
        rc = 0;
    if (rc == 0)
        err_clear(err);
    return rc;
}

static int
open_all(const struct pass_check *c, const struct pass *pass, const struct member_row *row, struct pass_seen *p,
         struct err *err)
{
    struct opener o = {.check = c, .n = 0};
    char age[AGE_TEXT_MAX];
    pass_keypair(pass, &o.pk, &o.sk);
    buf_init(&o.capsule, CAPSULE_BYTES_MAX);
    buf_init(&o.plain, CAPSULE_BYTES_MAX);
    int rc = open_keys(&o, p, err);
    if (rc == 0 && o.n == 0)
        (void)refuse(p, PASS_NO_KEYS, "what the pass opens has not arrived here yet; %s", age_text(p->age_ms, age));
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && o.n > 0 && class <= CLASS_BANK; class ++)
        if (p->state.facts.classes & ~p->closed & 1U << (class - 1))
            rc = open_class(&o, row, class, p, err);
    p->missing &= (uint16_t)~p->opened;
    if (rc == 0 && p->refusal == PASS_GOOD && p->opened == 0 && p->missing != 0)
        (void)refuse(
            p, PASS_NO_KEYS,
            "the pass is good, but nothing of what it opens is here: it comes within seconds if the home unit lets it travel; else "
            "it takes a grant");
    for (size_t i = 0; rc == 0 && i < o.n; i++)
        if (o.keys[i].class == CLASS_ACTIVITY || o.keys[i].class == CLASS_COUNTING)
            p->keys[p->n_keys++] = o.keys[i];
    buf_free(&o.capsule);
    buf_free(&o.plain);
    person_wipe(&o, sizeof(o));
    return rc;
}

/* ---- all of it ---- */

static int
member_of(const struct command_ctx *ctx, const struct pass_seen *p, struct member_row *ret, struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice value;
    key_member(key, &p->member, &p->unit);
    int rc = rows_get(ctx, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        member_row_init(ret, &p->unit, &p->member);
        return 0;
    }
    return rc == 0 ? member_row_decode(value, &p->unit, &p->member, ret, err) : rc;
}

static int
judge_and_open(const struct pass_check *c, const struct pass *pass, struct pass_seen *p, struct err *err)
{
    struct box_public pk;
    struct box_secret sk;
    struct member_row row;
    bool over = false;
    int rc = find_pass(c, p, &over, err);
    if (rc != 0 || over)
        return rc;
    pass_keypair(pass, &pk, &sk);
    pass_wipe(&sk, sizeof(sk));
    if (judge_pass(c, &pk, p))
        return 0;
    rc = member_of(c->ctx, p, &row, err);
    if (rc != 0)
        return rc;
    if (!judge_member(c, &row, p) && !judge_knowledge(c, p))
        rc = open_all(c, pass, &row, p, err);
    member_row_release(&row);
    return rc;
}

int
pass_verify(const struct pass_check *check, struct slice text, struct pass_seen *ret, struct err *err)
{
    struct pass pass;
    memset(ret, 0, sizeof(*ret));
    ret->age_ms = -1;
    ret->person.identity.birth_date = DATE_NONE;
    int rc = read_text(check, text, &pass, ret) ? 0 : judge_and_open(check, &pass, ret, err);
    pass_wipe(&pass, sizeof(pass));
    if (rc != 0)
        pass_seen_wipe(ret);
    return rc;
}
