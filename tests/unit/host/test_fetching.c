/* What a node asks for by itself: the capsules that it may have, those of the unit that it keeps them for, and its own that come back without
 * them. Units on both sides; what is asked for is looked at, nothing is sent. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/keeper.h"
#include "node/host/recover.h"
#include "node/host/wanted.h"
#include "tests/support/node.h"

enum { ASKED_MAX = 64, NOW_MS = 1000 };

struct asked {
    size_t n;
    struct position at[ASKED_MAX];
    uint8_t index[ASKED_MAX];
};

struct fixture {
    struct test_node home, host;
    struct subject_id member;
    struct position admitted;
    struct wanted wanted; /* the host's */
    struct asked asked;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err = {0};
    assert_non_null(f);
    test_node_make(&f->home);
    test_node_make_as(&f->host, "DE", 3);
    assert_true(test_node_carry(&f->host, &f->home) > 0);
    f->member = test_node_admit(&f->home, 1);
    struct log_row row = test_node_log(&f->home);
    f->admitted = (struct position){row.id, row.head_seq};
    assert_int_equal(wanted_init(&f->wanted, f->host.vault, &f->host.identity.unit, &err), 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    wanted_release(&f->wanted);
    test_node_remove(&f->home);
    test_node_remove(&f->host);
    free(f);
    return 0;
}

static struct position
done(struct test_node *n, const struct api_op *what)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    *op = *what;
    if (test_node_exec(n, op, &err) != 0 || op->result.err.code != 0)
        fail_msg("%s%s", err.text, op->result.err.text);
    struct position ret = op->result.position;
    free(op);
    return ret;
}

static struct position
offer(struct fixture *f)
{
    struct api_op op = {.kind = OP_HANDOVER, .status_on_success = 201};
    op.handover.request = (struct handover_request){.action = HANDOVER_OFFER,
                                                    .member = f->member,
                                                    .unit = f->host.identity.unit,
                                                    .effective = DATE_NONE,
                                                    .proposed = {f->home.today + 1}};
    return done(&f->home, &op);
}

static void
need(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index, const struct hash *hash)
{
    struct asked *a = arg;
    (void)unit;
    (void)hash;
    assert_in_range(a->n, 0, ASKED_MAX - 1);
    a->at[a->n] = *at;
    a->index[a->n++] = index;
}

static bool
no_unit(void *arg, const struct unit_id *unit)
{
    (void)arg;
    (void)unit;
    return false;
}

/* All that the host asks for at that time. */
static void
look(struct fixture *f, int64_t now_ms)
{
    struct err err = {0};
    bool more = true;
    f->asked.n = 0;
    while (more) {
        struct wanted_turn t = {.db = f->host.db,
                                .today = {f->host.today},
                                .now_ms = now_ms,
                                .skip = no_unit,
                                .need = need,
                                .arg = &f->asked};
        assert_int_equal(wanted_turn(&f->wanted, &t, &more, &err), 0);
    }
}

/* How many capsules of an event were asked for. */
static size_t
of_event(const struct asked *a, const struct position *at)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += a->at[i].seq == at->seq && TYPE_EQ(&a->at[i].log, &at->log);
    return n;
}

static void
a_new_home_asks_for_what_is_in_force_where_a_correction_without_data_took_the_place_of_its_event(void **state)
{
    struct fixture *f = *state;
    struct api_op op = {.kind = OP_MEMBER, .status_on_success = 201};
    struct member_request *r = &op.member.request;
    r->action = ACTION_ADMIT;
    r->has_subject = r->has_corrects = true;
    r->subject = f->member;
    r->corrects = f->admitted;
    r->effective = (struct civil_date){f->home.today - 1};
    (void)done(&f->home, &op);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    look(f, NOW_MS);
    assert_int_equal(f->asked.n, 0);
    struct position offered = offer(f);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    look(f, NOW_MS + 1);
    assert_int_equal(of_event(&f->asked, &f->admitted), 2); /* identity and contact */
    assert_true(of_event(&f->asked, &offered) >= 2);        /* a key capsule and the dossier */
}

