/* The one writer without its thread: what a group leaves behind when it is refused, fails, is aborted, or is followed by a crash;
 * idempotency keys, successors, the day's escrow key, the clock, and a vault that is older than the data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/api/idem.h"
#include "node/host/netreads.h"
#include "node/host/ownlog.h"
#include "storage/changes.h"
#include "tests/support/node.h"

static const struct actor_id ACTOR = {{0xAC}};

static int
setup(void **state)
{
    struct test_node *n = calloc(1, sizeof(*n));
    assert_non_null(n);
    test_node_make(n);
    *state = n;
    return 0;
}

static int
teardown(void **state)
{
    test_node_remove(*state);
    free(*state);
    db_fail_after(0);
    return 0;
}

static struct api_op *
admission(unsigned i)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    test_node_admission(op, i);
    return op;
}

static void
set_key(struct api_op *op, uint8_t key, uint8_t request)
{
    op->idempotent = true;
    memset(op->idem_key.b, key, sizeof(op->idem_key.b));
    memset(op->request_hash.b, request, sizeof(op->request_hash.b));
}

/* ---- idempotency ---- */

static void
test_same_key_is_answered_again(void **state)
{
    struct test_node *n = *state;
    struct api_op *a = admission(1), *b = admission(1);
    struct err err = {0};
    set_key(a, 1, 1);
    set_key(b, 1, 1);
    assert_int_equal(test_node_exec(n, a, &err), 0);
    assert_int_equal(test_node_exec(n, b, &err), 0);
    assert_true(b->result.replayed);
    assert_int_equal(b->result.status, 201);
    assert_memory_equal(&b->result.position, &a->result.position, sizeof(a->result.position));
    assert_true(b->result.has_subject);
    assert_memory_equal(&b->result.subject, &a->result.subject, sizeof(a->result.subject));
    assert_int_equal(test_table_rows(n->db, TABLE_MEMBERS), 1);
    free(a);
    free(b);
}

/* The first of the two is not stored yet: the answer must be the same all the same. */
static void
test_same_key_in_one_group(void **state)
{
    struct test_node *n = *state;
    struct api_op *a = admission(1), *b = admission(1);
    struct err err = {0};
    set_key(a, 1, 1);
    set_key(b, 1, 1);
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(engine_exec(n->engine, &ACTOR, a, &err), 0);
    assert_int_equal(engine_exec(n->engine, &ACTOR, b, &err), 0);
    assert_int_equal(engine_commit(n->engine, &err), 0);
    assert_true(b->result.replayed);
    assert_memory_equal(&b->result.position, &a->result.position, sizeof(a->result.position));
    assert_true(b->result.has_subject);
    assert_memory_equal(&b->result.subject, &a->result.subject, sizeof(a->result.subject));
    free(a);
    free(b);
}

static void
test_same_key_for_another_request_is_refused(void **state)
{
    struct test_node *n = *state;
    struct api_op *a = admission(1), *b = admission(2);
    struct err err = {0};
    set_key(a, 1, 1);
    set_key(b, 1, 2);
    assert_int_equal(test_node_exec(n, a, &err), 0);
    assert_int_equal(test_node_exec(n, b, &err), 0);
    assert_int_equal(b->result.err.code, ERR_EXISTS);
    assert_string_equal(b->result.err.field, "idempotency-key");
    assert_int_equal(test_table_rows(n->db, TABLE_MEMBERS), 1);
    free(a);
    free(b);
}

static void
test_keys_expire_and_not_by_a_clock_in_1970(void **state)
{
    struct test_node *n = *state;
    struct api_op *a = admission(1);
    struct err err = {0};
    size_t expired = 9;
    int64_t now = n->now_ms;
    set_key(a, 1, 1);
    assert_int_equal(test_node_exec(n, a, &err), 0);
    n->now_ms = 5000;
    assert_int_equal(engine_expire(n->engine, 256, &expired, &err), 0);
    assert_int_equal(expired, 0);
    n->now_ms = now + IDEM_KEPT_MS + 1;
    assert_int_equal(engine_expire(n->engine, 256, &expired, &err), 0);
    assert_int_equal(expired, 1);
    assert_int_equal(test_table_rows(n->db, TABLE_IDEMPOTENCY), 0);
    assert_int_equal(test_table_rows(n->db, TABLE_IDEM_TIME), 0);
    free(a);
}

/* ---- what leaves nothing ---- */

