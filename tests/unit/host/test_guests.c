/* Visitors at a host, with many generations of keys: what ended is destroyed whole and confirmed only then, whatever stops it between; nothing is done
 * with it meanwhile; one member with too much holds up nobody; a stop is heard. Two engines that get each other's runs. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/command/guest.h"
#include "node/command/names.h"
#include "node/host/entitled.h"
#include "node/host/guests.h"
#include "proto/pass.h"
#include "storage/received.h"
#include "tests/support/node.h"

enum { IDENTITY = 1, CONTACT = 2, ACTIVITY = 8, GENERATIONS = 400, SOME = 40, LOGS_MAX = 16 };

struct fixture {
    struct test_node home, host;
    struct subject_id member, other, grant;
    uint64_t brought; /* of the home's log */
    struct guests g;
    struct guests_seen seen;
    unsigned ops, fail_at, asked, stop_at; /* 0 = never */
    bool fails_late;                       /* when what fails is committed */
    uint64_t refused;
    bool all_ends;     /* of the member: when that is confirmed, nothing is left, */
    struct buf needle; /* and this is in no byte of the vault's file; empty = not asked */
};

/* ---- the host's upkeep ---- */

static uint64_t
rows(struct fixture *f)
{
    return test_table_rows(vault_db(f->host.vault), TABLE_RECEIVED);
}

static size_t
kept_of(struct fixture *f, const struct subject_id *member, uint8_t class)
{
    static struct received_key keys[RECEIVED_MAX];
    struct received_filter filter = {.class = class, .on = DATE_NONE};
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(received_list(f->host.vault, member, &filter, keys, RECEIVED_MAX, &n, NULL, &err), 0);
    return n;
}

/* A row with keys of hers, as it stands in the vault: deleted, it stays readable in the file until that is rewritten. */
static void
remember_row(struct fixture *f)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, row;
    struct err err = {0};
    buf_init(&f->needle, 4096);
    assert_int_equal(db_begin_read(vault_db(f->host.vault), &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_RECEIVED, &c, &err), 0);
    assert_int_equal(db_cursor_first(c, &key, &row, &err), 0);
    while (memmem(key.data, key.len, f->member.b, ID_BYTES) == NULL)
        assert_int_equal(db_cursor_next(c, &key, &row, &err), 0);
    buf_put(&f->needle, row.data, row.len);
    db_cursor_close(&c);
    db_abort(&txn);
    assert_true(f->needle.len > KEY_BYTES);
}

