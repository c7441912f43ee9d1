/* Requests at a desk, each against the rows that the ones before have left: what becomes of them, and each refusal with the field
 * at fault. The desk here does what the writer does: it gives positions and folds. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/rows.h"
#include "tests/support/storage.h"

struct desk {
    char dir[TEST_PATH_MAX];
    struct db *db;
    struct db_txn *txn;
    struct state *state; /* NULL: rows straight from the tables */
    struct dag *dag;
    struct member_world world;
    struct command_ctx ctx;
    struct log_id log;
    uint64_t seq;
    uint8_t drawn;
    struct office_id office;
};

static const struct civil_date TODAY = {20000};

/* ---- the world ------------------------------------------------------------------------------ */

static void
draw(void *arg, uint8_t *out, size_t len)
{
    struct desk *k = arg;
    memset(out, ++k->drawn, len);
}

static int
chain_at(void *arg, const struct position *at, struct chain_value *ret)
{
    const struct desk *k = arg;
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

static void
store(struct desk *k, enum table t, struct slice key, const struct buf *row)
{
    struct err err;
    if (k->state)
        assert_int_equal(state_put(k->state, t, key, buf_slice(row), &err), 0);
    else
        assert_int_equal(db_put(k->txn, t, key, buf_slice(row), &err), 0);
}

static void
record_member(struct desk *k, const struct draft *d, const struct event_header *h, const struct position *at)
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
    store(k, TABLE_MEMBERS, slice_of(key, sizeof(key)), &out);
    if (d->new_keys) {
        memcpy(slot_key, d->subject.b, ID_BYTES);
        assert_int_equal(
            db_put(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), slice_of(slot, sizeof(slot)), &err),
            0);
    }
    buf_free(&out);
    member_row_release(&row);
}

static void
record_place(struct desk *k, const struct draft *d, const struct event_header *h, const struct position *at)
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
        store(k, TABLE_UNITS, slice_of(k->ctx.unit.b, sizeof(k->ctx.unit.b)), &out);
    else
        store(k, TABLE_OFFICES, slice_of(key, sizeof(key)), &out);
    buf_free(&out);
    place_row_release(&row);
}

/* What the writer and apply do with a draft. Releases it. */
static struct position
record(struct desk *k, struct draft *d)
{
    struct position at = {k->log, ++k->seq};
    struct event_header h;
    draft_header(d, &h);
    h.seq = at.seq;
    if (d->kind >= KIND_APPLICATION_RECEIVED)
        record_member(k, d, &h, &at);
    else
        record_place(k, d, &h, &at);
    draft_release(d);
    return at;
}

/* ---- setting up ----------------------------------------------------------------------------- */

static struct unit_described
unit_facts(int64_t price)
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

static struct office_facts
office_facts(const char *name)
{
    struct office_facts f = {.city = {"Gent"}, .country = "BE"};
    memcpy(f.name.s, name, strlen(name) + 1);
    return f;
}

static struct office_id
open_office(struct desk *k, const char *name, struct civil_date on)
{
    struct office_facts f = office_facts(name);
    struct office_id id;
    struct draft d;
    struct err err;
    assert_int_equal(command_office_open(&k->ctx, &f, on, &d, &err), 0);
    memcpy(id.b, d.subject.b, sizeof(id.b));
    record(k, &d);
    return id;
}

static void
describe(struct desk *k, int64_t price, struct civil_date on)
{
    struct unit_described u = unit_facts(price);
    struct draft d;
    struct err err;
    assert_int_equal(command_unit_describe(&k->ctx, &u, on, &d, &err), 0);
    record(k, &d);
}

static struct desk *
desk_new(bool with_state)
{
    struct desk *k = calloc(1, sizeof(*k));
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
    k->world = (struct member_world){k->dag, k, chain_at, office_known};
    k->ctx = (struct command_ctx){.txn = k->txn,
                                  .state = k->state,
                                  .world = &k->world,
                                  .unit = {{0xBE}},
                                  .unit_code = "BE",
                                  .actor = {{0xAC}},
                                  .today = TODAY,
                                  .random = draw,
                                  .random_arg = k};
    k->office = open_office(k, "Gent Dampoort", (struct civil_date){10000});
    describe(k, 3000, (struct civil_date){10000});
    return k;
}