static void
a_right_that_stands_is_looked_at_again_whatever_became_of_the_answer(void **state)
{
    struct fixture *f = *state;
    struct position offered = offer(f);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    look(f, NOW_MS);
    size_t first = f->asked.n;
    assert_true(of_event(&f->asked, &offered) >= 2);
    for (size_t i = 0; i < first; i++)
        assert_true(wanted_got(&f->wanted, &f->asked.at[i], f->asked.index[i]));
    look(f, NOW_MS + WANTED_RIGHTS_MS - 1);
    assert_int_equal(f->asked.n, 0);
    look(f, NOW_MS + WANTED_RIGHTS_MS);
    assert_int_equal(f->asked.n, first);
}

/* What an earlier offer's events carry is never to be had; that of a later one is, a moment after its event. */
static void
what_is_never_to_be_had_holds_up_nothing_that_comes_in_a_moment(void **state)
{
    struct fixture *f = *state;
    int64_t now = NOW_MS;
    (void)offer(f);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    look(f, now);
    size_t first = f->asked.n;
    for (int tries = 0; tries < 16; tries++) {
        assert_int_equal(f->asked.n, first);
        for (size_t i = 0; i < first; i++)
            assert_true(wanted_missing(&f->wanted, &f->asked.at[i], f->asked.index[i], now));
        assert_in_range(f->wanted.retry_at_ms - now, WANTED_RETRY_MS, WANTED_RETRY_MS_MAX);
        now = f->wanted.retry_at_ms;
        look(f, now - 1);
        assert_int_equal(f->asked.n, 0);
        look(f, now);
    }
    for (size_t i = 0; i < first; i++)
        assert_true(wanted_missing(&f->wanted, &f->asked.at[i], f->asked.index[i], now));
    assert_int_equal(f->wanted.retry_at_ms - now, WANTED_RETRY_MS_MAX);

    f->member = test_node_admit(&f->home, 2);
    struct position later = offer(f);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    look(f, now);
    assert_true(of_event(&f->asked, &later) >= 2);
    const struct asked asked = f->asked;
    for (size_t i = 0; i < asked.n; i++)
        assert_true(wanted_missing(&f->wanted, &asked.at[i], asked.index[i], now));
    assert_int_equal(f->wanted.retry_at_ms, now + WANTED_RETRY_MS);
    look(f, now + WANTED_RETRY_MS);
    assert_int_equal(f->asked.n, asked.n); /* and nothing else */
    assert_int_equal(of_event(&f->asked, &later), of_event(&asked, &later));
    wanted_retry(&f->wanted); /* a unit is there again */
    look(f, now + WANTED_RETRY_MS + 1);
    assert_int_equal(f->asked.n, first);
}

/* A second disk of the home, as it was when its unit was described: the admission comes back from a peer. */
static void
a_node_whose_disk_was_set_back_asks_for_the_capsules_of_what_comes_back(void **state)
{
    struct fixture *f = *state;
    struct test_node back = {0};
    struct config config = {0};
    struct peers peers = {0};
    struct keeper k;
    struct db_txn *txn = NULL;
    struct err err = {0};
    bool fetch = true, more = true;
    test_node_make(&back);
    test_node_close(&back);
    test_node_open(&back); /* its log is no longer being written */
    keeper_init(&k, back.db, back.vault, &config);
    assert_int_equal(keeper_turn(&k, &peers, NOW_MS, need, &f->asked, &more, &err), 0);
    assert_int_equal(db_begin_read(back.db, &txn, &err), 0);
    assert_int_equal(recover_fetch_get(txn, &fetch, &err), 0);
    db_abort(&txn);
    assert_false(fetch);

    assert_true(test_node_carry(&f->home, &back) > 0);
    assert_int_equal(db_begin_read(back.db, &txn, &err), 0);
    assert_int_equal(recover_fetch_get(txn, &fetch, &err), 0);
    db_abort(&txn);
    assert_true(fetch); /* and so at every start from now on */
    keeper_own(&k, &back.identity.unit);
    for (more = true; more;)
        assert_int_equal(keeper_turn(&k, &peers, NOW_MS + 1, need, &f->asked, &more, &err), 0);
    assert_int_equal(of_event(&f->asked, &f->admitted), 3); /* identity, contact, escrow */
    keeper_release(&k);
    test_node_remove(&back);
}

