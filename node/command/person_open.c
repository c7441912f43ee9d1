/* See person_open.h. Slots, and an event's header, are looked up once for all classes of a person: this is what a desk waits for. */
#include "node/command/person_open.h"

#include <stdlib.h>

#include "storage/keyslots.h"

enum { PLAIN_BYTES = 4096 }; /* more than any class takes */

struct opener {
    struct db_txn *txn;
    struct vault *vault;
    bool has_event;
    struct position at; /* of the event whose header is here */
    uint32_t log_no;
    struct event_header header;
    size_t n_slots, n_read; /* the newest n_read of them are in keys, newest first */
    uint64_t damaged;       /* a slot that does not open; 0 = none */
    struct keyslot *slots;
    struct slot_keys *keys;
    struct buf plain;
};

static int
event_load(struct opener *o, const struct position *at, struct err *err)
{
    struct log_row log;
    struct stored_event event;
    if (o->has_event && o->at.seq == at->seq && TYPE_EQ(&o->at.log, &at->log))
        return 0;
    int rc = evlog_find(o->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(o->txn, log.no, at->seq, &event, err);
    if (rc == 0)
        rc = event_header_decode(event.header, &o->header, err);
    o->has_event = rc == 0;
    if (rc == 0) {
        o->at = *at;
        o->log_no = log.no;
    }
    return rc;
}

static int
capsule_at(struct opener *o, const struct position *at, uint8_t class, struct slice *ret, struct err *err)
{
    int rc = event_load(o, at, err);
    for (uint8_t i = 0; rc == 0 && i < o->header.n_capsules; i++)
        if (o->header.capsules[i].class == class)
            return capsules_get(o->txn, o->log_no, at->seq, i, ret, err);
    return rc != 0 ? rc : err_set(err, ERR_NOTFOUND, "the event has no capsule of that class");
}

/* Keys of the i-th newest slot; without any where they were destroyed. */
static int
keys_at(struct opener *o, size_t i, struct err *err)
{
    struct slot_keys *keys = &o->keys[i];
    uint64_t slot = o->slots[o->n_slots - 1 - i].slot;
    if (i < o->n_read)
        return 0;
    int rc = vault_slot(o->vault, slot, keys, err);
    if (rc != 0 && rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
        return rc;
    if (rc != 0)
        memset(keys, 0, sizeof(*keys));
    if (rc == ERR_CORRUPT)
        o->damaged = slot;
    o->n_read = i + 1;
    return 0;
}

static int
class_open(struct opener *o, const struct position *at, uint8_t class, struct err *err)
{
    struct slice capsule;
    int index = vault_class_index(class);
    int rc = capsule_at(o, at, class, &capsule, err);
    for (size_t i = 0; rc == 0 && i < o->n_slots && index >= 0; i++) {
        rc = keys_at(o, i, err);
        if (rc != 0 || !vault_key_there(&o->keys[i].keys[index]))
            continue;
        buf_clear(&o->plain);
        rc = capsule_open(&o->keys[i].keys[index], class, capsule, &o->plain, err);
        if (rc != ERR_DENIED)
            return rc;
        rc = 0;
    }
    if (rc == 0 && o->damaged != 0)
        return err_set(err, ERR_CORRUPT, "vault: key slot %llu does not open", (unsigned long long)o->damaged);
    return rc != 0 ? rc : ERR_NOTFOUND;
}

static int
part_open(struct opener *o, const struct position *at, uint8_t class, struct person_input *p, struct err *err)
{
    int rc = class_open(o, at, class, err);
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    switch (class) {
    case CLASS_IDENTITY:
        rc = person_identity_decode(buf_slice(&o->plain), &p->identity, err);
        p->has_identity = rc == 0;
        break;
    case CLASS_CONTACT:
        rc = person_contact_decode(buf_slice(&o->plain), &p->contact, err);
        p->has_contact = rc == 0;
        break;
    default:
        rc = person_bank_decode(buf_slice(&o->plain), &p->bank, err);
        p->has_bank = rc == 0;
        break;
    }
    return rc;
}

/* Opens, for the classes asked for, the capsules at the positions that `place` gives, with the keys of subject. */
static int
open_classes(struct db_txn *txn, struct vault *vault, const struct subject_id *subject, unsigned classes,
             bool (*place)(const void *arg, uint8_t class, struct position *ret), const void *arg,
             struct person_input *ret, struct err *err)
{
    uint8_t room[PLAIN_BYTES];
    struct opener o;
    struct position at;
    o.txn = txn;
    o.vault = vault;
    o.has_event = false;
    o.n_slots = o.n_read = 0;
    o.damaged = 0;
    o.slots = NULL;
    o.keys = NULL;
    buf_fixed(&o.plain, room, sizeof(room));
    memset(ret, 0, sizeof(*ret));
    ret->identity.birth_date = DATE_NONE;
    int rc = keyslots_all(txn, subject, &o.slots, &o.n_slots, err);
    if (rc == 0 && o.n_slots > 0 && (o.keys = calloc(o.n_slots, sizeof(*o.keys))) == NULL)
        rc = err_set(err, ERR_NOMEM, "a person: out of memory");
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++)
        if (classes & 1U << class && place(arg, class, &at))
            rc = part_open(&o, &at, class, ret, err);
    person_wipe(room, sizeof(room));
    if (o.keys != NULL)
        person_wipe(o.keys, o.n_read * sizeof(o.keys[0]));
    free(o.keys);
    free(o.slots);
    if (rc != 0)
        person_wipe(ret, sizeof(*ret));
    return rc;
}

static bool
place_in_force(const void *arg, uint8_t class, struct position *ret)
{
    return member_capsule_position(arg, class, ret);
}

int
person_open(struct db_txn *txn, struct vault *vault, const struct member_row *row, unsigned classes,
            struct person_input *ret, struct err *err)
{
    return open_classes(txn, vault, &row->subject, classes, place_in_force, row, ret, err);
}

static bool
place_given(const void *arg, uint8_t class UNUSED, struct position *ret)
{
    memcpy(ret, arg, sizeof(*ret));
    return true;
}

int
person_open_at(struct db_txn *txn, struct vault *vault, const struct subject_id *subject, const struct position *at,
               uint8_t class, struct person_input *ret, struct err *err)
{
    return open_classes(txn, vault, subject, 1U << class, place_given, at, ret, err);
}

struct representative {
    const struct member_row *row;
    const struct subject_id *person;
};

static bool
place_of_representative(const void *arg, uint8_t class, struct position *ret)
{
    const struct representative *p = arg;
    return member_representative_capsule(p->row, p->person, class, ret);
}

int
person_open_representative(struct db_txn *txn, struct vault *vault, const struct member_row *row,
                           const struct subject_id *person, struct person_input *ret, struct err *err)
{
    struct representative p = {row, person};
    return open_classes(txn, vault, person, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, place_of_representative, &p,
                        ret, err);
}