static int
setup(void **state)
{
    *state = desk_new(false);
    return 0;
}

static int
setup_with_state(void **state)
{
    *state = desk_new(true);
    return 0;
}

static int
teardown(void **state)
{
    struct desk *k = *state;
    if (k->state)
        state_discard(k->state);
    state_free(&k->state);
    db_abort(&k->txn);
    dag_free(&k->dag);
    db_close(&k->db);
    test_dir_remove(k->dir);
    free(k);
    return 0;
}

static struct member_request
request(enum member_action action, int32_t on)
{
    return (struct member_request){.action = action, .effective = {on}};
}

static struct member_request
someone(const struct desk *k, enum member_action action, int32_t on)
{
    struct member_request r = request(action, on);
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

static struct member_request
about(struct subject_id subject, enum member_action action, int32_t on)
{
    struct member_request r = request(action, on);
    r.has_subject = true;
    r.subject = subject;
    return r;
}

static struct draft
accepted(const struct desk *k, const struct member_request *r)
{
    struct draft d;
    struct err err = {0};
    if (command_member(&k->ctx, r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    return d;
}

static struct subject_id
done(struct desk *k, struct member_request r, struct position *ret_at)
{
    struct draft d = accepted(k, &r);
    struct subject_id s = d.subject;
    struct position at = record(k, &d);
    if (ret_at)
        *ret_at = at;
    return s;
}

static void
refused(const struct desk *k, const struct member_request *r, int code, const char *field)
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

/* ---- members -------------------------------------------------------------------------------- */

static void
an_admission_takes_price_and_currency_from_the_unit(void **state)
{
    struct desk *k = *state;
    struct member_request r = someone(k, ACTION_ADMIT, 15000);
    struct draft d = accepted(k, &r);
    const struct admission *a = &d.payload.admission;
    assert_int_equal(d.kind, KIND_MEMBER_ADMITTED);
    assert_int_equal(a->shares, 2);
    assert_int_equal(a->share_price_minor, 3000);
    assert_string_equal(a->currency, "EUR");
    assert_memory_equal(&a->office, &k->office, sizeof(k->office));
    assert_int_equal(d.payload.common.effective.days, 15000);
    assert_memory_equal(&d.payload.common.actor, &k->ctx.actor, ID_BYTES);
    assert_memory_equal(&d.payload.common.subject, &d.subject, ID_BYTES);
    assert_false(d.payload.common.has_salt);
    assert_int_equal(d.n_refs, 0);
    assert_true(d.new_keys);
    /* the bank account was empty: no capsule */
    assert_int_equal(d.n_capsules, 2);
    assert_int_equal(d.capsules[0].class, CLASS_IDENTITY);
    assert_int_equal(d.capsules[1].class, CLASS_CONTACT);
    struct person_identity p;
    struct err err;
    assert_int_equal(person_identity_decode(buf_slice(&d.capsules[0].plain), &p, &err), 0);
    assert_string_equal(p.given_name.s, "Imke");
    draft_release(&d);
    describe(k, 4500, (struct civil_date){16000});
    r.effective.days = 15999;
    d = accepted(k, &r);
    assert_int_equal(d.payload.admission.share_price_minor, 3000);
    draft_release(&d);
    r.effective = DATE_NONE;
    d = accepted(k, &r);
    assert_int_equal(d.payload.admission.share_price_minor, 4500);
    assert_int_equal(d.payload.common.effective.days, TODAY.days);
    draft_release(&d);
    r.effective.days = 9999;
    refused(k, &r, ERR_CONFLICT, "unit");
}

static void
an_admission_names_the_open_application_and_takes_what_it_said(void **state)
{
    struct desk *k = *state;
    struct position at;
    struct subject_id s = done(k, someone(k, ACTION_APPLY, 15000), &at);
    struct member_request r = about(s, ACTION_ADMIT, 15010);
    refused(k, &r, ERR_INVALID, "shares");
    r.has_shares = true;
    r.shares = 1;
    struct draft d = accepted(k, &r);
    assert_int_equal(d.payload.admission.category, CATEGORY_A);
    assert_int_equal(d.payload.admission.person_type, PERSON_NATURAL);
    assert_memory_equal(&d.payload.admission.office, &k->office, sizeof(k->office));
    assert_int_equal(d.n_refs, 1);
    assert_int_equal(d.refs[0].role, REF_APPLICATION);
    assert_int_equal(d.refs[0].seq, at.seq);
    assert_int_equal(be64_get(d.refs[0].chain.b), at.seq);
    assert_false(d.new_keys);
    assert_int_equal(d.n_capsules, 0);
    record(k, &d);
    r = about(s, ACTION_REFUSE, 15020);
    refused(k, &r, ERR_CONFLICT, "effective_on");
}

static void
an_application_can_be_refused_once(void **state)
{
    struct desk *k = *state;
    struct position at;
    struct subject_id s = done(k, someone(k, ACTION_APPLY, 15000), &at);
    struct member_request r = about(s, ACTION_REFUSE, 14999);
    refused(k, &r, ERR_CONFLICT, "effective_on");
    r.effective.days = 15001;
    struct draft d = accepted(k, &r);
    assert_int_equal(d.refs[0].role, REF_APPLICATION);
    assert_int_equal(d.refs[0].seq, at.seq);
    record(k, &d);
    refused(k, &r, ERR_CONFLICT, "effective_on");
}

static void
a_withdrawal_is_answered_by_naming_the_open_request(void **state)
{
    struct desk *k = *state;
    struct position first, second;
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request grant = about(s, ACTION_GRANT_WITHDRAWAL, 15100);
    refused(k, &grant, ERR_CONFLICT, "effective_on");
    done(k, about(s, ACTION_REQUEST_WITHDRAWAL, 15010), &first);
    struct member_request refuse = about(s, ACTION_REFUSE_WITHDRAWAL, 15020);
    struct draft d = accepted(k, &refuse);
    assert_int_equal(d.refs[0].role, REF_REQUEST);
    assert_int_equal(d.refs[0].seq, first.seq);
    record(k, &d);
    refused(k, &grant, ERR_CONFLICT, "effective_on");
    done(k, about(s, ACTION_REQUEST_WITHDRAWAL, 15050), &second);
    d = accepted(k, &grant);
    assert_int_equal(d.refs[0].seq, second.seq);
    record(k, &d);
    struct member_request again = about(s, ACTION_RESIGN, 15200);
    refused(k, &again, ERR_CONFLICT, "effective_on");
}

static void
leaving_and_changing_go_by_the_rules_of_the_fold(void **state)
{
    struct desk *k = *state;
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request r = about(s, ACTION_CHANGE_CATEGORY, 15010);
    r.category = CATEGORY_A;
    refused(k, &r, ERR_CONFLICT, "category");
    r.category = CATEGORY_C;
    done(k, r, NULL);
    r = about(s, ACTION_SUBSCRIBE, 15020);
    r.has_shares = true;
    r.shares = 5;
    struct draft d = accepted(k, &r);
    assert_int_equal(d.payload.shares.shares, 5);
    assert_int_equal(d.payload.shares.share_price_minor, 3000);
    record(k, &d);
    done(k, about(s, ACTION_RESIGN, 15030), NULL);
    r = about(s, ACTION_EXCLUDE, 15040);
    refused(k, &r, ERR_CONFLICT, "effective_on");
    r = someone(k, ACTION_ADMIT, 15005);
    r.has_subject = true;
    r.subject = s;
    refused(k, &r, ERR_CONFLICT, "effective_on");
    r.effective.days = 15040;
    d = accepted(k, &r);
    draft_release(&d);
}

static void
data_changes_carry_only_the_classes_given(void **state)
{
    struct desk *k = *state;
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request r = about(s, ACTION_CHANGE_DATA, 15010);
    refused(k, &r, ERR_INVALID, "person");
    r.person.has_contact = true; /* and empty: there shall be none any more */
    struct draft d = accepted(k, &r);
    assert_int_equal(d.n_capsules, 1);
    assert_int_equal(d.capsules[0].class, CLASS_CONTACT);
    assert_int_equal(d.capsules[0].plain.len, 0);
    assert_false(d.payload.data.has_office);
    assert_false(d.new_keys);
    record(k, &d);
    r = about(s, ACTION_CHANGE_DATA, 15011);
    r.has_office = true;
    r.office = open_office(k, "Brugge", (struct civil_date){10000});
    d = accepted(k, &r);
    assert_int_equal(d.n_capsules, 0);
    assert_true(d.payload.data.has_office);
    record(k, &d);
    r = about(s, ACTION_CHANGE_DATA, 15012);
    r.person.has_identity = true;
    r.person.identity.birth_date = DATE_NONE;
    refused(k, &r, ERR_INVALID, "family_name");
    r = about(s, ACTION_RESIGN, 15012);
    r.person.has_contact = true;
    refused(k, &r, ERR_INVALID, "person");
}

static void
a_member_without_keys_gets_them_with_the_first_capsule(void **state)
{
    struct desk *k = *state;
    uint8_t slot_key[ID_BYTES + 4] = {0};
    struct err err;
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), NULL);
    memcpy(slot_key, s.b, ID_BYTES);
    assert_int_equal(db_del(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), &err), 0);
    slot_key[0]++; /* a neighbour's keys are not this member's */
    assert_int_equal(
        db_put(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), slice_of("12345678", 8), &err), 0);
    struct member_request r = about(s, ACTION_CHANGE_DATA, 15010);
    r.person.has_contact = true;
    struct draft d = accepted(k, &r);
    assert_true(d.new_keys);
    draft_release(&d);
    r = about(s, ACTION_RESIGN, 15010);
    d = accepted(k, &r);
    assert_false(d.new_keys);
    draft_release(&d);
}

