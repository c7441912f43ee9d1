/* Who this node is: the unit, its federation, and the online keys with the root's certificate. Kept in DATA/node.key (mode 0600), a
 * text of key = value lines; the root and the recovery secret are written elsewhere once, by init, and never read by a node.
 * docs/PROTOCOL.md §7, docs/OPERATIONS.md. */
#ifndef SMARTNODE_HOST_IDENTITY_H
#define SMARTNODE_HOST_IDENTITY_H

#include "proto/card.h"
#include "proto/custody.h"
#include "proto/event.h"

struct identity {
    struct unit_id unit;
    char unit_code[UNIT_CODE_MAX];
    struct name unit_name;
    struct name federation_name;
    struct federation_id federation;
    bool production;
    uint64_t serial;
    struct sign_public root_key;
    struct seal certificate;
    struct box_public recovery_key;
    struct sign_public signing_key;
    struct sign_secret signing_secret;
    struct box_public exchange_key, transport_key;
    struct box_secret exchange_secret, transport_secret;
    uint8_t signing_seed[32];
};

/* Fills a new identity (unit_code, unit_name, federation_name, production are set by the caller) with fresh keys, certified by a
 * fresh root. The secrets of root and recovery go to the caller, who stores them outside the data directory and wipes them. ERR_INVALID: a
 * name that the key file cannot hold. */
struct identity_offline {
    uint8_t root_seed[32];
    struct box_secret recovery_secret;
};
int identity_create(struct identity *id, void (*draw)(void *arg, uint8_t *out, size_t len), void *arg,
                    struct identity_offline *ret_offline, struct err *err) NODISCARD;

/* DATA/node.key. save refuses to replace a file (ERR_EXISTS). load: ERR_NOTFOUND (not initialised), ERR_DENIED (readable by
 * others), ERR_VERSION, ERR_INVALID with the line, or because the keys do not fit together. */
int identity_save(const struct identity *id, const char *path, struct err *err) NODISCARD;
int identity_load(const char *path, struct identity *ret, struct err *err) NODISCARD;
void identity_wipe(struct identity *id);

/* The same unit with fresh signing and exchange keys, and a fresh transport key if asked (a kept one lets peers that know only the
 * old card connect), certified under that serial. ERR_DENIED: the secret is not that of the unit's root key. */
int identity_rekey(const struct identity *old, const uint8_t root_seed[32], uint64_t serial, bool transport,
                   void (*draw)(void *arg, uint8_t *out, size_t len), void *arg, struct identity *ret,
                   struct err *err) NODISCARD;
/* What a unit's card says of it, without any secret: a start for identity_rekey where the unit's own files are gone. */
void identity_of_card(const struct unit_card *card, struct identity *ret);
/* The identity under which a custodian writes for a unit that is gone: its own keys, which that unit's root key has certified.
 * ERR_DENIED: the secret is not that of the certificate's keys. */
int identity_of_custodian(const struct custody_certificate *c, const uint8_t secret[CUSTODY_SECRET_BYTES],
                          struct identity *ret, struct err *err) NODISCARD;
/* Puts id in place of the file at path: written beside it, flushed, renamed, so that one of the two is there whenever a stop comes.
 * What was there stays as PATH.old. */
int identity_replace(const struct identity *id, const char *path, struct err *err) NODISCARD;

/* This node's unit card with the given addresses, armoured. */
int identity_card(const struct identity *id, const char *const *endpoints, size_t n, struct civil_date today,
                  struct buf *out, struct err *err) NODISCARD;

/* A secret in a file of its own, mode 0600, never replacing one. Read: 32 bytes in hex. ERR_DENIED if others may read it. */
int secret_file_write(const char *path, const char *title, const uint8_t secret[32], struct err *err) NODISCARD;
int secret_file_read(const char *path, uint8_t ret[32], struct err *err) NODISCARD;
/* The same of a file that a service manager made for this process: its group bits may say what one user may do (an access list). */
int secret_credential_read(const char *path, uint8_t ret[32], struct err *err) NODISCARD;

#endif
