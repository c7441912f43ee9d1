/* That an order of erasure is whole: it takes every generation of keys and escrows anew what stays of each, also of representatives; it lists
 * capsules of events that stand in no row; what hosts recorded goes with it. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/command/access.h"
#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/ownlog_private.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "storage/visits.h"
#include "tests/support/node.h"

enum { KIND_OF_TOMORROW = 55, GENERATIONS = 140 };

static const struct actor_id DESK = {{0xAC}};

static void
done(struct test_node *n, struct api_op *op)
{
    struct err err = {0};
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    if (op->result.err.code != 0)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
}

/* Classes: bit class − 1. By an authority's order: at once. */
static struct erase_outcome
erase(struct test_node *n, const struct subject_id *member, uint16_t classes, bool representatives)
{
    struct api_op *op = calloc(1, sizeof(*op));
    const struct retention_settings settings = RETENTION_DEFAULT;
    struct err err = {0};
    bool rewrote;
    assert_non_null(op);
    op->kind = OP_ERASE;
    op->erase.request = (struct erase_request){.action = ERASE_ORDER,
                                               .member = *member,
                                               .classes = classes,
                                               .ground = GROUND_AUTHORITY,
                                               .representatives = representatives,
                                               .effective = DATE_NONE,
                                               .until = DATE_NONE};
    retention_rules_of("BE", &settings, &op->erase.request.rules);
    done(n, op);
    struct erase_outcome ret = op->erase.outcome;
    free(op);
    while (engine_erasures_due(n->engine))
        if (engine_erase(n->engine, &rewrote, &err) != 0)
            fail_msg("%s", err.text);
    return ret;
}

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
    struct test_node *n = *state;
    test_node_remove(n);
    free(n);
    return 0;
}

/* ---- keys that stay ---- */

static void
new_generations(struct test_node *n, const struct subject_id *member, int count)
{
    struct draft *d = calloc(1, sizeof(*d));
    struct member_world world;
    struct command_ctx ctx;
    struct err err = {0};
    assert_non_null(d);
    for (int i = 0; i < count; i++) {
        struct member_row row;
        struct position at;
        bool made = false;
        assert_int_equal(engine_begin(n->engine, &err), 0);
        engine_context(n->engine, &DESK, &world, &ctx);
        assert_int_equal(engine_ready(n->engine, &err), 0);
        assert_int_equal(rows_member(&ctx, member, &row, &err), 0);
        assert_int_equal(access_new_generation(&ctx, &row, 0, d, &made, &err), 0);
        assert_true(made);
        assert_int_equal(engine_write(n->engine, d, &at, &err), 0);
        draft_release(d);
        member_row_release(&row);
        assert_int_equal(engine_commit(n->engine, &err), 0);
        assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    }
    free(d);
}

/* Generations of a subject of which the key of a class comes back from escrow, by key capsules that no order took: bits. */
struct escrowed {
    bool of[GENERATIONS + 8];
    size_t n;
};

static void
look_into(struct test_node *n, struct db_txn *txn, const struct position *at, uint8_t index,
          const struct subject_id *subject, uint8_t class, struct escrowed *ret)
{
    struct key_capsule_content c;
    struct data_key day;
    struct buf capsule, plain;
    struct err err = {0};
    bool erased = false;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(tombstone_find(txn, at, index, &erased, NULL, &err), 0);
    assert_int_equal(vault_escrow_get(n->vault, (struct civil_date){n->today}, &day, &err), 0);
    int rc = vault_capsule_get(n->vault, at, index, &capsule, &err);
    assert_int_equal(rc, erased ? ERR_NOTFOUND : 0);
    if (rc == 0 && capsule_open(&day, CLASS_KEY, buf_slice(&capsule), &plain, &err) == 0) {
        assert_int_equal(key_capsule_decode_escrow(buf_slice(&plain), &n->identity.unit, &c, &err), 0);
        for (size_t i = 0; i < c.n_keys; i++) {
            if (!TYPE_EQ(&c.subject, subject) || c.keys[i].class != class)
                continue;
            assert_in_range(c.keys[i].generation, 1, ARRAY_LEN(ret->of) - 1);
            ret->n += !ret->of[c.keys[i].generation];
            ret->of[c.keys[i].generation] = true;
        }
    }
    buf_free(&capsule);
    buf_free(&plain);
}

