/* The contents of capsules: what comes back is what went in, and nothing of it stands in an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "capsules.pb-c.h"
#include "tests/support/event_samples.h"
#include "tests/support/proto_samples.h"

static struct buf
buf_new(void)
{
    struct buf b;
    buf_init(&b, CAPSULE_BYTES_MAX);
    return b;
}

static void
identity_contact_and_bank_come_back(void **state)
{
    struct err err = {0};
    struct person_identity id = sample_identity(), id_back;
    struct person_contact contact = sample_contact(), contact_back;
    struct person_bank bank = {.iban = {"BE71096123456769"}}, bank_back;
    struct buf b = buf_new();
    assert_int_equal(person_identity_encode(&id, &b, &err), 0);
    assert_int_equal(person_identity_decode(buf_slice(&b), &id_back, &err), 0);
    assert_memory_equal(&id, &id_back, sizeof(id));
    buf_clear(&b);
    assert_int_equal(person_contact_encode(&contact, &b, &err), 0);
    assert_int_equal(person_contact_decode(buf_slice(&b), &contact_back, &err), 0);
    assert_memory_equal(&contact, &contact_back, sizeof(contact));
    buf_clear(&b);
    assert_int_equal(person_bank_encode(&bank, &b, &err), 0);
    assert_int_equal(person_bank_decode(buf_slice(&b), &bank_back, &err), 0);
    assert_memory_equal(&bank, &bank_back, sizeof(bank));
    buf_free(&b);
}

static void
links_and_notes_come_back(void **state)
{
    struct err err = {0};
    struct activity_links links = sample_links(), least = {.day = DATE_NONE, .last_day = DATE_NONE}, back;
    struct person_note note = {.s = "Prefers letters"}, note_back = {.s = "x"};
    struct buf b = buf_new();
    assert_int_equal(activity_links_encode(&links, &b, &err), 0);
    assert_int_equal(activity_links_decode(buf_slice(&b), &back, &err), 0);
    assert_memory_equal(&links, &back, sizeof(links));
    buf_clear(&b);
    sample_fill(least.member.b, ID_BYTES, 7);
    assert_int_equal(activity_links_encode(&least, &b, &err), 0);
    assert_int_equal(b.len, 2 + ID_BYTES);
    assert_int_equal(activity_links_decode(buf_slice(&b), &back, &err), 0);
    assert_true(!back.has_unit && !back.has_activity && date_is_none(back.day));
    assert_memory_equal(&least, &back, sizeof(least));
    buf_clear(&b);
    assert_int_equal(person_note_encode(&note, &b, &err), 0);
    assert_int_equal(person_note_decode(buf_slice(&b), &note_back, &err), 0);
    assert_string_equal(note_back.s, note.s);
    buf_clear(&b);
    memset(note.s, 'x', NOTE_TEXT_MAX);
    note.s[NOTE_TEXT_MAX] = '\0';
    assert_int_equal(person_note_encode(&note, &b, &err), 0);
    assert_int_equal(person_note_decode(buf_slice(&b), &note_back, &err), 0);
    assert_int_equal(strlen(note_back.s), NOTE_TEXT_MAX);
    buf_free(&b);
}

static void
links_and_notes_out_of_bounds_are_refused_without_showing_them(void **state)
{
    struct err err = {0};
    struct activity_links links = sample_links(), back;
    struct person_note note;
    struct buf b = buf_new();
    memset(links.client.s, 'Q', sizeof(links.client.s));
    assert_int_equal(activity_links_encode(&links, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "activity_links.client");
    assert_null(strstr(err.text, "QQ"));
    links = sample_links();
    links.day.days = DATE_MAX.days + 1;
    assert_int_equal(activity_links_encode(&links, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "activity_links.day");
    memset(note.s, 'Q', sizeof(note.s));
    assert_int_equal(person_note_encode(&note, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "note.text");
    assert_null(strstr(err.text, "QQ"));
    assert_int_equal(b.len, 0);
    /* nobody's, and of an id of another length */
    assert_int_equal(activity_links_decode(slice_of("", 0), &back, &err), ERR_INVALID);
    assert_string_equal(err.field, "activity_links.member");
    links = sample_links();
    assert_int_equal(activity_links_encode(&links, &b, &err), 0);
    buf_put(&b, "\x3A\x01x", 3);
    assert_int_equal(activity_links_decode(buf_slice(&b), &back, &err), ERR_INVALID);
    assert_int_equal(activity_links_decode(slice_of(b.data, ID_BYTES + 1), &back, &err), ERR_INVALID);
    buf_free(&b);
}

