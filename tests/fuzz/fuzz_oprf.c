/* What another unit sends when it is asked about a person, and when it asks: group elements and the entries of an answer. An element that is taken
 * is multiplied and taken off again; an entry is found only where it stands, and by no answer that another wrote. */
#include "proto/crypto.h"
#include "proto/oprf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = {1}, random[OPRF_RANDOM_BYTES] = {2};
    struct err err;
    struct oprf_scalar key, blind;
    struct oprf_element peer = {{0}}, mine, out;
    struct oprf_output output;
    struct subject_id found, member = {{3}};
    uint8_t entry[LOOKUP_ENTRY_BYTES];
    struct buf entries;
    MUST(crypto_init(&err) == 0);
    MUST(oprf_derive_key(seed, slice_of("fuzz", 4), &key, &err) == 0 && oprf_blind_from(random, &blind, &err) == 0);
    memcpy(peer.b, data, size < sizeof(peer.b) ? size : sizeof(peer.b));
    struct slice rest =
        size > sizeof(peer.b) ? slice_of(data + sizeof(peer.b), size - sizeof(peer.b)) : slice_of("", 0);
    int rc = oprf_blind_evaluate(&key, &peer, &out, &err);
    MUST((rc == 0) == oprf_element_ok(&peer) && (rc == 0 || rc == ERR_INVALID));
    MUST(rc != 0 || oprf_element_ok(&out));
    rc = oprf_finalize(slice_of("in", 2), &blind, &peer, &output, &err);
    MUST((rc == 0) == oprf_element_ok(&peer));
    rc = oprf_blind(rest, &blind, &mine, &err);
    if (rc != 0) {
        MUST(rc == ERR_LIMIT && rest.len > OPRF_INPUT_MAX);
        return 0;
    }
    MUST(oprf_element_ok(&mine) && oprf_evaluate(&key, rest, &output, &err) == 0);
    /* Whole entries only: how long an answer may be is the message's. */
    rest.len -= rest.len % LOOKUP_ENTRY_BYTES;
    MUST(!lookup_find(rest, &output, &mine, &found));
    lookup_entry(&output, &mine, &member, entry);
    buf_init(&entries, rest.len + LOOKUP_ENTRY_BYTES);
    buf_put(&entries, rest.data, rest.len);
    buf_put(&entries, entry, sizeof(entry));
    MUST(lookup_find(buf_slice(&entries), &output, &mine, &found) && TYPE_EQ(&found, &member));
    buf_free(&entries);
    return 0;
}
