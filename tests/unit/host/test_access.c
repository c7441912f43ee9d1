/* Grants and passes at the home, through the engine: what is sealed to whom, that a revocation begins a new generation which the revoked one
 * does not have and every other one gets, New Year, limits and refusals. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/command/person_open.h"
#include "node/host/access_upkeep.h"
#include "node/host/ownlog.h"
#include "proto/pass.h"
#include "tests/support/node.h"

enum { IDENTITY = 1, CONTACT = 2, BANK = 4, ACTIVITY = 8, KEYS_MAX = 32 };

struct fixture {
    struct test_node n;
    struct test_unit host;
    struct test_log log; /* of the host */
    struct subject_id member;
    struct pass pass;
};

/* ---- a home that holds a log of a host ---- */

static void
deliver(struct fixture *f)
{
    struct run run;
    struct chain_value chain;
    struct err err = {0};
    bool stored = false;
    test_log_seal(&f->log, &run, &chain);
    assert_int_equal(engine_begin(f->n.engine, &err), 0);
    assert_int_equal(engine_append(f->n.engine, &run, &chain, &f->log.opened, &f->log.first, &stored, &err), 0);
    assert_int_equal(engine_commit(f->n.engine, &err), 0);
    assert_true(stored);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->n);
    test_unit_make(&f->host, "DE", 3);
    test_log_start(&f->log, &f->host, 1, NULL, 0);
    deliver(f);
    f->member = test_node_admit(&f->n, 1);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    test_node_check(&f->n);
    test_log_release(&f->log);
    test_node_remove(&f->n);
    free(f);
    return 0;
}

/* ---- operations ---- */

