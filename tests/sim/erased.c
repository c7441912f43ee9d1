/* What an erasure must have taken: the keys that a member had, as they were before an order, open nothing and are nowhere at any node, whatever was
 * restored or entered again since; and nothing of before the order is entered again (docs/PROTOCOL.md §10 "Erasure"). See sim.h. */
#include "tests/sim/sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "storage/received.h"

enum { ERASED_KEYS_MAX = 4096, RESTORE_MS_MAX = 15000, FOLLOWS_MAX = 512 };

static bool
same_key(const struct data_key *a, const struct data_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- what there was ---- */

static void
note_row(struct sim_node *n, uint64_t slot, uint8_t out[ERASED_ROW_BYTES])
{
    struct db_txn *txn = NULL;
    struct slice row;
    struct err err;
    uint8_t key[8];
    be64_put(key, slot);
    MUST(db_begin_read(vault_db(n->vault), &txn, &err) == 0);
    MUST(db_get(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), &row, &err) == 0 && row.len >= ERASED_ROW_BYTES);
    memcpy(out, row.data, ERASED_ROW_BYTES);
    db_abort(&txn);
}

/* Before an order is carried out by the writer: keys of whoever is to be erased. */
void
erased_note(struct sim_node *n, const struct api_op *op)
{
    struct world *w = n->w;
    struct db_txn *txn = NULL;
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    struct log_row log;
    struct err err;
    size_t count = 0;
    if (op->kind != OP_ERASE || op->erase.request.action != ERASE_ORDER || !engine_own_log(n->engine, &log))
        return;
    if (!w->erased_keys)
        w->erased_keys = calloc(ERASED_KEYS_MAX, sizeof(*w->erased_keys));
    MUST(w->erased_keys);
    if (db_begin_read(n->db, &txn, &err) == 0 &&
        keyslots_all(txn, &op->erase.request.member, &slots, &count, &err) == 0)
        for (size_t i = 0; i < count; i++)
            for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++) {
                int at = vault_class_index(class);
                if (at < 0 || w->n_erased_keys == ERASED_KEYS_MAX ||
                    vault_slot(n->vault, slots[i].slot, &keys, &err) != 0 || !vault_key_there(&keys.keys[at]))
                    continue;
                w->erased_keys[w->n_erased_keys++] = (struct erased_key){.unit = n->unit->index,
                                                                         .member = op->erase.request.member,
                                                                         .class = class,
                                                                         .generation = slots[i].generation,
                                                                         .since = {log.id, log.head_seq},
                                                                         .key = keys.keys[at]};
                note_row(n, slots[i].slot, w->erased_keys[w->n_erased_keys - 1].row);
            }
    free(slots);
    db_abort(&txn);
}

/* ---- whether it is gone ---- */

/* Whether b follows a, by the predecessors of logs. */
static bool
follows(struct db_txn *txn, const struct position *a, const struct position *b)
{
    struct position seen[FOLLOWS_MAX];
    size_t count = 1;
    struct err err;
    if (TYPE_EQ(&a->log, &b->log))
        return a->seq < b->seq;
    seen[0] = *b;
    for (size_t i = 0; i < count; i++) {
        struct log_row log;
        if (evlog_find(txn, &seen[i].log, &log, &err) != 0)
            continue;
        for (uint8_t k = 0; k < log.n_predecessors; k++) {
            const struct position p = {log.predecessors[k].log, log.predecessors[k].seq};
            bool there = false;
            if (TYPE_EQ(&p.log, &a->log) && a->seq <= p.seq)
                return true;
            for (size_t j = 0; j < count && !there; j++)
                there = TYPE_EQ(&seen[j].log, &p.log);
            if (!there && count < FOLLOWS_MAX)
                seen[count++] = p;
        }
    }
    return false;
}

/* Whether one follows all of the others. */
static bool
follows_all(struct db_txn *txn, const struct position *const *of, const struct position *b)
{
    for (; of && *of; of++)
        if (!follows(txn, *of, b))
            return false;
    return true;
}

/* The day of the newest order that is in the node's row and takes keys of the class and generation; done: and that the node has carried out; of:
 * NULL, or what the order must follow, up to NULL. */
static struct civil_date
order_of(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *member, uint8_t class,
         uint32_t generation, bool done, const struct position *const *of)
{
    struct civil_date day = DATE_NONE;
    struct member_row row;
    struct err err;
    if (entitled_member(txn, member, unit, &row, &err) != 0)
        return day;
    for (size_t i = 0; i < row.n; i++) {
        struct erasure_order order;
        const struct member_entry *e = &row.entries[i];
        if (e->kind != KIND_ERASURE_ORDERED || e->outcome != OUTCOME_APPLIED ||
            erasure_get(txn, &e->at, &order, &err) != 0 || !follows_all(txn, of, &e->at))
            continue;
        bool takes = (order.classes >> class & 1) != 0 && generation <= order.generation;
        if (takes && (!done || order.state == ERASURE_DONE) && (date_is_none(day) || e->effective.days > day.days))
            day = e->effective;
    }
    member_row_release(&row);
    return day;
}

