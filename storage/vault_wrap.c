/* How the vault wraps and labels: every row bound to what it is and which one. See vault_private.h; docs/STORAGE.md "Vault". */
#include "storage/vault_private.h"

void
vault_label(const struct vault *v, enum label_use use, struct slice text, uint8_t out[LABEL_BYTES])
{
    static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "smart.vault.row";
    const uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = {(uint8_t)use};
    MUST(crypto_generichash_blake2b_salt_personal(out, LABEL_BYTES, text.data, text.len, v->secrets->index,
                                                  sizeof(v->secrets->index), salt, personal) == 0);
}

/* Associated data: what it is ‖ which one. */
static size_t
wrap_aad(uint8_t out[1 + ID_BYTES], enum wrap_use use, struct slice which)
{
    MUST(which.len <= ID_BYTES);
    out[0] = (uint8_t)use;
    memcpy(out + 1, which.data, which.len);
    return 1 + which.len;
}

const uint8_t *
wrap_nonce(struct vault *v, struct wrap_nonces *n)
{
    if (n->left == 0) {
        MUST(n->wanted > 0);
        n->left = n->wanted < WRAP_NONCES_MAX ? n->wanted : WRAP_NONCES_MAX;
        n->wanted -= n->left;
        v->random(v->random_arg, n->bytes[WRAP_NONCES_MAX - n->left], n->left * WRAP_NONCE);
    }
    return n->bytes[WRAP_NONCES_MAX - n->left--];
}

void
vault_wrap(struct vault *v, enum wrap_use use, struct slice which, struct slice plain, uint8_t *out)
{
    uint8_t nonce[WRAP_NONCE];
    v->random(v->random_arg, nonce, sizeof(nonce));
    vault_wrap_with(v, use, which, plain, nonce, out);
}

void
vault_wrap_with(const struct vault *v, enum wrap_use use, struct slice which, struct slice plain,
                const uint8_t nonce[WRAP_NONCE], uint8_t *out)
{
    uint8_t aad[1 + ID_BYTES];
    size_t aad_len = wrap_aad(aad, use, which);
    memcpy(out, nonce, WRAP_NONCE);
    MUST(crypto_aead_xchacha20poly1305_ietf_encrypt(out + WRAP_NONCE, NULL, plain.data, plain.len, aad, aad_len, NULL,
                                                    out, v->secrets->wrap) == 0);
}

int
vault_unwrap(const struct vault *v, enum wrap_use use, struct slice which, struct slice wrapped, uint8_t *out,
             size_t len)
{
    uint8_t aad[1 + ID_BYTES];
    size_t aad_len = wrap_aad(aad, use, which);
    if (wrapped.len != len + WRAP_OVERHEAD)
        return ERR_FORGED;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, wrapped.data + WRAP_NONCE, wrapped.len - WRAP_NONCE,
                                                   aad, aad_len, wrapped.data, v->secrets->wrap) != 0)
        return ERR_FORGED;
    return 0;
}