static void
test_refused_leaves_nothing(void **state)
{
    struct test_node *n = *state;
    struct api_op *op = admission(1);
    struct err err = {0};
    struct hash before = test_db_digest(n->db);
    snprintf(op->member.office_text, sizeof(op->member.office_text), "Nowhere");
    set_key(op, 1, 1);
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_NOTFOUND);
    struct hash after = test_db_digest(n->db);
    assert_memory_equal(&before, &after, sizeof(before));
    free(op);
}

static void
test_abort_forgets(void **state)
{
    struct test_node *n = *state;
    struct api_op *op = admission(1);
    struct err err = {0};
    bool urgent;
    struct log_row before = test_node_log(n);
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(engine_exec(n->engine, &ACTOR, op, &err), 0);
    engine_abort(n->engine);
    struct log_row after = test_node_log(n);
    assert_int_equal(after.head_seq, before.head_seq);
    assert_false(engine_vault_pending(n->engine, &urgent));
    assert_int_equal(test_table_rows(n->db, TABLE_MEMBERS), 0);
    test_node_admit(n, 1);
    assert_int_equal(test_table_rows(n->db, TABLE_MEMBERS), 1);
    test_node_check(n);
    free(op);
}

/* Disk or map full at every single step, of main and of the vault: nothing of the group is there, and the node goes on. */
static void
test_full_at_every_step(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    int failures = 0;
    for (unsigned i = 1;; i++) {
        struct api_op *op = admission(i);
        struct hash before = test_db_digest(n->db);
        db_fail_after(i);
        int rc = test_node_exec(n, op, &err);
        db_fail_after(0);
        bool done = rc == 0 && op->result.err.code == ERR_NONE;
        free(op);
        if (done)
            break;
        failures++;
        assert_int_equal(rc, ERR_FULL);
        struct hash after = test_db_digest(n->db);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_true(i < 500);
    }
    assert_true(failures > 10);
    assert_int_equal(test_table_rows(n->db, TABLE_MEMBERS), 1);
    test_node_check(n);
    test_node_close(n);
    test_node_open(n);
    test_node_admit(n, 999);
    test_node_check(n);
}

/* ---- the vault follows ---- */

static void
assert_found(struct test_node *n, const char *text, struct subject_id subject)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct err err = {0};
    size_t n_tokens = 0;
    assert_int_equal(index_query(n->vault, text, tokens, &n_tokens, &err), 0);
    for (size_t i = 0; i < n_tokens; i++) {
        bool there = false;
        assert_int_equal(vault_index_has(n->vault, tokens[i].token, &subject, &there, &err), 0);
        assert_true(there);
    }
}

static void
test_start_completes_the_vault(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    struct subject_id first = test_node_admit(n, 1); /* its keys' pool and the day's escrow are in the vault now */
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    struct subject_id second = test_node_admit(n, 2);
    struct log_row log = test_node_log(n);
    struct hash without = test_db_digest(vault_db(n->vault));
    test_node_close(n); /* a crash between the two commits */
    test_node_open(n);
    struct hash with = test_db_digest(vault_db(n->vault));
    assert_memory_not_equal(&without, &with, sizeof(with));
    assert_found(n, "m1@example.org", first);
    assert_found(n, "m2@example.org", second);
    /* The key capsule, byte for byte: it has the hash that the header committed to. */
    struct db_txn *txn = NULL;
    struct stored_event ev;
    struct event_header h;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_event(txn, log.no, log.head_seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    db_abort(&txn);
    int keys = 0;
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        if (h.capsules[i].class != CLASS_KEY)
            continue;
        struct position at = {.log = log.id, .seq = h.seq};
        struct buf out;
        buf_init(&out, CAPSULE_BYTES_MAX);
        assert_int_equal(vault_capsule_get(n->vault, &at, i, &out, &err), 0);
        struct hash hash = capsule_hash(buf_slice(&out));
        assert_memory_equal(&hash, &h.capsules[i].hash, sizeof(hash));
        buf_free(&out);
        keys++;
    }
    assert_int_equal(keys, 1);
    uint64_t followed = 0;
    assert_int_equal(vault_index_cursor(n->vault, log.no, &followed, &err), 0);
    assert_int_equal(followed, log.head_seq);
}

static uint64_t
slot_of(struct test_node *n, struct subject_id subject)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    uint32_t generation = 0;
    uint64_t slot = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(keyslot_find(txn, &subject, &generation, &slot, &err), 0);
    db_abort(&txn);
    return slot;
}

