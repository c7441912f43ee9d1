/* See links.h. A class 4 capsule says nothing in clear of whose key opens it, so every member's key is tried: comparing a key hash takes
 * well under a microsecond, so a register of 40,000 takes some 10 ms for one capsule. It happens after a loss only. */
#include "node/host/links.h"

#include <sodium.h>
#include <stdlib.h>

#include "proto/base/map.h"
#include "storage/keyslots.h"

enum {
    STRETCH_EVENTS = 1024, /* for each read transaction */
    STRETCH_LINKS = 256,   /* for each commit of the vault */
    RELINKED_MAX = 1 << 24,
    CURSOR_NAME_MAX = 8 + 2 * HASH_BYTES,
};

/* ---- what a draft says ---- */

static uint8_t
flags_of(uint16_t kind, const struct unit_id *unit, const struct activity_links *l)
{
    bool invoice = kind == KIND_INVOICE_ISSUED || kind == KIND_INVOICE_CREDITED || kind == KIND_INVOICE_CANCELLED;
    bool posting = kind >= KIND_POSTING_ISSUED && kind <= KIND_POSTING_CANCELLED;
    bool other = l->has_unit && !TYPE_EQ(&l->unit, unit);
    return (uint8_t)((invoice ? LINK_INVOICE : posting ? LINK_POSTING : LINK_ACTIVITY) | (other ? LINK_OTHER_UNIT : 0));
}

/* Of a visitor; zeros of an own member. */
static struct unit_id
home_of(const struct unit_id *unit, const struct activity_links *l)
{
    static const struct unit_id nowhere;
    return l->has_unit && !TYPE_EQ(&l->unit, unit) ? l->unit : nowhere;
}

/* Of the member, and of the number if there is one that can be looked for. */
static size_t
entries_of(const struct vault *vault, uint8_t flags, const struct subject_id *entity, const struct activity_links *l,
           struct index_entry ret[2])
{
    struct err ignored;
    bool posting = (flags & LINK_POSTING) != 0;
    enum index_field field = flags & LINK_INVOICE ? INDEX_INVOICE_NO : posting ? INDEX_POSTING_NO : INDEX_ACTIVITY_NO;
    ret[0].subject = ret[1].subject = *entity;
    (posting ? index_postings_of : index_work_of)(vault, &l->member, ret[0].token);
    bool number = l->number.s[0] != '\0' && index_work_number(vault, field, l->number.s, ret[1].token, &ignored) == 0;
    return number ? 2 : 1;
}

int
links_stage(struct vault *vault, const struct unit_id *unit, const struct draft *d, struct err *err)
{
    struct activity_links l;
    struct index_entry entries[2];
    int rc = 0;
    for (uint8_t i = 0; i < d->n_capsules && rc == 0; i++) {
        if (d->capsules[i].class != CLASS_ACTIVITY)
            continue;
        rc = activity_links_decode(buf_slice(&d->capsules[i].plain), &l, err);
        if (rc != 0)
            break;
        if (d->has_link)
            l.member = d->link_member;
        struct vault_link link = {.entity = d->payload.common.subject,
                                  .member = l.member,
                                  .flags = flags_of(d->kind, unit, &l),
                                  .unit = home_of(unit, &l)};
        size_t n = entries_of(vault, link.flags, &link.entity, &l, entries);
        rc = vault_links_stage(vault, &link, entries, n, err);
        person_wipe(&l, sizeof(l));
    }
    return rc;
}

/* ---- what was lost ---- */

struct member_key {
    struct subject_id member;
    struct data_key key;
};

struct search {
    const struct links_search *s;
    struct links_found *found;
    struct member_key *keys; /* locked pages; loaded when the first one is needed */
    size_t n_keys, cap_keys, last;
    bool loaded;
    struct vault_link links[STRETCH_LINKS];
    struct index_entry entries[2 * STRETCH_LINKS];
    size_t n_links, n_entries;
    uint8_t marked[(UINT16_MAX + 1) / 8]; /* months, a bit each */
    struct map
        relinked; /* entities found again in this search: credit notes and changes that follow have numbers of their own */
};

static int
key_add(struct search *x, const struct subject_id *member, const struct data_key *key, struct err *err)
{
    if (x->n_keys == x->cap_keys) {
        size_t cap = x->cap_keys ? 2 * x->cap_keys : 1024;
        struct member_key *more = sodium_allocarray(cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "links: no locked memory for keys");
        if (x->n_keys > 0)
            memcpy(more, x->keys, x->n_keys * sizeof(*more));
        sodium_free(x->keys);
        x->keys = more;
        x->cap_keys = cap;
    }
    x->keys[x->n_keys++] = (struct member_key){*member, *key};
    return 0;
}