static struct api_result
run(struct fixture *f, const struct access_request *req)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->status_on_success = 201;
    op->access = *req;
    if (test_node_exec(&f->n, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    return ret;
}

static struct api_result
done(struct fixture *f, const struct access_request *req)
{
    struct api_result ret = run(f, req);
    if (ret.err.code != 0)
        fail_msg("%s: %s", ret.err.field, ret.err.text);
    return ret;
}

static void
refused(struct fixture *f, const struct access_request *req, int code, const char *field)
{
    uint64_t head = test_node_log(&f->n).head_seq;
    struct api_result ret = run(f, req);
    assert_int_equal(ret.err.code, code);
    assert_string_equal(ret.err.field, field);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

static struct access_request
granting(const struct fixture *f, uint16_t classes)
{
    return (struct access_request){.action = ACCESS_GRANT,
                                   .member = f->member,
                                   .host = f->host.id,
                                   .classes = classes,
                                   .purpose = 1,
                                   .from = DATE_NONE,
                                   .until = DATE_NONE};
}

static struct access_request
issuing(struct fixture *f, uint16_t classes)
{
    struct access_request q = {
        .action = ACCESS_ISSUE, .member = f->member, .classes = classes, .from = DATE_NONE, .until = DATE_NONE};
    struct box_secret secret;
    memset(f->pass.secret, 0x5a, sizeof(f->pass.secret));
    pass_keypair(&f->pass, &q.pass_key, &secret);
    return q;
}

static struct api_result
revoke(struct fixture *f, struct subject_id access)
{
    struct access_request q = {.action = ACCESS_REVOKE, .member = f->member, .has_access = true, .access = access};
    return done(f, &q);
}

/* ---- what there is ---- */

static struct access_state
state_of(struct fixture *f, struct subject_id access)
{
    struct db_txn *txn;
    struct err err = {0};
    struct access_row row;
    struct access_state s;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    struct command_ctx ctx = {.txn = txn};
    struct access_key key = {.unit = f->n.identity.unit, .access = access};
    assert_int_equal(access_load(&ctx, &key, &row, &err), 0);
    access_state_of(&row, &s);
    access_row_release(&row);
    db_abort(&txn);
    return s;
}

static struct event_header
header_at(struct fixture *f, const struct position *at)
{
    struct db_txn *txn;
    struct err err = {0};
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    assert_int_equal(evlog_event(txn, log.no, at->seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    db_abort(&txn);
    return h;
}

/* The keys that the event at a position sealed to this secret. */
static size_t
sealed(struct fixture *f, const struct position *at, enum key_use use, const struct box_secret *sk,
       const struct box_public *pk, struct keyed_class ret[KEYS_MAX])
{
    struct event_header h = header_at(f, at);
    size_t n = 0;
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        struct key_capsule_content content;
        struct buf bytes, plain;
        struct err err = {0};
        if (h.capsules[i].class != CLASS_KEY)
            continue;
        buf_init(&bytes, CAPSULE_BYTES_MAX);
        buf_init(&plain, CAPSULE_BYTES_MAX);
        assert_int_equal(vault_capsule_get(f->n.vault, at, i, &bytes, &err), 0);
        assert_memory_equal(h.capsules[i].hash.b, capsule_hash(buf_slice(&bytes)).b, HASH_BYTES);
        if (capsule_open_sealed(sk, pk, CLASS_KEY, buf_slice(&bytes), &plain, &err) == 0) {
            assert_int_equal(
                key_capsule_decode(buf_slice(&plain), use, &f->n.identity.unit, &f->member, &content, &err), 0);
            for (size_t k = 0; k < content.n_keys; k++)
                ret[n++] = content.keys[k];
        }
        buf_free(&bytes);
        buf_free(&plain);
    }
    return n;
}

static size_t
sealed_to_host(struct fixture *f, const struct position *at, struct keyed_class ret[KEYS_MAX])
{
    return sealed(f, at, KEY_USE_GRANT, &f->host.exchange_secret, &f->host.exchange, ret);
}

static bool
has_key(const struct keyed_class *keys, size_t n, uint8_t class, uint32_t generation)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || (keys[i].class == class && keys[i].generation == generation);
    return found;
}

/* The capsule of a class in force, opened with one of these keys. */
static bool
opens(struct fixture *f, const struct keyed_class *keys, size_t n, uint8_t class)
{
    struct db_txn *txn;
    struct err err = {0};
    struct member_row row;
    struct position at;
    struct log_row log;
    struct slice bytes;
    bool opened = false;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    uint8_t key[KEY_MEMBER];
    struct slice value;
    key_member(key, &f->member, &f->n.identity.unit);
    assert_int_equal(db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err), 0);
    assert_int_equal(member_row_decode(value, &f->n.identity.unit, &f->member, &row, &err), 0);
    assert_true(member_capsule_position(&row, class, &at));
    struct event_header h = header_at(f, &at);
    assert_int_equal(evlog_find(txn, &at.log, &log, &err), 0);
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        if (h.capsules[i].class != class)
            continue;
        assert_int_equal(capsules_get(txn, log.no, at.seq, i, &bytes, &err), 0);
        for (size_t k = 0; k < n; k++) {
            struct buf plain;
            buf_init(&plain, CAPSULE_BYTES_MAX);
            opened |= keys[k].class == class && capsule_open(&keys[k].key, class, bytes, &plain, &err) == 0;
            buf_free(&plain);
        }
    }
    member_row_release(&row);
    db_abort(&txn);
    return opened;
}

/* As the home's own desk sees it. */
static void
home_reads(struct fixture *f, const char *family, const char *email)
{
    struct db_txn *txn;
    struct err err = {0};
    struct member_row row;
    struct person_input p;
    uint8_t key[KEY_MEMBER];
    struct slice value;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    key_member(key, &f->member, &f->n.identity.unit);
    assert_int_equal(db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err), 0);
    assert_int_equal(member_row_decode(value, &f->n.identity.unit, &f->member, &row, &err), 0);
    assert_int_equal(person_open(txn, f->n.vault, &row, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, &p, &err), 0);
    assert_string_equal(p.identity.family_name.s, family);
    assert_string_equal(p.contact.email.s, email);
    member_row_release(&row);
    db_abort(&txn);
}

