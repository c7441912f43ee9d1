/* New keys by the root key: rotation, revocation, the end of a fork. Nodes are engines over real environments; what the exchange
 * does is done by hand: every run that one holds and another lacks is verified and appended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/host/rekey.h"
#include "proto/verify.h"
#include "tests/support/node.h"

enum { FEED_ROUNDS = 8 };

struct home {
    char dir[TEST_PATH_MAX], data[TEST_PATH_MAX + 8];
    struct datadir d;
    struct engine *engine;
    struct identity_offline offline;
};

/* ---- a node with a data directory ---- */

static void
home_start(struct home *h)
{
    struct err err = {0};
    if (datadir_open(h->data, DATADIR_WRITER, &h->d, &err) != 0 || datadir_engine(&h->d, &h->engine, &err) != 0)
        fail_msg("%s", err.text);
}

static void
home_stop(struct home *h)
{
    engine_free(&h->engine);
    datadir_close(&h->d);
}

static void
open_office(struct engine *e, const char *name)
{
    static const struct actor_id actor = {{0xAC}};
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_OFFICE_OPEN;
    op->office.effective = (struct civil_date){10000};
    op->office.facts = (struct office_facts){.country = "BE"};
    snprintf(op->office.facts.name.s, sizeof(op->office.facts.name.s), "%s", name);
    snprintf(op->office.facts.city.s, sizeof(op->office.facts.city.s), "%s", name);
    int rc = engine_begin(e, &err);
    if (rc == 0)
        rc = engine_exec(e, &actor, op, &err);
    if (rc == 0)
        rc = engine_commit(e, &err);
    if (rc != 0 || op->result.err.code != ERR_NONE)
        fail_msg("%s %s", err.text, op->result.err.text);
    free(op);
}

static void
home_make(struct home *h)
{
    struct config config;
    struct identity id = {.production = false};
    struct err err = {0};
    *h = (struct home){0};
    test_dir_make(h->dir);
    snprintf(h->data, sizeof(h->data), "%s/data", h->dir);
    config_defaults(&config);
    config.map_gib = config.vault_map_gib = 1;
    snprintf(id.unit_code, sizeof(id.unit_code), "BE");
    snprintf(id.unit_name.s, sizeof(id.unit_name.s), "Imaginaria");
    snprintf(id.federation_name.s, sizeof(id.federation_name.s), "Test");
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(identity_create(&id, random_fill, NULL, &h->offline, &err), 0);
    assert_int_equal(datadir_create(h->data, &config, &id, &err), 0);
    home_start(h);
    open_office(h->engine, "Gent");
    open_office(h->engine, "Brugge");
}

static void
home_remove(struct home *h)
{
    home_stop(h);
    test_dir_remove(h->dir);
}

/* What `smartnode rekey` does, on the stopped node. */
static int
home_rekey(struct home *h, const struct rekey_options *o, struct rekey_plan *ret, struct err *err)
{
    engine_free(&h->engine);
    int rc = rekey_plan(h->d.db, &h->d.identity, o, ret, err);
    if (rc == 0)
        rc = rekey_do(&h->d, ret, h->offline.root_seed, NULL, NULL, err);
    home_stop(h);
    home_start(h);
    return rc;
}

/* ---- the exchange ---- */

static bool
append(struct engine *e, const struct log_row *row, const struct run *run, struct db_txn *from, struct err *err)
{
    struct slice header, payload;
    struct reader r = reader_of(run->frames);
    struct event_header first;
    struct log_opened opened;
    struct chain_value before, after;
    bool stored = false, opens = run->first == 1;
    assert_int_equal(evlog_chain_at(from, row, run->first - 1, &before, err), 0);
    if (opens) {
        assert_true(event_frame_next(&r, &header, &payload));
        assert_int_equal(verify_first_event(&run->log, header, payload, &first, &opened, err), 0);
    }
    assert_int_equal(verify_run(run, &before, &row->signing_key, &after, err), 0);
    int rc = engine_begin(e, err);
    if (rc == 0)
        rc = engine_append(e, run, &after, opens ? &opened : NULL, opens ? &first : NULL, &stored, err);
    if (rc == 0)
        rc = engine_commit(e, err);
    if (rc != 0)
        fail_msg("append: %s", err->text);
    return stored;
}