/* Class 4 keys of every generation of everybody. */
static int
keys_load(struct search *x, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, v;
    struct slot_keys keys;
    int index = vault_class_index(CLASS_ACTIVITY);
    int rc = db_cursor_open(txn, TABLE_KEYSLOTS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &k, &v, err); rc == 0; rc = db_cursor_next(c, &k, &v, err)) {
        struct subject_id member;
        if (k.len < ID_BYTES || v.len != 8)
            continue;
        memcpy(member.b, k.data, ID_BYTES);
        rc = vault_slot(x->s->vault, be64_get(v.data), &keys, err);
        if (rc == 0 && vault_key_there(&keys.keys[index]))
            rc = key_add(x, &member, &keys.keys[index], err);
        if (rc != 0 && rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
            break;
    }
    sodium_memzero(&keys, sizeof(keys));
    db_cursor_close(&c);
    x->loaded = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The one that opened the capsule before is tried first: a person's events stand near each other. */
static bool
open_with_any(struct search *x, struct slice capsule, struct buf *plain)
{
    for (size_t i = 0; i <= x->n_keys; i++) {
        size_t at = i == 0 ? x->last : i - 1;
        buf_clear(plain);
        if (at < x->n_keys && capsule_open(&x->keys[at].key, CLASS_ACTIVITY, capsule, plain, NULL) == 0) {
            x->last = at;
            return true;
        }
    }
    return false;
}

static int
mark_months(struct search *x, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; x->s->mark && i < x->n_links && rc == 0; i++) {
        uint16_t month = invoice_id_month(&x->links[i].entity);
        uint8_t bit = (uint8_t)(1U << month % 8);
        if ((x->links[i].flags & LINK_INVOICE) == 0 || (x->marked[month / 8] & bit) != 0)
            continue;
        rc = x->s->mark(x->s->arg, month, err);
        x->marked[month / 8] |= bit;
    }
    return rc;
}

static int
flush_links(struct search *x, struct err *err)
{
    int rc = mark_months(x, err);
    if (rc == 0)
        rc = x->n_links == 0 ? 0 : vault_links_put(x->s->vault, x->links, x->n_links, x->entries, x->n_entries, err);
    if (rc == 0) {
        x->found->linked += x->n_links;
        x->n_links = x->n_entries = 0;
    }
    return rc;
}

static int
relink(struct search *x, const struct event_header *h, const struct subject_id *entity, struct slice capsule,
       struct err *err)
{
    struct buf plain;
    struct activity_links l;
    int rc = 0;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    bool opened = open_with_any(x, capsule, &plain) && activity_links_decode(buf_slice(&plain), &l, err) == 0;
    x->found->missing += !opened;
    if (opened) {
        if (!map_put(&x->relinked, entity, NULL))
            rc = err_set(err, ERR_NOMEM, "links: out of memory");
        struct vault_link *link = &x->links[x->n_links++];
        *link = (struct vault_link){.entity = *entity,
                                    .member = l.member,
                                    .flags = flags_of(h->kind, &x->s->unit, &l),
                                    .unit = home_of(&x->s->unit, &l)};
        x->n_entries += entries_of(x->s->vault, link->flags, entity, &l, &x->entries[x->n_entries]);
        person_wipe(&l, sizeof(l));
    }
    if (rc == 0 && x->n_links == STRETCH_LINKS)
        rc = flush_links(x, err);
    buf_free(&plain);
    return rc;
}

/* 0 = goes on, 1 = the capsule is not held. */
static int
look_at(struct search *x, struct db_txn *txn, const struct log_row *row, const struct stored_event *ev,
        struct event_header *h, struct err *err)
{
    struct event_common common;
    struct vault_link link;
    struct slice capsule;
    int rc = event_header_decode(ev->header, h, err);
    for (uint8_t i = 0; rc == 0 && i < h->n_capsules; i++) {
        if (h->capsules[i].class != CLASS_ACTIVITY || ev->payload.len == 0 ||
            event_common_decode(ev->payload, &common, err) != 0 || !common.has_subject)
            continue;
        rc = vault_link_get(x->s->vault, &common.subject, &link, err);
        if (rc != ERR_NOTFOUND && rc != ERR_CORRUPT && !(rc == 0 && map_get(&x->relinked, &common.subject)))
            continue;
        rc = capsules_get(txn, row->no, h->seq, i, &capsule, err);
        if (rc == ERR_NOTFOUND)
            return 1;
        if (rc == 0 && !x->loaded)
            rc = keys_load(x, txn, err);
        if (rc == 0)
            rc = relink(x, h, &common.subject, capsule, err);
    }
    return rc;
}