static void
a_pseudonym_is_of_one_key_and_one_year(void **state)
{
    struct data_key other = sample_counting_key, key, next, another;
    other.b[31] = 1;
    counting_year_key(&sample_counting_key, 2026, &key);
    counting_year_key(&sample_counting_key, 2027, &next);
    counting_year_key(&other, 2026, &another);
    struct subject_id p = counting_pseudonym(&key), p_next = counting_pseudonym(&next),
                      p_another = counting_pseudonym(&another);
    assert_memory_not_equal(&p, &p_next, sizeof(p));
    assert_memory_not_equal(&p, &p_another, sizeof(p));
    assert_memory_not_equal(&p, &key, sizeof(p));
    counting_year_key(&sample_counting_key, 2026, &next);
    assert_memory_equal(&key, &next, sizeof(key));
}

static void
the_key_of_class_6_goes_in_key_capsules(void **state)
{
    struct err err = {0};
    struct key_capsule_content k = sample_key_capsule(KEY_USE_ESCROW_DATA), back;
    struct buf b = buf_new();
    k.n_keys = 1;
    k.keys[0].class = CLASS_COUNTING;
    assert_int_equal(key_capsule_encode(&k, &b, &err), 0);
    assert_int_equal(key_capsule_decode(buf_slice(&b), k.use, &k.unit, &k.subject, &back, &err), 0);
    assert_int_equal(back.keys[0].class, CLASS_COUNTING);
    buf_free(&b);
}

static void
what_is_passed_on_has_year_keys_only(void **state)
{
    static const struct {
        enum key_use use;
        uint32_t generation;
        int rc;
    } rows[] = {{KEY_USE_GRANT, YEAR_KEY_MIN, 0},
                {KEY_USE_GRANT, YEAR_KEY_MIN - 1, ERR_INVALID},
                {KEY_USE_PASS, YEAR_KEY_MAX, 0},
                {KEY_USE_PASS, YEAR_KEY_MAX + 1, ERR_INVALID},
                {KEY_USE_PASS, 0, ERR_INVALID},
                {KEY_USE_ESCROW_DATA, 0, 0},
                {KEY_USE_ESCROW_DATA, YEAR_KEY_MAX + 1, 0},
                {KEY_USE_GRANT, UINT32_MAX, ERR_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct key_capsule_content k = sample_key_capsule(rows[i].use), back;
        struct buf b = buf_new();
        k.n_keys = 3;
        k.keys[2] = (struct keyed_class){.class = CLASS_COUNTING, .generation = rows[i].generation, .key = {{9}}};
        assert_int_equal(key_capsule_encode(&k, &b, &err), rows[i].rc);
        if (rows[i].rc == 0)
            assert_int_equal(key_capsule_decode(buf_slice(&b), k.use, &k.unit, &k.subject, &back, &err), 0);
        else
            assert_string_equal(err.field, "key_capsule.key");
        buf_free(&b);
    }
    /* as another program may write it */
    struct err err = {0};
    struct key_capsule_content k = sample_key_capsule(KEY_USE_PASS), back;
    struct buf b = buf_new();
    assert_int_equal(key_capsule_encode(&k, &b, &err), 0);
    uint8_t *year = memmem(b.data, b.len, "\x10\xEA\x0F", 3);
    assert_non_null(year);
    year[2] = 0x07; /* 2026 - 1024 = 1002 */
    assert_int_equal(key_capsule_decode(buf_slice(&b), k.use, &k.unit, &k.subject, &back, &err), ERR_INVALID);
    buf_free(&b);
}

static void
a_guest_record_comes_back(void **state)
{
    struct err err = {0};
    struct guest_record guest = sample_guest_record(), back, least = {.day = date_from_ymd(2026, 3, 14)};
    struct buf b = buf_new();
    assert_int_equal(guest_record_encode(&guest, &b, &err), 0);
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), 0);
    assert_memory_equal(&guest.member, &back.member, sizeof(guest.member));
    assert_memory_equal(&guest.unit, &back.unit, sizeof(guest.unit));
    assert_memory_equal(&guest.actor, &back.actor, sizeof(guest.actor));
    assert_memory_equal(&guest.access, &back.access, sizeof(guest.access));
    assert_int_equal(back.day.days, guest.day.days);
    assert_int_equal(back.opened, 2);
    assert_int_equal(back.classes, 3);
    assert_true(back.pass_shown && back.has_access);
    assert_int_equal(back.n_work, 2);
    for (size_t i = 0; i < back.n_work; i++) {
        assert_memory_equal(back.work[i].entity, guest.work[i].entity, ID_BYTES);
        assert_memory_equal(&back.work[i].log, &guest.work[i].log, HASH_BYTES);
        assert_int_equal(back.work[i].seq, 300 + i);
        assert_int_equal(back.work[i].kind, guest.work[i].kind);
    }
    assert_int_equal(back.n_contact, 1);
    assert_string_equal(back.contact.phone.s, guest.contact.phone.s);
    assert_string_equal(back.text, guest.text);
    buf_clear(&b);
    /* an emergency: no access; nothing proposed, nothing done */
    assert_int_equal(guest_record_encode(&least, &b, &err), 0);
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), 0);
    assert_true(!back.has_access && !back.pass_shown && back.n_work == 0 && back.n_contact == 0 && back.opened == 0);
    buf_clear(&b);
    /* contact data to be emptied is not the same as none proposed */
    least.n_contact = 1;
    assert_int_equal(guest_record_encode(&least, &b, &err), 0);
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), 0);
    assert_int_equal(back.n_contact, 1);
    buf_free(&b);
}

