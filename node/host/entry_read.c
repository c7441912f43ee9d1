/* See entry_read.h. */
#include "node/host/entry_read.h"

#include "node/command/person_open.h"
#include "storage/keyslots.h"

enum { PLACES_MAX = 256 };

/* Where the capsule of a class is that the slot of entry i stands with. */
static bool
entry_capsule(const struct member_row *row, size_t i, uint8_t class, struct position *ret)
{
    struct capsule_place places[PLACES_MAX];
    const struct member_entry *e = &row->entries[i];
    if (e->kind == KIND_REPRESENTATIVE_NAMED) {
        *ret = e->at;
        return (e->capsule_mask >> (class - 1) & 1) != 0;
    }
    size_t n = member_capsule_history(row, class, places, PLACES_MAX);
    for (size_t k = 0; k < n && k < PLACES_MAX; k++) {
        size_t of = places[k].in_force ? member_entry_find(row, &places[k].at) : SIZE_MAX;
        if (of != SIZE_MAX && member_slot_filler(row, of) == i) {
            *ret = places[k].at;
            return true;
        }
    }
    return false;
}

int
entry_person_read(struct db_txn *txn, struct vault *vault, const struct member_row *row, size_t i,
                  struct person_input *ret, struct err *err)
{
    const struct member_entry *e = &row->entries[i];
    const struct subject_id *whose = e->kind == KIND_REPRESENTATIVE_NAMED ? &e->other : &row->subject;
    struct person_input p = {.identity = {.birth_date = DATE_NONE}}, one;
    int rc = 0;
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        struct position at;
        if (!entry_capsule(row, i, class, &at))
            continue;
        rc = person_open_at(txn, vault, whose, &at, class, &one, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        if (rc == 0 && one.has_identity)
            p.identity = one.identity;
        if (rc == 0 && one.has_contact)
            p.contact = one.contact;
        if (rc == 0 && one.has_bank)
            p.bank = one.bank;
        p.has_identity |= rc == 0 && one.has_identity;
        p.has_contact |= rc == 0 && one.has_contact;
        p.has_bank |= rc == 0 && one.has_bank;
        person_wipe(&one, sizeof(one));
    }
    if (rc == 0)
        *ret = p;
    person_wipe(&p, sizeof(p));
    return rc;
}

static int
find_capsule(struct db_txn *txn, const struct position *at, uint8_t class, struct slice *ret, struct err *err)
{
    struct log_row log;
    struct stored_event event;
    struct event_header header;
    int rc = evlog_find(txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(txn, log.no, at->seq, &event, err);
    if (rc == 0)
        rc = event_header_decode(event.header, &header, err);
    for (uint8_t i = 0; rc == 0 && i < header.n_capsules; i++)
        if (header.capsules[i].class == class)
            return capsules_get(txn, log.no, at->seq, i, ret, err);
    return rc != 0 ? rc : err_set(err, ERR_NOTFOUND, "the event has no capsule of that class");
}

int
entry_note_read(struct db_txn *txn, struct vault *vault, const struct member_row *row, size_t i,
                struct person_note *ret, struct err *err)
{
    struct position at;
    struct slice capsule;
    struct buf plain;
    memset(ret, 0, sizeof(*ret));
    if (!entry_capsule(row, i, CLASS_NOTE, &at))
        return 0;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    int rc = find_capsule(txn, &at, CLASS_NOTE, &capsule, err);
    if (rc == 0)
        rc = keyslots_open(txn, vault, &row->subject, CLASS_NOTE, capsule, &plain, err);
    if (rc == 0)
        rc = person_note_decode(buf_slice(&plain), ret, err);
    buf_free(&plain);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
