/* Requests at a desk, each against the rows that the ones before have left: what becomes of them, and each refusal with the field
 * at fault. The desk here does what the writer does: it gives positions and folds. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/counter.h"

/* ---- members -------------------------------------------------------------------------------- */

static void
an_admission_takes_price_and_currency_from_the_unit(void **state)
{
    struct counter *k = *state;
    struct member_request r = counter_someone(k, ACTION_ADMIT, 15000);
    struct draft d = counter_accepted(k, &r);
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
    counter_describe(k, 4500, (struct civil_date){16000});
    r.effective.days = 15999;
    d = counter_accepted(k, &r);
    assert_int_equal(d.payload.admission.share_price_minor, 3000);
    draft_release(&d);
    r.effective = DATE_NONE;
    d = counter_accepted(k, &r);
    assert_int_equal(d.payload.admission.share_price_minor, 4500);
    assert_int_equal(d.payload.common.effective.days, COUNTER_TODAY.days);
    draft_release(&d);
    r.effective.days = 9999;
    counter_refused(k, &r, ERR_CONFLICT, "unit");
}

static void
an_admission_names_the_open_application_and_takes_what_it_said(void **state)
{
    struct counter *k = *state;
    struct position at;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_APPLY, 15000), &at);
    struct member_request r = counter_about(s, ACTION_ADMIT, 15010);
    counter_refused(k, &r, ERR_INVALID, "shares");
    r.has_shares = true;
    r.shares = 1;
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.payload.admission.category, CATEGORY_A);
    assert_int_equal(d.payload.admission.person_type, PERSON_NATURAL);
    assert_memory_equal(&d.payload.admission.office, &k->office, sizeof(k->office));
    assert_int_equal(d.n_refs, 1);
    assert_int_equal(d.refs[0].role, REF_APPLICATION);
    assert_int_equal(d.refs[0].seq, at.seq);
    assert_int_equal(be64_get(d.refs[0].chain.b), at.seq);
    assert_false(d.new_keys);
    assert_int_equal(d.n_capsules, 0);
    counter_record(k, &d);
    r = counter_about(s, ACTION_REFUSE, 15020);
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
}

static void
an_application_can_be_refused_once(void **state)
{
    struct counter *k = *state;
    struct position at;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_APPLY, 15000), &at);
    struct member_request r = counter_about(s, ACTION_REFUSE, 14999);
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
    r.effective.days = 15001;
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.refs[0].role, REF_APPLICATION);
    assert_int_equal(d.refs[0].seq, at.seq);
    counter_record(k, &d);
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
}

static void
a_withdrawal_is_answered_by_naming_the_open_request(void **state)
{
    struct counter *k = *state;
    struct position first, second;
    struct member_request named = counter_someone(k, ACTION_ADMIT, 15000);
    const struct subject_id exported = {{7, 7, 7}};
    named.has_subject = true;
    named.subject = exported;
    struct subject_id made = counter_done(k, named, NULL);
    assert_memory_equal(&made, &exported, sizeof(made));
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request grant = counter_about(s, ACTION_GRANT_WITHDRAWAL, 15100);
    counter_refused(k, &grant, ERR_CONFLICT, "effective_on");
    counter_done(k, counter_about(s, ACTION_REQUEST_WITHDRAWAL, 15010), &first);
    struct member_request refuse = counter_about(s, ACTION_REFUSE_WITHDRAWAL, 15020);
    struct draft d = counter_accepted(k, &refuse);
    assert_int_equal(d.refs[0].role, REF_REQUEST);
    assert_int_equal(d.refs[0].seq, first.seq);
    counter_record(k, &d);
    counter_refused(k, &grant, ERR_CONFLICT, "effective_on");
    counter_done(k, counter_about(s, ACTION_REQUEST_WITHDRAWAL, 15050), &second);
    d = counter_accepted(k, &grant);
    assert_int_equal(d.refs[0].seq, second.seq);
    counter_record(k, &d);
    struct member_request again = counter_about(s, ACTION_RESIGN, 15200);
    counter_refused(k, &again, ERR_CONFLICT, "effective_on");
}

