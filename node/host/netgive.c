/* What the core is told of the world: units and their root keys, logs as they are stored, units over their bound. See netloop.h. */
#include <stdio.h>
#include <stdlib.h>

#include "node/host/datadir.h"
#include "node/host/netloop_private.h"
#include "node/host/quota.h"

void
netloop_give_log(struct netloop *l, struct db_txn *txn, const struct log_row *row)
{
    struct sync_event ev = {.type = SYNC_LOG_HELD};
    struct buf proof;
    struct err err;
    buf_init(&proof, MESSAGE_BYTES_MAX);
    if (netreads_log(txn, row, &ev.log_held, &proof, &err) == 0)
        netloop_step(l, &ev);
    else
        netloop_alarm(l, &err);
    buf_free(&proof);
}

static void
give_proof(void *arg, const struct log_id *log, struct slice proof)
{
    struct sync_event ev = {.type = SYNC_PROOF_KEPT, .proof_kept = {.log = *log, .proof = proof}};
    netloop_step(arg, &ev);
}

/* Rows are read first and the transaction ended: a step may answer reads of its own. */
int
netloop_give_all_logs(struct netloop *l, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t n = 0;
    int rc = db_begin_read(l->config.db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; no <= n && rc == 0; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            netloop_give_log(l, txn, &row);
    }
    if (rc == 0)
        rc = netreads_proofs(txn, give_proof, l, err);
    db_abort(&txn);
    return rc;
}

void
netloop_give_unit(struct netloop *l, const struct unit_id *unit, const char *code, const struct sign_public *root,
                  bool admitted, bool full)
{
    struct sync_event ev = {
        .type = SYNC_UNIT_TRUST,
        .unit_trust = {.unit = *unit, .admitted = admitted, .full = full, .n_root_keys = 1, .root_keys = {*root}}};
    snprintf(ev.unit_trust.code, sizeof(ev.unit_trust.code), "%s", code);
    netloop_step(l, &ev);
}

/* True if what is dialled for a peer is what its card or the operator says now. */
static bool
same_dials(const struct peer *a, const struct peer *b)
{
    const char *of_a[CARD_ENDPOINTS_MAX], *of_b[CARD_ENDPOINTS_MAX];
    uint8_t n = peer_endpoints(a, of_a);
    if (peer_endpoints(b, of_b) != n || !TYPE_EQ(&a->transport_key, &b->transport_key))
        return false;
    for (uint8_t i = 0; i < n; i++)
        if (strcmp(of_a[i], of_b[i]) != 0)
            return false;
    return true;
}

static void
dial(struct netloop *l, const struct peer *p)
{
    const char *endpoints[CARD_ENDPOINTS_MAX];
    uint8_t n = peer_endpoints(p, endpoints);
    struct err err;
    for (uint8_t i = 0; i < n; i++)
        if (net_dial(l->net, &p->trusted.card.unit, &p->transport_key, endpoints[i], &err) != 0)
            netloop_alarm(l, &err);
}

int
netloop_load_trust(struct netloop *l, struct err *err)
{
    size_t n_before = l->peers.n;
    struct peer *before = calloc(n_before + 1, sizeof(*before));
    if (!before)
        return err_set(err, ERR_NOMEM, "peers: out of memory");
    if (n_before > 0)
        memcpy(before, l->peers.list, n_before * sizeof(*before));
    int rc = peers_load(&l->peers, l->config.db, mono_now(), err);
    for (size_t i = 0; i < n_before && rc == 0; i++) {
        const struct unit_id *unit = &before[i].trusted.card.unit;
        const struct peer *now = peers_find(&l->peers, unit);
        if (!now || !same_dials(&before[i], now))
            net_undial(l->net, unit);
        if (!now) {
            struct sign_public none = {{0}};
            netloop_give_unit(l, unit, "", &none, false, false);
        }
    }
    for (size_t i = 0; i < l->peers.n && rc == 0; i++) {
        const struct unit_card *card = &l->peers.list[i].trusted.card;
        netloop_give_unit(l, &card->unit, card->unit_code, &card->root_key, true, l->peers.list[i].full);
        dial(l, &l->peers.list[i]);
    }
    free(before);
    keeper_again(&l->keeper);
    wanted_again(&l->wanted);
    l->wanted_more = true;
    return rc;
}

bool
netloop_admit(void *arg, const struct box_public *key, struct unit_id *ret)
{
    struct netloop *l = arg;
    struct peer *p = peers_find_key(&l->peers, key);
    if (p)
        *ret = p->trusted.card.unit;
    return p != NULL;
}

/* A unit over the operator's bound is asked for nothing more; the core says so once (docs/PROTOCOL.md §14). */
void
netloop_check_quotas(struct netloop *l)
{
    struct db_txn *txn = NULL;
    struct err err;
    uint64_t max = l->config.settings->unit_gib_max << 30;
    if (max == 0)
        return;
    for (size_t i = 0; i < l->peers.n; i++) {
        struct peer *p = &l->peers.list[i];
        const struct unit_card *card = &p->trusted.card;
        uint64_t bytes = 0;
        int rc = db_begin_read(l->config.db, &txn, &err);
        if (rc == 0)
            rc = quota_bytes(txn, &card->unit, &bytes, &err);
        db_abort(&txn);
        if (rc != 0)
            netloop_alarm(l, &err);
        if (rc != 0 || p->full == (bytes >= max))
            continue;
        p->full = bytes >= max;
        netloop_give_unit(l, &card->unit, card->unit_code, &card->root_key, true, p->full);
    }
}

void
netloop_admission(struct netloop *l, const struct sync_event *ev)
{
    struct slice entries = ev->type == SYNC_ADMISSION_DONE ? ev->admission_done.entries : slice_of(NULL, 0);
    struct netloop_given *g = malloc(sizeof(*g) + entries.len);
    struct err err;
    if (!g) {
        (void)err_set(&err, ERR_NOMEM, "no memory for a question of double admission");
        netloop_alarm(l, &err);
        return;
    }
    g->next = NULL;
    g->ev = *ev;
    if (entries.len > 0)
        memcpy(g->bytes, entries.data, entries.len);
    if (ev->type == SYNC_ADMISSION_DONE)
        g->ev.admission_done.entries = slice_of(g->bytes, entries.len);
    pthread_mutex_lock(&l->lock);
    *l->given_end = g;
    l->given_end = &g->next;
    pthread_mutex_unlock(&l->lock);
    net_wake(l->net);
}

/* As many as there may be is bounded by what the core asks for, and by LOOKUP_OPEN_MAX. */
void
netloop_take_given(struct netloop *l)
{
    pthread_mutex_lock(&l->lock);
    struct netloop_given *g = l->given;
    l->given = NULL;
    l->given_end = &l->given;
    pthread_mutex_unlock(&l->lock);
    while (g) {
        struct netloop_given *next = g->next;
        netloop_step(l, &g->ev);
        free(g);
        g = next;
    }
}