static size_t
escrowed(struct test_node *n, const struct subject_id *subject, uint8_t class)
{
    struct log_row log = test_node_log(n);
    struct escrowed ret = {.n = 0};
    struct db_txn *txn;
    struct err err = {0};
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    for (uint64_t seq = 1; seq <= log.head_seq; seq++) {
        struct stored_event ev;
        struct event_header h;
        struct position at = {.log = log.id, .seq = seq};
        assert_int_equal(evlog_event(txn, log.no, seq, &ev, &err), 0);
        assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
        for (uint8_t i = 0; h.kind != KIND_ESCROW_OPENED && i < h.n_capsules; i++)
            if (h.capsules[i].class == CLASS_KEY)
                look_into(n, txn, &at, i, subject, class, &ret);
    }
    db_abort(&txn);
    return ret.n;
}

/* Generations of a subject that have a key of the class in the vault. */
static size_t
held(struct test_node *n, const struct subject_id *subject, uint8_t class)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    struct db_txn *txn;
    struct err err = {0};
    size_t n_slots = 0, count = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(keyslots_all(txn, subject, &slots, &n_slots, &err), 0);
    db_abort(&txn);
    for (size_t i = 0; i < n_slots; i++)
        count += vault_slot(n->vault, slots[i].slot, &keys, &err) == 0 &&
                 vault_key_there(&keys.keys[vault_class_index(class)]);
    free(slots);
    return count;
}

static void
of_many_generations_every_key_goes_and_every_key_that_stays_is_escrowed(void **state)
{
    struct test_node *n = *state;
    struct subject_id member = test_node_admit(n, 1);
    struct err err = {0};
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    new_generations(n, &member, GENERATIONS - 1);
    assert_int_equal(held(n, &member, CLASS_CONTACT), GENERATIONS);
    assert_int_equal(escrowed(n, &member, CLASS_IDENTITY), GENERATIONS);
    struct erase_outcome out = erase(n, &member, 1 << (CLASS_CONTACT - 1), false);
    assert_true(out.events > 1);
    assert_int_equal(held(n, &member, CLASS_CONTACT), 0);
    assert_int_equal(held(n, &member, CLASS_IDENTITY), GENERATIONS);
    assert_int_equal(escrowed(n, &member, CLASS_CONTACT), 0);
    assert_int_equal(escrowed(n, &member, CLASS_IDENTITY), GENERATIONS);
    assert_int_equal(escrowed(n, &member, CLASS_ACTIVITY), GENERATIONS);
    assert_int_equal(escrowed(n, &member, CLASS_COUNTING), 1); /* its key goes on when others are new */
    /* the next order takes what the first one escrowed, and nothing is left to escrow after the last */
    out = erase(n, &member, 0x1D, false);
    assert_int_equal(escrowed(n, &member, CLASS_IDENTITY), 0);
    assert_int_equal(held(n, &member, CLASS_IDENTITY), 0);
    assert_true(out.records[out.n - 1].capsules >= GENERATIONS);
    test_node_check(n);
}

static struct subject_id
name_representative(struct test_node *n, struct subject_id *ret_member)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    struct member_row row;
    struct member_state s;
    struct db_txn *txn;
    assert_non_null(op);
    test_node_admission(op, 1);
    op->member.request.category = CATEGORY_C;
    op->member.request.person_type = PERSON_LEGAL;
    op->member.request.person.identity =
        (struct person_identity){.birth_date = DATE_NONE, .legal_name = {"Verzonnen vzw"}};
    done(n, op);
    *ret_member = op->result.subject;
    *op = (struct api_op){.kind = OP_MEMBER};
    op->member.request = (struct member_request){
        .action = ACTION_NAME_REPRESENTATIVE, .has_subject = true, .subject = *ret_member, .effective = {n->today}};
    op->member.request.person.has_identity = op->member.request.person.has_contact = true;
    op->member.request.person.identity =
        (struct person_identity){.birth_date = DATE_NONE, .given_name = {"Aline"}, .family_name = {"Verzonnen"}};
    op->member.request.person.contact = (struct person_contact){.email = {"aline@example.org"}};
    done(n, op);
    free(op);
    const struct command_ctx ctx = {.unit = n->identity.unit, .vault = n->vault};
    struct command_ctx reading = ctx;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    reading.txn = txn;
    assert_int_equal(rows_member(&reading, ret_member, &row, &err), 0);
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    db_abort(&txn);
    assert_int_equal(s.n_representatives, 1);
    return s.representatives[0];
}