static void
leaving_and_changing_go_by_the_rules_of_the_fold(void **state)
{
    struct counter *k = *state;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request r = counter_about(s, ACTION_CHANGE_CATEGORY, 15010);
    r.category = CATEGORY_A;
    counter_refused(k, &r, ERR_CONFLICT, "category");
    r.category = CATEGORY_C;
    counter_done(k, r, NULL);
    r = counter_about(s, ACTION_SUBSCRIBE, 15020);
    r.has_shares = true;
    r.shares = 5;
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.payload.shares.shares, 5);
    assert_int_equal(d.payload.shares.share_price_minor, 3000);
    counter_record(k, &d);
    counter_done(k, counter_about(s, ACTION_RESIGN, 15030), NULL);
    r = counter_about(s, ACTION_EXCLUDE, 15040);
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
    r = counter_someone(k, ACTION_ADMIT, 15005);
    r.has_subject = true;
    r.subject = s;
    counter_refused(k, &r, ERR_CONFLICT, "effective_on");
    r.effective.days = 15040;
    d = counter_accepted(k, &r);
    draft_release(&d);
}

static void
data_changes_carry_only_the_classes_given(void **state)
{
    struct counter *k = *state;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), NULL);
    struct member_request r = counter_about(s, ACTION_CHANGE_DATA, 15010);
    counter_refused(k, &r, ERR_INVALID, "person");
    r.person.has_contact = true; /* and empty: there shall be none any more */
    struct draft d = counter_accepted(k, &r);
    assert_int_equal(d.n_capsules, 1);
    assert_int_equal(d.capsules[0].class, CLASS_CONTACT);
    assert_int_equal(d.capsules[0].plain.len, 0);
    assert_false(d.payload.data.has_office);
    assert_false(d.new_keys);
    counter_record(k, &d);
    r = counter_about(s, ACTION_CHANGE_DATA, 15011);
    r.has_office = true;
    r.office = counter_open_office(k, "Brugge", (struct civil_date){10000});
    d = counter_accepted(k, &r);
    assert_int_equal(d.n_capsules, 0);
    assert_true(d.payload.data.has_office);
    counter_record(k, &d);
    r = counter_about(s, ACTION_CHANGE_DATA, 15012);
    r.person.has_identity = true;
    r.person.identity.birth_date = DATE_NONE;
    counter_refused(k, &r, ERR_INVALID, "family_name");
    r = counter_about(s, ACTION_RESIGN, 15012);
    r.person.has_contact = true;
    counter_refused(k, &r, ERR_INVALID, "person");
}

static void
a_member_without_keys_gets_them_with_the_first_capsule(void **state)
{
    struct counter *k = *state;
    uint8_t slot_key[ID_BYTES + 4] = {0};
    struct err err;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), NULL);
    memcpy(slot_key, s.b, ID_BYTES);
    assert_int_equal(db_del(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), &err), 0);
    slot_key[0]++; /* a neighbour's keys are not this member's */
    assert_int_equal(
        db_put(k->txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), slice_of("12345678", 8), &err), 0);
    struct member_request r = counter_about(s, ACTION_CHANGE_DATA, 15010);
    r.person.has_contact = true;
    struct draft d = counter_accepted(k, &r);
    assert_true(d.new_keys);
    draft_release(&d);
    r = counter_about(s, ACTION_RESIGN, 15010);
    d = counter_accepted(k, &r);
    assert_false(d.new_keys);
    draft_release(&d);
}