static void
rebuild_if_wanted(struct db *db, struct engine *e)
{
    struct err err = {0};
    if (!engine_rebuild_wanted(e))
        return;
    if (apply_rebuild(db, NULL, NULL, &err) != 0 || engine_reload(e, &err) != 0)
        fail_msg("rebuild: %s", err.text);
}

/* Where to go on at the other node; false if it takes nothing more of the log. */
static bool
next_of(struct db *to, const struct log_row *theirs, struct db_txn *from, uint64_t *ret)
{
    struct db_txn *txn = NULL;
    struct log_row ours;
    struct chain_value a, b;
    struct err err = {0};
    bool takes = true;
    *ret = 1;
    assert_int_equal(db_begin_read(to, &txn, &err), 0);
    if (evlog_find(txn, &theirs->id, &ours, &err) == 0) {
        *ret = ours.head_seq + 1;
        takes = ours.state == LOG_LIVE && ours.head_seq < theirs->head_seq;
        if (takes) {
            assert_int_equal(evlog_chain_at(txn, &ours, ours.head_seq, &a, &err), 0);
            assert_int_equal(evlog_chain_at(from, theirs, ours.head_seq, &b, &err), 0);
            takes = TYPE_EQ(&a, &b);
        }
    }
    db_abort(&txn);
    return takes;
}

static bool
feed_once(struct db *from, struct db *to, struct engine *e)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    struct buf bytes;
    uint32_t n = 0;
    bool any = false;
    buf_init(&bytes, RUN_BYTES_MAX);
    assert_int_equal(db_begin_read(from, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &n, &err), 0);
    for (uint32_t no = 1; no <= n; no++) {
        struct log_row row;
        struct run run;
        uint64_t next;
        assert_int_equal(evlog_get(txn, no, &row, &err), 0);
        while (next_of(to, &row, txn, &next)) {
            assert_int_equal(evlog_read(txn, &row, next, &bytes, &run, &err), 0);
            if (!append(e, &row, &run, txn, &err))
                break;
            any = true;
        }
    }
    db_abort(&txn);
    buf_free(&bytes);
    rebuild_if_wanted(to, e);
    return any;
}

static void
feed(struct db *from, struct db *to, struct engine *e)
{
    for (int i = 0; i < FEED_ROUNDS && feed_once(from, to, e); i++)
        ;
    while (engine_apply_pending(e)) {
        struct err err = {0};
        assert_int_equal(engine_apply_more(e, &err), 0);
    }
}

/* ---- looking ---- */

static struct log_row
row_of(struct db *db, const struct log_id *log)
{
    struct db_txn *txn = NULL;
    struct log_row row = {0};
    struct err err = {0};
    assert_int_equal(db_begin_read(db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, log, &row, &err), 0);
    db_abort(&txn);
    return row;
}

static struct log_row
last_log(struct db *db)
{
    struct db_txn *txn = NULL;
    struct log_row row = {0};
    struct err err = {0};
    uint32_t n = 0;
    assert_int_equal(db_begin_read(db, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &n, &err), 0);
    assert_int_equal(evlog_get(txn, n, &row, &err), 0);
    db_abort(&txn);
    return row;
}

static struct hash
state_of(struct db *db)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct db_txn *txn = NULL;
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(db_begin_read(db, &txn, &err), 0);
    assert_int_equal(state_fingerprints(txn, rows, &n, &err), 0);
    db_abort(&txn);
    return fingerprint_total(rows, n);
}