static struct position
admission_of(struct fixture *f)
{
    struct db_txn *txn;
    struct err err = {0};
    struct member_row row;
    struct position at = {0};
    uint8_t key[KEY_MEMBER];
    struct slice value;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    key_member(key, &f->member, &f->n.identity.unit);
    assert_int_equal(db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err), 0);
    assert_int_equal(member_row_decode(value, &f->n.identity.unit, &f->member, &row, &err), 0);
    for (size_t i = 0; i < row.n; i++)
        at = row.entries[i].kind == KIND_MEMBER_ADMITTED ? row.entries[i].at : at;
    member_row_release(&row);
    db_abort(&txn);
    return at;
}

static void
new_address(struct fixture *f, const char *email)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){.action = ACTION_CHANGE_DATA,
                                                 .has_subject = true,
                                                 .subject = f->member,
                                                 .effective = DATE_NONE,
                                                 .person.has_contact = true};
    snprintf(op->member.request.person.contact.email.s, sizeof(op->member.request.person.contact.email.s), "%s", email);
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
}

/* ---- giving ---- */

static void
a_grant_seals_the_named_classes_and_the_keys_to_work_with(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = granting(f, CONTACT);
    struct api_result r = done(f, &q);
    size_t n = sealed_to_host(f, &r.position, keys);
    assert_true(has_key(keys, n, CLASS_CONTACT, 1));
    assert_true(has_key(keys, n, CLASS_ACTIVITY, 1));
    assert_true(has_key(keys, n, CLASS_COUNTING, 2023)); /* not closed yet */
    assert_true(has_key(keys, n, CLASS_COUNTING, 2024)); /* TEST_NODE_TODAY is 2024-10-04 */
    assert_int_equal(n, 4);
    assert_true(opens(f, keys, n, CLASS_CONTACT));
    assert_false(opens(f, keys, n, CLASS_IDENTITY));
    for (size_t i = 0; i < n; i++) {
        if (keys[i].class == CLASS_COUNTING && keys[i].generation == 2024) {
            struct db_txn *txn;
            struct subject_id home, there = counting_pseudonym(&keys[i].key);
            struct err err = {0};
            assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
            assert_int_equal(member_pseudonym(txn, f->n.vault, &f->member, 2024, &home, &err), 0);
            assert_memory_equal(&home, &there, sizeof(home));
            db_abort(&txn);
        }
    }
    struct access_state s = state_of(f, r.subject);
    assert_memory_equal(&s.facts.host, &f->host.id, sizeof(f->host.id));
    assert_int_equal(s.from.days, TEST_NODE_TODAY);
    assert_true(date_is_none(s.facts.until));
}

static void
a_pass_opens_with_its_secret_and_with_no_other(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct box_public pk, other_pk;
    struct box_secret sk, other_sk;
    struct access_request q = issuing(f, IDENTITY | CONTACT);
    struct api_result r = done(f, &q);
    pass_keypair(&f->pass, &pk, &sk);
    size_t n = sealed(f, &r.position, KEY_USE_PASS, &sk, &pk, keys);
    assert_true(opens(f, keys, n, CLASS_IDENTITY));
    assert_true(opens(f, keys, n, CLASS_CONTACT));
    f->pass.secret[0] ^= 1;
    pass_keypair(&f->pass, &other_pk, &other_sk);
    assert_int_equal(sealed(f, &r.position, KEY_USE_PASS, &other_sk, &other_pk, keys), 0);
    struct access_state s = state_of(f, r.subject);
    assert_true(s.is_pass);
    assert_int_equal(s.facts.until.days, TEST_NODE_TODAY + PASS_DAYS_DEFAULT);
    assert_int_equal(s.facts.stale_hours_max, STALE_HOURS_DEFAULT);
}

