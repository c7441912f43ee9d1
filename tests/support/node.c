/* An engine for tests. See node.h. */
#include "tests/support/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/command/person_open.h"
#include "node/command/rows.h"

void
test_draw(void *arg, uint8_t *out, size_t len)
{
    uint64_t *state = arg;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(*state >> 56);
    }
}

static void
draw_node(void *arg, uint8_t *out, size_t len)
{
    struct test_node *n = arg;
    test_draw(&n->random, out, len);
}

static struct wall_ms
node_now(void *arg)
{
    const struct test_node *n = arg;
    return (struct wall_ms){n->now_ms};
}

static struct civil_date
node_today(void *arg)
{
    const struct test_node *n = arg;
    return (struct civil_date){n->today};
}

void
test_identity_make(struct identity *id, const char *code, uint8_t seed)
{
    struct identity_offline offline;
    struct err err = {0};
    uint64_t state = seed;
    *id = (struct identity){.production = false};
    snprintf(id->unit_code, sizeof(id->unit_code), "%s", code);
    snprintf(id->unit_name.s, sizeof(id->unit_name.s), "Imaginaria %s", code);
    snprintf(id->federation_name.s, sizeof(id->federation_name.s), "Test");
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(identity_create(id, test_draw, &state, &offline, &err), 0);
}

void
test_node_open(struct test_node *n)
{
    char path[TEST_PATH_MAX + 8];
    uint8_t wrap[32] = {7};
    struct err err = {0};
    struct engine_config config = {.identity = &n->identity,
                                   .program = "test",
                                   .allow_clock_back = n->allow_clock_back,
                                   .keep = n->keep,
                                   .n_keep = n->n_keep,
                                   .now = node_now,
                                   .today = node_today,
                                   .random = draw_node,
                                   .arg = n};
    snprintf(path, sizeof(path), "%s/main", n->dir);
    struct db_opts main_opts = {
        .path = path, .map_bytes = TEST_MAP_BYTES, .kind = DB_MAIN, .create = true, .volatile_for_simulation = true};
    assert_int_equal(db_open(&main_opts, &n->db, &err), 0);
    snprintf(path, sizeof(path), "%s/vault", n->dir);
    struct vault_opts vault_opts = {.path = path,
                                    .map_bytes = n->vault_map_bytes ? n->vault_map_bytes : TEST_MAP_BYTES,
                                    .wrap_key = wrap,
                                    .create = true,
                                    .volatile_for_simulation = true};
    assert_int_equal(vault_open(&vault_opts, &n->vault, &err), 0);
    bool rebuild = false;
    assert_int_equal(apply_rebuild_needed(n->db, &rebuild, &err), 0);
    if (rebuild)
        assert_int_equal(apply_rebuild(n->db, NULL, NULL, &err), 0);
    config.db = n->db;
    config.vault = n->vault;
    if (engine_new(&config, &n->engine, &err) != 0 || engine_vault_complete(n->engine, &err) != 0)
        fail_msg("engine: %s", err.text);
}

void
test_node_close(struct test_node *n)
{
    engine_free(&n->engine);
    vault_close(&n->vault);
    db_close(&n->db);
}