static void
what_stays_of_a_representative_is_escrowed_again(void **state)
{
    struct test_node *n = *state;
    struct subject_id member, person = name_representative(n, &member);
    assert_int_equal(escrowed(n, &person, CLASS_IDENTITY), 1);
    erase(n, &member, 1 << (CLASS_CONTACT - 1), false);
    assert_int_equal(held(n, &person, CLASS_CONTACT), 1); /* not asked for */
    assert_int_equal(escrowed(n, &person, CLASS_CONTACT), 1);
    erase(n, &member, 1 << (CLASS_CONTACT - 1) | 1 << (CLASS_NOTE - 1), true);
    assert_int_equal(held(n, &person, CLASS_CONTACT), 0);
    assert_int_equal(escrowed(n, &person, CLASS_CONTACT), 0);
    assert_int_equal(held(n, &person, CLASS_IDENTITY), 1);
    assert_int_equal(escrowed(n, &person, CLASS_IDENTITY), 1);
}

/* ---- strays ---- */

/* An event of a kind that this program does not know, with a contact and a key capsule. */
static struct position
write_stray(struct test_node *n, const struct subject_id *member, const struct subject_id *keys_of, uint8_t *ret_n)
{
    struct engine *e = n->engine;
    struct event_header h = {.kind = KIND_OF_TOMORROW, .kind_version = 1};
    struct draft *d = calloc(1, sizeof(*d));
    struct slot_keys keys = {0};
    struct member_world world;
    struct command_ctx ctx;
    struct buf payload, header, key_capsule;
    struct slice bytes;
    struct err err = {0};
    const struct person_contact contact = {.email = {"strays@example.org"}};
    assert_non_null(d);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&key_capsule, CAPSULE_BYTES_MAX);
    assert_int_equal(engine_begin(e, &err), 0);
    engine_context(e, &DESK, &world, &ctx);
    assert_int_equal(engine_ready(e, &err), 0);
    draft_init(d, &ctx, KIND_DATA_CHANGED, member, (struct civil_date){n->today});
    d->payload.common.has_salt = true;
    d->key_subject = *keys_of;
    d->fresh_keys = true;
    assert_int_equal(person_contact_encode(&contact, draft_capsule(d, CLASS_CONTACT), &err), 0);
    assert_int_equal(event_payload_encode(&d->payload, &payload, &err), 0);
    uint64_t seq = e->own.seq + 1;
    assert_int_equal(ownlog_escrow(&e->own, e->txn, &err), 0);
    assert_int_equal(ownlog_find_keys(&e->own, e->txn, d, &keys, &key_capsule, &err), 0);
    assert_int_equal(ownlog_seal_capsules(&e->own, e->txn, d, &keys, seq, &h, &err), 0);
    ownlog_keep_key_capsule(&e->own, seq, h.n_capsules, buf_slice(&key_capsule));
    h.capsules[h.n_capsules++] = (struct capsule_commitment){
        .class = CLASS_KEY, .hash = capsule_hash(buf_slice(&key_capsule)), .bytes = (uint32_t)key_capsule.len};
    assert_int_equal(ownlog_emit(&e->own, &h, buf_slice(&payload), &bytes, &header, &err), 0);
    assert_int_equal(ownlog_apply(&e->own, e->txn, bytes, buf_slice(&payload), &err), 0);
    struct position at = {.log = e->own.row.id, .seq = seq};
    assert_int_equal(engine_commit(e, &err), 0);
    assert_int_equal(engine_vault_flush(e, &err), 0);
    *ret_n = h.n_capsules;
    draft_release(d);
    free(d);
    buf_free(&payload);
    buf_free(&header);
    buf_free(&key_capsule);
    return at;
}

