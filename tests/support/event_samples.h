/* A log with one event of every kind, the same at every run: for unit tests, golden files, the examples of docs/PROTOCOL.md
 * and the corpora of the fuzzers. Keys come from the seeds 00…, 01… and so on; people and offices are invented. */
#ifndef SMARTNODE_TESTS_SUPPORT_EVENT_SAMPLES_H
#define SMARTNODE_TESTS_SUPPORT_EVENT_SAMPLES_H

#include "proto/event.h"
#include "proto/person.h"
#include "proto/verify.h"

/* The log was longer each time that kinds were added: each time they are a run of their own in tests/golden/. */
enum { SAMPLE_RUNS = 4, SAMPLE_LOG_EVENTS = 56 };
/* The last event of each. */
extern const unsigned sample_run_ends[SAMPLE_RUNS];

/* The kinds that have an effect, in ascending order within a run: SAMPLE_LOG_EVENTS of them. */
extern const uint16_t sample_kinds[SAMPLE_LOG_EVENTS];

struct sample_log {
    struct sign_secret root_secret, signing_secret;
    struct log_opened opened;
    struct log_id log;
    struct chain_value chain[SAMPLE_LOG_EVENTS + 1];    /* chain[n] after event n */
    struct hash header_hashes[SAMPLE_LOG_EVENTS];       /* of event n at n − 1 */
    struct event_header headers[SAMPLE_LOG_EVENTS + 1]; /* from 1 */
    struct buf header[SAMPLE_LOG_EVENTS + 1], payload[SAMPLE_LOG_EVENTS + 1];
    struct buf frames;
    size_t run_bytes[SAMPLE_RUNS];  /* of the frames up to the end of each run */
    struct seal seals[SAMPLE_RUNS]; /* of the last event of each run */
    struct seal seal;               /* of the last event of all */
    struct buf links;               /* the capsule of class 4 that the event of kind 108 has, under sample_links_key */
    struct buf posting_links;       /* that of the event of kind 224, under the same key */
    struct buf root_statement;
};

/* Event n is of kind sample_kinds[n − 1]. Release with sample_log_release. */
void sample_log_init(struct sample_log *s, bool with_root_statement);
void sample_log_release(struct sample_log *s);
struct run sample_run(const struct sample_log *s); /* all of it; borrows */

/* A payload of this kind; kind 1 with every key zero (sample_log fills them), lists in static memory. */
struct event_payload sample_payload(uint16_t kind);
/* Points a decoded payload to its lists, read into static memory, so that it can be encoded again. */
void sample_lists(struct event_payload *p, struct slice payload);
/* What the capsule of class 4 holds, and its key; the counting key that the pseudonym of kind 112 is from. */
struct activity_links sample_links(void);
struct activity_links sample_posting_links(void);
extern const struct data_key sample_links_key, sample_counting_key;
/* Two void keys and two standing positions in static memory: do not release. */
struct root_statement sample_root_statement(const struct log_opened *o);
/* What capsules of classes 7 and 8 hold; the dossier in static memory. */
struct guest_record sample_guest_record(void);
const struct dossier *sample_dossier(void);
/* What kinds 20, 21 and 64 to 99 have beyond the common fields; their references: the first to the event before, the second to a log of
 * another unit. */
void sample_moving_fill(struct event_payload *p);
void sample_moving_refs(const struct sample_log *s, uint64_t seq, struct event_header *h);
void sample_fill(void *out, size_t len, uint8_t v);
/* Sets hash and length of the payload in h. */
void sample_commit(struct event_header *h, struct slice payload);

#endif