static void
assert_same_state(struct db *a, struct db *b)
{
    struct hash x = state_of(a), y = state_of(b);
    assert_memory_equal(&x, &y, sizeof(x));
}

static unsigned
offices(struct db *db)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice k, v;
    struct err err = {0};
    unsigned n = 0;
    assert_int_equal(db_begin_read(db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_OFFICES, &c, &err), 0);
    for (int rc = db_cursor_first(c, &k, &v, &err); rc == 0; rc = db_cursor_next(c, &k, &v, &err))
        n++;
    db_cursor_close(&c);
    db_abort(&txn);
    return n;
}

static void
peer_make(struct test_node *n, uint8_t seed)
{
    *n = (struct test_node){.now_ms = (int64_t)TEST_NODE_TODAY * 86400000, .today = TEST_NODE_TODAY, .random = seed};
    char path[TEST_PATH_MAX + 8];
    test_dir_make(n->dir);
    test_dir_make(n->scratch);
    snprintf(path, sizeof(path), "%s/main", n->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/vault", n->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    test_identity_make(&n->identity, "NL", seed);
    test_node_open(n);
}

/* ---- rotation ---- */

static void
test_rotation_replaces_the_key_file_and_all_goes_on(void **state)
{
    struct home h;
    struct test_node peer;
    struct rekey_options none = {0};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct identity now, old;
    struct err err = {0};
    struct stat st;
    char path[TEST_PATH_MAX + 64];
    (void)state;
    assert_non_null(plan);
    home_make(&h);
    struct identity before = h.d.identity;
    assert_int_equal(home_rekey(&h, &none, plan, &err), 0);
    assert_false(plan->has_statement);
    snprintf(path, sizeof(path), "%s/node.key", h.data);
    assert_int_equal(identity_load(path, &now, &err), 0);
    assert_int_equal(now.serial, 2);
    assert_false(TYPE_EQ(&now.signing_key, &before.signing_key));
    assert_false(TYPE_EQ(&now.exchange_key, &before.exchange_key));
    assert_true(TYPE_EQ(&now.transport_key, &before.transport_key));
    snprintf(path, sizeof(path), "%s/node.key.old", h.data);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(identity_load(path, &old, &err), 0);
    assert_true(TYPE_EQ(&old.signing_key, &before.signing_key));
    snprintf(path, sizeof(path), "%s/node.key.new", h.data);
    assert_int_not_equal(access(path, F_OK), 0);
    open_office(h.engine, "Luik");
    peer_make(&peer, 9);
    feed(h.d.db, peer.db, peer.engine);
    assert_int_equal(offices(peer.db), 3);
    assert_same_state(h.d.db, peer.db);
    test_node_check(&peer);
    /* and once more, over the .old that is there */
    assert_int_equal(home_rekey(&h, &none, plan, &err), 0);
    assert_int_equal(h.d.identity.serial, 3);
    test_node_remove(&peer);
    home_remove(&h);
    free(plan);
}

static void
test_another_root_key_is_refused(void **state)
{
    struct home h;
    struct rekey_options none = {0};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct err err = {0};
    (void)state;
    home_make(&h);
    struct log_row last = last_log(h.d.db);
    h.offline.root_seed[3] ^= 1;
    assert_int_equal(home_rekey(&h, &none, plan, &err), ERR_DENIED);
    assert_string_equal(err.text, "not the root key of this unit");
    assert_int_equal(h.d.identity.serial, 1);
    struct log_row now = last_log(h.d.db);
    assert_memory_equal(&now.id, &last.id, sizeof(last.id));
    home_remove(&h);
    free(plan);
}

static void
test_logs_are_named_without_doubt(void **state)
{
    struct home h;
    struct rekey_options o = {.n_resume = 1};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct err err = {0};
    char hex[2 * HASH_BYTES + 1];
    (void)state;
    home_make(&h);
    struct log_row row = last_log(h.d.db);
    hex_encode(row.id.b, HASH_BYTES, hex);
    o.resume[0].log = hex; /* not frozen */
    assert_int_equal(rekey_plan(h.d.db, &h.d.identity, &o, plan, &err), ERR_INVALID);
    o.resume[0].log = "abc";
    assert_int_equal(rekey_plan(h.d.db, &h.d.identity, &o, plan, &err), ERR_INVALID);
    hex[6] = '\0';
    hex[0] = hex[0] == '0' ? '1' : '0';
    o.resume[0].log = hex;
    assert_int_equal(rekey_plan(h.d.db, &h.d.identity, &o, plan, &err), ERR_NOTFOUND);
    home_remove(&h);
    free(plan);
}

/* ---- revocation ---- */

/* The thief has all that the node had: a copy of the stopped directory. */
static void
steal(const struct home *h, struct home *thief)
{
    static const char *const files[] = {"node.key", "vault.key", "smartnode.conf", "main/data.mdb", "vault/data.mdb"};
    char from[TEST_PATH_MAX + 64], to[TEST_PATH_MAX + 64];
    *thief = (struct home){0};
    test_dir_make(thief->dir);
    snprintf(thief->data, sizeof(thief->data), "%s/data", thief->dir);
    assert_int_equal(mkdir(thief->data, 0700), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(to, sizeof(to), "%s/%s", thief->data, i ? "vault" : "main");
        assert_int_equal(mkdir(to, 0700), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(from, sizeof(from), "%s/%s", h->data, files[i]);
        snprintf(to, sizeof(to), "%s/%s", thief->data, files[i]);
        test_file_copy(from, to);
        assert_int_equal(chmod(to, 0600), 0);
    }
    home_start(thief);
}

static void
revoked(bool thief_first)
{
    struct home h, thief;
    struct test_node peer;
    struct rekey_options o = {.revoke = true};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct err err = {0};
    home_make(&h);
    home_stop(&h);
    steal(&h, &thief);
    home_start(&h);
    open_office(h.engine, "Luik");
    open_office(thief.engine, "Dievegem");
    peer_make(&peer, 9);
    if (thief_first) {
        feed(h.d.db, peer.db, peer.engine);
        feed(thief.d.db, peer.db, peer.engine);
        assert_int_equal(offices(peer.db), 4);
    }
    struct identity before = h.d.identity;
    assert_int_equal(home_rekey(&h, &o, plan, &err), 0);
    assert_true(plan->has_statement);
    assert_int_equal(plan->n_void_keys, 1);
    assert_false(TYPE_EQ(&h.d.identity.transport_key, &before.transport_key));
    open_office(h.engine, "Namen");
    open_office(thief.engine, "Roverdam");
    feed(h.d.db, peer.db, peer.engine);
    feed(thief.d.db, peer.db, peer.engine);
    /* Gent, Brugge, Luik, Namen: nothing of what the old key sealed elsewhere */
    assert_int_equal(offices(peer.db), 4);
    assert_same_state(h.d.db, peer.db);
    struct log_row stolen = last_log(thief.d.db);
    assert_int_equal(row_of(peer.db, &stolen.id).stands_to, 0);
    test_node_check(&peer);
    test_node_remove(&peer);
    home_remove(&thief);
    home_remove(&h);
    free(plan);
}

static void
test_what_a_revoked_key_seals_has_no_effect(void **state)
{
    (void)state;
    revoked(true);
    revoked(false);
}

/* The thief's log reached home before anybody noticed: the operator takes it back by name. */
static void
test_a_log_is_taken_back(void **state)
{
    struct home h, thief;
    struct rekey_options o = {.revoke = true, .n_cut = 1};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct err err = {0};
    char hex[2 * HASH_BYTES + 1];
    (void)state;
    home_make(&h);
    home_stop(&h);
    steal(&h, &thief);
    home_start(&h);
    open_office(thief.engine, "Dievegem");
    feed(thief.d.db, h.d.db, h.engine);
    assert_int_equal(offices(h.d.db), 3);
    struct log_row stolen = last_log(thief.d.db);
    o.cut[0] = (struct rekey_named){.log = hex_encode(stolen.id.b, HASH_BYTES, hex), .has_seq = true};
    assert_int_equal(home_rekey(&h, &o, plan, &err), 0);
    assert_int_equal(plan->n_positions, 2);
    assert_int_equal(offices(h.d.db), 2);
    assert_int_equal(row_of(h.d.db, &stolen.id).stands_to, 0);
    open_office(h.engine, "Namen");
    assert_int_equal(apply_check(h.d.db, NULL, false, &err), 0);
    home_remove(&thief);
    home_remove(&h);
    free(plan);
}

/* ---- the end of a fork ---- */

struct branch {
    struct test_unit unit;
    struct test_log log;
    struct run run;
    struct chain_value after;
};

/* n more events of the log from its head, sealed with its own key. */
static void
branch_make(struct branch *b, const struct home *h, const struct log_row *at, unsigned n, uint8_t mark)
{
    *b = (struct branch){.unit = {.id = at->unit, .actor = {{mark}}}};
    b->log = (struct test_log){.unit = &b->unit,
                               .id = at->id,
                               .signing = h->d.identity.signing_key,
                               .signing_secret = h->d.identity.signing_secret,
                               .chain = at->head_chain,
                               .seq = at->head_seq,
                               .sealed = at->head_seq,
                               .clock = hlc_next((struct hlc){0}, (struct wall_ms){wall_now().ms + mark})};
    buf_init(&b->log.frames, RUN_BYTES_MAX);
    for (unsigned i = 0; i < n; i++)
        (void)test_log_filler(&b->log);
    test_log_seal(&b->log, &b->run, &b->after);
}

static void
branch_store(struct engine *e, const struct branch *b)
{
    struct err err = {0};
    bool stored = false;
    assert_int_equal(engine_begin(e, &err), 0);
    assert_int_equal(engine_append(e, &b->run, &b->after, NULL, NULL, &stored, &err), 0);
    assert_int_equal(engine_commit(e, &err), 0);
    assert_true(stored);
}

static void
put_hashes(const struct run *run, struct buf *out)
{
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    while (event_frame_next(&r, &header, &payload)) {
        struct hash hash = crypto_header_hash(header);
        buf_put(out, hash.b, sizeof(hash.b));
    }
}

static void
make_proof(const struct log_row *fork, const struct branch *a, const struct branch *b, struct buf *out)
{
    struct message m = {.type = MSG_EVIDENCE};
    struct buf ha, hb;
    struct err err = {0};
    buf_init(&ha, EVIDENCE_HASHES_MAX * HASH_BYTES);
    buf_init(&hb, EVIDENCE_HASHES_MAX * HASH_BYTES);
    put_hashes(&a->run, &ha);
    put_hashes(&b->run, &hb);
    m.evidence.log = fork->id;
    m.evidence.first = fork->head_seq + 1;
    m.evidence.before = fork->head_chain;
    m.evidence.header_hashes = buf_slice(&ha);
    m.evidence.seal = a->run.seal;
    m.evidence.has_other = true;
    m.evidence.other_hashes = buf_slice(&hb);
    m.evidence.other_seal = b->run.seal;
    buf_init(out, MESSAGE_BYTES_MAX);
    if (message_encode(&m, out, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&ha);
    buf_free(&hb);
}

static void
freeze(struct engine *e, const struct log_id *log, const struct buf *proof)
{
    struct err err = {0};
    assert_int_equal(engine_freeze(e, log, buf_slice(proof), &err), 0);
}

/* Home has branch A; b has B in a run of its own; joined has B in one run with what both share; late has not heard of the fork and
 * holds B; new comes afterwards. All frozen but late. */
static void
resume(bool key_too)
{
    struct home h;
    struct test_node b, joined, late, fresh;
    struct branch here, there;
    struct rekey_options o = {.revoke = key_too, .n_resume = 1};
    struct rekey_plan *plan = calloc(1, sizeof(*plan));
    struct err err = {0};
    struct buf proof;
    char hex[2 * HASH_BYTES + 1];
    home_make(&h);
    home_stop(&h);
    home_start(&h); /* the log is written no more */
    struct log_row fork = last_log(h.d.db);
    peer_make(&b, 9);
    peer_make(&joined, 10);
    peer_make(&late, 11);
    feed(h.d.db, b.db, b.engine);
    feed(h.d.db, late.db, late.engine);
    branch_make(&here, &h, &fork, 3, 1);
    branch_make(&there, &h, &fork, 5, 2);
    branch_store(h.engine, &here);
    branch_store(b.engine, &there);
    branch_store(late.engine, &there);
    feed(b.db, joined.db, joined.engine);
    make_proof(&fork, &there, &here, &proof);
    freeze(h.engine, &fork.id, &proof);
    freeze(b.engine, &fork.id, &proof);
    freeze(joined.engine, &fork.id, &proof);
    assert_int_equal(row_of(joined.db, &fork.id).state, LOG_FROZEN);
    open_office(h.engine, "Luik"); /* in a successor, which the others cannot apply */
    feed(h.d.db, b.db, b.engine);

    o.resume[0].log = hex_encode(fork.id.b, 8, hex);
    if (home_rekey(&h, &o, plan, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(plan->n_positions, key_too ? 2 : 1);
    assert_int_equal(plan->n_void_keys, key_too ? 1 : 0);
    assert_int_equal(row_of(h.d.db, &fork.id).state, LOG_LIVE);
    assert_int_equal(row_of(h.d.db, &fork.id).head_seq, fork.head_seq + 3);
    open_office(h.engine, "Namen");

    struct test_node *const peers[] = {&b, &joined, &late, &fresh};
    peer_make(&fresh, 12);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        (void)feed_once(h.d.db, peers[i]->db, peers[i]->engine);
        if (peers[i] != &fresh) /* back to the fork, and further only where a run goes across it */
            assert_int_equal(row_of(peers[i]->db, &fork.id).head_seq, peers[i] == &joined ? 0 : fork.head_seq);
        feed(h.d.db, peers[i]->db, peers[i]->engine);
        struct log_row row = row_of(peers[i]->db, &fork.id);
        assert_int_equal(row.state, LOG_LIVE);
        assert_int_equal(row.head_seq, fork.head_seq + 3);
        assert_memory_equal(&row.head_chain, &here.after, sizeof(row.head_chain));
        assert_true(peers[i] == &fresh || engine_logs_changed(peers[i]->engine));
        assert_same_state(h.d.db, peers[i]->db);
        test_node_check(peers[i]);
    }
    /* The proof comes again from somebody who has not heard of the end: nobody freezes for it. */
    freeze(b.engine, &fork.id, &proof);
    assert_int_equal(row_of(b.db, &fork.id).state, LOG_LIVE);
    assert_int_equal(row_of(b.db, &fork.id).head_seq, fork.head_seq + 3);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        test_node_remove(peers[i]);
    buf_free(&here.log.frames);
    buf_free(&there.log.frames);
    buf_free(&proof);
    home_remove(&h);
    free(plan);
}

static void
test_a_fork_ends_with_one_state_everywhere(void **state)
{
    (void)state;
    resume(false);
    resume(true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation_replaces_the_key_file_and_all_goes_on),
        cmocka_unit_test(test_another_root_key_is_refused),
        cmocka_unit_test(test_logs_are_named_without_doubt),
        cmocka_unit_test(test_what_a_revoked_key_seals_has_no_effect),
        cmocka_unit_test(test_a_log_is_taken_back),
        cmocka_unit_test(test_a_fork_ends_with_one_state_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