static void
a_guest_record_out_of_bounds_is_refused(void **state)
{
    struct err err = {0};
    struct guest_record guest = sample_guest_record(), back;
    struct buf b = buf_new();
    guest.n_work = GUEST_WORK_MAX + 1;
    assert_int_equal(guest_record_encode(&guest, &b, &err), ERR_LIMIT);
    guest = sample_guest_record();
    guest.work[1].seq = 0;
    assert_int_equal(guest_record_encode(&guest, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "guest_record.work.seq");
    guest = sample_guest_record();
    guest.day = DATE_NONE;
    assert_int_equal(guest_record_encode(&guest, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "guest_record.day");
    guest = sample_guest_record();
    guest.n_contact = 2;
    assert_int_equal(guest_record_encode(&guest, &b, &err), ERR_LIMIT);
    guest.n_contact = 1;
    memset(guest.text, 'Q', sizeof(guest.text));
    assert_int_equal(guest_record_encode(&guest, &b, &err), ERR_INVALID);
    assert_null(strstr(err.text, "QQ"));
    guest.text[GUEST_TEXT_MAX] = '\0';
    assert_int_equal(b.len, 0);
    guest.n_work = GUEST_WORK_MAX;
    for (size_t i = 2; i < GUEST_WORK_MAX; i++)
        guest.work[i] = guest.work[0];
    assert_int_equal(guest_record_encode(&guest, &b, &err), 0);
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), 0);
    size_t len = b.len;
    buf_put(&b, "\x52\x00", 2); /* contact once more */
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), ERR_LIMIT);
    b.len = len;
    buf_put(&b, "\x40\x00", 2); /* a flag of zero, and a second one */
    assert_int_equal(guest_record_decode(buf_slice(&b), &back, &err), ERR_INVALID);
    for (size_t cut = 0; cut < 2 + ID_BYTES + 2 + HASH_BYTES + 2 + ID_BYTES; cut++) /* what must be there */
        assert_int_equal(guest_record_decode(slice_of(b.data, cut), &back, &err), ERR_INVALID);
    buf_free(&b);
}