static void
cursor_name(char out[CURSOR_NAME_MAX], const struct log_id *log)
{
    memcpy(out, "links.", 6);
    sodium_bin2hex(out + 6, CURSOR_NAME_MAX - 6, log->b, sizeof(log->b));
}

static int
cursor_read(struct search *x, const struct log_id *log, uint64_t *ret, struct err *err)
{
    char name[CURSOR_NAME_MAX];
    struct buf value;
    cursor_name(name, log);
    buf_init(&value, 64);
    int rc = vault_meta_get(x->s->vault, name, &value, err);
    *ret = rc == 0 && value.len == 8 ? be64_get(value.data) : 0;
    buf_free(&value);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
cursor_write(struct vault *vault, const struct log_id *log, uint64_t seq, struct err *err)
{
    char name[CURSOR_NAME_MAX];
    uint8_t value[8];
    cursor_name(name, log);
    be64_put(value, seq);
    return vault_meta_put(vault, name, slice_of(value, sizeof(value)), err);
}

int
links_again(struct vault *vault, const struct log_id *log, struct err *err)
{
    return cursor_write(vault, log, 0, err);
}

static bool
stopped(const struct search *x)
{
    return x->s->stop && x->s->stop(x->s->arg);
}

/* One stretch; *seq moves on. True in *ret_end: at the head, or at a capsule that is not held. */
static int
stretch(struct search *x, const struct log_row *row, uint64_t *seq, bool *ret_end, struct err *err)
{
    struct db_txn *txn = NULL;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    int rc = db_begin_read(x->s->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = evlog_iter_init(&it, txn, row->no, *seq + 1, err);
    for (int i = 0; rc == 0 && i < STRETCH_EVENTS && !stopped(x); i++) {
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0)
            rc = look_at(x, txn, row, &ev, &h, err);
        if (rc == 0)
            *seq = h.seq;
    }
    evlog_iter_release(&it);
    db_abort(&txn);
    *ret_end = rc == ERR_NOTFOUND || rc == 1 || *seq >= row->head_seq;
    rc = rc == ERR_NOTFOUND || rc == 1 ? 0 : rc;
    return rc == 0 ? flush_links(x, err) : rc;
}

static int
search_log(struct search *x, const struct log_row *row, struct err *err)
{
    uint64_t seq = 0, from;
    bool end = false;
    int rc = cursor_read(x, &row->id, &seq, err);
    from = seq;
    end = seq >= row->head_seq;
    while (rc == 0 && !end && !stopped(x)) {
        uint64_t missing = x->found->missing, linked = x->found->linked;
        rc = stretch(x, row, &seq, &end, err);
        if (rc == 0 && x->s->progress && (x->found->linked > linked || x->found->missing > missing))
            x->s->progress(x->s->arg, x->found->linked, x->found->missing);
    }
    return rc == 0 && seq > from ? cursor_write(x->s->vault, &row->id, seq, err) : rc;
}

static int
log_of(struct db *db, uint32_t no, struct log_row *ret, uint32_t *ret_count, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, ret_count, err);
    if (rc == 0 && no <= *ret_count)
        rc = evlog_get(txn, no, ret, err);
    db_abort(&txn);
    return rc;
}

int
links_restore(const struct links_search *s, struct links_found *ret, struct err *err)
{
    struct log_row row;
    uint32_t count = 1;
    int rc = 0;
    *ret = (struct links_found){0};
    struct search *x = calloc(1, sizeof(*x));
    if (!x)
        return err_set(err, ERR_NOMEM, "links: out of memory");
    x->s = s;
    x->found = ret;
    map_init(&x->relinked, ID_BYTES, 1, RELINKED_MAX, NULL);
    for (uint32_t no = 1; rc == 0 && no <= count; no++) {
        rc = log_of(s->db, no, &row, &count, err);
        if (rc == 0 && no <= count && TYPE_EQ(&row.unit, &s->unit))
            rc = search_log(x, &row, err);
        if (rc == 0 && stopped(x))
            rc = err_set(err, ERR_UNAVAILABLE, "links: stopped");
    }
    sodium_free(x->keys);
    map_free(&x->relinked);
    free(x);
    return rc;
}
