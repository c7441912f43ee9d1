/* Checks of what comes from outside, before anything of it is stored. See verify.h. */
#include "proto/verify.h"

/* The payload is the one that the header commits to. An absent one is not (§4). */
static int
payload_fits(const struct event_header *h, struct slice payload, struct err *err)
{
    if (payload.len != h->payload_bytes)
        return err_set(err, ERR_FORGED, "event %llu: the payload has another length", (unsigned long long)h->seq);
    struct hash hash = crypto_hash1("smart.payload", payload);
    if (!TYPE_EQ(&hash, &h->payload_hash))
        return err_set(err, ERR_FORGED, "event %llu: the payload is another", (unsigned long long)h->seq);
    return 0;
}

/* One frame of a run, against the chain value before it. */
static int
verify_frame(const struct run *run, uint64_t seq, struct slice header, struct slice payload, struct chain_value *chain,
             struct err *err)
{
    struct event_header h;
    int rc = event_header_decode(header, &h, err);
    if (rc != 0)
        return err_wrap(err, "event %llu", (unsigned long long)seq);
    if (h.seq != seq)
        return err_set(err, ERR_INVALID, "event %llu stands where %llu belongs", (unsigned long long)h.seq,
                       (unsigned long long)seq);
    if (seq == 1) {
        struct log_id log = crypto_log_id(header);
        if (!TYPE_EQ(&log, &run->log) || memcmp(chain->b, log.b, sizeof(log.b)) != 0)
            return err_set(err, ERR_FORGED, "event 1 is not the first of this log");
    }
    rc = payload_fits(&h, payload, err);
    if (rc != 0)
        return rc;
    *chain = crypto_chain(*chain, crypto_header_hash(header));
    return 0;
}

int
verify_run(const struct run *run, const struct chain_value *before, const struct sign_public *signing_key,
           struct chain_value *ret_chain, struct err *err)
{
    if (run->count > RUN_EVENTS_MAX)
        return err_set(err, ERR_LIMIT, "run: more than %d events", RUN_EVENTS_MAX);
    if (run->frames.len > RUN_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "run: more than %d bytes", RUN_BYTES_MAX);
    if (run->count < 1 || run->first < 1 || run->first > (uint64_t)INT64_MAX - run->count)
        return err_set(err, ERR_INVALID, "run: empty, or positions out of range");
    struct chain_value chain = *before;
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    uint32_t n = 0;
    while (n < run->count && event_frame_next(&r, &header, &payload)) {
        int rc = verify_frame(run, run->first + n, header, payload, &chain, err);
        if (rc != 0)
            return rc;
        n++;
    }
    if (n != run->count || !reader_done(&r))
        return err_set(err, ERR_INVALID, "run: its frames are not %u events", (unsigned)run->count);
    int rc = crypto_seal_verify(*signing_key, &run->log, run->first + n - 1, &chain, &run->seal, err);
    if (rc != 0)
        return rc;
    *ret_chain = chain;
    return 0;
}

void
certificate_body(const struct unit_id *unit, const struct federation_id *fed, bool production, uint64_t serial,
                 const struct sign_public *signing, const struct box_public *exchange,
                 const struct box_public *transport, const struct box_public *recovery, struct buf *out)
{
    buf_put(out, unit->b, sizeof(unit->b));
    buf_put(out, fed->b, sizeof(fed->b));
    buf_put_u8(out, production ? 1 : 0);
    buf_put_u64(out, serial);
    buf_put(out, signing->b, sizeof(signing->b));
    buf_put(out, exchange->b, sizeof(exchange->b));
    buf_put(out, transport->b, sizeof(transport->b));
    buf_put(out, recovery->b, sizeof(recovery->b));
}

static int
verify_certificate(const struct log_opened *o, struct err *err)
{
    uint8_t memory[CERTIFICATE_BODY_BYTES];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&o->unit, &o->federation, o->production, o->serial, &o->signing_key, &o->exchange_key,
                     &o->transport_key, &o->recovery_key, &body);
    MUST(!body.failed);
    return crypto_verify(o->root_key, PURPOSE_CERTIFICATE, buf_slice(&body), &o->certificate, "certificate", err);
}

