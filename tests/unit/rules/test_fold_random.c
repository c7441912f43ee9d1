/* The fold against §10 taken literally. Random graphs of one to four logs with random events about one member; after every event that
 * arrives, in random orders, each outcome must be that of a slow reference that knows only the set, and the rows must be the
 * same bytes in the end. SEED=n replays one case, CASES=n sets their number. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/fold_reference.h"

enum { ORDERS = 3, FIRST_SEQ = 2 };

static uint32_t
draw(struct ref_case *c, uint32_t below)
{
    c->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix64(c->random) >> 33) % below;
}

/* ---- random cases ---- */

static void
draw_logs(struct ref_case *c)
{
    c->n_logs = 1 + draw(c, REF_LOGS);
    for (size_t i = 0; i < c->n_logs; i++) {
        c->len[i] = FIRST_SEQ - 1;
    }
}

/* The high half of a log's byte is drawn, so that its id sorts anywhere; the low half is its number. */
static uint8_t log_byte[REF_LOGS];

static void
open_log(struct ref_case *c, size_t log)
{
    memset(c->before[log], 0, sizeof(c->before[log]));
    for (size_t k = 0; k < 2 && log > 0; k++) {
        size_t p = draw(c, (uint32_t)log);
        if (draw(c, 3) > 0 && (k == 0 || c->before[log][0].seq == 0 || c->before[log][0].log.b[0] != log_byte[p])) {
            c->before[log][k] = world_at(log_byte[p], 1 + draw(c, (uint32_t)c->len[p]));
        }
    }
    world_add_log(&c->world, log_byte[log], c->before[log][0], c->before[log][1]);
}

static struct event_ref
draw_ref(struct ref_case *c, enum ref_role role, uint16_t kind)
{
    struct position to = c->ev[draw(c, (uint32_t)c->n)].e.at;
    for (size_t k = 0; k < 8 && draw(c, 16) != 0; k++) {
        size_t i = draw(c, (uint32_t)c->n);
        if (c->ev[i].e.kind == kind) {
            to = c->ev[i].e.at;
            break;
        }
    }
    uint32_t odd = draw(c, 40);
    to = odd == 0 ? c->stranger : odd == 1 ? c->absent : to;
    struct event_ref r = world_ref(role, to);
    r.chain.b[31] ^= (uint8_t)(draw(c, 40) == 0);
    return r;
}

static uint16_t
draw_kind(struct ref_case *c)
{
    static const uint16_t kinds[] = {32, 32, 33, 34, 34, 34, 35, 35, 36, 36, 37, 38, 38, 38, 39, 40, 41, 42, 43,
                                     41, 44, 44, 44, 45, 45, 46, 47, 48, 48, 49, 49, 50, 51, 51, 51, 51, 44, 44};
    return draw(c, 40) == 0 ? 63 : kinds[draw(c, ARRAY_LEN(kinds))];
}

/* What kinds 34, 35 and 44 to 50 have besides. */
static void
draw_fields(struct ref_case *c, struct member_entry *e)
{
    bool price = e->kind == 34 || e->kind == 35;
    if (price || e->kind == 44 || (e->kind == 48 && draw(c, 4) > 0)) {
        e->shares = !price && draw(c, 40) == 0 ? 999999998 : 1 + draw(c, 5);
        *(price ? &e->share_price_minor : &e->amount_minor) = price ? 3000 : (int64_t)e->shares * 1000 * draw(c, 4);
        memcpy(e->currency, ref_currencies[draw(c, 3) > 0 ? 0 : draw(c, REF_CURRENCIES)], 4);
        e->owed = e->kind == 48 && draw(c, 2) == 0;
    }
    if (e->kind == 44 && c->ev[0].e.kind == 34 && draw(c, 2) == 0) { /* all that an only admission brought */
        e->shares = c->ev[0].e.shares;
        e->amount_minor = (int64_t)e->shares * 1000 * draw(c, 4);
        memcpy(e->currency, c->ev[0].e.currency, sizeof(e->currency));
    }
    e->has_other = e->kind >= 45 && e->kind <= 48;
    e->other.b[0] = e->has_other ? (uint8_t)draw(c, REF_PEOPLE) : 0;
    if (e->kind == 49 || e->kind == 50) {
        e->purpose = (uint16_t)(1 + draw(c, REF_PURPOSES));
        memcpy(e->text_version, e->kind == 49 && draw(c, 2) == 0 ? "v2" : "\0", 2);
    }
}