static void
a_stale_view_of_the_member_is_refused(void **state)
{
    struct counter *k = *state;
    struct position at, later;
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), &at);
    struct member_request r = counter_about(s, ACTION_RESIGN, 15100);
    r.has_if_match = true;
    r.if_match = at;
    struct draft d = counter_accepted(k, &r);
    draft_release(&d);
    struct member_request change = counter_about(s, ACTION_CHANGE_CATEGORY, 15001);
    change.category = CATEGORY_B;
    counter_done(k, change, &later);
    counter_refused(k, &r, ERR_CONFLICT, "if-match");
    r.if_match = later;
    d = counter_accepted(k, &r);
    draft_release(&d);
    r = counter_someone(k, ACTION_ADMIT, 15000);
    r.has_if_match = true;
    r.if_match = at;
    counter_refused(k, &r, ERR_CONFLICT, "if-match");
}

static void
each_part_of_an_admission_is_refused_by_its_name(void **state)
{
    struct counter *k = *state;
    struct member_request r;
#define REFUSED(change, code, field)             \
    r = counter_someone(k, ACTION_ADMIT, 15000); \
    change;                                      \
    counter_refused(k, &r, code, field)
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
    REFUSED(r.effective.days = COUNTER_TODAY.days + 367, ERR_INVALID, "effective_on");
    REFUSED((r.action = ACTION_APPLY, r.effective.days = COUNTER_TODAY.days + 367), ERR_INVALID, "effective_on");
    REFUSED(r.person.has_identity = false, ERR_INVALID, "family_name");
    REFUSED(r.person.identity.family_name.s[0] = '\0', ERR_INVALID, "family_name");
    REFUSED(r.person.identity.birth_date.days = COUNTER_TODAY.days + 1, ERR_INVALID, "birth_date");
    REFUSED(memcpy(r.person.contact.email.s, "nobody", 7), ERR_INVALID, "email");
    REFUSED(memcpy(r.person.bank.iban.s, "BE69539007547034", 17), ERR_INVALID, "iban");
    REFUSED(r.person_type = PERSON_LEGAL, ERR_INVALID, "legal_name");
    REFUSED((r.person_type = PERSON_LEGAL, r.person.has_identity = false), ERR_INVALID, "legal_name");
    REFUSED((r.person_type = PERSON_LEGAL, r.person.identity.birth_date = DATE_NONE,
             memcpy(r.person.identity.legal_name.s, "Atelier", 8)),
            ERR_INVALID, "category");
    REFUSED((r.has_subject = true, r.has_if_match = true), ERR_NOTFOUND, "subject");
    REFUSED(r.action = ACTION_RESIGN, ERR_INVALID, "subject");
    REFUSED((r.action = ACTION_CHANGE_DATA, r.has_subject = true), ERR_NOTFOUND, "subject");
    struct subject_id s = counter_done(k, counter_someone(k, ACTION_ADMIT, 15000), NULL);
    r = counter_about(s, ACTION_CHANGE_CATEGORY, 15001);
    counter_refused(k, &r, ERR_INVALID, "category");
    r = counter_about(s, ACTION_SUBSCRIBE, 15001);
    counter_refused(k, &r, ERR_INVALID, "shares");
}

static void
a_legal_person_enters_as_category_c(void **state)
{
    struct counter *k = *state;
    struct member_request r = counter_someone(k, ACTION_ADMIT, 15000);
    r.person_type = PERSON_LEGAL;
    r.category = CATEGORY_C;
    r.person.identity = (struct person_identity){.legal_name = {"Atelier 3000"}, .birth_date = DATE_NONE};
    struct subject_id s = counter_done(k, r, NULL);
    r = counter_about(s, ACTION_CHANGE_CATEGORY, 15010);
    r.category = CATEGORY_B;
    counter_refused(k, &r, ERR_INVALID, "category");
}

/* ---- offices and the unit ------------------------------------------------------------------- */

static void
offices_are_found_by_id_and_by_folded_name(void **state)
{
    struct counter *k = *state;
    struct office_id id, liege = counter_open_office(k, "Li\xC3\xA8ge Guillemins", (struct civil_date){10000});
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
    counter_open_office(k, "Elsewhere", (struct civil_date){10000});
    k->ctx.unit = own;
    assert_int_equal(office_find(&k->ctx, "Elsewhere", &id, &err), ERR_NOTFOUND);
}

