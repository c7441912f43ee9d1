/* What is sealed for an access, and the new generation when one ends. See access.h. docs/PROTOCOL.md §6. */
#include <stdlib.h>

#include "node/command/access_parts.h"
#include "node/command/room.h"
#include "storage/keyslots.h"

/* Newest by depth, then log id, as everywhere (§7). */
int
unit_exchange_key(struct db_txn *txn, const struct unit_id *unit, struct box_public *ret, struct err *err)
{
    struct head *tips = NULL;
    struct log_row newest = {0};
    struct stored_event ev;
    struct event_payload p;
    size_t n = 0;
    bool found = false;
    int rc = evlog_tips(txn, unit, &tips, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct log_row row;
        rc = evlog_find(txn, &tips[i].log, &row, err);
        if (rc == 0 && row.head_seq > 0 &&
            (!found || row.depth > newest.depth ||
             (row.depth == newest.depth && memcmp(row.id.b, newest.id.b, HASH_BYTES) > 0))) {
            newest = row;
            found = true;
        }
    }
    free(tips);
    if (rc == 0 && !found)
        rc = err_field(err, ERR_NOTFOUND, "host",
                       "host: nothing of this unit is held here, so nothing can be sealed to it");
    if (rc == 0)
        rc = evlog_event(txn, newest.no, 1, &ev, err);
    if (rc == 0)
        rc = event_payload_decode(KIND_LOG_OPENED, 1, ev.payload, &p, err);
    if (rc == 0)
        *ret = p.log_opened.exchange_key;
    return rc;
}

/* ---- years ---- */

static int
year_of(struct civil_date d)
{
    int year, month, day;
    date_to_ymd(d, &year, &month, &day);
    return year;
}

/* Last year whose key an event of this day brings. */
static int
last_year(struct civil_date d)
{
    int year, month, day;
    date_to_ymd(d, &year, &month, &day);
    return month >= ACCESS_NEXT_YEAR_MONTH ? year + 1 : year;
}

static int
year_until(int year, struct civil_date until)
{
    return !date_is_none(until) && year_of(until) < year ? year_of(until) : year;
}

bool
access_year_due(const struct access_state *s, struct civil_date today)
{
    if (!access_is_open(s, today) || date_is_none(s->keyed_on))
        return false;
    return year_until(last_year(today), s->facts.until) > last_year(s->keyed_on);
}

/* This year and what an event of that day brings; the last one while it can still be counted, which the close of the year ends. */
static int
seal_years(const struct command_ctx *ctx, struct civil_date on, struct civil_date until, struct draft_seal *s,
           struct err *err)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct slice ignored;
    int year = year_of(ctx->today);
    key_period_row(key, &ctx->unit, (uint16_t)(year - 1));
    int rc = rows_get(ctx, TABLE_PERIODS, slice_of(key, sizeof(key)), &ignored, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    s->first_year = (uint16_t)(rc == 0 ? year : year - 1);
    int last = year_until(last_year(on), until);
    s->last_year = (uint16_t)(last > year ? last : year);
    return 0;
}

/* ---- keys ---- */

/* The capsule of a class in force and the generation it is under. An event of the open group has no header yet that could be read, so the
 * capsules of the event are tried: no key opens one of another class. ERR_NOTFOUND: none, or none of the keys opens it. */
