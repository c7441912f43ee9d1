/* See counter.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/counter.h"

const struct civil_date COUNTER_TODAY = {20000};

/* ---- the world ------------------------------------------------------------------------------ */

static void
draw(void *arg, uint8_t *out, size_t len)
{
    struct counter *k = arg;
    memset(out, ++k->drawn, len);
}

static int
chain_at(void *arg, const struct position *at, struct chain_value *ret)
{
    const struct counter *k = arg;
    if (!TYPE_EQ(&at->log, &k->log) || at->seq > k->seq)
        return ERR_NOTFOUND;
    memset(ret, 0, sizeof(*ret));
    be64_put(ret->b, at->seq);
    return 0;
}

/* Only of events that are written: one to be has no position that anybody could ask about. */
static bool
office_known(void *arg, const struct unit_id *unit, const struct office_id *office, const struct position *at)
{
    return at->seq != 0;
}

void
counter_store(struct counter *k, enum table t, struct slice key, const struct buf *row)
{
    struct err err;
    if (k->state)
        assert_int_equal(state_put(k->state, t, key, buf_slice(row), &err), 0);
    else
        assert_int_equal(db_put(k->txn, t, key, buf_slice(row), &err), 0);
}

static void
record_member(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at)
{
    uint8_t key[KEY_MEMBER], slot_key[ID_BYTES + 4] = {0}, slot[8] = {0};
    struct member_row row;
    struct member_entry e;
    struct missing missing;
    struct buf out;
    struct err err;
    if (rows_member(&k->ctx, &d->subject, &row, &err) != 0)
        member_row_init(&row, &k->ctx.unit, &d->subject);
    member_entry_from_event(at, h, &d->payload, &e);
    assert_int_equal(member_row_add(&row, &e, &k->world, &missing, &err), 0);
    assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
    buf_init(&out, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(member_row_encode(&row, &out, &err), 0);
    key_member(key, &d->subject, &k->ctx.unit);
    counter_store(k, TABLE_MEMBERS, slice_of(key, sizeof(key)), &out);
    if (d->new_keys && k->vault != NULL) {
        counter_give_keys(k, &d->key_subject);
    } else if (d->new_keys) {
        memcpy(slot_key, d->key_subject.b, ID_BYTES);
        assert_int_equal(
            db_put(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), slice_of(slot, sizeof(slot)), &err),
            0);
    }
    buf_free(&out);
    member_row_release(&row);
}

static void
record_place(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at)
{
    uint8_t key[KEY_OFFICE];
    struct office_id office = {0};
    struct place_row row;
    struct place_entry e;
    struct missing missing;
    struct buf out;
    struct err err;
    bool is_unit = d->kind == KIND_UNIT_DESCRIBED;
    memcpy(office.b, d->subject.b, sizeof(office.b));
    if ((is_unit ? rows_unit(&k->ctx, &row, &err) : rows_office(&k->ctx, &office, &row, &err)) != 0)
        place_row_init(&row, &k->ctx.unit, &office);
    place_entry_from_event(at, h, &d->payload, &e);
    assert_int_equal(place_row_add(&row, &e, &k->world, &missing, &err), 0);
    assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
    buf_init(&out, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(place_row_encode(&row, &out, &err), 0);
    key_office(key, &k->ctx.unit, &office);
    if (is_unit)
        counter_store(k, TABLE_UNITS, slice_of(k->ctx.unit.b, sizeof(k->ctx.unit.b)), &out);
    else
        counter_store(k, TABLE_OFFICES, slice_of(key, sizeof(key)), &out);
    buf_free(&out);
    place_row_release(&row);
}

void
counter_close_year(struct counter *k, uint16_t year)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct buf row;
    buf_init(&row, 16);
    buf_put_u8(&row, 1); /* that it is there is what counts */
    key_period_row(key, &k->ctx.unit, year);
    counter_store(k, TABLE_PERIODS, slice_of(key, sizeof(key)), &row);
    buf_free(&row);
}

/* What the writer and apply do with a draft. Releases it. */
struct position
counter_record(struct counter *k, struct draft *d)
{
    struct position at = {k->log, ++k->seq};
    struct event_header h;
    draft_header(d, &h);
    h.seq = at.seq;
    if (d->kind >= KIND_ACTIVITY_OPENED)
        counter_record_work(k, d, &h, &at);
    else if (d->kind >= KIND_APPLICATION_RECEIVED)
        record_member(k, d, &h, &at);
    else
        record_place(k, d, &h, &at);
    draft_release(d);
    return at;
}

/* ---- setting up ----------------------------------------------------------------------------- */

struct unit_described
counter_unit_facts(int64_t price)
{
    struct unit_described u = {.name = {"Imaginaria"},
                               .country = "BE",
                               .currency = "EUR",
                               .n_languages = 1,
                               .languages = {"nl"},
                               .time_zone = {"Europe/Brussels"},
                               .contribution_bp = 650,
                               .share_price_minor = price};
    return u;
}