static void
a_stale_view_of_the_member_is_refused(void **state)
{
    struct desk *k = *state;
    struct position at, later;
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), &at);
    struct member_request r = about(s, ACTION_RESIGN, 15100);
    r.has_if_match = true;
    r.if_match = at;
    struct draft d = accepted(k, &r);
    draft_release(&d);
    struct member_request change = about(s, ACTION_CHANGE_CATEGORY, 15001);
    change.category = CATEGORY_B;
    done(k, change, &later);
    refused(k, &r, ERR_CONFLICT, "if-match");
    r.if_match = later;
    d = accepted(k, &r);
    draft_release(&d);
    r = someone(k, ACTION_ADMIT, 15000);
    r.has_if_match = true;
    r.if_match = at;
    refused(k, &r, ERR_CONFLICT, "if-match");
}

static void
each_part_of_an_admission_is_refused_by_its_name(void **state)
{
    struct desk *k = *state;
    struct member_request r;
#define REFUSED(change, code, field)     \
    r = someone(k, ACTION_ADMIT, 15000); \
    change;                              \
    refused(k, &r, code, field)
    REFUSED(r.category = 0, ERR_INVALID, "category");
    REFUSED(r.category = 4, ERR_INVALID, "category");
    REFUSED(r.person_type = 0, ERR_INVALID, "person_type");
    REFUSED(r.person_type = 3, ERR_INVALID, "person_type");
    REFUSED(r.has_office = false, ERR_INVALID, "office");
    REFUSED(r.office.b[3] ^= 1, ERR_NOTFOUND, "office");
    REFUSED(r.has_shares = false, ERR_INVALID, "shares");
    REFUSED(r.shares = 0, ERR_INVALID, "shares");
    REFUSED(r.shares = SHARES_MAX + 1, ERR_INVALID, "shares");
    REFUSED(r.effective.days = DATE_MIN.days - 1, ERR_INVALID, "effective_on");
    REFUSED(r.effective.days = DATE_MAX.days + 1, ERR_INVALID, "effective_on");
    REFUSED(r.person.has_identity = false, ERR_INVALID, "family_name");
    REFUSED(r.person.identity.family_name.s[0] = '\0', ERR_INVALID, "family_name");
    REFUSED(r.person.identity.birth_date.days = TODAY.days + 1, ERR_INVALID, "birth_date");
    REFUSED(memcpy(r.person.contact.email.s, "nobody", 7), ERR_INVALID, "email");
    REFUSED(memcpy(r.person.bank.iban.s, "BE69539007547034", 17), ERR_INVALID, "iban");
    REFUSED(r.person_type = PERSON_LEGAL, ERR_INVALID, "legal_name");
    REFUSED((r.person_type = PERSON_LEGAL, r.person.has_identity = false), ERR_INVALID, "legal_name");
    REFUSED((r.person_type = PERSON_LEGAL, r.person.identity.birth_date = DATE_NONE,
             memcpy(r.person.identity.legal_name.s, "Atelier", 8)),
            ERR_INVALID, "category");
    REFUSED(r.has_subject = true, ERR_NOTFOUND, "subject");
    REFUSED(r.action = ACTION_RESIGN, ERR_INVALID, "subject");
    REFUSED((r.action = ACTION_CHANGE_DATA, r.has_subject = true), ERR_NOTFOUND, "subject");
    struct subject_id s = done(k, someone(k, ACTION_ADMIT, 15000), NULL);
    r = about(s, ACTION_CHANGE_CATEGORY, 15001);
    refused(k, &r, ERR_INVALID, "category");
    r = about(s, ACTION_SUBSCRIBE, 15001);
    refused(k, &r, ERR_INVALID, "shares");
}