static void
draw_event(struct ref_case *c, size_t log)
{
    struct member_entry *e = &c->ev[c->n].e;
    memset(&c->ev[c->n], 0, sizeof(c->ev[c->n]));
    c->len[log] += 1 + draw(c, 2);
    e->at = world_at(log_byte[log], c->len[log]);
    e->kind = c->n == 0 && draw(c, 4) > 0 ? 34 : draw_kind(c);
    e->kind = c->n == 0 && e->kind == KIND_ENTRY_CANCELLED ? 34 : e->kind;
    bool correction = c->n > 0 && draw(c, 4) == 0;
    if (correction) {
        size_t of = draw(c, (uint32_t)c->n);
        e->kind = c->ev[of].e.kind;
        correction = e->kind != KIND_ENTRY_CANCELLED;
        if (correction)
            e->refs[e->n_refs++] =
                draw(c, 20) == 0 ? draw_ref(c, REF_CORRECTS, e->kind) : world_ref(REF_CORRECTS, c->ev[of].e.at);
    }
    e->kind_version = e->kind == 63 ? 2 : 1;
    e->outcome = e->kind == 63 ? OUTCOME_UNKNOWN : OUTCOME_APPLIED;
    e->n_refs = e->kind == 63 ? 0 : e->n_refs;
    e->effective.days = (int32_t)(draw(c, 3) == 0 ? draw(c, 24) : c->n + draw(c, 4));
    if (e->kind == 32 || e->kind == 34 || (e->kind == 37 && draw(c, 2) == 0)) {
        e->has_office = true;
        e->office = c->offices[draw(c, 12) == 0 ? 2 : draw(c, 2)];
    }
    if (e->kind == 32 || e->kind == 34 || e->kind == 36) {
        e->category = (uint8_t)(1 + draw(c, 3));
        e->person_type = e->kind == 36 ? 0 : e->category == 3 ? (uint8_t)(1 + draw(c, 2)) : 1;
    }
    draw_fields(c, e);
    if (e->kind == KIND_ENTRY_CANCELLED && draw(c, 30) > 0) {
        e->refs[e->n_refs++] =
            draw(c, 3) > 0 ? world_ref(REF_CANCELS, c->ev[draw(c, (uint32_t)c->n)].e.at) : draw_ref(c, REF_CANCELS, 0);
    }
    uint8_t role = e->kind == 33 || e->kind == 34 ? 3 : e->kind == 39 || e->kind == 40 ? 4 : 0;
    if (c->n > 0 && role != 0 && (e->kind == 34 ? draw(c, 3) == 0 : draw(c, 30) > 0)) {
        e->refs[e->n_refs++] = draw_ref(c, role, role == 3 ? 32 : 38);
    }
    if (e->n_refs == 1 && draw(c, 60) == 0) {
        e->refs[e->n_refs++] = e->refs[0];
    }
    c->n++;
}

static void
draw_case(struct ref_case *c, uint64_t seed)
{
    memset(c, 0, sizeof(*c));
    c->seed = seed;
    c->random = seed * 1000003;
    world_init(&c->world);
    draw_logs(c);
    for (size_t i = 0; i < REF_LOGS; i++) {
        log_byte[i] = (uint8_t)(draw(c, 15) * 16 + i);
    }
    c->stranger = world_at(0xf9, 7);
    c->absent = world_at(0xf9, 8);
    c->offices[0] = world_office(&c->world, world_at(log_byte[0], 1));
    c->offices[1] = world_office(&c->world, world_at(log_byte[0], 1));
    c->offices[2] = world_office(&c->world, world_at(log_byte[c->n_logs - 1], 4));
    open_log(c, 0);
    size_t open = 1, n = 1 + draw(c, REF_EVENTS);
    for (size_t i = 0; i < n; i++) {
        if (open < c->n_logs && draw(c, 3) == 0) {
            open_log(c, open++);
        }
        draw_event(c, draw(c, 3) == 0 ? draw(c, (uint32_t)open) : (uint32_t)open - 1);
    }
    /* Logs left unopened have no events. */
    c->n_logs = open;
}