static int
open_in_force(const struct command_ctx *ctx, const struct member_row *row, uint8_t class, struct buf *plain,
              uint32_t *ret_generation, struct err *err)
{
    struct keyslot_key *keys = NULL;
    struct position at;
    struct log_row log;
    struct keys_going going;
    size_t n = 0;
    bool opened = false;
    if (!member_capsule_position(row, class, &at))
        return ERR_NOTFOUND;
    int rc = evlog_find(ctx->txn, &at.log, &log, err);
    if (rc == 0)
        rc = keys_going(ctx->txn, &ctx->unit, &row->subject, &going, err);
    if (rc == 0)
        rc = keyslots_class(ctx->txn, ctx->vault, &row->subject, &going, class, SIZE_MAX, &keys, &n, err);
    for (uint8_t i = 0; rc == 0 && !opened && i < HEADER_CAPSULES_MAX; i++) {
        struct slice capsule;
        rc = capsules_get(ctx->txn, log.no, at.seq, i, &capsule, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        for (size_t k = 0; rc == 0 && !opened && k < n; k++) {
            rc = capsule_open(&keys[k].key, class, capsule, plain, err);
            opened = rc == 0;
            if (opened)
                *ret_generation = keys[k].generation;
            rc = rc == ERR_DENIED ? 0 : rc;
        }
        if (rc == ERR_FORGED || rc == ERR_INVALID) /* damaged, or of another class */
            rc = 0;
    }
    keyslot_keys_free(&keys, n);
    err_clear(rc == 0 ? err : NULL);
    return rc != 0 ? rc : opened ? 0 : ERR_NOTFOUND;
}

/* What an event has no room for comes with others (access_seal_rest). */
static void
add_older(struct draft_seal *s, uint8_t class, uint32_t generation)
{
    if (s->n_older == DRAFT_SEALED_MAX)
        return;
    s->older[s->n_older].class = class;
    s->older[s->n_older].generation = generation;
    s->n_older++;
}

/* What an access needs beside the newest keys: those of classes 1 to 3 that the data in force is under, and, where activities are named,
 * the class 4 keys of before, the latest first. */
static int
seal_older(const struct command_ctx *ctx, const struct member_row *row, struct draft_seal *s, struct err *err)
{
    struct keyslot_key *keys = NULL;
    struct keys_going going;
    size_t n = 0;
    int rc = keys_going(ctx->txn, &ctx->unit, &row->subject, &going, err);
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_ACTIVITY; class ++) {
        if (!(s->classes & 1U << (class - 1)))
            continue;
        size_t wanted = class == CLASS_ACTIVITY ? DRAFT_SEALED_MAX : 1;
        keyslot_keys_free(&keys, n);
        n = 0;
        rc = keyslots_class(ctx->txn, ctx->vault, &row->subject, &going, class, wanted, &keys, &n, err);
        if (rc == 0 && class == CLASS_ACTIVITY) {
            for (size_t i = 1; i < n; i++)
                add_older(s, class, keys[i].generation);
            continue;
        }
        struct buf plain;
        uint32_t generation = 0;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        if (rc == 0)
            rc = open_in_force(ctx, row, class, &plain, &generation, err);
        if (rc == 0 && n > 0 && generation != keys[0].generation)
            add_older(s, class, generation);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        buf_free(&plain);
    }
    keyslot_keys_free(&keys, n);
    return rc;
}

int
access_seal(const struct command_ctx *ctx, const struct access_state *a, const struct member_row *older_of,
            struct draft *d, struct err *err)
{
    struct draft_seal *s = &d->seal;
    *s = (struct draft_seal){.use = a->is_pass ? KEY_USE_PASS : KEY_USE_GRANT,
                             .to = a->facts.pass_key,
                             .member = a->facts.member,
                             .classes = a->facts.classes};
    d->key_subject = a->facts.member;
    d->new_keys = true; /* a member of an earlier release may have none for activities and counting */
    int rc = a->is_pass ? 0 : unit_exchange_key(ctx->txn, &a->facts.host, &s->to, err);
    if (rc == 0)
        rc = seal_years(ctx, d->payload.common.effective, a->facts.until, s, err);
    return rc == 0 && older_of != NULL ? seal_older(ctx, older_of, s, err) : rc;
}

/* The latest come last, so that whoever reads the newest events first has them first. */
int
access_seal_rest(const struct command_ctx *ctx, const struct draft *given, struct draft *ret, size_t *ret_n,
                 struct err *err)
{
    struct keyslot_key *keys = NULL;
    struct keys_going going;
    size_t n = 0, left, named = 1, made = 0;
    *ret_n = 0;
    if (!(given->seal.classes & 1U << (CLASS_ACTIVITY - 1)))
        return 0;
    int rc = keys_going(ctx->txn, &ctx->unit, &given->seal.member, &going, err);
    if (rc == 0)
        rc =
            keyslots_class(ctx->txn, ctx->vault, &given->seal.member, &going, CLASS_ACTIVITY, SIZE_MAX, &keys, &n, err);
    for (size_t i = 0; i < given->seal.n_older; i++)
        named += given->seal.older[i].class == CLASS_ACTIVITY;
    left = n;
    for (; rc == 0 && left > named; made++) {
        size_t first = left - named > DRAFT_SEALED_MAX ? left - DRAFT_SEALED_MAX : named;
        if (made == ACCESS_REST_MAX) {
            rc = err_set(err, ERR_LIMIT, "more keys of activities than %d events carry", (int)ACCESS_REST_MAX);
            break;
        }
        struct draft *d = &ret[made];
        draft_init(d, ctx, KIND_ACCESS_RENEWED, &given->payload.common.subject, given->payload.common.effective);
        d->payload.access.until = DATE_NONE;
        d->key_subject = given->seal.member;
        d->seal = given->seal;
        d->seal.n_older = 0;
        for (size_t i = first; i < left; i++)
            add_older(&d->seal, CLASS_ACTIVITY, keys[i].generation);
        left = first;
    }
    keyslot_keys_free(&keys, n);
    if (rc == 0)
        *ret_n = made;
    return rc;
}