static void
a_legal_person_enters_as_category_c(void **state)
{
    struct desk *k = *state;
    struct member_request r = someone(k, ACTION_ADMIT, 15000);
    r.person_type = PERSON_LEGAL;
    r.category = CATEGORY_C;
    r.person.identity = (struct person_identity){.legal_name = {"Atelier 3000"}, .birth_date = DATE_NONE};
    struct subject_id s = done(k, r, NULL);
    r = about(s, ACTION_CHANGE_CATEGORY, 15010);
    r.category = CATEGORY_B;
    refused(k, &r, ERR_INVALID, "category");
}

/* ---- offices and the unit ------------------------------------------------------------------- */

static void
offices_are_found_by_id_and_by_folded_name(void **state)
{
    struct desk *k = *state;
    struct office_id id, liege = open_office(k, "Li\xC3\xA8ge Guillemins", (struct civil_date){10000});
    char hex[HEX16_MAX];
    struct err err;
    assert_int_equal(office_find(&k->ctx, "LIEGE guillemins ", &id, &err), 0);
    assert_memory_equal(&id, &liege, sizeof(id));
    assert_int_equal(office_find(&k->ctx, hex_encode(liege.b, sizeof(liege.b), hex), &id, &err), 0);
    assert_memory_equal(&id, &liege, sizeof(id));
    hex[0] = hex[0] == '0' ? '1' : '0';
    assert_int_equal(office_find(&k->ctx, hex, &id, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
    assert_int_equal(office_find(&k->ctx, "Atlantis", &id, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
    assert_int_equal(office_find(&k->ctx, "Li\xE8ge", &id, &err), ERR_INVALID);
    assert_string_equal(err.field, "office");
    /* another unit's office of that name is not this unit's */
    struct unit_id own = k->ctx.unit;
    k->ctx.unit.b[0]++;
    open_office(k, "Elsewhere", (struct civil_date){10000});
    k->ctx.unit = own;
    assert_int_equal(office_find(&k->ctx, "Elsewhere", &id, &err), ERR_NOTFOUND);
}

static void
an_open_office_keeps_its_name_to_itself(void **state)
{
    struct desk *k = *state;
    struct office_facts f = office_facts("GENT dampoort");
    struct office_id id, brugge = open_office(k, "Brugge", (struct civil_date){10000});
    struct draft d;
    struct err err;
    assert_int_equal(command_office_open(&k->ctx, &f, DATE_NONE, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "name");
    assert_int_equal(command_office_change(&k->ctx, &brugge, &f, DATE_NONE, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "name");
    assert_int_equal(command_office_change(&k->ctx, &k->office, &f, DATE_NONE, &d, &err), 0);
    assert_int_equal(d.kind, KIND_OFFICE_CHANGED);
    record(k, &d);
    assert_int_equal(command_office_close(&k->ctx, &k->office, DATE_NONE, &d, &err), 0);
    record(k, &d);
    struct office_id second = open_office(k, "Gent Dampoort", DATE_NONE);
    assert_int_equal(office_find(&k->ctx, "Gent Dampoort", &id, &err), 0);
    assert_memory_equal(&id, &second, sizeof(id));
}

static void
office_facts_are_refused_by_name(void **state)
{
    struct desk *k = *state;
    struct draft d;
    struct err err;
    struct office_facts f = office_facts("");
    assert_int_equal(command_office_open(&k->ctx, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "name");
    f = office_facts("Brugge");
    f.city.s[0] = '\x01';
    assert_int_equal(command_office_open(&k->ctx, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "city");
    f = office_facts("Brugge");
    f.country[0] = '1';
    assert_int_equal(command_office_open(&k->ctx, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "country");
    f = office_facts("Brugge");
    assert_int_equal(command_office_open(&k->ctx, &f, (struct civil_date){-30000}, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "effective_on");
    struct office_id nowhere = {{1}};
    assert_int_equal(command_office_change(&k->ctx, &nowhere, &f, DATE_NONE, &d, &err), ERR_NOTFOUND);
    assert_int_equal(command_office_close(&k->ctx, &nowhere, DATE_NONE, &d, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
}

static void
a_closed_office_takes_nobody_and_closes_once(void **state)
{
    struct desk *k = *state;
    struct draft d;
    struct err err;
    assert_int_equal(command_office_close(&k->ctx, &k->office, (struct civil_date){16000}, &d, &err), 0);
    assert_int_equal(d.kind, KIND_OFFICE_CLOSED);
    record(k, &d);
    struct member_request r = someone(k, ACTION_ADMIT, 16000);
    refused(k, &r, ERR_CONFLICT, "office");
    r.effective.days = 15999;
    d = accepted(k, &r);
    draft_release(&d);
    assert_int_equal(command_office_close(&k->ctx, &k->office, (struct civil_date){16100}, &d, &err), ERR_CONFLICT);
    struct office_facts f = office_facts("Gent");
    assert_int_equal(command_office_change(&k->ctx, &k->office, &f, (struct civil_date){16100}, &d, &err),
                     ERR_CONFLICT);
}

static void
unit_facts_are_refused_by_name(void **state)
{
    struct desk *k = *state;
    struct draft d;
    struct err err;
    struct unit_described u = unit_facts(0);
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "share_price_minor");
    u = unit_facts(1);
    u.currency[0] = 'e';
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "currency");
    u = unit_facts(1);
    u.name.s[2] = '\n';
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "name");
}

int
main(void)
{
#define DESK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STATE_TEST(f)                                                      \
    {                                                                      \
#f " (through the row cache)", f, setup_with_state, teardown, NULL \
    }
    const struct CMUnitTest tests[] = {
        DESK_TEST(an_admission_takes_price_and_currency_from_the_unit),
        STATE_TEST(an_admission_takes_price_and_currency_from_the_unit),
        DESK_TEST(an_admission_names_the_open_application_and_takes_what_it_said),
        STATE_TEST(an_admission_names_the_open_application_and_takes_what_it_said),
        DESK_TEST(an_application_can_be_refused_once),
        DESK_TEST(a_withdrawal_is_answered_by_naming_the_open_request),
        DESK_TEST(leaving_and_changing_go_by_the_rules_of_the_fold),
        DESK_TEST(data_changes_carry_only_the_classes_given),
        DESK_TEST(a_member_without_keys_gets_them_with_the_first_capsule),
        DESK_TEST(a_stale_view_of_the_member_is_refused),
        DESK_TEST(each_part_of_an_admission_is_refused_by_its_name),
        DESK_TEST(a_legal_person_enters_as_category_c),
        DESK_TEST(offices_are_found_by_id_and_by_folded_name),
        STATE_TEST(offices_are_found_by_id_and_by_folded_name),
        DESK_TEST(an_open_office_keeps_its_name_to_itself),
        DESK_TEST(office_facts_are_refused_by_name),
        DESK_TEST(a_closed_office_takes_nobody_and_closes_once),
        DESK_TEST(unit_facts_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
