/* See rules_world.h. */
#include "tests/support/rules_world.h"

static bool
same(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && TYPE_EQ(&a->log, &b->log);
}

static int
chain_at(void *arg, const struct position *at, struct chain_value *ret)
{
    const struct world *w = arg;
    if (w->broken != 0) {
        return w->broken;
    }
    for (size_t i = 0; i < w->n_hidden; i++) {
        if (same(&w->hidden[i], at)) {
            return ERR_NOTFOUND;
        }
    }
    *ret = world_chain(at);
    return 0;
}

static bool
office_known(void *arg, const struct unit_id *unit, const struct office_id *office, const struct position *at)
{
    const struct world *w = arg;
    (void)unit;
    size_t i = office->b[0];
    return i >= 1 && i <= w->n_offices && dag_before(w->dag, &w->opened[i - 1], at);
}

void
world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    MUST(dag_new(&w->dag, NULL) == 0);
    w->w = (struct member_world){.dag = w->dag, .arg = w, .chain_at = chain_at, .office_known = office_known};
}

void
world_release(struct world *w)
{
    dag_free(&w->dag);
}

struct log_id
world_log(uint8_t byte)
{
    struct log_id id;
    memset(id.b, byte, sizeof(id.b));
    return id;
}

struct position
world_at(uint8_t log, uint64_t seq)
{
    return (struct position){.log = world_log(log), .seq = seq};
}

void
world_add_log(struct world *w, uint8_t log, struct position a, struct position b)
{
    struct log_id id = world_log(log);
    struct position before[2];
    size_t n = 0;
    uint32_t depth;
    if (a.seq > 0) {
        before[n++] = a;
    }
    if (b.seq > 0) {
        before[n++] = b;
    }
    MUST(dag_add(w->dag, &id, before, n, &depth, NULL) == 0);
}

struct chain_value
world_chain(const struct position *at)
{
    struct chain_value c;
    memcpy(c.b, at->log.b, sizeof(c.b));
    be64_put(c.b, at->seq);
    return c;
}

void
world_hide(struct world *w, struct position at)
{
    MUST(w->n_hidden < WORLD_POSITIONS_MAX);
    w->hidden[w->n_hidden++] = at;
}

void
world_hold(struct world *w, struct position at)
{
    for (size_t i = 0; i < w->n_hidden; i++) {
        if (same(&w->hidden[i], &at)) {
            w->hidden[i] = w->hidden[--w->n_hidden];
            return;
        }
    }
}

struct office_id
world_office(struct world *w, struct position at)
{
    struct office_id id;
    MUST(w->n_offices < WORLD_POSITIONS_MAX);
    w->opened[w->n_offices++] = at;
    memset(id.b, (int)w->n_offices, sizeof(id.b));
    return id;
}

struct event_ref
world_ref(enum ref_role role, struct position to)
{
    struct event_ref r = {.role = (uint8_t)role, .log = to.log, .seq = to.seq};
    r.chain = world_chain(&to);
    return r;
}