static void
the_desk_is_told_what_is_wrong_with_a_request(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, 0);
    refused(f, &q, ERR_INVALID, "classes");
    q = granting(f, 16);
    refused(f, &q, ERR_INVALID, "classes");
    q = granting(f, IDENTITY);
    q.purpose = 0;
    refused(f, &q, ERR_INVALID, "purpose");
    q = granting(f, IDENTITY);
    q.host = f->n.identity.unit;
    refused(f, &q, ERR_INVALID, "host");
    q.host.b[0] ^= 1;
    refused(f, &q, ERR_NOTFOUND, "host");
    q = granting(f, IDENTITY);
    q.from.days = TEST_NODE_TODAY - 1;
    refused(f, &q, ERR_INVALID, "from");
    q.from.days = TEST_NODE_TODAY + ACCESS_AHEAD_DAYS_MAX + 1;
    refused(f, &q, ERR_INVALID, "from");
    q.from.days = TEST_NODE_TODAY + 3;
    q.until.days = TEST_NODE_TODAY + 2;
    refused(f, &q, ERR_INVALID, "until");
    q = granting(f, IDENTITY);
    q.member.b[0] ^= 1;
    refused(f, &q, ERR_NOTFOUND, "member");
    q = issuing(f, IDENTITY);
    q.until.days = TEST_NODE_TODAY + PASS_DAYS_MAX + 1;
    refused(f, &q, ERR_INVALID, "until");
    q = issuing(f, IDENTITY);
    q.stale_hours_max = STALE_HOURS_MAX + 1;
    refused(f, &q, ERR_INVALID, "stale_hours");
    q = (struct access_request){.action = ACCESS_REVOKE, .member = f->member};
    refused(f, &q, ERR_INVALID, "access");
    q.has_access = true;
    refused(f, &q, ERR_NOTFOUND, "access");
    struct access_request g = granting(f, IDENTITY);
    q.access = done(f, &g).subject;
    q.reason = ACCESS_END_NOT_NEEDED + 1;
    refused(f, &q, ERR_INVALID, "reason");
    q.reason = 0;
    q.member = test_node_admit(&f->n, 2); /* of somebody else */
    refused(f, &q, ERR_NOTFOUND, "access");
    g.has_access = true;
    g.access = q.access;
    refused(f, &g, ERR_CONFLICT, "access"); /* is there already */
}

static void
only_members_have_access_given_and_only_so_many_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, IDENTITY);
    q.until.days = TEST_NODE_TODAY;
    for (int i = 0; i < ACCESS_STANDING_MAX; i++)
        done(f, &q);
    refused(f, &q, ERR_CONFLICT, "member");
    f->n.today++; /* they are over */
    f->n.now_ms += 86400000;
    q.until = DATE_NONE;
    struct subject_id first = done(f, &q).subject;
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    refused(f, &q, ERR_CONFLICT, "member");
    /* What the upkeep does with what is left. */
    q = (struct access_request){.action = ACCESS_END_ALL, .member = f->member, .reason = ACCESS_END_LEFT};
    done(f, &q);
    assert_true(state_of(f, first).revoked);
    assert_int_equal(state_of(f, first).revoked_why, ACCESS_END_LEFT);
    home_reads(f, "Verzonnenab", "m1@example.org");
    uint64_t head = test_node_log(&f->n).head_seq;
    done(f, &q);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

static void
of_a_record_that_was_merged_the_kept_one_is_named(void **state)
{
    struct fixture *f = *state;
    struct subject_id kept = test_node_admit(&f->n, 7);
    struct access_request q = granting(f, IDENTITY);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    char hex[HEX16_MAX];
    assert_non_null(op);
    op->kind = OP_MERGE;
    op->merge = (struct merge_request){.from = f->member, .into = kept, .effective = {f->n.today}};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    if (op->result.err.code != 0)
        fail_msg("%s", op->result.err.text);
    *op = (struct api_op){.kind = OP_ACCESS, .access = q};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_CONFLICT);
    assert_string_equal(op->result.err.field, "member");
    assert_non_null(strstr(op->result.err.text, hex_encode(kept.b, ID_BYTES, hex)));
    free(op);
    q.member = kept;
    done(f, &q);
}

