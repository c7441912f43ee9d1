/* What a grant that stands gives: whatever of its classes is in force opens at the host, whichever keys have come and gone since. See sim.h. */
#include "tests/sim/sim.h"

#include "node/rules/access.h"
#include "node/rules/member_step.h"
#include "storage/received.h"

/* Where the capsule of a class is, if the host holds it. */
static bool
held(struct db_txn *txn, const struct position *at, uint8_t class, struct slice *ret)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct err err;
    if (evlog_find(txn, &at->log, &log, &err) != 0 || evlog_event(txn, log.no, at->seq, &ev, &err) != 0 ||
        event_header_decode(ev.header, &h, &err) != 0)
        return false;
    for (uint8_t i = 0; i < h.n_capsules; i++)
        if (h.capsules[i].class == class)
            return capsules_get(txn, log.no, at->seq, i, ret, &err) == 0;
    return false;
}

static void
check_opens(struct sim_node *n, struct db_txn *txn, const struct access_row *access, const struct access_state *s)
{
    const struct entitled_by by = {
        .txn = txn, .vault = n->vault, .own = n->unit->identity.unit, .today = {(int32_t)(node_wall(n) / 86400000)}};
    struct entitled_rights rights;
    struct member_row row;
    struct err err;
    if (entitled_member(txn, &s->facts.member, &access->unit, &row, &err) != 0)
        return;
    bool known = entitled_rights(&by, &by.own, &row, &rights, &err) == 0;
    for (uint8_t class = CLASS_IDENTITY; known && class <= CLASS_BANK && !n->w->failed; class ++) {
        struct received_filter filter = {.unit = &access->unit, .class = class, .on = DATE_NONE};
        struct position at;
        struct slice capsule;
        struct buf plain;
        bool may = false;
        if (!(s->facts.classes >> (class - 1) & 1) || !member_capsule_position(&row, class, &at) ||
            entitled_data(&rights, class, &at, &may, &err) != 0 || !may || !held(txn, &at, class, &capsule))
            continue;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        if (received_open(n->vault, &s->facts.member, &filter, capsule, &plain, &err) != 0)
            world_fail(n->w, n, "grant %s of %s stands, and class %u of %s/%llu does not open: %s",
                       short_id(&access->access), short_id(&s->facts.member), class, short_id(&at.log),
                       (unsigned long long)at.seq, err.text);
        n->w->cover[COVER_STANDS]++;
        buf_free(&plain);
    }
    member_row_release(&row);
}

static const struct sim_node *
home_of(const struct sim_node *n, const struct unit_id *unit)
{
    for (int i = 0; i < n->w->n_units; i++)
        if (TYPE_EQ(&n->w->units[i].identity.unit, unit))
            return &n->w->nodes[i];
    return NULL;
}

/* A second instance of a host has none of the keys that the first was given; where somebody stands in for a unit, they are sealed to him from then on; and of a home of which two instances wrote side by side each knows only the keys that it made. */
static bool
gives_what_it_has(const struct sim_node *n, const struct sim_node *home)
{
    return home && home->unit != n->unit && !home->old && !home->forger && !home->unit->concurrent &&
           !home->unit->forked && checks_linked(n->w, n, home);
}

void
checks_access(struct sim_node *n, struct db_txn *txn)
{
    const struct world *w = n->w;
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err;
    if (!w->heals || w->hostile || w->skewed || !n->up || n->old || n->forger || n->index != n->unit->index ||
        n->unit->stand_in.serial != 0 || db_cursor_open(txn, TABLE_ACCESS, &c, &err) != 0)
        return;
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0 && !w->failed;
         rc = db_cursor_next(c, &key, &value, &err)) {
        struct unit_id unit;
        struct subject_id access;
        struct access_state s;
        struct access_row row;
        memcpy(unit.b, key.data, sizeof(unit.b));
        memcpy(access.b, key.data + sizeof(unit.b), sizeof(access.b));
        if (!gives_what_it_has(n, home_of(n, &unit)) || access_row_decode(value, &unit, &access, &row, &err) != 0)
            continue;
        access_state_of(&row, &s);
        if (s.exists && !s.is_pass && TYPE_EQ(&s.facts.host, &n->unit->identity.unit) &&
            access_stands(&s, (struct civil_date){(int32_t)(node_wall(n) / 86400000)}))
            check_opens(n, txn, &row, &s);
        access_row_release(&row);
    }
    db_cursor_close(&c);
}