static void
check_slots(struct sim_node *n, struct db_txn *txn, const struct erased_key *k)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    struct err err;
    size_t count = 0;
    if (n->unit->index != k->unit || keyslots_all(txn, &k->member, &slots, &count, &err) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < VAULT_CLASSES; c++)
            if (vault_slot(n->vault, slots[i].slot, &keys, &err) == 0 && same_key(&keys.keys[c], &k->key))
                world_fail(n->w, n, "a key of %s, class %u, was erased and is in the vault", short_id(&k->member),
                           k->class);
    free(slots);
}

/* Nor in what deleted rows leave on the disk. */
static void
check_bytes(struct sim_node *n, const struct erased_key *k)
{
    static const char *const files[] = {"data.mdb", "data.next", "rewrite/data.mdb", "rewrite/old.mdb"};
    char path[SIM_PATH_MAX + 32];
    for (size_t i = 0; i < ARRAY_LEN(files) && n->unit->index == k->unit; i++) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/vault/%s", n->dir, files[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        MUST(fstat(fd, &st) == 0);
        void *all = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        if (all != MAP_FAILED && memmem(all, (size_t)st.st_size, k->row, ERASED_ROW_BYTES))
            world_fail(n->w, n, "a key of %s, class %u, was erased and is in the bytes of %s", short_id(&k->member),
                       k->class, files[i]);
        if (all != MAP_FAILED)
            munmap(all, (size_t)st.st_size);
        close(fd);
    }
}