static void
who_may_see_activities_gets_the_keys_of_all_of_them(void **state)
{
    enum { ENDED = 40 };
    struct fixture *f = *state;
    bool got[ENDED + 2] = {false};
    for (int i = 0; i < ENDED; i++) {
        struct access_request q = granting(f, CONTACT);
        (void)revoke(f, done(f, &q).subject);
    }
    struct access_request q = granting(f, ACTIVITY);
    struct position at = done(f, &q).position;
    for (uint64_t head = test_node_log(&f->n).head_seq; at.seq <= head; at.seq++) {
        struct keyed_class keys[KEYS_MAX];
        size_t n = sealed_to_host(f, &at, keys);
        assert_true(has_key(keys, n, CLASS_ACTIVITY, ENDED + 1)); /* the newest is with each of them */
        for (size_t k = 0; k < n; k++)
            if (keys[k].class == CLASS_ACTIVITY)
                got[keys[k].generation] = true;
    }
    for (int g = 1; g <= ENDED + 1; g++)
        assert_true(got[g]);
}

/* ---- ending ---- */

static void
a_revocation_begins_a_generation_that_only_the_others_get(void **state)
{
    struct fixture *f = *state;
    struct keyed_class old[KEYS_MAX], others[KEYS_MAX], pass_keys[KEYS_MAX];
    struct box_public pk;
    struct box_secret sk;
    struct access_request q = granting(f, IDENTITY | CONTACT);
    struct api_result gone = done(f, &q);
    size_t n_old = sealed_to_host(f, &gone.position, old);
    struct subject_id stays = done(f, &q).subject;
    q = issuing(f, CONTACT);
    struct subject_id pass = done(f, &q).subject;
    struct api_result end = revoke(f, gone.subject);
    assert_memory_equal(&end.subject, &gone.subject, sizeof(gone.subject));
    assert_int_equal(header_at(f, &end.position).kind, KIND_ACCESS_REVOKED);
    struct position at = end.position;
    at.seq++;
    assert_int_equal(header_at(f, &at).kind, KIND_DATA_CHANGED);
    assert_int_equal(header_at(f, &at).n_capsules, 3); /* identity, contact, escrow */
    assert_int_equal(test_node_log(&f->n).head_seq, end.position.seq + 3);
    assert_false(opens(f, old, n_old, CLASS_IDENTITY));
    assert_false(opens(f, old, n_old, CLASS_CONTACT));
    home_reads(f, "Verzonnenab", "m1@example.org");

    size_t n = 0, n_pass = 0;
    pass_keypair(&f->pass, &pk, &sk);
    for (int i = 0; i < 2; i++) {
        at.seq++;
        assert_int_equal(header_at(f, &at).kind, KIND_ACCESS_RENEWED);
        n += sealed_to_host(f, &at, others + n);
        n_pass += sealed(f, &at, KEY_USE_PASS, &sk, &pk, pass_keys + n_pass);
    }
    assert_true(opens(f, others, n, CLASS_IDENTITY));
    assert_true(opens(f, others, n, CLASS_CONTACT));
    assert_true(has_key(others, n, CLASS_ACTIVITY, 2));
    assert_true(opens(f, pass_keys, n_pass, CLASS_CONTACT));
    assert_false(opens(f, pass_keys, n_pass, CLASS_IDENTITY)); /* not named */
    assert_true(has_key(pass_keys, n_pass, CLASS_COUNTING, 2024));
    assert_false(state_of(f, stays).revoked || state_of(f, pass).revoked);

    /* What is entered afterwards too. */
    new_address(f, "elsewhere@example.org");
    assert_false(opens(f, old, n_old, CLASS_CONTACT));
    assert_true(opens(f, others, n, CLASS_CONTACT));
    assert_true(opens(f, pass_keys, n_pass, CLASS_CONTACT));
    struct access_request again = {.action = ACCESS_REVOKE, .has_access = true, .access = gone.subject};
    refused(f, &again, ERR_CONFLICT, "access");
}

