/* See rekey.h. */
#include "node/host/rekey.h"

#include <sodium.h>
#include <stdlib.h>

#include "proto/base/map.h"

enum { LOGS_MAX = 1 << 24, NAME_DIGITS_MIN = 6 };

/* A log of the unit. */
struct mine {
    struct log_row row;
    uint64_t end;   /* as far as it stands once the plan is done */
    uint64_t named; /* as far as a log that stands names it */
    bool cut, resumed;
};

struct list {
    struct mine *v;
    size_t n;
    struct map index; /* log id → size_t */
};

static int
list_load(struct db_txn *txn, const struct unit_id *unit, struct list *ret, struct err *err)
{
    uint32_t count = 0;
    *ret = (struct list){0};
    map_init(&ret->index, sizeof(struct log_id), sizeof(size_t), LOGS_MAX, NULL);
    int rc = evlog_count(txn, &count, err);
    if (rc == 0 && !(ret->v = calloc((size_t)count + 1, sizeof(*ret->v))))
        rc = err_set(err, ERR_NOMEM, "rekey: out of memory");
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct mine *m = &ret->v[ret->n];
        rc = evlog_get(txn, no, &m->row, err);
        if (rc != 0 || m->row.head_seq == 0 || !TYPE_EQ(&m->row.unit, unit))
            continue;
        size_t *at = map_put(&ret->index, &m->row.id, NULL);
        if (!at)
            return err_set(err, ERR_NOMEM, "rekey: out of memory");
        *at = ret->n++;
        m->end = m->row.head_seq < m->row.stands_to ? m->row.head_seq : m->row.stands_to;
    }
    return rc;
}

static void
list_free(struct list *l)
{
    free(l->v);
    map_free(&l->index);
}

static int
find(struct list *l, const char *name, struct mine **ret, struct err *err)
{
    size_t digits = strlen(name);
    *ret = NULL;
    for (size_t i = 0; i < l->n; i++) {
        char hex[2 * HASH_BYTES + 1];
        hex_encode(l->v[i].row.id.b, HASH_BYTES, hex);
        if (digits > 2 * HASH_BYTES || strncmp(hex, name, digits) != 0)
            continue;
        if (*ret)
            return err_set(err, ERR_INVALID, "log %.64s: several logs begin so, give more digits", name);
        *ret = &l->v[i];
    }
    if (digits < NAME_DIGITS_MIN)
        return err_set(err, ERR_INVALID, "log %.64s: at least %d hex digits of its id are needed", name,
                       NAME_DIGITS_MIN);
    return *ret ? 0 : err_set(err, ERR_NOTFOUND, "log %.64s: this unit has no such log here", name);
}

/* What the operator named, and with a revocation every frozen log: a statement that left it out would leave it frozen. */
static int
take_options(struct list *l, const struct rekey_options *o, struct err *err)
{
    struct mine *m;
    for (size_t i = 0; i < l->n; i++)
        l->v[i].resumed = o->revoke && l->v[i].row.state == LOG_FROZEN;
    for (size_t i = 0; i < o->n_resume; i++) {
        int rc = find(l, o->resume[i].log, &m, err);
        if (rc != 0)
            return rc;
        if (m->row.state != LOG_FROZEN)
            return err_set(err, ERR_INVALID, "log %.64s is not frozen: there is nothing to resume", o->resume[i].log);
        m->resumed = true;
    }
    for (size_t i = 0; i < o->n_cut; i++) {
        int rc = find(l, o->cut[i].log, &m, err);
        if (rc != 0)
            return rc;
        if (o->cut[i].seq > m->row.head_seq)
            return err_set(err, ERR_INVALID, "log %.64s: event %llu is not held, its last one is %llu", o->cut[i].log,
                           (unsigned long long)o->cut[i].seq, (unsigned long long)m->row.head_seq);
        m->cut = true;
        m->end = o->cut[i].has_seq ? o->cut[i].seq : m->row.head_seq;
    }
    return 0;
}

static void
name_predecessors(struct list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct mine *m = &l->v[i];
        for (size_t k = 0; m->end > 0 && k < m->row.n_predecessors; k++) {
            const struct log_predecessor *p = &m->row.predecessors[k];
            size_t *at = map_get(&l->index, &p->log);
            struct mine *before = at && *at != i ? &l->v[*at] : NULL;
            bool another =
                before && p->seq == before->row.head_seq && !TYPE_EQ(&p->chain, &before->row.head_chain); /* a fork */
            if (before && !another && p->seq > before->named)
                before->named = p->seq;
        }
    }
}

static int
add_position(struct db_txn *txn, const struct mine *m, struct rekey_plan *plan, struct err *err)
{
    if (plan->n_positions == STANDING_MAX)
        return err_set(err, ERR_LIMIT, "more than %d logs to name in one statement", STANDING_MAX);
    struct rekey_position *p = &plan->positions[plan->n_positions++];
    *p = (struct rekey_position){.at = {.log = m->row.id, .seq = m->end},
                                 .head = m->row.head_seq,
                                 .beyond = m->row.head_seq - m->end,
                                 .frozen = m->row.state == LOG_FROZEN};
    return evlog_chain_at(txn, &m->row, m->end, &p->at.chain, err);
}

