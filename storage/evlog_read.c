/* Reading the logs: runs for the wire, single events, walks, chain values, receipts, evidence. See evlog.h. */
#include "storage/evlog_private.h"

static int
frames_broken(struct err *err)
{
    return err_set(err, ERR_CORRUPT, "the frames of a stored run make no sense");
}

int
evlog_frames_from(const struct stored_run *run, uint64_t seq, struct reader *ret, struct err *err)
{
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    MUST(seq >= run->first && seq - run->first < run->count);
    for (uint64_t at = run->first; at < seq; at++)
        if (!event_frame_next(&r, &header, &payload))
            return frames_broken(err);
    *ret = r;
    return 0;
}

/* ---- runs for the wire ---- */

int
evlog_read(struct db_txn *txn, const struct log_row *row, uint64_t from, struct buf *out, struct run *ret,
           struct err *err)
{
    struct stored_run stored;
    struct reader r;
    int rc = evlog_run_at(txn, row->no, from, &stored, err);
    if (rc == 0)
        rc = evlog_frames_from(&stored, from, &r, err);
    if (rc != 0)
        return rc;
    struct run run = {.log = row->id, .first = from};
    uint64_t last = stored.first + stored.count - 1;
    run.count = (uint32_t)(last - from + 1);
    run.seal = stored.seal;
    buf_clear(out);
    buf_put(out, r.p, reader_left(&r));
    while (last < row->head_seq && run.count < RUN_EVENTS_MAX) {
        rc = evlog_run_at(txn, row->no, last + 1, &stored, err);
        if (rc != 0)
            return rc;
        if (run.count + stored.count > RUN_EVENTS_MAX || out->len + stored.frames.len > RUN_BYTES_MAX)
            break;
        buf_put(out, stored.frames.data, stored.frames.len);
        run.count += stored.count;
        run.seal = stored.seal;
        last += stored.count;
    }
    rc = buf_check(out, "run", err);
    if (rc != 0)
        return rc;
    run.frames = buf_slice(out);
    *ret = run;
    return 0;
}

/* ---- events ---- */

int
evlog_event(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct stored_event *ret, struct err *err)
{
    struct stored_run run;
    struct reader r;
    struct stored_event e;
    int rc = evlog_run_at(txn, log_no, seq, &run, err);
    if (rc == 0)
        rc = evlog_frames_from(&run, seq, &r, err);
    if (rc != 0)
        return rc;
    if (!event_frame_next(&r, &e.header, &e.payload))
        return frames_broken(err);
    *ret = e;
    return 0;
}

int
evlog_iter_init(struct evlog_iter *it, struct db_txn *txn, uint32_t log_no, uint64_t from, struct err *err)
{
    int rc = db_error(txn, err);
    *it = (struct evlog_iter){.txn = txn, .log_no = log_no, .next_seq = from > 0 ? from : 1};
    buf_init(&it->copy, RUN_BYTES_MAX);
    return rc;
}

/* Puts frames to the run that holds next_seq. */
static int
iter_load(struct evlog_iter *it, struct err *err)
{
    struct stored_run run;
    int rc = evlog_run_at(it->txn, it->log_no, it->next_seq, &run, err);
    if (rc == 0 && db_is_write(it->txn)) {
        buf_clear(&it->copy);
        buf_put(&it->copy, run.frames.data, run.frames.len);
        rc = buf_check(&it->copy, "run", err);
        run.frames = buf_slice(&it->copy);
    }
    return rc == 0 ? evlog_frames_from(&run, it->next_seq, &it->frames, err) : rc;
}

int
evlog_iter_next(struct evlog_iter *it, struct stored_event *ret, struct err *err)
{
    struct stored_event e;
    int rc = reader_left(&it->frames) == 0 ? iter_load(it, err) : 0;
    if (rc != 0)
        return rc;
    if (!event_frame_next(&it->frames, &e.header, &e.payload))
        return frames_broken(err);
    it->seq = it->next_seq++;
    *ret = e;
    return 0;
}

void
evlog_iter_release(struct evlog_iter *it)
{
    buf_free(&it->copy);
    it->frames = (struct reader){0};
}

/* ---- chain values and proofs ---- */

int
evlog_chain_before(struct db_txn *txn, const struct log_row *row, const struct stored_run *run, struct chain_value *ret,
                   struct err *err)
{
    struct stored_run before;
    if (run->first == 1) {
        *ret = crypto_chain_start(row->id);
        return 0;
    }
    int rc = evlog_run_at(txn, row->no, run->first - 1, &before, err);
    if (rc != 0)
        return rc;
    if (before.first + before.count != run->first)
        return err_set(err, ERR_CORRUPT, "log %u: two stored runs overlap", (unsigned)row->no);
    *ret = before.chain_after;
    return 0;
}