static void
a_dossier_comes_back_within_its_bounds(void **state)
{
    static struct dossier d, back;
    struct err err = {0};
    struct buf b = buf_new();
    d = *sample_dossier();
    assert_int_equal(dossier_encode(&d, &b, &err), 0);
    assert_int_equal(dossier_decode(buf_slice(&b), &back, &err), 0);
    assert_int_equal(back.first_joined.days, d.first_joined.days);
    assert_int_equal(back.n_activities, 2);
    assert_memory_equal(&back.activities[0].activity, &d.activities[0].activity, ID_BYTES);
    assert_true(back.activities[0].culture && !back.activities[1].culture);
    assert_int_equal(back.activities[1].sector, 300);
    assert_true(date_is_none(back.activities[1].opened));
    assert_string_equal(back.activities[0].title.s, d.activities[0].title.s);
    assert_string_equal(back.text, d.text);
    /* the largest fits in a capsule */
    d.n_activities = DOSSIER_ACTIVITIES_MAX;
    for (size_t i = 0; i < DOSSIER_ACTIVITIES_MAX; i++) {
        d.activities[i] = d.activities[0];
        memset(d.activities[i].number.s, 'x', PERSON_TEXT_MAX);
        memset(d.activities[i].title.s, 'x', PERSON_TEXT_MAX);
    }
    memset(d.text, 'x', GUEST_TEXT_MAX);
    buf_clear(&b);
    assert_int_equal(dossier_encode(&d, &b, &err), 0);
    assert_int_equal(dossier_decode(buf_slice(&b), &back, &err), 0);
    assert_int_equal(back.n_activities, DOSSIER_ACTIVITIES_MAX);
    size_t len = b.len;
    d.n_activities++;
    assert_int_equal(dossier_encode(&d, &b, &err), ERR_LIMIT);
    assert_int_equal(b.len, len);
    d.n_activities = 1;
    d.activities[0].sector = 0;
    assert_int_equal(dossier_encode(&d, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "dossier.activity.sector");
    buf_clear(&b);
    buf_put(&b, "\x12\x02\x10\x02", 4); /* an activity of no id */
    back.n_activities = 7;
    assert_int_equal(dossier_decode(buf_slice(&b), &back, &err), ERR_INVALID);
    assert_int_equal(back.n_activities, 7);
    buf_clear(&b);
    assert_int_equal(dossier_decode(buf_slice(&b), &back, &err), 0);
    assert_true(date_is_none(back.first_joined) && back.n_activities == 0);
    buf_free(&b);
}

static void
what_is_absent_stays_absent(void **state)
{
    struct err err = {0};
    struct person_identity id = {.birth_date = DATE_NONE}, back;
    struct buf b = buf_new();
    assert_int_equal(person_identity_encode(&id, &b, &err), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(person_identity_decode(buf_slice(&b), &back, &err), 0);
    assert_true(date_is_none(back.birth_date));
    assert_string_equal(back.given_name.s, "");
    /* the first of January 1970 is a date */
    id.birth_date = (struct civil_date){0};
    assert_int_equal(person_identity_encode(&id, &b, &err), 0);
    assert_int_equal(person_identity_decode(buf_slice(&b), &back, &err), 0);
    assert_int_equal(back.birth_date.days, 0);
    buf_free(&b);
}

static void
protobuf_c_reads_the_same(void **state)
{
    struct err err = {0};
    struct person_identity id = sample_identity();
    struct buf b = buf_new();
    assert_int_equal(person_identity_encode(&id, &b, &err), 0);
    Smartnode__Identity *m = smartnode__identity__unpack(NULL, b.len, b.data);
    assert_non_null(m);
    assert_string_equal(m->family_name, id.family_name.s);
    assert_int_equal(m->birth_date, id.birth_date.days);
    assert_null(m->legal_name);
    smartnode__identity__free_unpacked(m, NULL);
    buf_free(&b);
}

static void
texts_and_dates_out_of_bounds_are_refused_without_showing_them(void **state)
{
    struct err err = {0};
    struct person_identity id = sample_identity();
    struct buf b = buf_new();
    memset(id.family_name.s, 'Q', sizeof(id.family_name.s));
    assert_int_equal(person_identity_encode(&id, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "identity.family_name");
    assert_null(strstr(err.text, "QQ"));
    id = sample_identity();
    memcpy(id.given_name.s, "\xFFQQ", 4);
    assert_int_equal(person_identity_encode(&id, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "identity.given_name");
    assert_null(strstr(err.text, "QQ"));
    id = sample_identity();
    id.birth_date.days = DATE_MIN.days - 1;
    assert_int_equal(person_identity_encode(&id, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "identity.birth_date");
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void
malformed_contents_leave_the_output_alone(void **state)
{
    struct err err = {0};
    struct person_contact contact, untouched;
    memset(&contact, 0xA5, sizeof(contact));
    untouched = contact;
    uint8_t text[3 + PERSON_TEXT_MAX + 1] = {0x0A, 0x81, 0x02}; /* email of 257 bytes */
    memset(text + 3, 'x', sizeof(text) - 3);
    assert_int_equal(person_contact_decode(slice_of(text, sizeof(text)), &contact, &err), ERR_INVALID);
    assert_string_equal(err.field, "contact.email");
    assert_int_equal(person_contact_decode(slice_of("\x0A\x01", 2), &contact, &err), ERR_INVALID);
    assert_int_equal(person_contact_decode(slice_of("\x0A\x01\x07", 3), &contact, &err), ERR_INVALID);
    assert_int_equal(person_contact_decode(slice_of("\x0A\x01x\x0A\x01y", 6), &contact, &err), ERR_INVALID);
    uint8_t *large = test_calloc(1, CAPSULE_BYTES_MAX + 1);
    assert_int_equal(person_contact_decode(slice_of(large, CAPSULE_BYTES_MAX + 1), &contact, &err), ERR_LIMIT);
    test_free(large);
    assert_memory_equal(&contact, &untouched, sizeof(contact));
}

static void
key_capsules_come_back_for_their_use(void **state)
{
    for (enum key_use use = KEY_USE_ESCROW_DAY; use <= KEY_USE_PASS; use++) {
        struct err err = {0};
        struct key_capsule_content k = sample_key_capsule(use), back;
        struct buf b = buf_new();
        assert_int_equal(key_capsule_encode(&k, &b, &err), 0);
        const struct subject_id *subject = use == KEY_USE_ESCROW_DAY ? NULL : &k.subject;
        assert_int_equal(key_capsule_decode(buf_slice(&b), use, &k.unit, subject, &back, &err), 0);
        assert_int_equal(back.use, use);
        assert_int_equal(back.n_keys, k.n_keys);
        assert_memory_equal(&back.escrow_key, &k.escrow_key, sizeof(k.escrow_key));
        assert_memory_equal(&back.subject, &k.subject, sizeof(k.subject));
        for (size_t i = 0; i < k.n_keys; i++) {
            assert_int_equal(back.keys[i].class, k.keys[i].class);
            assert_int_equal(back.keys[i].generation, k.keys[i].generation);
            assert_memory_equal(&back.keys[i].key, &k.keys[i].key, sizeof(k.keys[i].key));
        }
        buf_free(&b);
    }
}

static void
a_key_capsule_of_another_use_unit_or_subject_is_refused(void **state)
{
    struct err err = {0};
    struct key_capsule_content k = sample_key_capsule(KEY_USE_GRANT), back;
    struct unit_id other_unit = k.unit;
    struct subject_id other_subject = k.subject;
    other_unit.b[31] ^= 1;
    other_subject.b[15] ^= 1;
    struct buf b = buf_new();
    assert_int_equal(key_capsule_encode(&k, &b, &err), 0);
    struct slice s = buf_slice(&b);
    assert_int_equal(key_capsule_decode(s, KEY_USE_PASS, &k.unit, &k.subject, &back, &err), ERR_INVALID);
    assert_string_equal(err.field, "key_capsule.use");
    assert_int_equal(key_capsule_decode(s, KEY_USE_GRANT, &other_unit, &k.subject, &back, &err), ERR_INVALID);
    assert_string_equal(err.field, "key_capsule.unit_id");
    assert_int_equal(key_capsule_decode(s, KEY_USE_GRANT, &k.unit, &other_subject, &back, &err), ERR_INVALID);
    assert_string_equal(err.field, "key_capsule.subject");
    assert_int_equal(key_capsule_decode(s, KEY_USE_GRANT, &k.unit, NULL, &back, &err), ERR_INVALID);
    assert_int_equal(key_capsule_decode(s, KEY_USE_GRANT, &k.unit, &k.subject, &back, &err), 0);
    buf_free(&b);
}

static void
keys_go_with_the_use_and_within_their_number(void **state)
{
    struct err err = {0};
    struct key_capsule_content k = sample_key_capsule(KEY_USE_ESCROW_DATA);
    struct buf b = buf_new();
    k.n_keys = DATA_KEYS_MAX + 1;
    assert_int_equal(key_capsule_encode(&k, &b, &err), ERR_LIMIT);
    k.n_keys = 0;
    assert_int_equal(key_capsule_encode(&k, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "key_capsule.key");
    k.n_keys = 1;
    k.keys[0].class = 0;
    assert_int_equal(key_capsule_encode(&k, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "key_capsule.key.class");
    k = sample_key_capsule(KEY_USE_ESCROW_DAY);
    k.n_keys = 1;
    assert_int_equal(key_capsule_encode(&k, &b, &err), ERR_INVALID);
    assert_int_equal(b.len, 0);

    /* nine keys on the wire: eight encoded, and the last of them once more */
    k = sample_key_capsule(KEY_USE_GRANT);
    k.n_keys = DATA_KEYS_MAX;
    for (size_t i = 2; i < DATA_KEYS_MAX; i++)
        k.keys[i] = k.keys[0];
    struct key_capsule_content back;
    assert_int_equal(key_capsule_encode(&k, &b, &err), 0);
    assert_int_equal(key_capsule_decode(buf_slice(&b), k.use, &k.unit, &k.subject, &back, &err), 0);
    uint8_t last[2 + 38];
    memcpy(last, b.data + b.len - sizeof(last), sizeof(last));
    assert_int_equal(last[0], 0x22);
    buf_put(&b, last, sizeof(last));
    assert_int_equal(key_capsule_decode(buf_slice(&b), k.use, &k.unit, &k.subject, &back, &err), ERR_LIMIT);
    buf_free(&b);
}

static void
wiping_leaves_zeros(void **state)
{
    struct person_identity id = sample_identity(), zero;
    memset(&zero, 0, sizeof(zero));
    person_wipe(&id, sizeof(id));
    assert_memory_equal(&id, &zero, sizeof(id));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_contact_and_bank_come_back),
        cmocka_unit_test(links_and_notes_come_back),
        cmocka_unit_test(links_and_notes_out_of_bounds_are_refused_without_showing_them),
        cmocka_unit_test(a_pseudonym_is_of_one_key_and_one_year),
        cmocka_unit_test(the_key_of_class_6_goes_in_key_capsules),
        cmocka_unit_test(what_is_passed_on_has_year_keys_only),
        cmocka_unit_test(a_guest_record_comes_back),
        cmocka_unit_test(a_guest_record_out_of_bounds_is_refused),
        cmocka_unit_test(a_dossier_comes_back_within_its_bounds),
        cmocka_unit_test(what_is_absent_stays_absent),
        cmocka_unit_test(protobuf_c_reads_the_same),
        cmocka_unit_test(texts_and_dates_out_of_bounds_are_refused_without_showing_them),
        cmocka_unit_test(malformed_contents_leave_the_output_alone),
        cmocka_unit_test(key_capsules_come_back_for_their_use),
        cmocka_unit_test(a_key_capsule_of_another_use_unit_or_subject_is_refused),
        cmocka_unit_test(keys_go_with_the_use_and_within_their_number),
        cmocka_unit_test(wiping_leaves_zeros),
    };
    return cmocka_run_group_tests_name("person", tests, NULL, NULL);
}