static void
an_open_office_keeps_its_name_to_itself(void **state)
{
    struct counter *k = *state;
    struct office_facts f = counter_office_facts("GENT dampoort");
    struct office_id id, brugge = counter_open_office(k, "Brugge", (struct civil_date){10000});
    struct draft d;
    struct err err;
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, DATE_NONE, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "name");
    assert_int_equal(command_office_change(&k->ctx, &brugge, &f, DATE_NONE, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "name");
    assert_int_equal(command_office_change(&k->ctx, &k->office, &f, DATE_NONE, &d, &err), 0);
    assert_int_equal(d.kind, KIND_OFFICE_CHANGED);
    counter_record(k, &d);
    assert_int_equal(command_office_close(&k->ctx, &k->office, DATE_NONE, &d, &err), 0);
    counter_record(k, &d);
    struct office_id second = counter_open_office(k, "Gent Dampoort", DATE_NONE);
    assert_int_equal(office_find(&k->ctx, "Gent Dampoort", &id, &err), 0);
    assert_memory_equal(&id, &second, sizeof(id));
}

static void
office_facts_are_refused_by_name(void **state)
{
    struct counter *k = *state;
    struct draft d;
    struct err err;
    struct office_facts f = counter_office_facts("");
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "name");
    f = counter_office_facts("Brugge");
    f.city.s[0] = '\x01';
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "city");
    f = counter_office_facts("Brugge");
    f.country[0] = '1';
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "country");
    f = counter_office_facts("Brugge");
    assert_int_equal(command_office_open(&k->ctx, NULL, &f, (struct civil_date){-30000}, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "effective_on");
    struct office_id nowhere = {{1}};
    assert_int_equal(command_office_change(&k->ctx, &nowhere, &f, DATE_NONE, &d, &err), ERR_NOTFOUND);
    assert_int_equal(command_office_close(&k->ctx, &nowhere, DATE_NONE, &d, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "office");
}

static void
a_closed_office_takes_nobody_and_closes_once(void **state)
{
    struct counter *k = *state;
    struct draft d;
    struct err err;
    assert_int_equal(command_office_close(&k->ctx, &k->office, (struct civil_date){16000}, &d, &err), 0);
    assert_int_equal(d.kind, KIND_OFFICE_CLOSED);
    counter_record(k, &d);
    struct member_request r = counter_someone(k, ACTION_ADMIT, 16000);
    counter_refused(k, &r, ERR_CONFLICT, "office");
    r.effective.days = 15999;
    d = counter_accepted(k, &r);
    draft_release(&d);
    assert_int_equal(command_office_close(&k->ctx, &k->office, (struct civil_date){16100}, &d, &err), ERR_CONFLICT);
    struct office_facts f = counter_office_facts("Gent");
    assert_int_equal(command_office_change(&k->ctx, &k->office, &f, (struct civil_date){16100}, &d, &err),
                     ERR_CONFLICT);
}

static void
unit_facts_are_refused_by_name(void **state)
{
    struct counter *k = *state;
    struct draft d;
    struct err err;
    struct unit_described u = counter_unit_facts(0);
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "share_price_minor");
    u = counter_unit_facts(1);
    u.currency[0] = 'e';
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "currency");
    u = counter_unit_facts(1);
    u.name.s[2] = '\n';
    assert_int_equal(command_unit_describe(&k->ctx, &u, DATE_NONE, &d, &err), ERR_INVALID);
    assert_string_equal(err.field, "name");
}

int
main(void)
{
#define DESK_TEST(f) cmocka_unit_test_setup_teardown(f, counter_setup, counter_teardown)
#define STATE_TEST(f)                                                                      \
    {                                                                                      \
#f " (through the row cache)", f, counter_setup_with_state, counter_teardown, NULL \
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