static void
fail_case(const struct ref_case *c, const char *what, size_t i)
{
    fail_msg("seed %llu: %s, event %zu of %zu; replay with SEED=%llu", (unsigned long long)c->seed, what, i, c->n,
             (unsigned long long)c->seed);
}

static void
encode(const struct member_row *r, struct buf *out)
{
    buf_init(out, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(member_row_encode(r, out, NULL), 0);
}

static void
compare_with_reference(const struct ref_case *c, const struct member_row *row)
{
    struct reference r;
    ref_outcomes(c, &r);
    for (size_t i = 0; i < row->n; i++) {
        const struct event_ref at = {.log = row->entries[i].at.log, .seq = row->entries[i].at.seq};
        int k = ref_find(c, &at);
        if (k < 0) {
            fail_case(c, "an entry that was not added", i);
            return;
        }
        if ((int)row->entries[i].outcome != r.outcome[k] || (int)row->entries[i].reason != r.reason[k]) {
            print_error("is %d/%d, should be %d/%d\n", row->entries[i].outcome, row->entries[i].reason, r.outcome[k],
                        r.reason[k]);
            fail_case(c, "another outcome than by the reference", (size_t)k);
        }
    }
}

/* The views' sums and the lines of the share register must agree with the state at the end. */
struct sums {
    const char *currency; /* of the money */
    int64_t members, keys, shares, minor, owed, repaid;
};

static int
add_up(void *arg, const struct contribution *c)
{
    struct sums *s = arg;
    const int64_t *v = c->v;
    if (!c->is_capital) {
        s->members += v[COUNT_MEMBERS];
        s->keys += v[COUNT_RECORD_KEYS];
        return 0;
    }
    s->shares +=
        v[CAPITAL_SHARES_IN] - v[CAPITAL_SHARES_OUT] + v[CAPITAL_SHARES_MERGED_IN] - v[CAPITAL_SHARES_MERGED_OUT];
    if (strcmp(c->currency, s->currency) == 0) {
        s->minor +=
            v[CAPITAL_MINOR_IN] - v[CAPITAL_MINOR_OUT] + v[CAPITAL_MINOR_MERGED_IN] - v[CAPITAL_MINOR_MERGED_OUT];
        s->owed += v[CAPITAL_MINOR_OUT] - v[CAPITAL_MINOR_REPAID] - v[CAPITAL_MINOR_FORGONE];
        s->repaid += v[CAPITAL_MINOR_REPAID];
    }
    return 0;
}

static void
add_lines(const struct member_row *row, struct sums *sums)
{
    struct share_line l[CURRENCIES_OWED_MAX];
    for (size_t i = 0; i < row->n; i++) {
        if (!member_share_operation(row, &row->entries[i])) {
            continue;
        }
        size_t n = member_share_lines(row, i, l, ARRAY_LEN(l));
        assert_true(n > 0);
        for (size_t k = 0; k < n; k++) {
            bool same = strcmp(l[k].currency, sums->currency) == 0;
            sums->shares += l[k].shares;
            sums->minor += same ? l[k].minor : 0;
            sums->repaid += same ? l[k].repaid_minor : 0;
        }
    }
}

/* What came to be owed by merging alone, which no view counts. */
static int64_t
owed_by_merging(const struct member_row *row, const char *currency)
{
    int64_t sum = 0;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        bool counts = e->outcome == OUTCOME_APPLIED && e->owed && strcmp(e->currency, currency) == 0;
        sum += counts ? e->amount_minor : 0;
    }
    return sum;
}