static void
describe(struct test_node *n)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_UNIT_DESCRIBE;
    op->unit.effective = (struct civil_date){10000};
    op->unit.facts = (struct unit_described){.name = {"Imaginaria"},
                                             .country = "BE",
                                             .currency = "EUR",
                                             .n_languages = 1,
                                             .languages = {"nl"},
                                             .time_zone = {"Europe/Brussels"},
                                             .contribution_bp = 650,
                                             .share_price_minor = 3000};
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    *op = (struct api_op){.kind = OP_OFFICE_OPEN};
    op->office.effective = (struct civil_date){10000};
    op->office.facts = (struct office_facts){.name = {"Gent"}, .city = {"Gent"}, .country = "BE"};
    assert_int_equal(test_node_exec(n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
}

void
test_node_make(struct test_node *n)
{
    test_node_make_as(n, "BE", 1);
}

void
test_node_make_as(struct test_node *n, const char *code, uint8_t seed)
{
    char path[TEST_PATH_MAX + 8];
    size_t vault_map_bytes = n->vault_map_bytes;
    *n = (struct test_node){.now_ms = (int64_t)TEST_NODE_TODAY * 86400000 + 36000000,
                            .today = TEST_NODE_TODAY,
                            .vault_map_bytes = vault_map_bytes,
                            .random = seed};
    test_dir_make(n->dir);
    test_dir_make(n->scratch);
    snprintf(path, sizeof(path), "%s/main", n->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/vault", n->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    test_identity_make(&n->identity, code, seed);
    test_node_open(n);
    describe(n);
}

/* One run of a log: false if there is none beyond what is held. */
static bool
carry_run(const struct test_node *from, struct test_node *to, uint32_t no)
{
    struct db_txn *txn;
    struct err err = {0};
    struct log_row row, there;
    struct stored_event first;
    struct event_header header;
    struct event_payload opened;
    struct run run;
    struct chain_value after;
    struct buf frames;
    bool stored = false;
    assert_int_equal(db_begin_read(to->db, &txn, &err), 0);
    struct db_txn *source;
    assert_int_equal(db_begin_read(from->db, &source, &err), 0);
    assert_int_equal(evlog_get(source, no, &row, &err), 0);
    uint64_t held = evlog_find(txn, &row.id, &there, &err) == 0 ? there.head_seq : 0;
    db_abort(&txn);
    bool more = TYPE_EQ(&row.unit, &from->identity.unit) && row.head_seq > held;
    if (more) {
        buf_init(&frames, RUN_BYTES_MAX);
        assert_int_equal(evlog_event(source, no, 1, &first, &err), 0);
        assert_int_equal(event_header_decode(first.header, &header, &err), 0);
        assert_int_equal(event_payload_decode(KIND_LOG_OPENED, 1, first.payload, &opened, &err), 0);
        struct chain_value before;
        assert_int_equal(evlog_chain_at(source, &row, held, &before, &err), 0);
        assert_int_equal(evlog_read(source, &row, held + 1, &frames, &run, &err), 0);
        assert_int_equal(verify_run(&run, &before, &opened.log_opened.signing_key, &after, &err), 0);
        assert_int_equal(engine_begin(to->engine, &err), 0);
        assert_int_equal(engine_append(to->engine, &run, &after, &opened.log_opened, &header, &stored, &err), 0);
        assert_int_equal(engine_commit(to->engine, &err), 0);
        assert_true(stored);
        buf_free(&frames);
    }
    db_abort(&source);
    return more;
}

size_t
test_node_carry(const struct test_node *from, struct test_node *to)
{
    struct db_txn *txn;
    struct err err = {0};
    uint32_t logs = 0;
    size_t runs = 0;
    assert_int_equal(db_begin_read(from->db, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &logs, &err), 0);
    db_abort(&txn);
    for (uint32_t no = 1; no <= logs; no++)
        while (carry_run(from, to, no))
            runs++;
    return runs;
}

void
test_node_deliver(struct test_node *n, struct test_log *log)
{
    struct run run;
    struct chain_value chain;
    struct err err = {0};
    bool stored = false;
    test_log_seal(log, &run, &chain);
    bool first = run.first == 1;
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(
        engine_append(n->engine, &run, &chain, first ? &log->opened : NULL, first ? &log->first : NULL, &stored, &err),
        0);
    assert_int_equal(engine_commit(n->engine, &err), 0);
    assert_true(stored);
}

void
test_node_remove(struct test_node *n)
{
    if (n->db)
        test_node_close(n);
    test_dir_remove(n->dir);
    test_dir_remove(n->scratch);
}

void
test_node_check(struct test_node *n)
{
    struct err err = {0};
    if (apply_check(n->db, n->scratch, true, &err) != 0)
        fail_msg("check: %s", err.text);
}

void
test_node_admission(struct api_op *op, unsigned i)
{
    static const char *const given[] = {"Aline", "Bram", "Cleo", "Daan", "Elif", "Femke", "Gijs", "Hanna"};
    struct member_request *r = &op->member.request;
    *op = (struct api_op){.kind = OP_MEMBER, .status_on_success = 201};
    snprintf(op->member.office_text, sizeof(op->member.office_text), "Gent");
    r->action = ACTION_ADMIT;
    r->effective = (struct civil_date){TEST_NODE_TODAY};
    r->category = CATEGORY_A;
    r->person_type = PERSON_NATURAL;
    r->has_shares = true;
    r->shares = 1;
    r->person.has_identity = true;
    r->person.identity.birth_date = date_from_ymd(1980, 1, 1 + (int)(i % 28));
    snprintf(r->person.identity.given_name.s, sizeof(r->person.identity.given_name.s), "%s", given[i % 8]);
    snprintf(r->person.identity.family_name.s, sizeof(r->person.identity.family_name.s), "Verzonnen%c%c",
             (char)('a' + i / 26 % 26), (char)('a' + i % 26));
    snprintf(r->person.identity.member_no.s, sizeof(r->person.identity.member_no.s), "M-%u", i);
    r->person.has_contact = true;
    snprintf(r->person.contact.email.s, sizeof(r->person.contact.email.s), "m%u@example.org", i);
}

int
test_node_exec(struct test_node *n, struct api_op *op, struct err *err)
{
    static const struct actor_id actor = {{0xAC}};
    int rc = engine_begin(n->engine, err);
    if (rc == 0)
        rc = engine_exec(n->engine, &actor, op, err);
    if (rc == 0)
        rc = engine_commit(n->engine, err);
    if (rc != 0)
        engine_abort(n->engine);
    return rc;
}

void
test_node_done(struct test_node *n, struct api_op *op)
{
    struct err err = {0};
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    if (op->result.err.code != 0)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
}

int
test_node_by_engine(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    (void)actor;
    return test_node_exec(arg, op, err);
}

void
test_node_erase_due(struct test_node *n)
{
    struct err err = {0};
    bool rewrote;
    for (int i = 0; i < 8 && engine_erasures_due(n->engine); i++)
        if (engine_erase(n->engine, &rewrote, &err) != 0)
            fail_msg("%s", err.text);
    assert_false(engine_erasures_due(n->engine));
}

void
test_node_reads(struct test_node *n, const struct subject_id *member, const char *family, const char *email)
{
    struct db_txn *txn;
    struct member_row row;
    struct person_input p;
    struct err err = {0};
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    const struct command_ctx ctx = {.txn = txn, .unit = n->identity.unit, .vault = n->vault};
    assert_int_equal(rows_member(&ctx, member, &row, &err), 0);
    assert_int_equal(person_open(txn, n->vault, &row, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, &p, &err), 0);
    assert_string_equal(p.identity.family_name.s, family);
    assert_string_equal(p.contact.email.s, email);
    member_row_release(&row);
    db_abort(&txn);
}

struct subject_id
test_node_admit(struct test_node *n, unsigned i)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    test_node_admission(op, i);
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    if (op->result.err.code != ERR_NONE)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    struct subject_id subject = op->result.subject;
    free(op);
    return subject;
}

struct log_row
test_node_log(struct test_node *n)
{
    struct log_row row = {0};
    assert_true(engine_own_log(n->engine, &row));
    return row;
}
