/* Any bytes as a capsule, opened with a key that nobody sealed it with; and as what somebody sealed, whole and with one byte of the capsule changed:
 * only the first opens, to the same bytes. The first byte is class and place of the change. */
#include "proto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPENED_MAX = CAPSULE_BYTES_MAX };

static const struct data_key key = {{9}};
static struct box_public pk;
static struct box_secret sk;

static int
open_as(bool sealed, uint8_t class, struct slice capsule, struct buf *plain)
{
    struct err err;
    int rc = sealed ? capsule_open_sealed(&sk, &pk, class, capsule, plain, &err)
                    : capsule_open(&key, class, capsule, plain, &err);
    MUST(rc == 0 || plain->len == 0);
    return rc;
}

static void
round_trip(bool sealed, uint8_t class, size_t change, struct slice bytes)
{
    static const uint8_t nonce[24] = {1}, seed[32] = {2};
    struct buf capsule, plain;
    struct err err;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, OPENED_MAX);
    int rc = sealed ? capsule_seal_to(&pk, class, seed, nonce, bytes, &capsule, &err)
                    : capsule_seal(&key, class, nonce, bytes, &capsule, &err);
    if (rc == 0) {
        MUST(open_as(sealed, class, buf_slice(&capsule), &plain) == 0 && slice_eq(buf_slice(&plain), bytes));
        buf_clear(&plain);
        MUST(open_as(sealed, class ^ 1, buf_slice(&capsule), &plain) != 0);
        capsule.data[change % capsule.len] ^= 1;
        MUST(open_as(sealed, class, buf_slice(&capsule), &plain) != 0);
    } else {
        MUST(rc == ERR_LIMIT && capsule.len == 0);
    }
    buf_free(&capsule);
    buf_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = {4};
    struct err err;
    struct buf plain;
    if (size < 2)
        return 0;
    MUST(crypto_init(&err) == 0);
    crypto_keypair_box(seed, &pk, &sk);
    struct slice bytes = slice_of(data + 2, size - 2);
    for (int sealed = 0; sealed < 2; sealed++) {
        buf_init(&plain, OPENED_MAX);
        MUST(open_as(sealed, data[0], bytes, &plain) != 0);
        buf_free(&plain);
        round_trip(sealed, data[0] > 0 ? data[0] : CLASS_IDENTITY, data[1] * (size_t)7, bytes);
    }
    return 0;
}
