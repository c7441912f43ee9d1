/* Keys that other units sealed to this one, by grants and passes (docs/PROTOCOL.md, handover and access): a table of the vault.
 * A key is (home unit, subject, class, generation; of the counting key the generation is the year) and is there once for each event
 * that gave it, so that the end of one grant does not take what another one gives.
 * Threads: puts and deletes by the writer's thread, reads by any. Wipe what holds keys. */
#ifndef SMARTNODE_STORAGE_RECEIVED_H
#define SMARTNODE_STORAGE_RECEIVED_H

#include "storage/vault.h"

struct received_key {
    struct subject_id subject;
    struct unit_id unit; /* the member's home, which gave it */
    uint8_t class;       /* CLASS_… of proto/crypto.h, as in the event */
    uint32_t generation;
    struct position from;    /* the event that gave it */
    uint16_t kind;           /* of that event; kept for the caller */
    struct civil_date until; /* last day on which it may be used; DATE_NONE = open */
    struct data_key key;
};
/* Of one subject, of all units, classes, generations and events together: as many generations as a member's row has room for events, of each
 * the keys of identity, contact, activities and a year. */
enum { RECEIVED_MAX = 4096 };

/* One vault commit for all; the same again replaces. ERR_FULL, ERR_LIMIT (a subject would have more than RECEIVED_MAX). */
int received_put(struct vault *v, const struct received_key *keys, size_t n, struct err *err) NODISCARD;

/* What a search is restricted to; NULL, 0 and DATE_NONE restrict nothing. */
struct received_filter {
    const struct unit_id *unit;
    const struct position *from;
    uint8_t class;
    uint16_t kind;        /* of the event that gave it */
    struct civil_date on; /* only keys that may be used on this day */
};
#define RECEIVED_ANY ((struct received_filter){.on = DATE_NONE})

/* Keys of a subject in the order of unit, class, generation, event; at most max. *ret_more (may be NULL): there were more.
 * ERR_CORRUPT: a row does not open. */
int received_list(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                  struct received_key *ret, size_t max, size_t *ret_n, bool *ret_more, struct err *err) NODISCARD;
/* The key of a class with the greatest generation. ERR_NOTFOUND. filter->class must be set. */
int received_newest(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                    struct received_key *ret, struct err *err) NODISCARD;
/* The key of exactly this generation (a year's counting key). ERR_NOTFOUND. */
int received_get(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                 uint32_t generation, struct received_key *ret, struct err *err) NODISCARD;
/* As received_newest, but of the keys that `may` takes: asked of each, the newest first, without the vault's transaction; below 0 is an error. */
int received_newest_of(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                       int (*may)(void *arg, const struct received_key *key, bool *ret, struct err *err), void *arg,
                       struct received_key *ret, struct err *err) NODISCARD;
/* Opens a capsule of filter->class with whichever key fits, the newest first; appends to plain. ERR_NOTFOUND: no key that opens it;
 * otherwise as capsule_open. */
int received_open(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                  struct slice capsule, struct buf *plain, struct err *err) NODISCARD;

/* The same for a capsule of another class that is under keys of filter->class: a dossier, under those of class 4. */
int received_open_as(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                     uint8_t class, struct slice capsule, struct buf *plain, struct err *err) NODISCARD;

/* Events that gave keys which are here, each once, by position after `after` (NULL = the first), at most max. */
struct received_event {
    struct position from;
    struct unit_id unit;
    struct subject_id subject;
    uint16_t kind;
};
int received_events(struct vault *v, const struct position *after, struct received_event *ret, size_t max,
                    size_t *ret_n, struct err *err) NODISCARD;

/* Keys that an event gave, in the order of unit, subject, class, generation. */
int received_of_event(struct vault *v, const struct position *from, struct received_key *ret, size_t max, size_t *ret_n,
                      bool *ret_more, struct err *err) NODISCARD;

/* The deletions are one vault commit each, none if nothing is there; ret_n (may be NULL): keys deleted. A vault_rewrite takes them
 * out of the file. */
int received_del_event(struct vault *v, const struct position *from, size_t *ret_n, struct err *err) NODISCARD;
int received_del_events(struct vault *v, const struct position *from, size_t n, size_t *ret_n,
                        struct err *err) NODISCARD;
/* Single ones, as a list gave them; absent is fine. */
int received_del_keys(struct vault *v, const struct received_key *keys, size_t n, size_t *ret_n,
                      struct err *err) NODISCARD;
int received_del_subject(struct vault *v, const struct subject_id *subject, size_t *ret_n, struct err *err) NODISCARD;
/* Those whose last day is before `today`. ret: events whose keys went, each once, in order, at most max; with more of them the rest
 * stays for the next call. ret NULL: all of them, without the list. ret_n_events may be NULL. */
int received_del_ended(struct vault *v, struct civil_date today, struct position *ret, size_t max, size_t *ret_n_events,
                       size_t *ret_n, struct err *err) NODISCARD;

#endif