static int
verify_root_statement(const struct log_opened *o, struct err *err)
{
    struct hash hash = crypto_hash1("smart.rootst", o->root_statement);
    int rc = crypto_verify(o->root_key, PURPOSE_ROOT_STATEMENT, slice_of(hash.b, sizeof(hash.b)), &o->root_signature,
                           "root statement", err);
    if (rc != 0)
        return rc;
    struct root_statement s;
    rc = root_statement_decode(o->root_statement, &s, err);
    if (rc != 0)
        return rc;
    if (!TYPE_EQ(&s.unit, &o->unit) || !TYPE_EQ(&s.federation, &o->federation) || s.production != o->production ||
        memcmp(s.log_nonce, o->nonce, sizeof(o->nonce)) != 0 || !TYPE_EQ(&s.signing_key, &o->signing_key))
        rc = err_set(err, ERR_FORGED, "root statement: made for another log");
    root_statement_release(&s);
    return rc;
}

/* What §7 and §8 ask of the header of event 1. */
static int
header_opens(const struct event_header *h, struct err *err)
{
    if (h->kind != KIND_LOG_OPENED || h->kind_version != 1 || h->seq != 1 || !h->must_understand || h->n_capsules != 0)
        return err_set(err, ERR_INVALID, "the first event does not open a log");
    for (unsigned i = 0; i < h->n_refs; i++)
        for (unsigned j = 0; j < i; j++)
            if (h->refs[i].role == REF_PREDECESSOR && h->refs[j].role == REF_PREDECESSOR &&
                TYPE_EQ(&h->refs[i].log, &h->refs[j].log))
                return err_set(err, ERR_INVALID, "the first event names a predecessor twice");
    return 0;
}

int
verify_first_event(const struct log_id *log, struct slice header, struct slice payload, struct event_header *ret_header,
                   struct log_opened *ret_opened, struct err *err)
{
    struct event_header h;
    struct event_payload p;
    int rc = event_header_decode(header, &h, err);
    if (rc != 0)
        return rc;
    struct log_id id = crypto_log_id(header);
    if (!TYPE_EQ(&id, log))
        return err_set(err, ERR_FORGED, "the header is not the first of this log");
    rc = header_opens(&h, err);
    if (rc == 0)
        rc = payload_fits(&h, payload, err);
    if (rc == 0)
        rc = event_payload_decode(h.kind, h.kind_version, payload, &p, err);
    if (rc == 0)
        rc = verify_certificate(&p.log_opened, err);
    if (rc == 0 && p.log_opened.has_root_statement)
        rc = verify_root_statement(&p.log_opened, err);
    if (rc != 0)
        return rc;
    *ret_header = h;
    *ret_opened = p.log_opened;
    return 0;
}

int
verify_event_at(const struct chain_value *before, struct slice header, struct slice payload, uint64_t seq,
                const struct chain_value *expected, struct event_header *ret_header, struct err *err)
{
    struct event_header h;
    int rc = event_header_decode(header, &h, err);
    if (rc != 0)
        return rc;
    struct chain_value chain = crypto_chain(*before, crypto_header_hash(header));
    if (h.seq != seq || !TYPE_EQ(&chain, expected))
        return err_set(err, ERR_FORGED, "the event is not the one referred to");
    rc = payload_fits(&h, payload, err);
    if (rc != 0)
        return rc;
    *ret_header = h;
    return 0;
}

int
verify_evidence(const struct log_id *log, uint64_t first, const struct chain_value *before, struct slice header_hashes,
                const struct seal *seal, const struct sign_public *signing_key, uint64_t at, struct chain_value *ret_at,
                struct err *err)
{
    uint64_t n = header_hashes.len / HASH_BYTES;
    if (header_hashes.len % HASH_BYTES != 0 || n < 1 || first < 1 || first > INT64_MAX - n || at < first - 1 ||
        at > first + n - 1)
        return err_set(err, ERR_INVALID, "evidence: positions out of range");
    if (first == 1 && memcmp(before->b, log->b, sizeof(log->b)) != 0)
        return err_set(err, ERR_FORGED, "evidence: does not start at this log");
    struct chain_value chain = *before;
    struct chain_value chain_at = *before;
    struct reader r = reader_of(header_hashes);
    for (uint64_t seq = first; seq < first + n; seq++) {
        struct hash h;
        reader_copy(&r, h.b, sizeof(h.b));
        chain = crypto_chain(chain, h);
        if (seq == at)
            chain_at = chain;
    }
    int rc = crypto_seal_verify(*signing_key, log, first + n - 1, &chain, seal, err);
    if (rc != 0)
        return rc;
    *ret_at = chain_at;
    return 0;
}