struct office_facts
counter_office_facts(const char *name)
{
    struct office_facts f = {.city = {"Gent"}, .country = "BE"};
    memcpy(f.name.s, name, strlen(name) + 1);
    return f;
}

struct office_id
counter_open_office(struct counter *k, const char *name, struct civil_date on)
{
    struct office_facts f = counter_office_facts(name);
    struct office_id id;
    struct draft d;
    struct err err;
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, on, &d, &err), 0);
    memcpy(id.b, d.subject.b, sizeof(id.b));
    counter_record(k, &d);
    return id;
}

void
counter_describe(struct counter *k, int64_t price, struct civil_date on)
{
    struct unit_described u = counter_unit_facts(price);
    struct draft d;
    struct err err;
    assert_int_equal(command_unit_describe(&k->ctx, &u, on, &d, &err), 0);
    counter_record(k, &d);
}

static struct counter *
desk_new(bool with_state)
{
    struct counter *k = calloc(1, sizeof(*k));
    struct err err;
    uint32_t depth;
    assert_non_null(k);
    test_dir_make(k->dir);
    k->db = test_db_open_volatile(k->dir, DB_MAIN);
    assert_int_equal(db_begin_write(k->db, &k->txn, &err), 0);
    if (with_state) {
        assert_int_equal(state_new(k->db, &k->state, &err), 0);
        state_begin(k->state, k->txn);
    }
    memset(k->log.b, 0xAA, sizeof(k->log.b));
    k->seq = 1;
    assert_int_equal(dag_new(&k->dag, &err), 0);
    assert_int_equal(dag_add(k->dag, &k->log, NULL, 0, &depth, &err), 0);
    k->world = (struct member_world){.dag = k->dag, .arg = k, .chain_at = chain_at, .office_known = office_known};
    k->ctx = (struct command_ctx){.txn = k->txn,
                                  .state = k->state,
                                  .world = &k->world,
                                  .unit = {{0xBE}},
                                  .unit_code = "BE",
                                  .actor = {{0xAC}},
                                  .today = COUNTER_TODAY,
                                  .random = draw,
                                  .random_arg = k};
    k->office = counter_open_office(k, "Gent Dampoort", (struct civil_date){10000});
    counter_describe(k, 3000, (struct civil_date){10000});
    return k;
}

int
counter_setup(void **state)
{
    *state = desk_new(false);
    return 0;
}

int
counter_setup_with_state(void **state)
{
    *state = desk_new(true);
    return 0;
}

int
counter_teardown(void **state)
{
    struct counter *k = *state;
    if (k->state)
        state_discard(k->state);
    state_free(&k->state);
    db_abort(&k->txn);
    dag_free(&k->dag);
    if (k->vault != NULL) {
        vault_close(&k->vault);
        test_dir_remove(k->vault_dir);
    }
    db_close(&k->db);
    test_dir_remove(k->dir);
    free(k);
    return 0;
}

struct member_request
counter_request(enum member_action action, int32_t on)
{
    return (struct member_request){.action = action, .effective = {on}};
}

struct member_request
counter_someone(const struct counter *k, enum member_action action, int32_t on)
{
    struct member_request r = counter_request(action, on);
    r.category = CATEGORY_A;
    r.person_type = PERSON_NATURAL;
    r.has_office = true;
    r.office = k->office;
    r.has_shares = action == ACTION_ADMIT;
    r.shares = 2;
    r.person.has_identity = r.person.has_contact = r.person.has_bank = true;
    r.person.identity =
        (struct person_identity){.family_name = {"Vandersanden"}, .given_name = {" Imke "}, .birth_date = {5000}};
    r.person.contact = (struct person_contact){.city = {"Gent"}};
    return r;
}

struct member_request
counter_about(struct subject_id subject, enum member_action action, int32_t on)
{
    struct member_request r = counter_request(action, on);
    r.has_subject = true;
    r.subject = subject;
    return r;
}

struct draft
counter_accepted(const struct counter *k, const struct member_request *r)
{
    struct draft d;
    struct err err = {0};
    if (command_member(&k->ctx, r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    return d;
}

struct subject_id
counter_done(struct counter *k, struct member_request r, struct position *ret_at)
{
    struct draft d = counter_accepted(k, &r);
    struct subject_id s = d.subject;
    struct position at = counter_record(k, &d);
    if (ret_at)
        *ret_at = at;
    return s;
}

void
counter_refused(const struct counter *k, const struct member_request *r, int code, const char *field)
{
    struct draft d, before;
    struct err err = {0};
    memset(&d, 0x5A, sizeof(d));
    before = d;
    assert_int_equal(command_member(&k->ctx, r, &d, &err), code);
    assert_string_equal(err.field, field);
    assert_true(err.text[0] != '\0');
    assert_memory_equal(&d, &before, sizeof(d));
}
