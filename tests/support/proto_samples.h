/* Samples of what nodes exchange, the same at every run: one message of each kind and shape, a unit with its card, and a short
 * log of it with receipts. For unit tests, golden files and the corpora of the fuzzers. Keys come from fixed seeds, people are
 * invented. Everything is borrowed from static memory or the struct. */
#ifndef SMARTNODE_TESTS_SUPPORT_PROTO_SAMPLES_H
#define SMARTNODE_TESTS_SUPPORT_PROTO_SAMPLES_H

#include "proto/card.h"
#include "proto/person.h"
#include "proto/wire.h"

enum { SAMPLE_MESSAGES_MAX = 32, SAMPLE_EVENTS = 4 };

struct sample_message {
    const char *name; /* also the name of its golden file */
    struct message m;
};

/* Fills out[SAMPLE_MESSAGES_MAX]; returns how many. Do not release them. */
size_t sample_messages(struct sample_message *out);

struct sample_unit {
    struct sign_secret root, signing;
    struct unit_card card;
    struct log_id log;
    struct chain_value chain[SAMPLE_EVENTS + 1];                        /* chain[n] after event n */
    struct buf headers[SAMPLE_EVENTS + 1], payloads[SAMPLE_EVENTS + 1]; /* from 1 */
    uint8_t hashes[SAMPLE_EVENTS + 1][HASH_BYTES];
    struct seal seal; /* of the last event */
};

/* A unit whose keys follow from seed, with a log of an opening and three events. Release with sample_unit_release. */
void sample_unit_init(struct sample_unit *u, uint8_t seed);
void sample_unit_release(struct sample_unit *u);
/* The receipt of event seq, sealed with the last. Borrows from u. */
struct receipt sample_receipt(const struct sample_unit *u, uint64_t seq);

struct person_identity sample_identity(void);
struct person_contact sample_contact(void);
/* Two keys, in uses 3 and 4 with a year key; no keys in use 1. */
struct key_capsule_content sample_key_capsule(enum key_use use);

#endif