/* A vault from before: the numbers of its pool are used up by rows that it does not know. */
static void
test_older_vault_gives_no_slot_twice(void **state)
{
    struct test_node *n = *state;
    char path[TEST_PATH_MAX], from[TEST_PATH_MAX + 32], to[TEST_PATH_MAX + 32];
    struct err err = {0};
    struct slot_keys keys;
    test_dir_make(path);
    assert_int_equal(db_copy(vault_db(n->vault), path, &err), 0);
    struct subject_id first = test_node_admit(n, 1);
    uint64_t used = slot_of(n, first);
    test_node_close(n);
    snprintf(from, sizeof(from), "%s/data.mdb", path);
    snprintf(to, sizeof(to), "%s/vault/data.mdb", n->dir);
    assert_int_equal(rename(from, to), 0);
    test_node_open(n);
    assert_int_equal(vault_slot(n->vault, used, &keys, &err), ERR_NOTFOUND);
    struct subject_id second = test_node_admit(n, 2);
    assert_int_not_equal(slot_of(n, second), used);
    assert_true(slot_of(n, second) > used);
    test_node_check(n);
    test_dir_remove(path);
}

/* ---- the own log ---- */

static void
test_start_opens_a_successor(void **state)
{
    struct test_node *n = *state;
    struct log_row before = test_node_log(n), after;
    test_node_close(n);
    test_node_open(n);
    assert_false(engine_own_log(n->engine, &after));
    test_node_admit(n, 1);
    after = test_node_log(n);
    assert_memory_not_equal(&after.id, &before.id, sizeof(after.id));
    assert_int_equal(after.n_predecessors, 1);
    assert_memory_equal(&after.predecessors[0].log, &before.id, sizeof(before.id));
    assert_int_equal(after.predecessors[0].seq, before.head_seq);
    assert_memory_equal(&after.predecessors[0].chain, &before.head_chain, sizeof(before.head_chain));
    test_node_check(n);
}

enum { TAILS = 20 };

/* A second machine with the same disk opened an office and admitted a member there, and was never seen again but for its log. */
static struct subject_id
tail(struct test_node *n, unsigned i)
{
    struct test_node other = {0};
    struct err err = {0};
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    test_node_make(&other);
    other.random = 1000 + i; /* up to here the same bytes */
    test_node_close(&other);
    test_node_open(&other);
    *op = (struct api_op){.kind = OP_OFFICE_OPEN, .status_on_success = 201};
    op->office.facts = (struct office_facts){.city = {"Gent"}, .country = "BE"};
    snprintf(op->office.facts.name.s, sizeof(op->office.facts.name.s), "Office %u", i);
    op->office.effective = (struct civil_date){TEST_NODE_TODAY - 10};
    if (test_node_exec(&other, op, &err) != 0 || op->result.err.code != ERR_NONE)
        fail_msg("%s %s", err.text, op->result.err.text);
    test_node_admission(op, i);
    snprintf(op->member.office_text, sizeof(op->member.office_text), "Office %u", i);
    assert_int_equal(test_node_exec(&other, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_NONE);
    struct subject_id member = op->result.subject;
    assert_true(test_node_carry(&other, n) > 0);
    test_node_remove(&other);
    free(op);
    return member;
}

static struct err
resign(struct test_node *n, struct subject_id member)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    *op = (struct api_op){.kind = OP_MEMBER, .status_on_success = 200};
    op->member.request.action = ACTION_RESIGN;
    op->member.request.has_subject = true;
    op->member.request.subject = member;
    op->member.request.effective = (struct civil_date){TEST_NODE_TODAY};
    if (test_node_exec(n, op, &err) == 0)
        err = op->result.err;
    free(op);
    return err;
}

static size_t
own_tips(struct test_node *n)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    struct head *heads = NULL;
    size_t count = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_tips(txn, &n->identity.unit, &heads, &count, &err), 0);
    db_abort(&txn);
    free(heads);
    return count;
}

