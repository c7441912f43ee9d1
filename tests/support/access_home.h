/* A home that gives grants and passes: a member, a log of a host, and short ways to give, to end and to look at what was sealed. Failures are
 * failures of the running cmocka test. Invented persons only. */
#ifndef SMARTNODE_TESTS_SUPPORT_ACCESS_HOME_H
#define SMARTNODE_TESTS_SUPPORT_ACCESS_HOME_H

#include "proto/pass.h"
#include "tests/support/node.h"

enum { IDENTITY = 1, CONTACT = 2, BANK = 4, ACTIVITY = 8, KEYS_MAX = 32 };

struct access_home {
    struct test_node n;
    struct test_unit host;
    struct test_log log; /* of the host */
    struct subject_id member;
    struct pass pass; /* the one issued last */
};

/* Of cmocka: the state is a struct access_home. */
int access_home_setup(void **state);
int access_home_teardown(void **state);

/* ---- operations ---- */

struct access_request home_granting(const struct access_home *f, uint16_t classes);
struct access_request home_issuing(struct access_home *f, uint16_t classes);
struct api_result home_done(struct access_home *f, const struct access_request *req);
/* With this error about this field, and nothing is written. */
void home_refused(struct access_home *f, const struct access_request *req, int code, const char *field);
struct api_result home_revoke(struct access_home *f, struct subject_id access);

/* ---- what there is ---- */

struct access_state home_access(struct access_home *f, struct subject_id access);
struct event_header home_header_at(struct access_home *f, const struct position *at);
/* The keys that the event at a position sealed to this secret; their number. */
size_t home_sealed(struct access_home *f, const struct position *at, enum key_use use, const struct box_secret *sk,
                   const struct box_public *pk, struct keyed_class ret[KEYS_MAX]);
size_t home_sealed_to_host(struct access_home *f, const struct position *at, struct keyed_class ret[KEYS_MAX]);
bool home_has_key(const struct keyed_class *keys, size_t n, uint8_t class, uint32_t generation);
/* Whether one of these keys opens the capsule of a class in force. */
bool home_opens(struct access_home *f, const struct keyed_class *keys, size_t n, uint8_t class);

#endif