static void
step(struct test_node *n, const struct subject_id *member, enum handover_action action, const struct unit_id *unit)
{
    struct api_op op = {.kind = OP_HANDOVER, .status_on_success = 201};
    struct handover_request *r = &op.handover.request;
    *r = (struct handover_request){.action = action, .member = *member, .effective = DATE_NONE, .proposed = DATE_NONE};
    if (unit)
        r->unit = *unit;
    if (action == HANDOVER_OFFER)
        r->proposed.days = n->today + 1;
    if (action == HANDOVER_ACCEPT) {
        r->has_shares = true;
        r->shares = 1;
        snprintf(op.handover.office_text, sizeof(op.handover.office_text), "Gent");
    }
    if (action == HANDOVER_RECEIVE) {
        r->person.has_identity = true;
        r->person.identity.birth_date = DATE_NONE;
        snprintf(r->person.identity.family_name.s, sizeof(r->person.identity.family_name.s), "Vanderstraeten");
    }
    (void)done(n, &op);
}

/* The row of a unit that offers her leads to the completion with which she came there, which is our own: of the two who would ask for its capsules
 * the keeper does, for of two questions about one capsule the core answers one, and the keeper would wait for the other for ever. */
static void
what_is_our_own_in_another_units_row_is_left_to_the_keeper(void **state)
{
    struct fixture *f = *state;
    struct test_node back = {0};
    step(&f->home, &f->member, HANDOVER_OFFER, &f->host.identity.unit);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    step(&f->host, &f->member, HANDOVER_ACCEPT, &f->home.identity.unit);
    assert_true(test_node_carry(&f->host, &f->home) > 0);
    step(&f->home, &f->member, HANDOVER_COMPLETE, NULL);
    struct log_row row = test_node_log(&f->home);
    assert_true(test_node_carry(&f->home, &f->host) > 0);
    step(&f->host, &f->member, HANDOVER_RECEIVE, NULL);
    f->host.today = f->home.today += 3;
    step(&f->host, &f->member, HANDOVER_OFFER, &f->home.identity.unit);
    struct log_row of_host = test_node_log(&f->host);
    const struct position offered = {of_host.id, of_host.head_seq};

    test_node_make(&back); /* another disk of the home, with events and without capsules */
    test_node_close(&back);
    test_node_open(&back); /* its log is no longer being written */
    back.today = f->home.today;
    assert_true(test_node_carry(&f->home, &back) > 0);
    assert_true(test_node_carry(&f->host, &back) > 0);
    struct wanted wanted;
    struct err err = {0};
    bool more = true;
    assert_int_equal(wanted_init(&wanted, back.vault, &back.identity.unit, &err), 0);
    while (more) {
        struct wanted_turn t = {
            .db = back.db, .today = {back.today}, .now_ms = NOW_MS, .skip = no_unit, .need = need, .arg = &f->asked};
        assert_int_equal(wanted_turn(&wanted, &t, &more, &err), 0);
    }
    assert_true(of_event(&f->asked, &offered) > 0);
    for (uint64_t seq = 1; seq <= row.head_seq; seq++)
        assert_int_equal(of_event(&f->asked, &(struct position){row.id, seq}), 0);
    wanted_release(&wanted);
    test_node_remove(&back);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_new_home_asks_for_what_is_in_force_where_a_correction_without_data_took_the_place_of_its_event, setup,
            teardown),
        cmocka_unit_test_setup_teardown(what_is_never_to_be_had_holds_up_nothing_that_comes_in_a_moment, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_right_that_stands_is_looked_at_again_whatever_became_of_the_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_whose_disk_was_set_back_asks_for_the_capsules_of_what_comes_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_our_own_in_another_units_row_is_left_to_the_keeper, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
