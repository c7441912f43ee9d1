/* A standing position and the history held: docs/PROTOCOL.md §7 (the branch with that chain value goes on), §12.6 (who holds the other
 * one rolls back to the fork). What is cut off here comes back from a peer as far as it stands. */
#include "node/apply/apply_private.h"

enum { PROOF_NOW = 0, PROOF_BEFORE = 1 };

static void
proof_key(uint8_t key[HASH_BYTES + 1], const struct log_id *log, uint8_t n)
{
    memcpy(key, log->b, HASH_BYTES);
    key[HASH_BYTES] = n;
}

/* How many leading hashes are the same. */
static uint64_t
common(struct slice a, struct slice b)
{
    uint64_t n = (a.len < b.len ? a.len : b.len) / HASH_BYTES, i = 0;
    while (i < n && memcmp(a.data + i * HASH_BYTES, b.data + i * HASH_BYTES, HASH_BYTES) == 0)
        i++;
    return i;
}

/* Last position that both branches of the proof share; 0 if there is none, or if it is about a history that is not ours. */
static int
fork_of(struct db_txn *txn, const struct log_row *row, uint64_t *ret, struct err *err)
{
    uint8_t key[HASH_BYTES + 1];
    struct slice stored;
    struct message m;
    struct chain_value before;
    proof_key(key, &row->id, PROOF_NOW);
    *ret = 0;
    int rc = db_get(txn, TABLE_EVIDENCE, slice_of(key, sizeof(key)), &stored, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = message_decode(stored, &m, err);
    if (rc != 0)
        return rc == ERR_NOMEM ? rc : 0;
    bool proof = m.type == MSG_EVIDENCE && m.evidence.has_other && m.evidence.first >= 1 &&
                 m.evidence.first - 1 <= row->head_seq;
    if (proof)
        rc = evlog_chain_at(txn, row, m.evidence.first - 1, &before, err);
    if (rc == 0 && proof && TYPE_EQ(&before, &m.evidence.before))
        *ret = m.evidence.first - 1 + common(m.evidence.header_hashes, m.evidence.other_hashes);
    message_release(&m);
    return rc;
}

/* The proof is no reason to stay frozen any more, and must not be taken for that of a later fork. */
static int
retire_proof(struct db_txn *txn, const struct log_row *row, struct err *err)
{
    uint8_t from[HASH_BYTES + 1], to[HASH_BYTES + 1];
    struct slice stored;
    struct buf copy;
    proof_key(from, &row->id, PROOF_NOW);
    proof_key(to, &row->id, PROOF_BEFORE);
    int rc = db_get(txn, TABLE_EVIDENCE, slice_of(from, sizeof(from)), &stored, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    buf_init(&copy, MESSAGE_BYTES_MAX);
    buf_put(&copy, stored.data, stored.len);
    rc = buf_check(&copy, "proof of a fork", err);
    if (rc == 0)
        rc = db_put(txn, TABLE_EVIDENCE, slice_of(to, sizeof(to)), buf_slice(&copy), err);
    if (rc == 0)
        rc = db_del(txn, TABLE_EVIDENCE, slice_of(from, sizeof(from)), err);
    buf_free(&copy);
    return rc;
}

/* A log that is not frozen and held beyond the position on the other branch has shown no fork yet: the position goes, and what
 * comes instead shows the rest. A frozen one that does not reach the position may be on either branch; up to the fork it is on
 * both. */
int
settle_log(struct db_txn *txn, struct log_row *row, uint64_t seq, const struct chain_value *chain, bool *ret_changed,
           struct err *err)
{
    struct chain_value ours;
    uint64_t last = seq - 1;
    bool frozen = row->state == LOG_FROZEN, reaches = row->head_seq >= seq;
    *ret_changed = false;
    int rc = reaches ? evlog_chain_at(txn, row, seq, &ours, err) : 0;
    if (rc != 0)
        return rc;
    bool stands = reaches && TYPE_EQ(&ours, chain);
    if (!frozen && (stands || !reaches))
        return 0;
    if (!stands && seq > 0) {
        if (frozen)
            rc = fork_of(txn, row, &last, err);
        last = last < seq ? last : seq - 1;
        if (rc == 0)
            rc = evlog_truncate(txn, row, last, err);
    }
    if (rc == 0 && frozen) {
        rc = retire_proof(txn, row, err);
        row->state = LOG_LIVE;
        if (rc == 0)
            rc = evlog_put(txn, row, err);
    }
    *ret_changed = true;
    return rc;
}