/* The member's record is cancelled, the access ends, the record comes back. */
static void
a_revocation_begins_new_keys_also_where_nothing_is_to_be_sealed_anew(void **state)
{
    struct fixture *f = *state;
    struct keyed_class old[KEYS_MAX], others[KEYS_MAX];
    struct access_request q = granting(f, CONTACT);
    struct api_result gone = done(f, &q);
    size_t n_old = sealed_to_host(f, &gone.position, old);
    done(f, &q);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    struct position admitted = admission_of(f);
    op->kind = OP_CANCEL;
    op->cancel = (struct cancel_request){.what = CANCEL_MEMBER, .subject = f->member, .event = admitted};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    struct api_result end = revoke(f, gone.subject);
    assert_int_equal(header_at(f, &end.position).n_capsules, 1); /* escrow */
    struct position renewed = {end.position.log, end.position.seq + 1};
    size_t n = sealed_to_host(f, &renewed, others);
    *op = (struct api_op){.kind = OP_MEMBER};
    op->member.request = (struct member_request){.action = ACTION_ADMIT,
                                                 .has_subject = true,
                                                 .subject = f->member,
                                                 .has_corrects = true,
                                                 .corrects = admitted,
                                                 .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    new_address(f, "again@example.org");
    assert_false(opens(f, old, n_old, CLASS_CONTACT));
    assert_true(opens(f, others, n, CLASS_CONTACT));
}

static void
data_that_begins_later_is_sealed_anew_too(void **state)
{
    struct fixture *f = *state;
    struct keyed_class old[KEYS_MAX];
    struct access_request q = granting(f, CONTACT);
    struct api_result gone = done(f, &q);
    size_t n_old = sealed_to_host(f, &gone.position, old);
    f->n.today += 40; /* an address of a month ahead */
    new_address(f, "ahead@example.org");
    f->n.today -= 40;
    assert_true(opens(f, old, n_old, CLASS_CONTACT));
    revoke(f, gone.subject);
    assert_false(opens(f, old, n_old, CLASS_CONTACT));
    home_reads(f, "Verzonnenab", "ahead@example.org");
}

static void
a_grant_that_begins_later_can_be_revoked_before(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, CONTACT);
    q.from.days = TEST_NODE_TODAY + 30;
    struct subject_id access = done(f, &q).subject;
    revoke(f, access);
    struct access_state s = state_of(f, access);
    assert_true(s.revoked);
    assert_false(access_stands(&s, (struct civil_date){TEST_NODE_TODAY + 31}));
}

static void
what_is_over_is_not_revoked(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, CONTACT);
    q.until.days = TEST_NODE_TODAY + 1;
    struct access_request end = {.action = ACCESS_REVOKE, .has_access = true, .access = done(f, &q).subject};
    f->n.today += 2;
    f->n.now_ms += 2 * 86400000LL;
    refused(f, &end, ERR_CONFLICT, "access");
}

static void
a_grant_of_activities_has_the_keys_of_before(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = granting(f, CONTACT);
    revoke(f, done(f, &q).subject);
    revoke(f, done(f, &q).subject);
    struct api_result r = done(f, &q);
    size_t n = sealed_to_host(f, &r.position, keys);
    assert_true(has_key(keys, n, CLASS_ACTIVITY, 3) && !has_key(keys, n, CLASS_ACTIVITY, 2));
    q = granting(f, ACTIVITY);
    r = done(f, &q);
    n = sealed_to_host(f, &r.position, keys);
    for (uint32_t g = 1; g <= 3; g++)
        assert_true(has_key(keys, n, CLASS_ACTIVITY, g));
    assert_false(has_key(keys, n, CLASS_CONTACT, 3));
}

