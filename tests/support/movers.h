/* Two homes that get each other's runs and a member who moves from one to the other: the steps of a handover in short. Failures are failures of
 * the running cmocka test. Invented persons only. */
#ifndef SMARTNODE_TESTS_SUPPORT_MOVERS_H
#define SMARTNODE_TESTS_SUPPORT_MOVERS_H

#include "tests/support/node.h"

struct movers {
    struct test_node old, new;
    struct subject_id member; /* of the old home, for 30 days */
};

/* Of cmocka: the state is a struct movers. */
int movers_setup(void **state);
int movers_teardown(void **state);
/* Until both hold the same. */
void move_both(struct movers *f);

/* An operation of a desk; the office's name may be empty. done fails on a refusal; refused wants this error about this field. */
struct api_result move_run(struct test_node *n, const struct handover_request *req, const char *office);
void move_done(struct test_node *n, const struct handover_request *req, const char *office);
void move_refused(struct test_node *n, const struct handover_request *req, const char *office, int code,
                  const char *field);

/* Requests about the member; receiving with an identity of its own. */
struct handover_request move_asking(const struct movers *f, enum handover_action action);
struct handover_request move_receiving(const struct movers *f);
/* Offered for in five days; accepted with two shares at the office. Both know of it afterwards. */
void move_offer(struct movers *f);
void move_accept(struct movers *f);

/* Whose turn it is, as this node sees it. */
enum handover_turn move_turn(struct test_node *n, const struct movers *f);

#endif