static void
check_views(const struct ref_case *c, const struct member_row *row)
{
    struct member_state s;
    member_state_at(row, DATE_MAX, &s);
    struct sums sums = {.currency = s.currency}, lines = {.currency = s.currency};
    assert_int_equal(member_contributions(row, add_up, &sums), 0);
    add_lines(row, &lines);
    bool member = s.status == STATUS_MEMBER;
    if (sums.members != (member ? 1 : 0) || sums.keys != (member ? member_record_key(&row->subject) : 0) ||
        sums.shares != (int64_t)s.shares || sums.minor != s.capital_minor) {
        fail_case(c, "views do not agree with the state", row->n);
    }
    if (lines.shares != sums.shares || lines.minor != sums.minor || lines.repaid != sums.repaid) {
        fail_case(c, "the share register does not agree with the views", row->n);
    }
    int64_t owed = 0;
    for (uint8_t i = 0; i < s.n_owed; i++) {
        if (s.owed[i].shares == 0) {
            fail_case(c, "money is owed for no shares", row->n);
        }
        owed += strcmp(s.owed[i].currency, s.currency) == 0 ? s.owed[i].amount_minor : 0;
    }
    if (s.status != STATUS_MERGED && sums.owed + owed_by_merging(row, s.currency) != owed) {
        fail_case(c, "what is owed does not agree with the views", row->n);
    }
}

struct emitted {
    size_t n;
    struct contribution v[4 * REF_EVENTS];
};

static int
collect(void *arg, const struct contribution *c)
{
    struct emitted *e = arg;
    assert_true(e->n < ARRAY_LEN(e->v));
    e->v[e->n++] = *c;
    return 0;
}

static size_t n_last_adds;

/* What apply rests on, which looks at the whole row only where more changed than its end. */
static void
add_and_check_part(struct ref_case *c, struct member_row *row, const struct member_entry *e)
{
    struct emitted parts = {.n = 0}, all = {.n = 0};
    enum outcome before[REF_EVENTS];
    struct missing missing;
    size_t n = row->n;
    for (size_t i = 0; i < n; i++) {
        before[i] = row->entries[i].outcome;
    }
    assert_int_equal(member_contributions(row, collect, &parts), 0);
    assert_int_equal(member_row_add(row, e, &c->world.w, &missing, NULL), 0);
    if (!member_last_adds(row, &e->at, before, n)) {
        return;
    }
    n_last_adds++;
    assert_int_equal(member_last_contributions(row, collect, &parts), 0);
    assert_int_equal(member_contributions(row, collect, &all), 0);
    if (parts.n != all.n || memcmp(parts.v, all.v, all.n * sizeof(all.v[0])) != 0) {
        fail_case(c, "an event at the end adds more or less than its part", row->n);
    }
}

static void
run_order(struct ref_case *c, const size_t *order, struct buf *ret)
{
    struct unit_id unit = {{1}};
    struct subject_id subject = {{2}};
    struct member_row row;
    member_row_init(&row, &unit, &subject);
    c->world.n_hidden = 0;
    world_hide(&c->world, c->absent);
    for (size_t i = 0; i < c->n; i++) {
        c->ev[i].held = false;
        world_hide(&c->world, c->ev[i].e.at);
    }
    for (size_t k = 0; k < c->n; k++) {
        struct ref_event *next = &c->ev[order[k]];
        next->held = true;
        world_hold(&c->world, next->e.at);
        add_and_check_part(c, &row, &next->e);
        compare_with_reference(c, &row);
        if (draw(c, 4) == 0) {
            struct buf bytes;
            encode(&row, &bytes);
            member_row_release(&row);
            assert_int_equal(member_row_decode(buf_slice(&bytes), &unit, &subject, &row, NULL), 0);
            buf_free(&bytes);
        }
    }
    check_views(c, &row);
    encode(&row, ret);
    member_row_release(&row);
}