/* Capsules of an event that are there, in both environments. */
static size_t
capsules_there(struct test_node *n, const struct position *at, uint8_t count)
{
    struct log_row log;
    struct db_txn *txn;
    struct slice bytes;
    struct err err = {0};
    size_t there = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    for (uint8_t i = 0; i < count; i++) {
        struct buf key;
        buf_init(&key, CAPSULE_BYTES_MAX);
        there += capsules_get(txn, log.no, at->seq, i, &bytes, &err) == 0 ||
                 vault_capsule_get(n->vault, at, i, &key, &err) == 0;
        buf_free(&key);
    }
    db_abort(&txn);
    return there;
}

static void
capsules_of_an_event_in_no_row_are_listed_if_they_are_the_members(void **state)
{
    struct test_node *n = *state;
    struct subject_id member = test_node_admit(n, 1), other = test_node_admit(n, 2);
    uint8_t count;
    /* named in clear or not, what a key of the member opens is the member's */
    struct position theirs = write_stray(n, &member, &member, &count),
                    unnamed = write_stray(n, &other, &member, &count), others = write_stray(n, &other, &other, &count);
    assert_int_equal(count, 2);
    erase(n, &member, 1 << (CLASS_IDENTITY - 1), false);
    assert_int_equal(capsules_there(n, &theirs, count), 1);
    assert_int_equal(capsules_there(n, &unnamed, count), 1);
    /* one that is written after the first walk is found by the next */
    struct position later = write_stray(n, &member, &member, &count);
    assert_int_equal(capsules_there(n, &later, count), 2);
    erase(n, &member, 1 << (CLASS_CONTACT - 1), false);
    assert_int_equal(capsules_there(n, &later, count), 0);
    assert_int_equal(capsules_there(n, &theirs, count), 0);
    assert_int_equal(capsules_there(n, &unnamed, count), 0);
    assert_int_equal(capsules_there(n, &others, count), 2);
    assert_int_equal(held(n, &member, CLASS_CONTACT), 0);
    assert_int_equal(held(n, &other, CLASS_CONTACT), 2);
}

/* ---- what hosts recorded ---- */