static void
check_received(struct sim_node *n, const struct erased_key *k)
{
    static struct received_key keys[RECEIVED_MAX];
    const struct received_filter any = RECEIVED_ANY;
    struct err err;
    size_t count = 0;
    if (received_list(n->vault, &k->member, &any, keys, RECEIVED_MAX, &count, NULL, &err) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (same_key(&keys[i].key, &k->key))
            world_fail(n->w, n, "a key of %s, class %u, generation %u, was erased and is kept as received by %s/%llu",
                       short_id(&k->member), k->class, k->generation, short_id(&keys[i].from.log),
                       (unsigned long long)keys[i].from.seq);
}

static void
try_capsules(struct sim_node *n, struct db_txn *txn, const struct log_row *log, const struct event_header *h,
             const struct erased_key *k)
{
    struct slice capsule;
    struct buf plain;
    struct err err;
    for (uint8_t i = 0; i < h->n_capsules && !n->w->failed; i++) {
        if (h->capsules[i].class != k->class || capsules_get(txn, log->no, h->seq, i, &capsule, &err) != 0)
            continue;
        const struct position at = {log->id, h->seq}, *const past[] = {&k->since, &at, NULL};
        buf_init(&plain, CAPSULE_BYTES_MAX);
        /* What another instance wrote side by side with the order is not listed in it, and has lost its keys. */
        if (capsule_open(&k->key, k->class, capsule, &plain, &err) == 0 &&
            !date_is_none(order_of(txn, &log->unit, &k->member, k->class, k->generation, true, past)))
            world_fail(n->w, n, "capsule %u of %s/%llu, class %u, was erased and opens with the key of before", i,
                       short_id(&log->id), (unsigned long long)h->seq, k->class);
        buf_free(&plain);
    }
}

/* Ciphertexts of activity links stay and lose their keys. */
static void
check_ciphertexts(struct sim_node *n, struct db_txn *txn, const struct erased_key *k)
{
    const struct unit_id *unit = &n->w->units[k->unit].identity.unit;
    uint32_t count = 0;
    struct err err;
    if (k->class == CLASS_ACTIVITY || evlog_count(txn, &count, &err) != 0)
        return;
    for (uint32_t no = 1; no <= count && !n->w->failed; no++) {
        struct log_row log;
        struct evlog_iter it;
        struct stored_event ev;
        struct event_header h;
        struct event_common common;
        if (evlog_get(txn, no, &log, &err) != 0 || !TYPE_EQ(&log.unit, unit) ||
            evlog_iter_init(&it, txn, no, 1, &err) != 0)
            continue;
        while (evlog_iter_next(&it, &ev, &err) == 0 && event_header_decode(ev.header, &h, &err) == 0)
            if (h.n_capsules > 0 && event_common_decode(ev.payload, &common, &err) == 0 && common.has_subject &&
                TYPE_EQ(&common.subject, &k->member))
                try_capsules(n, txn, &log, &h, k);
        evlog_iter_release(&it);
    }
}

/* At once, for the next order has the file rewritten again. */
void
erased_carried_out(struct sim_node *n)
{
    struct world *w = n->w;
    const struct unit_id *unit = &n->unit->identity.unit;
    struct db_txn *txn = NULL;
    struct err err;
    if (db_begin_read(n->db, &txn, &err) != 0)
        return;
    for (size_t i = 0; i < w->n_erased_keys && !w->failed; i++) {
        struct erased_key *k = &w->erased_keys[i];
        const struct position *const past[] = {&k->since, NULL};
        if (k->unit != n->unit->index || k->searched ||
            date_is_none(order_of(txn, unit, &k->member, k->class, k->generation, true, past)))
            continue;
        k->searched = n->index == n->unit->index;
        check_bytes(n, k);
    }
    db_abort(&txn);
}

void
erased_check(struct sim_node *n, struct db_txn *txn)
{
    struct world *w = n->w;
    if (w->heals && !w->hostile && !w->skewed && !n->unit->forked && erasures_due(txn) > 0)
        world_fail(w, n, "%llu erasures are not carried out", (unsigned long long)erasures_due(txn));
    for (size_t i = 0; i < w->n_erased_keys && !w->failed; i++) {
        const struct erased_key *k = &w->erased_keys[i];
        const struct unit_id *unit = &w->units[k->unit].identity.unit;
        const struct position *const past[] = {&k->since, NULL};
        if (date_is_none(order_of(txn, unit, &k->member, k->class, k->generation, true, past)))
            continue;
        w->stats.erased++;
        check_slots(n, txn, k);
        check_bytes(n, k);
        check_received(n, k);
        check_ciphertexts(n, txn, k);
    }
}

/* ---- it is entered again ---- */

/* Somebody of whom something was erased is imported once more, with the data and often the date of before. */
struct sim_job *
workload_import_again(struct sim_node *n)
{
    const struct world *w = n->w;
    const struct erased_key *k = NULL;
    for (size_t i = 0; i < 16 && w->n_erased_keys > 0 && !k; i++) {
        k = &w->erased_keys[rng_below(&n->rng, w->n_erased_keys)];
        k = k->unit == n->unit->index ? k : NULL;
    }
    if (!k)
        return workload_member(n);
    struct sim_job *job = workload_job(OP_MEMBER);
    struct member_request *r = &job->op.member.request;
    job->imports = true;
    r->action = ACTION_CHANGE_DATA;
    r->has_subject = true;
    r->subject = k->member;
    r->effective = workload_day(n);
    r->person.identity.birth_date = DATE_NONE;
    n->unit->names++;
    if (k->class == CLASS_IDENTITY || rng_chance(&n->rng, 200)) {
        r->person.has_identity = true;
        struct person_text *name = &r->person.identity.family_name;
        struct model_person p;
        if (model_person(n->unit->model, &r->subject, INT32_MAX, NULL, &p, NULL) && p.s.person_type == PERSON_LEGAL)
            name = &r->person.identity.legal_name;
        snprintf(name->s, sizeof(name->s), "Again%u", n->unit->names);
    }
    if (k->class == CLASS_CONTACT || k->class == CLASS_ACTIVITY || rng_chance(&n->rng, 200)) {
        r->person.has_contact = true;
        snprintf(r->person.contact.email.s, sizeof(r->person.contact.email.s), "again%u@example.org", n->unit->names);
    }
    if (k->class == CLASS_BANK || rng_chance(&n->rng, 100)) {
        r->person.has_bank = true;
        snprintf(r->person.bank.iban.s, sizeof(r->person.bank.iban.s), "BE68539007547034");
    }
    r->has_note = k->class == CLASS_NOTE;
    if (r->has_note)
        snprintf(r->note.s, sizeof(r->note.s), "Invented note %u", n->unit->names);
    return job;
}

/* The writer took it: then it is not of before an order that was committed here. */
void
erased_accepted(struct sim_node *n, const struct api_op *op)
{
    const struct member_request *r = &op->member.request;
    struct db_txn *txn = NULL;
    struct err err;
    if (op->kind != OP_MEMBER)
        return; /* what stands there is of another operation */
    const bool has[] = {r->person.has_identity, r->person.has_contact, r->person.has_bank, false, r->has_note};
    if (!r->has_subject || r->action == ACTION_NAME_REPRESENTATIVE || date_is_none(r->effective) ||
        db_begin_read(n->db, &txn, &err) != 0)
        return;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++) {
        struct civil_date day =
            has[class - 1] ? order_of(txn, &n->unit->identity.unit, &r->subject, class, 0, false, NULL) : DATE_NONE;
        if (!date_is_none(day) && r->effective.days < day.days)
            world_fail(n->w, n, "class %u of %s was erased, and is entered again with a date of before", class,
                       short_id(&r->subject));
    }
    db_abort(&txn);
}

/* A copy of some node's disk is made before the order, and put back after it. */
void
erased_plan_restore(struct sim_node *n)
{
    struct world *w = n->w;
    struct sim_node *of = rng_chance(&w->rng, 500) ? n : &w->nodes[rng_below(&w->rng, (uint64_t)w->n_nodes)];
    if (!w->restores || w->healing || !rng_chance(&w->rng, 600))
        return;
    if (!of->has_backup)
        world_post(w, 0, EV_RESTORE, of, 0, 0, NULL, 0);
    world_post(w, rng_between(&w->rng, RESTORE_MS_MAX / 10, RESTORE_MS_MAX), EV_RESTORE, of, 0, 0, NULL, 0);
}
