/* Runs, first events, references and evidence from outside: input is position and count (1 byte each), a seal, then frames.
 * Frames are re-joined from what was read of them; a verdict is one of those in verify.h, and nothing unsealed passes. */
#include "proto/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_frames(struct slice frames)
{
    struct reader r = reader_of(frames);
    struct slice header, payload;
    struct buf out;
    buf_init(&out, frames.len + 1);
    size_t read = 0;
    while (event_frame_next(&r, &header, &payload)) {
        event_frame_put(&out, header, payload);
        read = frames.len - reader_left(&r);
    }
    MUST(!out.failed && out.len == read && slice_eq(buf_slice(&out), slice_of(frames.data, read)));
    buf_free(&out);
}

static void
check_first(struct slice frames)
{
    struct reader r = reader_of(frames);
    struct slice header, payload;
    struct event_header h;
    struct log_opened o;
    struct chain_value before = {{0}}, at = {{0}};
    if (!event_frame_next(&r, &header, &payload))
        return;
    struct log_id log = crypto_log_id(header);
    int rc = verify_first_event(&log, header, payload, &h, &o, NULL);
    MUST(rc == 0 || rc == ERR_INVALID || rc == ERR_FORGED || rc == ERR_VERSION);
    at = crypto_chain(before, crypto_header_hash(header));
    rc = verify_event_at(&before, header, payload, 1, &at, &h, NULL);
    MUST(rc == 0 || rc == ERR_INVALID || rc == ERR_FORGED || rc == ERR_VERSION);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MUST(crypto_init(NULL) == 0);
    struct reader r = reader_of(slice_of(data, size));
    struct run run = {.first = reader_u8(&r), .count = reader_u8(&r)};
    reader_copy(&r, run.seal.b, sizeof(run.seal.b));
    run.frames = reader_bytes(&r, reader_left(&r));
    if (r.failed)
        return 0;
    struct sign_public pk;
    struct sign_secret sk;
    const uint8_t seed[32] = {7};
    crypto_keypair_sign(seed, &pk, &sk);
    struct reader f = reader_of(run.frames);
    struct slice header, payload;
    if (event_frame_next(&f, &header, &payload))
        run.log = crypto_log_id(header);
    struct chain_value before = crypto_chain_start(run.log), after, at;
    int rc = verify_run(&run, &before, &pk, &after, NULL);
    /* Nobody sealed it with this key. */
    MUST(rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_FORGED || rc == ERR_VERSION);
    rc = verify_evidence(&run.log, run.first, &before, run.frames, &run.seal, &pk, run.first, &at, NULL);
    MUST(rc == ERR_INVALID || rc == ERR_FORGED);
    check_frames(run.frames);
    check_first(run.frames);
    return 0;
}
