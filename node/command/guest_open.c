/* Another unit's member in clear, with the keys that her home gave by a grant or an offer. See guest.h; docs/PROTOCOL.md §6. Names pass here:
 * wiped. */
#include "node/command/access.h"
#include "node/command/guest.h"
#include "node/command/rows.h"
#include "storage/received.h"

enum { ACCESSES_MAX = 64 };

/* The grants to this unit that stand: their classes, and the one that opens most. */
struct granted {
    unsigned classes, of_best;
    struct subject_id best;
    bool any, pass, moving;
};

/* What a desk needs to know who is offered. */
enum { MOVING_CLASSES = 1U << (CLASS_IDENTITY - 1) | 1U << (CLASS_CONTACT - 1) };

static int
look_at(const struct command_ctx *ctx, const struct access_key *key, const struct subject_id *member,
        struct granted *ret, struct err *err)
{
    struct access_row row;
    struct access_state s;
    int rc = access_load(ctx, key, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    if (!s.exists || !TYPE_EQ(&s.facts.member, member) || !access_stands(&s, ctx->today))
        return 0;
    ret->pass |= s.is_pass;
    if (s.is_pass || !TYPE_EQ(&s.facts.host, &ctx->unit))
        return 0;
    ret->classes |= s.facts.classes;
    if (!ret->any || s.facts.classes > ret->of_best) {
        ret->best = key->access;
        ret->of_best = s.facts.classes;
    }
    ret->any = true;
    return 0;
}

static int
grants_of(const struct command_ctx *ctx, const struct member_row *row, struct granted *ret, struct err *err)
{
    struct access_key keys[ACCESSES_MAX], after;
    size_t n = ACCESSES_MAX;
    int rc = 0;
    for (const struct access_key *from = NULL; rc == 0 && n == ACCESSES_MAX; from = &after) {
        rc = access_of_member(ctx->txn, &row->subject, from, keys, ACCESSES_MAX, &n, err);
        for (size_t i = 0; i < n && rc == 0; i++)
            if (TYPE_EQ(&keys[i].unit, &row->unit))
                rc = look_at(ctx, &keys[i], &row->subject, ret, err);
        if (n > 0)
            after = keys[n - 1];
    }
    return rc;
}

/* Offered to this unit by that row's, or moved here from it and not received yet: until then the desk may have to do that by hand. */
static int
handed_over(const struct command_ctx *ctx, const struct member_row *row, struct granted *ret, struct err *err)
{
    struct member_row own;
    struct member_state s;
    member_state_at(row, DATE_MAX, &s);
    bool is = s.offer_open && TYPE_EQ(&s.offer_to, &ctx->unit);
    int rc = is ? ERR_NOTFOUND : rows_member(ctx, &row->subject, &own, err);
    if (rc == 0) {
        size_t i = member_arrival_unreceived(&own);
        is = i != SIZE_MAX && TYPE_EQ(&own.entries[i].home, &row->unit);
        member_row_release(&own);
    }
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    if (!is)
        return 0;
    if (!ret->any || MOVING_CLASSES > ret->of_best) {
        ret->best = row->subject;
        ret->of_best = MOVING_CLASSES;
        ret->moving = true;
    }
    ret->classes |= MOVING_CLASSES;
    ret->any = true;
    return 0;
}

static int
capsule_in_force(const struct command_ctx *ctx, const struct member_row *row, uint8_t class, struct slice *ret,
                 struct err *err)
{
    struct position at;
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    if (!member_capsule_position(row, class, &at))
        return ERR_NOTFOUND;
    int rc = evlog_find(ctx->txn, &at.log, &log, err);
    if (rc == 0)
        rc = evlog_event(ctx->txn, log.no, at.seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++)
        if (h.capsules[i].class == class)
            return capsules_get(ctx->txn, log.no, at.seq, i, ret, err);
    return rc != 0 ? rc : ERR_NOTFOUND;
}

static int
decode(uint8_t class, struct slice plain, struct person_input *p, struct err *err)
{
    int rc;
    switch (class) {
    case CLASS_IDENTITY:
        rc = person_identity_decode(plain, &p->identity, err);
        p->has_identity = rc == 0;
        return rc;
    case CLASS_CONTACT:
        rc = person_contact_decode(plain, &p->contact, err);
        p->has_contact = rc == 0;
        return rc;
    default:
        rc = person_bank_decode(plain, &p->bank, err);
        p->has_bank = rc == 0;
        return rc;
    }
}

static int
open_class(const struct command_ctx *ctx, const struct member_row *row, uint8_t class, struct person_input *p,
           struct err *err)
{
    struct received_filter given = {.unit = &row->unit, .class = class, .on = ctx->today};
    struct slice capsule;
    struct buf plain;
    struct err none = {0};
    int rc = capsule_in_force(ctx, row, class, &capsule, &none);
    if (rc != 0) {
        if (rc != ERR_NOTFOUND)
            *err = none;
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    buf_init(&plain, CAPSULE_BYTES_MAX);
    rc = received_open(ctx->vault, &row->subject, &given, capsule, &plain, &none);
    if (rc == 0)
        rc = decode(class, buf_slice(&plain), p, &none);
    buf_free(&plain);
    if (rc == ERR_NOTFOUND)
        return 0;
    if (rc != 0)
        *err = none;
    return rc;
}

int
guest_person(const struct command_ctx *ctx, const struct member_row *row, unsigned classes, struct person_input *ret,
             struct guest_opened *ret_opened, struct err *err)
{
    struct granted g = {0};
    struct member_state s;
    memset(ret, 0, sizeof(*ret));
    ret->identity.birth_date = DATE_NONE;
    *ret_opened = (struct guest_opened){0};
    int rc = grants_of(ctx, row, &g, err);
    if (rc == 0)
        rc = handed_over(ctx, row, &g, err);
    if (rc != 0)
        return rc;
    if (!g.any)
        return err_set(err, ERR_DENIED,
                       g.pass ? "there is no grant to this unit; the pass that the member carries opens it"
                              : "there is no grant to this unit that stands today");
    member_state_at(row, ctx->today, &s);
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_BANK && rc == 0; class ++)
        if ((classes & 1U << class) && (g.classes & 1U << (class - 1)) && (s.restricted & 1U << (class - 1)) == 0)
            rc = open_class(ctx, row, class, ret, err);
    if (rc != 0) {
        person_wipe(ret, sizeof(*ret));
        return rc;
    }
    ret_opened->access = g.best;
    ret_opened->moving = g.moving;
    ret_opened->granted = g.classes;
    ret_opened->classes = (ret->has_identity ? 1U : 0) | (ret->has_contact ? 2U : 0) | (ret->has_bank ? 4U : 0);
    return 0;
}