static void
run_case(uint64_t seed)
{
    struct ref_case c;
    struct buf first = {0}, other;
    draw_case(&c, seed);
    size_t order[REF_EVENTS];
    for (size_t i = 0; i < c.n; i++) {
        order[i] = i;
    }
    for (size_t o = 0; o < ORDERS; o++) {
        run_order(&c, order, o == 0 ? &first : &other);
        if (o > 0) {
            if (!slice_eq(buf_slice(&first), buf_slice(&other))) {
                fail_case(&c, "other bytes in another order", o);
            }
            buf_free(&other);
        }
        for (size_t i = c.n; i > 1; i--) {
            size_t k = draw(&c, (uint32_t)i), t = order[i - 1];
            order[i - 1] = order[k];
            order[k] = t;
        }
    }
    buf_free(&first);
    world_release(&c.world);
}

static void
the_fold_is_that_of_the_specification_in_any_order(void **state)
{
    const char *seed = getenv("SEED"), *cases = getenv("CASES");
    if (seed != NULL) {
        run_case(strtoull(seed, NULL, 10));
        return;
    }
    uint64_t n = cases != NULL ? strtoull(cases, NULL, 10) : 4000;
    for (uint64_t i = 1; i <= n; i++) {
        run_case(i);
    }
    assert_true(n_last_adds > n);
}

/* What a desk was told it may write is effective at once, and nothing that was effective ceases to be, but what it corrects. */
static void
no_acknowledged_write_of_a_single_chain_turns_void(void **state)
{
    struct unit_id unit = {{1}};
    struct subject_id subject = {{2}};
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct ref_case c;
        struct member_row row;
        struct missing missing;
        size_t accepted = 0;
        memset(&c, 0, sizeof(c));
        c.seed = seed;
        c.random = seed * 7919;
        world_init(&c.world);
        c.stranger = world_at(0xf9, 7);
        c.absent = world_at(0xf9, 8);
        for (size_t i = 0; i < REF_LOGS; i++) {
            log_byte[i] = (uint8_t)(0x70 + 0x10 * draw(&c, 3) + i);
            c.len[i] = FIRST_SEQ - 1;
        }
        for (size_t i = 0; i < 3; i++) {
            c.offices[i] = world_office(&c.world, world_at(log_byte[0], 1));
        }
        world_add_log(&c.world, log_byte[0], world_at(0, 0), world_at(0, 0));
        world_hide(&c.world, c.absent);
        member_row_init(&row, &unit, &subject);
        size_t log = 0;
        for (size_t i = 0; i < REF_EVENTS; i++) {
            if (log + 1 < REF_LOGS && draw(&c, 5) == 0) {
                log++;
                world_add_log(&c.world, log_byte[log], world_at(log_byte[log - 1], c.len[log - 1]), world_at(0, 0));
            }
            draw_event(&c, log);
            const struct member_entry *e = &c.ev[c.n - 1].e;
            if (member_row_try(&row, e, &c.world.w, NULL) != 0) {
                c.n--; /* never written */
                continue;
            }
            struct member_row was = row;
            struct member_entry entries[REF_EVENTS];
            memcpy(entries, row.entries == NULL ? entries : row.entries, row.n * sizeof(*entries));
            assert_int_equal(member_row_add(&row, e, &c.world.w, &missing, NULL), 0);
            accepted++;
            assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
            size_t replaced = 0;
            for (size_t k = 0; k < was.n; k++) {
                bool stays = entries[k].outcome == row.entries[k].outcome;
                replaced += row.entries[k].outcome == OUTCOME_REPLACED && !stays;
                if (!stays && row.entries[k].outcome != OUTCOME_REPLACED) {
                    fail_case(&c, "an acknowledged write turned void", k);
                }
            }
            assert_true(replaced <= 1);
        }
        assert_int_equal(row.n, accepted);
        member_row_release(&row);
        world_release(&c.world);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fold_is_that_of_the_specification_in_any_order),
        cmocka_unit_test(no_acknowledged_write_of_a_single_chain_turns_void),
    };
    return cmocka_run_group_tests_name("fold_random", tests, NULL, NULL);
}