/* A first event names 8 logs. What lies in the others is relied upon all the same, so it has to come into the past of what is written. */
static void
test_more_tips_than_a_log_can_name_are_all_followed(void **state)
{
    struct test_node *n = *state, peer = {0};
    struct subject_id members[TAILS];
    struct err err = {0};
    for (unsigned i = 0; i < TAILS; i++)
        members[i] = tail(n, i);
    assert_int_equal(own_tips(n), TAILS);
    assert_int_equal(engine_begin(n->engine, &err), 0);
    for (unsigned i = 0; i < TAILS; i++) {
        struct api_op *op = admission(100 + i);
        snprintf(op->member.office_text, sizeof(op->member.office_text), "Office %u", i);
        assert_int_equal(engine_exec(n->engine, &ACTOR, op, &err), 0);
        assert_int_equal(op->result.err.code, ERR_NONE);
        free(op);
    }
    assert_int_equal(engine_commit(n->engine, &err), 0);
    assert_true(engine_logs_changed(n->engine)); /* the exchange is told of those that lie between, once */
    for (unsigned i = 0; i < TAILS; i++) {
        err = resign(n, members[i]);
        assert_int_equal(err.code, ERR_NONE);
    }
    assert_false(engine_logs_changed(n->engine));
    assert_int_equal(own_tips(n), 1);
    assert_int_equal(test_table_rows(n->db, TABLE_CONFLICTS), 0);
    assert_int_equal(test_node_log(n).n_predecessors, 6); /* 20 = 8 + 7 + 5, and the one before */
    test_node_check(n);
    /* Whoever gets the logs comes to the same. */
    test_node_make_as(&peer, "NL", 2);
    (void)test_node_carry(n, &peer);
    test_node_check(&peer);
    assert_int_equal(test_table_rows(peer.db, TABLE_MEMBERS), test_table_rows(n->db, TABLE_MEMBERS));
    assert_int_equal(test_table_rows(peer.db, TABLE_CONFLICTS), 0);
    assert_int_equal(test_table_rows(peer.db, TABLE_WAITING), 0);
    test_node_remove(&peer);
    /* A start follows the one log that is left. */
    test_node_close(n);
    test_node_open(n);
    test_node_admit(n, 200);
    assert_int_equal(test_node_log(n).n_predecessors, 1);
    test_node_check(n);
}

/* Where room gives out on the way, nothing is left of the logs that lie between. */
static void
test_logs_between_tips_are_opened_with_their_group_or_not_at_all(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    for (unsigned i = 0; i < 10; i++)
        (void)tail(n, i);
    struct hash before = test_db_digest(n->db);
    assert_int_equal(engine_begin(n->engine, &err), 0);
    struct api_op *op = admission(100);
    assert_int_equal(engine_exec(n->engine, &ACTOR, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_NONE);
    engine_abort(n->engine);
    free(op);
    struct hash after = test_db_digest(n->db);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_false(engine_logs_changed(n->engine));
    test_node_admit(n, 101);
    assert_int_equal(own_tips(n), 1);
    assert_true(engine_logs_changed(n->engine));
    test_node_check(n);
}

static int
count_kind(struct test_node *n, uint16_t kind)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    uint32_t logs = 0;
    int found = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &logs, &err), 0);
    for (uint32_t no = 1; no <= logs; no++) {
        struct evlog_iter it;
        struct stored_event ev;
        struct event_header h;
        assert_int_equal(evlog_iter_init(&it, txn, no, 1, &err), 0);
        while (evlog_iter_next(&it, &ev, &err) == 0) {
            assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
            found += h.kind == kind;
        }
        evlog_iter_release(&it);
    }
    db_abort(&txn);
    return found;
}

static void
test_one_escrow_key_a_day(void **state)
{
    struct test_node *n = *state;
    test_node_admit(n, 1);
    test_node_admit(n, 2);
    assert_int_equal(count_kind(n, KIND_ESCROW_OPENED), 1);
    test_node_close(n);
    test_node_open(n);
    test_node_admit(n, 3);
    assert_int_equal(count_kind(n, KIND_ESCROW_OPENED), 1);
    n->today++;
    n->now_ms += 86400000;
    test_node_admit(n, 4);
    assert_int_equal(count_kind(n, KIND_ESCROW_OPENED), 2);
}

static void
test_clock_back_is_refused(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    struct api_op *op = admission(1);
    n->now_ms -= ENGINE_CLOCK_BACK_MS + 1000;
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_UNAVAILABLE);
    test_node_close(n); /* the same when the last event is another process's */
    test_node_open(n);
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_UNAVAILABLE);
    test_node_close(n);
    n->allow_clock_back = true;
    test_node_open(n);
    test_node_admit(n, 1);
    test_node_check(n);
    free(op);
}