/* Values up to that after the event `index` of the run. What is there already is not hashed again. */
static int
chains_extend(struct db_txn *txn, const struct log_row *row, const struct stored_run *run, uint32_t index,
              struct evlog_chains *c, struct err *err)
{
    struct chain_value chain;
    struct slice header, payload;
    int rc = c->n > 0 ? 0 : evlog_chain_before(txn, row, run, &chain, err);
    if (rc != 0)
        return rc;
    if (c->n > 0)
        chain = c->values[c->n - 1];
    struct reader r = reader_of(run->frames);
    for (uint32_t i = 0; i <= index; i++) {
        if (!event_frame_next(&r, &header, &payload))
            return frames_broken(err);
        if (i < c->n)
            continue;
        chain = crypto_chain(chain, crypto_header_hash(header));
        c->values[c->n++] = chain;
    }
    return 0;
}

int
evlog_chain_at_kept(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct evlog_chains *chains,
                    size_t n_chains, struct chain_value *ret, struct err *err)
{
    struct stored_run run;
    uint64_t place;
    if (seq == 0 || seq == row->head_seq) {
        *ret = seq == 0 ? crypto_chain_start(row->id) : row->head_chain;
        return 0;
    }
    int rc = evlog_run_at(txn, row->no, seq, &run, err);
    if (rc != 0)
        return rc;
    if (run.first + run.count - 1 == seq) {
        *ret = run.chain_after;
        return 0;
    }
    if (run.count > RUN_EVENTS_MAX)
        return frames_broken(err);
    memcpy(&place, run.chain_after.b, sizeof(place));
    struct evlog_chains *c = &chains[place % n_chains];
    if (c->first != run.first || !TYPE_EQ(&c->after, &run.chain_after)) {
        c->n = 0;
        c->first = run.first;
        c->after = run.chain_after;
    }
    uint32_t index = (uint32_t)(seq - run.first);
    rc = index < c->n ? 0 : chains_extend(txn, row, &run, index, c, err);
    if (rc == 0)
        *ret = c->values[index];
    return rc;
}

int
evlog_chain_at(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct chain_value *ret, struct err *err)
{
    struct evlog_chains once; /* values are written before they are read */
    once.n = 0;
    once.first = 0;
    memset(&once.after, 0, sizeof(once.after));
    return evlog_chain_at_kept(txn, row, seq, &once, 1, ret, err);
}

/* Appends the header hashes of the n frames that come. */
static int
put_hashes(struct reader *r, uint64_t n, struct buf *out, struct err *err)
{
    struct slice header, payload;
    for (uint64_t i = 0; i < n; i++) {
        if (!event_frame_next(r, &header, &payload))
            return frames_broken(err);
        struct hash h = crypto_header_hash(header);
        buf_put(out, h.b, sizeof(h.b));
    }
    return buf_check(out, "header hashes", err);
}

/* Where a copy stands in a buffer that may still move. */
struct span {
    size_t at, len;
};

static struct span
span_put(struct buf *out, struct slice s)
{
    struct span span = {out->len, s.len};
    buf_put(out, s.data, s.len);
    return span;
}

static struct slice
span_slice(const struct buf *b, struct span s)
{
    return slice_of(b->data + s.at, s.len);
}

int
evlog_receipt(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct buf *scratch, struct receipt *ret,
              struct err *err)
{
    struct stored_event opening, event;
    struct stored_run run;
    struct reader r;
    struct receipt receipt;
    int rc = evlog_run_at(txn, row->no, seq, &run, err);
    if (rc == 0)
        rc = evlog_event(txn, row->no, 1, &opening, err);
    if (rc == 0)
        rc = evlog_chain_at(txn, row, seq - 1, &receipt.chain_before, err);
    if (rc == 0)
        rc = evlog_frames_from(&run, seq, &r, err);
    if (rc != 0)
        return rc;
    if (!event_frame_next(&r, &event.header, &event.payload))
        return frames_broken(err);
    buf_clear(scratch);
    struct span opening_header = span_put(scratch, opening.header);
    struct span opening_payload = span_put(scratch, opening.payload);
    struct span header = span_put(scratch, event.header);
    struct span payload = span_put(scratch, event.payload);
    struct span later = {scratch->len, (run.first + run.count - 1 - seq) * HASH_BYTES};
    rc = put_hashes(&r, run.first + run.count - 1 - seq, scratch, err);
    if (rc != 0)
        return rc;
    receipt.opening_header = span_slice(scratch, opening_header);
    receipt.opening_payload = span_slice(scratch, opening_payload);
    receipt.header = span_slice(scratch, header);
    receipt.payload = span_slice(scratch, payload);
    receipt.later_hashes = span_slice(scratch, later);
    receipt.seal = run.seal;
    *ret = receipt;
    return 0;
}

int
evlog_evidence(struct db_txn *txn, const struct log_row *row, uint64_t at, uint64_t *ret_first,
               struct chain_value *ret_before, struct buf *ret_hashes, struct seal *ret_seal, struct err *err)
{
    struct stored_run run;
    struct chain_value before;
    int rc = evlog_run_at(txn, row->no, at, &run, err);
    if (rc == 0)
        rc = evlog_chain_before(txn, row, &run, &before, err);
    if (rc != 0)
        return rc;
    struct reader r = reader_of(run.frames);
    buf_clear(ret_hashes);
    rc = put_hashes(&r, run.count, ret_hashes, err);
    if (rc != 0)
        return rc;
    *ret_first = run.first;
    *ret_before = before;
    *ret_seal = run.seal;
    return 0;
}