/* ---- a new generation ---- */

/* The capsule that is in force must be the one in force afterwards: later in the order of the fold than what it takes the place of. */
static struct civil_date
not_before(const struct member_row *row, const struct position *capsule, struct civil_date day)
{
    size_t i = member_entry_find(row, capsule);
    if (i == SIZE_MAX)
        return day;
    struct civil_date was = row->entries[member_slot_filler(row, i)].effective;
    return was.days > day.days ? was : day;
}

int
access_new_generation(const struct command_ctx *ctx, const struct member_row *row, uint16_t without,
                      struct draft *ret_draft, bool *ret, struct err *err)
{
    enum { EVERY_CLASS = 31 };
    struct member_state s;
    struct draft d;
    struct civil_date day = ctx->today;
    struct position at;
    int rc = 0;
    *ret = false;
    member_state_at(row, DATE_MAX, &s);
    if (s.status == STATUS_NONE || s.status == STATUS_MERGED || (without & EVERY_CLASS) == EVERY_CLASS ||
        row->n >= ROOM_SEALED)
        return 0;
    if (!date_is_none(s.joined_on) && s.joined_on.days > day.days)
        day = s.joined_on;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_BANK; class ++)
        if (member_capsule_position(row, class, &at))
            day = not_before(row, &at, day);
    draft_init(&d, ctx, KIND_DATA_CHANGED, &row->subject, day);
    d.new_keys = d.fresh_keys = true;
    d.fresh_without = without;
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        struct draft_capsule *c = &d.capsules[d.n_capsules];
        uint32_t generation;
        if (without >> (class - 1) & 1)
            continue;
        buf_init(&c->plain, CAPSULE_BYTES_MAX);
        c->class = class;
        rc = open_in_force(ctx, row, class, &c->plain, &generation, err);
        if (rc == 0)
            d.n_capsules++;
        else
            buf_free(&c->plain);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    if (rc == 0)
        rc = draft_check_payload(&d, err);
    if (rc == 0)
        rc = draft_try_member(ctx, &d, row, err);
    if (rc != 0) {
        draft_release(&d);
        return rc;
    }
    *ret_draft = d;
    *ret = true;
    return 0;
}

int
access_seal_stale(const struct command_ctx *ctx, const struct member_row *row, struct draft *d, struct err *err)
{
    struct keys_going going;
    struct position at;
    uint32_t generation = 0, last;
    unsigned there = 0;
    if (row->n < ROOM_SEALED)
        return 0;
    for (size_t i = 0; i < d->n_capsules; i++)
        there |= 1U << d->capsules[i].class;
    int rc = keys_going(ctx->txn, &ctx->unit, &row->subject, &going, err);
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        struct civil_date day = d->payload.common.effective;
        struct keyslot_key *keys = NULL;
        size_t n = 0;
        if (there & 1U << class || !member_capsule_position(row, class, &at) ||
            not_before(row, &at, day).days > day.days)
            continue;
        rc = keyslots_class(ctx->txn, ctx->vault, &row->subject, &going, class, 1, &keys, &n, err);
        last = n > 0 ? keys[0].generation : 0;
        keyslot_keys_free(&keys, n);
        struct buf plain;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        if (rc == 0)
            rc = open_in_force(ctx, row, class, &plain, &generation, err);
        if (rc == 0 && generation < last) {
            struct slice bytes = buf_slice(&plain);
            buf_put(draft_capsule(d, class), bytes.data, bytes.len);
        }
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        buf_free(&plain);
    }
    return rc;
}