/* Evidence against the log that is being written: it ends where it stands, and the unit goes on writing in another. */
static void
test_frozen_own_log_is_not_written_on(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    struct log_row before = test_node_log(n), stored;
    struct db_txn *txn = NULL;
    assert_int_equal(engine_freeze(n->engine, &before.id, slice_of("proof", 5), &err), 0);
    test_node_admit(n, 1);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &before.id, &stored, &err), 0);
    db_abort(&txn);
    assert_int_equal(stored.state, LOG_FROZEN);
    assert_int_equal(stored.head_seq, before.head_seq);
    struct log_row after = test_node_log(n);
    assert_memory_not_equal(&after.id, &before.id, sizeof(after.id));
}

/* ---- runs ---- */

static bool
append(struct test_node *n, const struct run *run, const struct chain_value *chain, const struct test_log *log)
{
    struct err err = {0};
    bool stored = false, first = run->first == 1;
    assert_int_equal(engine_begin(n->engine, &err), 0);
    int rc =
        engine_append(n->engine, run, chain, first ? &log->opened : NULL, first ? &log->first : NULL, &stored, &err);
    if (rc != 0)
        fail_msg("%s", err.text);
    assert_int_equal(engine_commit(n->engine, &err), 0);
    return stored;
}

static void
test_a_run_twice_is_held_and_a_gap_is_not(void **state)
{
    struct test_node *n = *state;
    struct test_unit unit;
    struct test_log log;
    struct run run;
    struct chain_value chain;
    test_unit_make(&unit, "NL", 2);
    test_log_start(&log, &unit, 1, NULL, 0);
    test_log_seal(&log, &run, &chain);
    assert_true(append(n, &run, &chain, &log));
    struct hash before = test_db_digest(n->db);
    assert_true(append(n, &run, &chain, &log));
    struct hash after = test_db_digest(n->db);
    assert_memory_equal(&before, &after, sizeof(before));
    chain.b[0] ^= 1;
    assert_false(append(n, &run, &chain, &log));
    test_log_filler(&log);
    test_log_seal(&log, &run, &chain);
    test_log_filler(&log);
    test_log_seal(&log, &run, &chain); /* the one before is missing */
    assert_false(append(n, &run, &chain, &log));
    test_log_release(&log);
    test_node_check(n);
}

/* A clone went on from the history that a root statement cuts off: what it wrote counts with the statement, which comes in the own log. It is
 * in the rows from then on, and has to be in the past of what is written next. */
static void
test_what_counts_with_a_statement_of_the_own_log_is_followed(void **state)
{
    struct test_node *n = *state;
    struct err err = {0};
    struct identity_offline offline;
    struct identity same = n->identity;
    struct sign_public root_key;
    struct sign_secret root;
    struct test_unit unit;
    struct test_log log;
    struct run run;
    struct chain_value chain;
    uint64_t seed = 1; /* of test_node_make */
    assert_int_equal(identity_create(&same, test_draw, &seed, &offline, &err), 0);
    assert_memory_equal(&same.root_key, &n->identity.root_key, sizeof(same.root_key));
    crypto_keypair_sign(offline.root_seed, &root_key, &root);
    struct log_row forked = test_node_log(n);
    test_unit_make(&unit, "BE", 9);
    unit.id = n->identity.unit;
    struct log_predecessor elsewhere = {.log = forked.id, .seq = forked.head_seq + 2, .chain = {{7}}};
    test_log_start(&log, &unit, 1, &elsewhere, 1);
    struct event_payload p = {.kind = KIND_OFFICE_OPENED};
    p.common.has_subject = p.common.has_effective = true;
    p.common.subject = (struct subject_id){{0x0F}};
    p.common.effective = (struct civil_date){TEST_NODE_TODAY - 10};
    p.office = (struct office_facts){.name = {"Elsewhere"}, .city = {"Gent"}, .country = "BE"};
    (void)test_log_event(&log, &p, NULL, 0);
    test_log_seal(&log, &run, &chain);
    assert_true(append(n, &run, &chain, &log));
    test_node_close(n);
    test_node_open(n);
    struct api_op *op = admission(1);
    snprintf(op->member.office_text, sizeof(op->member.office_text), "Elsewhere");
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_NOTFOUND); /* it waits for a history that is not held */
    struct standing_position at = {.log = forked.id, .seq = forked.head_seq, .chain = forked.head_chain};
    struct root_statement st = {.serial = 1, .n_standing = 1, .standing = &at};
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(engine_open_log(n->engine, &st, &root, &err), 0);
    assert_int_equal(engine_commit(n->engine, &err), 0);
    assert_false(engine_rebuild_wanted(n->engine));
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(op->result.err.code, ERR_NONE);
    assert_int_equal(test_node_log(n).n_predecessors, 2);
    free(op);
    test_log_release(&log);
}