static struct visit
record_visit(struct test_node *n, const struct test_node *host, const struct subject_id *member, uint8_t index,
             bool proposes)
{
    struct guest_record *r = calloc(1, sizeof(*r));
    struct log_row log;
    struct db_txn *txn;
    struct buf plain;
    struct err err = {0};
    static const uint8_t ciphertext[64] = {1};
    assert_non_null(r);
    *r = (struct guest_record){
        .member = *member, .unit = n->identity.unit, .day = {n->today}, .opened = 1, .classes = 1};
    if (proposes) {
        r->n_contact = 1;
        r->contact = (struct person_contact){.email = {"proposed@example.org"}};
    }
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(guest_record_encode(r, &plain, &err), 0);
    assert_int_equal(db_begin_write(n->db, &txn, &err), 0);
    uint32_t count = 0, no = 1;
    assert_int_equal(evlog_count(txn, &count, &err), 0);
    for (; no <= count; no++) {
        assert_int_equal(evlog_get(txn, no, &log, &err), 0);
        if (TYPE_EQ(&log.unit, &host->identity.unit))
            break;
    }
    assert_in_range(no, 1, count);
    assert_int_equal(capsules_put(txn, log.no, 1, index, slice_of(ciphertext, sizeof(ciphertext)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    struct visit v = {.subject = *member, .at = {.log = log.id, .seq = 1}, .index = index, .host = host->identity.unit};
    assert_int_equal(visits_put(n->vault, &v, buf_slice(&plain), &err), 0);
    buf_free(&plain);
    free(r);
    return v;
}

struct seen {
    size_t n, proposals;
};

static int
count_visit(void *arg, const struct visit *visit, struct slice plain)
{
    struct seen *s = arg;
    struct guest_record *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    assert_int_equal(guest_record_decode(plain, r, NULL), 0);
    assert_int_equal(visit->at.seq, 1);
    assert_int_equal(r->opened, 1);
    s->n++;
    s->proposals += r->n_contact;
    free(r);
    return 0;
}

static struct seen
visits_of(struct test_node *n, const struct subject_id *member)
{
    struct seen s = {0};
    struct err err = {0};
    assert_int_equal(visits_each(n->vault, member, NULL, count_visit, &s, &err), 0);
    return s;
}

static void
what_hosts_recorded_goes_with_activity_and_what_they_proposed_with_contact(void **state)
{
    struct test_node *n = *state, host = {0};
    struct subject_id member = test_node_admit(n, 1), other = test_node_admit(n, 2);
    struct err err = {0};
    test_node_make_as(&host, "DE", 3);
    while (test_node_carry(&host, n) > 0) {
    }
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    struct visit looked = record_visit(n, &host, &member, 0, false),
                 proposed = record_visit(n, &host, &member, 1, true);
    record_visit(n, &host, &other, 2, true);
    assert_int_equal(capsules_there(n, &looked.at, 3), 3);
    erase(n, &member, 1 << (CLASS_CONTACT - 1), false);
    assert_int_equal(visits_of(n, &member).n, 2);
    assert_int_equal(visits_of(n, &member).proposals, 0);
    assert_int_equal(visits_of(n, &other).proposals, 1);
    assert_int_equal(capsules_there(n, &proposed.at, 3), 2);
    erase(n, &member, 1 << (CLASS_ACTIVITY - 1), false);
    assert_int_equal(visits_of(n, &member).n, 0);
    assert_int_equal(visits_of(n, &other).n, 1);
    assert_int_equal(capsules_there(n, &looked.at, 3), 1);
    test_node_remove(&host);
}

static struct api_op *
answering(const struct visit *v, enum visit_settled as)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = as == VISIT_ACCEPTED ? OP_MEMBER : OP_SETTLE;
    op->settles.as = (uint8_t)as;
    op->settles.member = v->subject;
    op->settles.at = v->at;
    op->settles.index = v->index;
    op->member.request = (struct member_request){.action = ACTION_CHANGE_DATA,
                                                 .subject = v->subject,
                                                 .has_subject = true,
                                                 .effective = DATE_NONE,
                                                 .person = {.has_contact = as == VISIT_ACCEPTED}};
    return op;
}

/* ERR_NONE: it is answered. */
static enum err_code
answer(struct test_node *n, const struct visit *v, enum visit_settled as, const char *field)
{
    struct api_op *op = answering(v, as);
    struct err err = {0};
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    enum err_code code = op->result.err.code;
    if (code != ERR_NONE)
        assert_string_equal(op->result.err.field, field);
    free(op);
    return code;
}

static void
a_proposal_is_answered_once_and_not_after_an_erasure(void **state)
{
    struct test_node *n = *state, host = {0};
    struct subject_id member = test_node_admit(n, 1);
    struct err err = {0};
    test_node_make_as(&host, "DE", 3);
    while (test_node_carry(&host, n) > 0) {
    }
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    struct visit first = record_visit(n, &host, &member, 0, true), second = record_visit(n, &host, &member, 1, true),
                 none = first;
    none.index = 7;
    assert_int_equal(answer(n, &none, VISIT_ACCEPTED, "proposal"), ERR_NOTFOUND);
    assert_int_equal(answer(n, &first, VISIT_DECLINED, "proposal"), ERR_NONE);
    assert_int_equal(answer(n, &first, VISIT_DECLINED, "proposal"), ERR_CONFLICT);
    assert_int_equal(answer(n, &first, VISIT_ACCEPTED, "proposal"), ERR_CONFLICT);
    assert_int_equal(answer(n, &second, VISIT_ACCEPTED, "proposal"), ERR_NONE);
    assert_int_equal(answer(n, &second, VISIT_ACCEPTED, "proposal"), ERR_CONFLICT);
    erase(n, &member, 1 << (CLASS_CONTACT - 1), false);
    struct visit late = record_visit(n, &host, &member, 2, true);
    assert_int_equal(answer(n, &late, VISIT_ACCEPTED, "proposal"), ERR_CONFLICT);
    assert_int_equal(answer(n, &late, VISIT_DECLINED, "proposal"), ERR_NONE);
    test_node_remove(&host);
}

/* Wherever a stop comes between the two environments: after the start a proposal is answered if the event is there, and open if not. */
static void
an_answer_and_its_event_are_both_there_or_neither(void **state)
{
    struct test_node *n = *state, host = {0};
    struct subject_id member = test_node_admit(n, 1);
    struct err err = {0};
    unsigned made = 0;
    test_node_make_as(&host, "DE", 3);
    while (test_node_carry(&host, n) > 0) {
    }
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    for (uint8_t as = VISIT_ACCEPTED; as <= VISIT_DECLINED; as++) {
        struct visit v = record_visit(n, &host, &member, as, true), now;
        for (unsigned at = 1; made < 4 * as; at++) {
            struct api_op *op = answering(&v, (enum visit_settled)as);
            db_fail_after(at);
            bool answered = test_node_exec(n, op, &err) == 0;
            db_fail_after(0);
            free(op);
            if (!answered) { /* nothing of it is seen, before the stop and after it */
                assert_int_equal(visits_get(n->vault, &member, &v.at, v.index, &now, NULL, &err), 0);
                assert_int_equal(now.settled, VISIT_OPEN);
            }
            test_node_close(n);
            test_node_open(n);
            assert_int_equal(visits_get(n->vault, &member, &v.at, v.index, &now, NULL, &err), 0);
            assert_int_equal(now.settled, answered ? as : VISIT_OPEN);
            if (answered) { /* again, with the next step failing */
                assert_int_equal(answer(n, &v, (enum visit_settled)as, "proposal"), ERR_CONFLICT);
                v = record_visit(n, &host, &member, (uint8_t)(2 + ++made), true);
            }
            assert_in_range(at, 1, 500);
        }
    }
    test_node_remove(&host);
}

/* The vault cannot be written for a while after the event is there. */
static void
an_answer_that_the_vault_did_not_take_holds_and_is_made_up_for(void **state)
{
    struct test_node *n = *state, host = {0};
    struct subject_id member = test_node_admit(n, 1);
    struct visit now;
    struct err err = {0};
    bool answered = false;
    test_node_make_as(&host, "DE", 3);
    while (test_node_carry(&host, n) > 0) {
    }
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    struct visit v = record_visit(n, &host, &member, 0, true);
    for (unsigned at = 1; !answered; at++) { /* the first step that may fail is in the vault */
        struct api_op *op = answering(&v, VISIT_ACCEPTED);
        db_fail_after(at);
        answered = test_node_exec(n, op, &err) == 0;
        db_fail_after(0);
        free(op);
        assert_in_range(at, 1, 500);
    }
    assert_int_equal(visits_get(n->vault, &member, &v.at, v.index, &now, NULL, &err), 0);
    assert_int_equal(now.settled, VISIT_OPEN);
    assert_true(engine_vault_pending(n->engine, &(bool){false}));
    struct api_op *again = answering(&v, VISIT_ACCEPTED);
    assert_int_equal(engine_begin(n->engine, &err), 0);
    assert_int_equal(engine_exec(n->engine, &(struct actor_id){{1}}, again, &err), 0);
    assert_int_equal(again->result.err.code, ERR_CONFLICT);
    engine_abort(n->engine);
    free(again);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    assert_int_equal(visits_get(n->vault, &member, &v.at, v.index, &now, NULL, &err), 0);
    assert_int_equal(now.settled, VISIT_ACCEPTED);
    test_node_remove(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_many_generations_every_key_goes_and_every_key_that_stays_is_escrowed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_stays_of_a_representative_is_escrowed_again, setup, teardown),
        cmocka_unit_test_setup_teardown(capsules_of_an_event_in_no_row_are_listed_if_they_are_the_members, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_hosts_recorded_goes_with_activity_and_what_they_proposed_with_contact,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_proposal_is_answered_once_and_not_after_an_erasure, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_and_its_event_are_both_there_or_neither, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_the_vault_did_not_take_holds_and_is_made_up_for, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
