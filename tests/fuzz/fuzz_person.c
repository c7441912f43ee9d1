/* Any bytes as the content of a capsule; the first says of which class. What decodes encodes again, to no more bytes. */
#include "proto/person.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
keys(struct slice bytes, struct buf *out)
{
    struct err err;
    struct key_capsule_content k;
    /* A capsule of the unit and subject that the samples have. */
    struct unit_id unit;
    struct subject_id subject;
    for (size_t i = 0; i < sizeof(unit.b); i++)
        unit.b[i] = (uint8_t)(1 + i);
    for (size_t i = 0; i < sizeof(subject.b); i++)
        subject.b[i] = (uint8_t)(3 + i);
    for (enum key_use use = KEY_USE_ESCROW_DAY; use <= KEY_USE_PASS; use++)
        if (key_capsule_decode(bytes, use, &unit, use == KEY_USE_ESCROW_DAY ? NULL : &subject, &k, &err) == 0)
            MUST(k.use == use && key_capsule_encode(&k, out, &err) == 0);
    buf_clear(out);
    if (key_capsule_decode_escrow(bytes, &unit, &k, &err) == 0)
        MUST(key_capsule_encode(&k, out, &err) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct person_identity identity;
    struct person_contact contact;
    struct person_bank bank;
    struct activity_links links;
    struct person_note note;
    struct guest_record guest;
    static struct dossier dossier;
    struct buf out;
    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    buf_init(&out, CAPSULE_BYTES_MAX);
    switch (data[0]) {
    case CLASS_IDENTITY:
        if (person_identity_decode(bytes, &identity, &err) == 0)
            MUST(person_identity_encode(&identity, &out, &err) == 0);
        break;
    case CLASS_CONTACT:
        if (person_contact_decode(bytes, &contact, &err) == 0)
            MUST(person_contact_encode(&contact, &out, &err) == 0);
        break;
    case CLASS_BANK:
        if (person_bank_decode(bytes, &bank, &err) == 0)
            MUST(person_bank_encode(&bank, &out, &err) == 0);
        break;
    case CLASS_ACTIVITY:
        if (activity_links_decode(bytes, &links, &err) == 0)
            MUST(activity_links_encode(&links, &out, &err) == 0);
        break;
    case CLASS_NOTE:
        if (person_note_decode(bytes, &note, &err) == 0)
            MUST(person_note_encode(&note, &out, &err) == 0);
        break;
    case CLASS_GUEST:
        if (guest_record_decode(bytes, &guest, &err) == 0)
            MUST(guest_record_encode(&guest, &out, &err) == 0);
        break;
    case CLASS_DOSSIER:
        if (dossier_decode(bytes, &dossier, &err) == 0)
            MUST(dossier_encode(&dossier, &out, &err) == 0);
        break;
    default: keys(bytes, &out);
    }
    MUST(out.len < size);
    buf_free(&out);
    return 0;
}