/* ---- New Year ---- */

static void
the_next_year_is_given_from_december_on(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = granting(f, CONTACT);
    struct subject_id access = done(f, &q).subject;
    q.until = date_from_ymd(2024, 12, 31);
    struct subject_id ends = done(f, &q).subject;
    struct access_request renew = {.action = ACCESS_RENEW, .has_access = true, .access = access};
    uint64_t head = test_node_log(&f->n).head_seq;
    struct civil_date november = date_from_ymd(2024, 11, 30), december = date_from_ymd(2024, 12, 1);
    struct access_state s = state_of(f, access);
    assert_false(access_year_due(&s, november));
    assert_true(access_year_due(&s, december));
    s = state_of(f, ends);
    assert_false(access_year_due(&s, december));
    done(f, &renew);
    assert_int_equal(test_node_log(&f->n).head_seq, head); /* nothing is due */
    f->n.now_ms += (int64_t)(december.days - f->n.today) * 86400000;
    f->n.today = december.days;
    struct api_result r = done(f, &renew);
    size_t n = sealed_to_host(f, &r.position, keys);
    assert_true(has_key(keys, n, CLASS_COUNTING, 2025));
    s = state_of(f, access);
    assert_false(access_year_due(&s, date_from_ymd(2025, 11, 30)));
    assert_true(access_year_due(&s, date_from_ymd(2025, 12, 1)));
    head = test_node_log(&f->n).head_seq;
    done(f, &renew);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

/* ---- one group, and a crash ---- */

static void
admission_grant_and_revocation_may_stand_in_one_group(void **state)
{
    struct fixture *f = *state;
    struct api_op *ops = calloc(2, sizeof(*ops)), *admitted = calloc(1, sizeof(*admitted));
    struct err err = {0};
    static const struct actor_id actor = {{0xAC}};
    assert_non_null(ops);
    assert_non_null(admitted);
    test_node_admission(admitted, 5);
    ops[0].kind = ops[1].kind = OP_ACCESS;
    ops[0].access = granting(f, IDENTITY | CONTACT);
    ops[1].access = (struct access_request){.action = ACCESS_REVOKE, .member = f->member, .has_access = true};
    assert_int_equal(engine_begin(f->n.engine, &err), 0);
    assert_int_equal(engine_exec(f->n.engine, &actor, admitted, &err), 0);
    assert_int_equal(admitted->result.err.code, 0);
    f->member = ops[0].access.member = ops[1].access.member = admitted->result.subject;
    free(admitted);
    assert_int_equal(engine_exec(f->n.engine, &actor, &ops[0], &err), 0);
    assert_int_equal(ops[0].result.err.code, 0);
    ops[1].access.access = ops[0].result.subject;
    assert_int_equal(engine_exec(f->n.engine, &actor, &ops[1], &err), 0);
    assert_int_equal(ops[1].result.err.code, 0);
    assert_int_equal(engine_commit(f->n.engine, &err), 0);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    struct keyed_class keys[KEYS_MAX];
    size_t n = sealed_to_host(f, &ops[0].result.position, keys);
    assert_true(n > 0);
    assert_false(opens(f, keys, n, CLASS_IDENTITY));
    assert_true(state_of(f, ops[0].result.subject).revoked);
    free(ops);
}

/* Unlike escrows they cannot be made again: whoever was told yes must not lose them in a crash. */
static void
what_was_sealed_is_in_the_vault_when_the_commit_returns(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct keyed_class keys[KEYS_MAX];
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->access = granting(f, CONTACT);
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    struct api_result r = op->result;
    free(op);
    test_node_close(&f->n); /* nothing is written on the way */
    test_node_open(&f->n);
    assert_int_equal(sealed_to_host(f, &r.position, keys), 4);
}

/* ---- upkeep ---- */

static int
by_engine(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct fixture *f = arg;
    (void)actor;
    return test_node_exec(&f->n, op, err);
}

static struct access_upkept
upkeep(struct fixture *f)
{
    struct access_upkeep u = {
        .db = f->n.db, .unit = f->n.identity.unit, .today = {f->n.today}, .run = by_engine, .arg = f};
    struct access_upkept kept;
    struct err err = {0};
    if (access_upkeep_run(&u, &kept, &err) != 0)
        fail_msg("%s", err.text);
    return kept;
}

static void
the_upkeep_renews_in_december_and_ends_with_the_membership(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, CONTACT);
    struct subject_id open = done(f, &q).subject;
    q.until = date_from_ymd(2024, 12, 20);
    done(f, &q);
    struct subject_id first = f->member;
    f->member = q.member = test_node_admit(&f->n, 2);
    q.until = DATE_NONE;
    struct subject_id other = done(f, &q).subject;
    struct access_upkept kept = upkeep(f);
    assert_int_equal(kept.renewed + kept.ended, 0);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    kept = upkeep(f);
    assert_int_equal(kept.ended, 1);
    assert_int_equal(kept.renewed, 0);
    assert_int_equal(state_of(f, other).revoked_why, ACCESS_END_LEFT);
    struct civil_date december = date_from_ymd(2024, 12, 1);
    f->n.now_ms += (int64_t)(december.days - f->n.today) * 86400000;
    f->n.today = december.days;
    kept = upkeep(f);
    assert_int_equal(kept.renewed, 1);
    assert_int_equal(kept.ended, 0);
    assert_int_equal(state_of(f, open).keyed_on.days, december.days);
    kept = upkeep(f);
    assert_int_equal(kept.renewed + kept.ended, 0);
    f->member = first;
}