static int
add_void_key(const struct sign_public *key, struct rekey_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->n_void_keys; i++)
        if (TYPE_EQ(&plan->void_keys[i], key))
            return 0;
    if (plan->n_void_keys == VOID_KEYS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d keys to revoke in one statement", VOID_KEYS_MAX);
    plan->void_keys[plan->n_void_keys++] = *key;
    return 0;
}

/* Serials go up from whatever is held, also from what another holder of the root key made. */
static int
raise_serials(struct db_txn *txn, const struct mine *m, struct rekey_plan *plan, struct err *err)
{
    struct stored_event ev;
    struct event_payload p;
    struct root_statement st;
    if (m->row.serial >= plan->serial)
        plan->serial = m->row.serial + 1;
    int rc = evlog_event(txn, m->row.no, 1, &ev, err);
    if (rc == 0)
        rc = event_payload_decode(KIND_LOG_OPENED, 1, ev.payload, &p, err);
    if (rc != 0 || !p.log_opened.has_root_statement)
        return rc;
    rc = root_statement_decode(p.log_opened.root_statement, &st, err);
    if (rc != 0)
        return rc;
    if (st.serial >= plan->statement_serial)
        plan->statement_serial = st.serial + 1;
    root_statement_release(&st);
    return 0;
}

static int
make(struct db_txn *txn, const struct identity *id, const struct rekey_options *o, struct list *l,
     struct rekey_plan *plan, struct err *err)
{
    int rc = take_options(l, o, err);
    if (rc == 0 && o->revoke)
        rc = add_void_key(&id->signing_key, plan, err);
    for (size_t i = 0; i < o->n_void && rc == 0; i++)
        rc = add_void_key(&o->void_keys[i], plan, err);
    name_predecessors(l);
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        const struct mine *m = &l->v[i];
        bool tip = m->end > 0 && m->named < m->end;
        rc = raise_serials(txn, m, plan, err);
        if (rc == 0 && o->revoke)
            rc = add_void_key(&m->row.signing_key, plan, err);
        if (rc == 0 && (m->cut || m->resumed || (tip && (o->revoke || o->n_void > 0))))
            rc = add_position(txn, m, plan, err);
    }
    plan->has_statement = plan->n_void_keys > 0 || plan->n_positions > 0;
    return rc;
}

int
rekey_plan(struct db *db, const struct identity *id, const struct rekey_options *o, struct rekey_plan *ret,
           struct err *err)
{
    struct db_txn *txn = NULL;
    struct list l = {0};
    *ret = (struct rekey_plan){.serial = id->serial + 1, .statement_serial = 1, .transport = o->transport || o->revoke};
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = list_load(txn, &id->unit, &l, err);
    if (rc == 0)
        rc = make(txn, id, o, &l, ret, err);
    list_free(&l);
    db_abort(&txn);
    return rc;
}

/* ---- doing it ---- */

static int
open_successor(struct engine *e, const struct rekey_plan *plan, const struct sign_secret *root, struct err *err)
{
    struct standing_position *standing = calloc(STANDING_MAX, sizeof(*standing));
    struct sign_public keys[VOID_KEYS_MAX];
    struct root_statement st = {.serial = plan->statement_serial,
                                .n_void_keys = (uint16_t)plan->n_void_keys,
                                .n_standing = (uint16_t)plan->n_positions,
                                .void_keys = keys,
                                .standing = standing};
    if (!standing)
        return err_set(err, ERR_NOMEM, "rekey: out of memory");
    memcpy(keys, plan->void_keys, sizeof(keys));
    for (size_t i = 0; i < plan->n_positions; i++)
        standing[i] = plan->positions[i].at;
    int rc = engine_begin(e, err);
    if (rc == 0)
        rc = engine_open_log(e, plan->has_statement ? &st : NULL, root, err);
    if (rc == 0)
        rc = engine_commit(e, err);
    else
        engine_abort(e);
    free(standing);
    return rc;
}

/* The keys first: a log opened under keys that a crash lost would void what the old ones write from then on. */
int
rekey_do(struct datadir *d, const struct rekey_plan *plan, const uint8_t root_seed[32],
         int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *err)
{
    struct identity fresh;
    struct sign_public root_key;
    struct sign_secret root;
    struct engine *e = NULL;
    char path[PATH_BYTES_MAX];
    bool rebuild = false;
    int rc = identity_rekey(&d->identity, root_seed, plan->serial, plan->transport, random_fill, NULL, &fresh, err);
    if (rc == 0)
        rc = path_join(d->path, "node.key", path, err);
    if (rc == 0)
        rc = identity_replace(&fresh, path, err);
    if (rc == 0)
        d->identity = fresh;
    identity_wipe(&fresh);
    if (rc != 0)
        return rc;
    crypto_keypair_sign(root_seed, &root_key, &root);
    rc = apply_rebuild_needed(d->db, &rebuild, err);
    if (rc == 0 && rebuild)
        rc = apply_rebuild(d->db, progress, arg, err);
    if (rc == 0)
        rc = datadir_engine(d, &e, err);
    if (rc == 0)
        rc = open_successor(e, plan, &root, err);
    rebuild = rc == 0 && engine_rebuild_wanted(e);
    engine_free(&e);
    sodium_memzero(&root, sizeof(root));
    if (rebuild)
        rc = apply_rebuild(d->db, progress, arg, err);
    return rc;
}