struct kept {
    size_t n;
    struct log_id log;
    size_t len;
};

static void
note_proof(void *arg, const struct log_id *log, struct slice proof)
{
    struct kept *k = arg;
    k->n++;
    k->log = *log;
    k->len = proof.len;
}

static struct kept
proofs_kept(struct test_node *n)
{
    struct kept k = {0};
    struct err err = {0};
    struct db_txn *txn = NULL;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(netreads_proofs(txn, note_proof, &k, &err), 0);
    db_abort(&txn);
    return k;
}

static void
test_a_log_whose_proof_came_first_is_frozen_from_its_start(void **state)
{
    struct test_node *n = *state;
    struct test_unit unit;
    struct test_log log;
    struct run run;
    struct chain_value chain;
    struct log_row row;
    struct sync_log held;
    struct db_txn *txn = NULL;
    struct buf proof;
    struct err err = {0};
    test_unit_make(&unit, "NL", 2);
    test_log_start(&log, &unit, 1, NULL, 0);
    test_log_seal(&log, &run, &chain);
    assert_int_equal(engine_freeze(n->engine, &log.id, slice_of("proof", 5), &err), 0);
    test_node_close(n);
    test_node_open(n);
    struct kept k = proofs_kept(n);
    assert_int_equal(k.n, 1);
    assert_int_equal(k.len, 5);
    assert_memory_equal(&k.log, &log.id, sizeof(k.log));
    assert_true(append(n, &run, &chain, &log));
    test_log_filler(&log);
    test_log_seal(&log, &run, &chain);
    assert_false(append(n, &run, &chain, &log));
    assert_int_equal(proofs_kept(n).n, 0); /* from now on it comes with the log */
    buf_init(&proof, MESSAGE_BYTES_MAX);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &log.id, &row, &err), 0);
    assert_int_equal(netreads_log(txn, &row, &held, &proof, &err), 0);
    db_abort(&txn);
    assert_true(held.frozen);
    assert_int_equal(held.head_seq, 1);
    assert_int_equal(held.proof.len, 5);
    buf_free(&proof);
    test_log_release(&log);
    test_node_check(n);
}

/* ---- the list of changes ---- */

static void
test_start_lists_what_an_earlier_release_applied(void **state)
{
    struct test_node *n = *state;
    struct changes_mark before, after;
    struct db_txn *txn;
    struct err err;
    for (unsigned i = 1; i <= 3; i++)
        test_node_admit(n, i);
    struct log_row row = test_node_log(n);
    assert_int_equal(db_begin_write(n->db, &txn, &err), 0);
    assert_int_equal(changes_end(txn, &before, &err), 0);
    assert_int_equal(before.number, row.head_seq);
    assert_int_equal(db_clear(txn, TABLE_CHANGES, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_CHANGES_UPTO, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    test_node_close(n);
    test_node_open(n);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(changes_end(txn, &after, &err), 0);
    db_abort(&txn);
    assert_memory_equal(&after, &before, sizeof(after));
    test_node_check(n);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_same_key_is_answered_again),
        T(test_same_key_in_one_group),
        T(test_same_key_for_another_request_is_refused),
        T(test_keys_expire_and_not_by_a_clock_in_1970),
        T(test_refused_leaves_nothing),
        T(test_abort_forgets),
        T(test_full_at_every_step),
        T(test_start_completes_the_vault),
        T(test_older_vault_gives_no_slot_twice),
        T(test_start_opens_a_successor),
        T(test_more_tips_than_a_log_can_name_are_all_followed),
        T(test_logs_between_tips_are_opened_with_their_group_or_not_at_all),
        T(test_one_escrow_key_a_day),
        T(test_clock_back_is_refused),
        T(test_frozen_own_log_is_not_written_on),
        T(test_a_run_twice_is_held_and_a_gap_is_not),
        T(test_what_counts_with_a_statement_of_the_own_log_is_followed),
        T(test_start_lists_what_an_earlier_release_applied),
        T(test_a_log_whose_proof_came_first_is_frozen_from_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