static void
the_index_by_member_is_rebuilt_with_the_state(void **state)
{
    struct fixture *f = *state;
    struct access_request q = granting(f, CONTACT);
    struct subject_id access = done(f, &q).subject;
    struct db_txn *txn;
    struct access_key found[4];
    size_t n = 0;
    struct err err = {0};
    test_node_close(&f->n);
    test_node_open(&f->n);
    assert_int_equal(db_begin_write(f->n.db, &txn, &err), 0);
    assert_int_equal(state_clear(txn, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(test_table_rows(f->n.db, TABLE_ACCESS_OF), 0);
    test_node_close(&f->n);
    test_node_open(&f->n); /* rebuilds */
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    assert_int_equal(access_of_member(txn, &f->member, NULL, found, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0].access, &access, sizeof(access));
    assert_int_equal(access_of_member(txn, &f->member, &found[0], found, 4, &n, &err), 0);
    assert_int_equal(n, 0);
    db_abort(&txn);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_grant_seals_the_named_classes_and_the_keys_to_work_with, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_opens_with_its_secret_and_with_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(the_desk_is_told_what_is_wrong_with_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(only_members_have_access_given_and_only_so_many_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_record_that_was_merged_the_kept_one_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_see_activities_gets_the_keys_of_all_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revocation_begins_a_generation_that_only_the_others_get, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revocation_begins_new_keys_also_where_nothing_is_to_be_sealed_anew, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(data_that_begins_later_is_sealed_anew_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_that_begins_later_can_be_revoked_before, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_over_is_not_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_of_activities_has_the_keys_of_before, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_year_is_given_from_december_on, setup, teardown),
        cmocka_unit_test_setup_teardown(admission_grant_and_revocation_may_stand_in_one_group, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sealed_is_in_the_vault_when_the_commit_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(the_upkeep_renews_in_december_and_ends_with_the_membership, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_by_member_is_rebuilt_with_the_state, setup, teardown),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