static bool
is_in_vault_file(const struct fixture *f)
{
    char path[TEST_PATH_MAX + 32];
    struct stat st;
    snprintf(path, sizeof(path), "%s/vault/data.mdb", f->host.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(bytes != MAP_FAILED);
    bool found = memmem(bytes, (size_t)st.st_size, f->needle.data, f->needle.len) != NULL;
    assert_int_equal(munmap(bytes, (size_t)st.st_size), 0);
    close(fd);
    return found;
}

static int
run_host(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct fixture *f = arg;
    bool fails = ++f->ops == f->fail_at;
    if (fails && !f->fails_late)
        return err_set(err, ERR_FULL, "stopped here");
    if (op->kind == OP_GUEST && op->guest.step == GUEST_CONFIRM && op->guest.n_drafts > 0 && f->all_ends) {
        assert_int_equal(kept_of(f, &f->member, 0), 0);
        assert_false(f->needle.len > 0 && is_in_vault_file(f));
    }
    int rc = engine_begin(f->host.engine, err);
    if (rc == 0)
        rc = engine_exec(f->host.engine, actor, op, err);
    if (rc == 0)
        rc = engine_commit(f->host.engine, err);
    if (rc != 0)
        engine_abort(f->host.engine);
    return rc == 0 && fails ? err_set(err, ERR_FULL, "stopped here") : rc;
}

static bool
stop_host(void *arg)
{
    struct fixture *f = arg;
    return ++f->asked == f->stop_at;
}

static void
on_refused(void *arg, uint64_t events)
{
    struct fixture *f = arg;
    f->refused += events;
}

static int
turn(struct fixture *f, struct err *err)
{
    f->g.db = f->host.db;
    f->g.vault = f->host.vault;
    f->g.today = (struct civil_date){f->host.today};
    f->ops = f->asked = 0;
    *err = (struct err){0};
    return guests_turn(&f->g, &f->seen, true, true, err);
}

static void
turned(struct fixture *f)
{
    struct err err;
    if (turn(f, &err) != 0)
        fail_msg("%s", err.text);
}

/* ---- what goes between the two ---- */

static void
bring_event(struct fixture *f, struct db_txn *there, struct db_txn *here, const struct log_row *log, uint64_t seq)
{
    const struct entitled_by by = {
        .txn = here, .own = f->host.identity.unit, .today = (struct civil_date){f->host.today}};
    struct stored_event ev;
    struct event_header h;
    struct err err = {0};
    assert_int_equal(evlog_event(there, log->no, seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        const struct entitled_to what = {.log = log, .header = &h, .payload = ev.payload, .index = i};
        const struct position at = {.log = log->id, .seq = seq};
        struct slice bytes;
        struct buf capsule;
        bool may = false;
        buf_init(&capsule, CAPSULE_BYTES_MAX);
        assert_int_equal(entitled(&by, &f->host.identity.unit, false, &what, &may, &err), 0);
        if (may && h.capsules[i].class == CLASS_KEY)
            assert_int_equal(vault_capsule_get(f->home.vault, &at, i, &capsule, &err), 0);
        else if (may && capsules_get(there, log->no, seq, i, &bytes, &err) == 0)
            buf_put(&capsule, bytes.data, bytes.len);
        if (capsule.len > 0)
            assert_int_equal(engine_put_capsule(f->host.engine, &log->id, seq, i, buf_slice(&capsule), &err), 0);
        buf_free(&capsule);
    }
}

/* Events both ways, and to the host the capsules that it may have by what it knows then. */
static void
both(struct fixture *f)
{
    struct db_txn *there, *here;
    struct err err = {0};
    assert_int_equal(engine_vault_flush(f->home.engine, &err), 0);
    while (test_node_carry(&f->home, &f->host) + test_node_carry(&f->host, &f->home) > 0) {
    }
    struct log_row log = test_node_log(&f->home);
    assert_int_equal(db_begin_read(f->home.db, &there, &err), 0);
    assert_int_equal(db_begin_read(f->host.db, &here, &err), 0);
    assert_int_equal(engine_begin(f->host.engine, &err), 0);
    while (f->brought < log.head_seq)
        bring_event(f, there, here, &log, ++f->brought);
    db_abort(&here);
    db_abort(&there);
    assert_int_equal(engine_commit(f->host.engine, &err), 0);
}

static struct api_result
access_op(struct fixture *f, const struct access_request *req)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->access = *req;
    if (test_node_exec(&f->home, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    if (ret.err.code != 0)
        fail_msg("%s: %s", ret.err.field, ret.err.text);
    return ret;
}

static struct subject_id
granted(struct fixture *f, struct subject_id member)
{
    f->brought = 0; /* also of before */
    return access_op(f, &(struct access_request){.action = ACCESS_GRANT,
                                                 .member = member,
                                                 .host = f->host.identity.unit,
                                                 .classes = IDENTITY | CONTACT,
                                                 .purpose = 1,
                                                 .from = DATE_NONE,
                                                 .until = DATE_NONE})
        .subject;
}

static void
revoked(struct fixture *f, struct subject_id member, struct subject_id access)
{
    access_op(
        f, &(struct access_request){.action = ACCESS_REVOKE, .member = member, .has_access = true, .access = access});
}

/* Each ends with a new generation of her keys, which the grants that stand get. */
static void
passes_come_and_go(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        struct pass pass = {.unit = f->home.identity.unit};
        struct access_request q = {.action = ACCESS_ISSUE,
                                   .member = f->member,
                                   .classes = IDENTITY | CONTACT,
                                   .from = DATE_NONE,
                                   .until = DATE_NONE};
        struct box_secret secret;
        struct err err = {0};
        memset(pass.secret, 0x5a, sizeof(pass.secret));
        pass_keypair(&pass, &q.pass_key, &secret);
        revoked(f, f->member, access_op(f, &q).subject);
        if (i % 32 == 31)
            assert_int_equal(engine_vault_flush(f->home.engine, &err), 0);
    }
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->home);
    test_node_make_as(&f->host, "DE", 9);
    f->g = (struct guests){.identity = &f->host.identity,
                           .random = test_draw,
                           .random_arg = &f->host.random,
                           .run = run_host,
                           .stop = stop_host,
                           .too_many = on_refused,
                           .arg = f};
    f->member = test_node_admit(&f->home, 1);
    f->other = test_node_admit(&f->home, 2);
    both(f);
    f->grant = granted(f, f->member);
    both(f);
    turned(f);
    assert_true(kept_of(f, &f->member, CLASS_ACTIVITY) > 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    test_node_check(&f->host);
    test_node_remove(&f->home);
    test_node_remove(&f->host);
    buf_free(&f->needle);
    free(f);
    return 0;
}

/* ---- looking ---- */

/* Confirmations in the host's log. */
static unsigned
confirmed(struct fixture *f)
{
    struct log_row log;
    struct db_txn *txn;
    struct err err = {0};
    unsigned n = 0;
    assert_int_equal(db_begin_read(f->host.db, &txn, &err), 0);
    for (uint32_t no = 1; no < LOGS_MAX && evlog_get(txn, no, &log, &err) == 0; no++)
        for (uint64_t seq = 1; TYPE_EQ(&log.unit, &f->host.identity.unit) && seq <= log.head_seq; seq++) {
            struct stored_event ev;
            struct event_header h;
            assert_int_equal(evlog_event(txn, log.no, seq, &ev, &err), 0);
            assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
            n += h.kind == KIND_COPIES_DESTROYED;
        }
    db_abort(&txn);
    return n;
}

/* Of the member's data at the host. */
static uint64_t
capsules_here(struct fixture *f)
{
    return test_table_rows(f->host.db, TABLE_CAPSULES);
}

static struct person_input
opened(struct fixture *f)
{
    struct command_ctx ctx = {
        .vault = f->host.vault, .unit = f->host.identity.unit, .today = (struct civil_date){f->host.today}};
    struct member_row row;
    struct person_input p;
    struct guest_opened what;
    struct err err = {0};
    assert_int_equal(db_begin_read(f->host.db, &ctx.txn, &err), 0);
    assert_int_equal(entitled_member(ctx.txn, &f->member, &f->home.identity.unit, &row, &err), 0);
    int rc = guest_person(&ctx, &row, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, &p, &what, &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    member_row_release(&row);
    db_abort(&ctx.txn);
    return p;
}

/* ---- ends ---- */

static void
of_four_hundred_generations_nothing_is_left_when_it_is_confirmed(void **state)
{
    struct fixture *f = *state;
    uint64_t before = capsules_here(f);
    passes_come_and_go(f, GENERATIONS);
    both(f);
    turned(f);
    assert_true(kept_of(f, &f->member, CLASS_ACTIVITY) > GENERATIONS);
    assert_int_equal(capsules_here(f), before); /* what was replaced went */
    assert_string_equal(opened(f).contact.email.s, "m1@example.org");
    unsigned so_far = confirmed(f);
    f->all_ends = true;
    revoked(f, f->member, f->grant);
    both(f);
    turned(f); /* run_host: nothing of hers is left when it is confirmed */
    assert_int_equal(rows(f), 0);
    assert_int_equal(test_table_rows(vault_db(f->host.vault), TABLE_RECEIVED_BY), 0);
    assert_int_equal(capsules_here(f), before - 2);
    assert_int_equal(confirmed(f), so_far + 1);
    f->seen = (struct guests_seen){0}; /* a start */
    turned(f);
    assert_int_equal(confirmed(f), so_far + 1);
}

/* Before each commit in turn; or, late, right after the second of each turn: what is owed is noted again, then one more part of it is destroyed. */
static void
stopped_everywhere(struct fixture *f, bool late)
{
    struct err err;
    passes_come_and_go(f, SOME);
    both(f);
    turned(f);
    granted(f, f->other);
    both(f);
    turned(f);
    size_t others = kept_of(f, &f->other, 0);
    unsigned so_far = confirmed(f), tries = 0;
    f->all_ends = true;
    f->fails_late = late;
    remember_row(f);
    assert_true(is_in_vault_file(f));
    revoked(f, f->member, f->grant);
    both(f);
    int rc = -1;
    for (f->fail_at = late ? 2 : 1; rc != 0; f->fail_at += !late, tries++) {
        rc = turn(f, &err);
        if (rc != 0 && kept_of(f, &f->member, 0) > 0)
            assert_int_equal(confirmed(f), so_far);
        if (rc != 0 && (late || f->fail_at % 2 == 0))
            f->seen = (struct guests_seen){0}; /* the process ended */
        assert_true(tries < 32);
    }
    assert_true(tries > 2);
    assert_int_equal(kept_of(f, &f->member, 0), 0);
    assert_int_equal(kept_of(f, &f->other, 0), others);
    assert_int_equal(confirmed(f), so_far + 1);
}

static void
whatever_stops_it_between_it_is_confirmed_once_and_not_before(void **state)
{
    stopped_everywhere(*state, false);
}

static void
whatever_ends_the_process_after_a_commit_the_file_is_rewritten_before_it_is_confirmed(void **state)
{
    stopped_everywhere(*state, true);
}

static void
of_two_grants_the_one_that_stands_keeps_its_keys(void **state)
{
    struct fixture *f = *state;
    struct subject_id second = granted(f, f->member);
    passes_come_and_go(f, 3);
    both(f);
    turned(f);
    size_t all = kept_of(f, &f->member, 0);
    revoked(f, f->member, second);
    both(f);
    turned(f);
    assert_true(kept_of(f, &f->member, 0) < all);
    assert_true(kept_of(f, &f->member, CLASS_ACTIVITY) > 0);
    assert_string_equal(opened(f).contact.email.s, "m1@example.org");
}

/* ---- between ---- */

static struct api_result
acts(struct fixture *f, bool proposes)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    if (proposes) {
        op->kind = OP_PROPOSE;
        op->propose = (struct guest_proposal){.home = f->home.identity.unit, .member = f->member};
        snprintf(op->propose.contact.email.s, sizeof(op->propose.contact.email.s), "new@example.org");
    } else {
        struct command_ctx ctx = {.vault = f->host.vault, .unit = f->host.identity.unit};
        struct activity_request *q = &op->activity.request;
        op->kind = OP_ACTIVITY;
        *q = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                       .has_unit = true,
                                       .unit = f->home.identity.unit,
                                       .member = f->member,
                                       .effective = DATE_NONE,
                                       .has_sector = true,
                                       .sector = 2,
                                       .has_office = true};
        assert_int_equal(db_begin_read(f->host.db, &ctx.txn, &err), 0);
        assert_int_equal(office_find(&ctx, "Gent", &q->office, &err), 0);
        db_abort(&ctx.txn);
        snprintf(op->activity.office_text, sizeof(op->activity.office_text), "Gent");
    }
    if (test_node_exec(&f->host, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    return ret;
}

static void
once_the_revocation_is_applied_nothing_is_done_with_the_keys_that_are_still_here(void **state)
{
    struct fixture *f = *state;
    passes_come_and_go(f, 2);
    both(f);
    turned(f);
    for (int proposes = 0; proposes < 2; proposes++) {
        struct api_result r = acts(f, proposes != 0);
        if (r.err.code != 0)
            fail_msg("%s: %s", r.err.field, r.err.text);
    }
    revoked(f, f->member, f->grant);
    both(f);
    assert_true(kept_of(f, &f->member, CLASS_ACTIVITY) > 0); /* no turn yet */
    for (int proposes = 0; proposes < 2; proposes++) {
        struct api_result r = acts(f, proposes != 0);
        assert_int_equal(r.err.code, ERR_CONFLICT);
        assert_string_equal(r.err.field, "member");
    }
}

/* ---- too many ---- */

static void
fill(struct fixture *f, size_t up_to)
{
    struct received_key *keys = calloc(RECEIVED_MAX, sizeof(*keys));
    struct received_filter filter = {.class = CLASS_ACTIVITY, .on = DATE_NONE};
    struct received_key like;
    struct err err = {0};
    size_t n = up_to - kept_of(f, &f->member, 0);
    assert_non_null(keys);
    assert_int_equal(received_newest(f->host.vault, &f->member, &filter, &like, &err), 0);
    for (size_t i = 0; i < n; i++) {
        keys[i] = like;
        keys[i].generation = 100000 + (uint32_t)i;
        memcpy(keys[i].key.b, &i, sizeof(i));
    }
    assert_int_equal(received_put(f->host.vault, keys, n, &err), 0);
    free(keys);
}

static void
a_member_with_too_many_keys_holds_up_nobody_and_is_said(void **state)
{
    struct fixture *f = *state;
    fill(f, RECEIVED_MAX);
    granted(f, f->member); /* a second one: nothing of the first is given again, or replaced */
    granted(f, f->other);
    both(f);
    turned(f);
    assert_int_equal(f->refused, 1);
    assert_true(kept_of(f, &f->other, CLASS_ACTIVITY) > 0);
    assert_int_equal(kept_of(f, &f->member, 0), RECEIVED_MAX);
    assert_int_equal(test_table_rows(f->host.db, TABLE_ARRIVED), 0);
    turned(f);
    assert_int_equal(f->refused, 1); /* not tried for ever */
}

static void
keys_that_were_replaced_make_room_for_new_ones(void **state)
{
    struct fixture *f = *state;
    passes_come_and_go(f, SOME);
    both(f);
    turned(f);
    size_t contacts = kept_of(f, &f->member, CLASS_CONTACT);
    assert_true(contacts > SOME);
    fill(f, RECEIVED_MAX);
    size_t of_work = kept_of(f, &f->member, CLASS_ACTIVITY);
    passes_come_and_go(f, 2);
    both(f);
    turned(f);
    assert_int_equal(f->refused, 0);
    assert_true(kept_of(f, &f->member, CLASS_CONTACT) < 8);
    assert_int_equal(kept_of(f, &f->member, CLASS_ACTIVITY), of_work + 2); /* what was done here stays readable */
    assert_string_equal(opened(f).contact.email.s, "m1@example.org");
    assert_string_equal(opened(f).identity.given_name.s, "Bram");
    passes_come_and_go(f, 1);
    both(f);
    turned(f);
    assert_string_equal(opened(f).contact.email.s, "m1@example.org");
    assert_int_equal(acts(f, true).err.code, 0);
}

/* ---- stopping ---- */

static void
a_stop_is_heard_within_the_walk(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    uint64_t n = 0;
    passes_come_and_go(f, SOME);
    both(f);
    turned(f);
    f->ops = f->asked = 0;
    assert_int_equal(guests_sweep(&f->g, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(f->ops, 0); /* nothing is written where nothing has ended */
    assert_true(f->asked > SOME);
    unsigned all = f->asked;
    for (f->stop_at = 1; f->stop_at < all; f->stop_at += SOME / 2) {
        f->asked = 0;
        assert_int_equal(guests_sweep(&f->g, &n, &err), ERR_UNAVAILABLE);
        assert_int_equal(f->asked, f->stop_at);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(of_four_hundred_generations_nothing_is_left_when_it_is_confirmed),
        T(whatever_stops_it_between_it_is_confirmed_once_and_not_before),
        T(whatever_ends_the_process_after_a_commit_the_file_is_rewritten_before_it_is_confirmed),
        T(of_two_grants_the_one_that_stands_keeps_its_keys),
        T(once_the_revocation_is_applied_nothing_is_done_with_the_keys_that_are_still_here),
        T(a_member_with_too_many_keys_holds_up_nobody_and_is_said),
        T(keys_that_were_replaced_make_room_for_new_ones),
        T(a_stop_is_heard_within_the_walk),
#undef T
    };
    return cmocka_run_group_tests_name("guests", tests, NULL, NULL);
}
