/* One connection and the request on it. Private to node/api. A handler fills `out` and status, or leaves operations for the writer;
 * the server (server.c) does the rest. All of a request happens in one http thread; only job_done (write.c) is the writer's. */
#ifndef SMARTNODE_API_REQUEST_H
#define SMARTNODE_API_REQUEST_H

/* <sys/socket.h> and proto/wire.h both have a MSG_BATCH: the system's, which nobody here uses, goes by another name. */
#define MSG_BATCH MSG_BATCH_OF_SENDMMSG
#include <sys/socket.h>
#undef MSG_BATCH

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "node/api/api.h"
#include "node/api/guard.h"
#include "node/api/idem.h"
#include "node/api/json_in.h"
#include "node/api/json_out.h"
#include "node/api/limiter.h"
#include "node/api/router.h"
#include "node/command/pass_verify.h"
#include "proto/pass.h"
#include "storage/changes.h"
#include "storage/openings.h"

enum {
    OUT_BYTES_MAX = 67108864, /* of an answer */
    OUT_KEPT_BYTES = 65536,   /* a larger buffer is not kept for the next request of the connection */
    PAGE_DEFAULT = 100,
    PAGE_MAX = 500,
    API_UNITS_MAX = 256,
    API_OFFICES_MAX = 4096,
    API_REASONS_MAX = -ERR_UNAVAILABLE + 1, /* ERR_UNAVAILABLE is the last code */
    ETAG_TEXT_MAX = 2 + 64 + 1 + 20 + 1,
    LOCATION_MAX = 128,
    CLIENT_BYTES_MAX = 8,
};

struct batch;
struct pass_seen;

enum request_state { REQUEST_NONE, REQUEST_READING, REQUEST_REFUSED, REQUEST_SUBMITTED, REQUEST_POLLING, REQUEST_DONE };

/* A request that waits for changes (poll.c). */
struct poll_state {
    bool begun, wanted; /* by the handler: it was here before; it has nothing to answer yet */
    bool over, refused; /* it may not wait (any more) */
    uint64_t told;      /* commits when it began to read */
    int64_t until_ms;   /* monotonic */
    struct changes_mark after;
    struct request *next;
    atomic_bool parked; /* suspended; cleared just before it is resumed */
};

struct request {
    struct api *api;
    struct conn *conn;
    struct MHD_Connection *mhd;
    enum request_state state;
    const struct route *route;
    const char *path; /* borrowed, decoded */
    struct slice params[ROUTE_PARAMS_MAX];
    bool has_body;
    struct db_txn *txn; /* of a read; closed before anything waits */
    bool has_token;
    struct token_row token;
    struct hash token_hash;
    char own_member[HEX16_MAX]; /* what own_check put into ?member= */
    struct slice token_text;    /* borrowed from the head */

    struct buf *in;  /* body */
    struct buf *out; /* answer */
    uint64_t body_bytes;
    bool body_over;

    /* The unit whose code was asked for last: lists come in the order of units. */
    struct unit_id named_unit;
    char named_code[UNIT_CODE_MAX];

    /* Answer. status 0 while none. */
    unsigned status;
    const char *content_type;
    char etag[ETAG_TEXT_MAX];
    char location[LOCATION_MAX];
    char allow[64];
    bool replayed, personal, close, page;
    uint32_t retry_after_s; /* not 0: refused with 429 */

    struct poll_state poll;

    /* A write. ops[0 … n_ops−1]; freed and wiped at the end. new_token: shown once in the answer. */
    struct api_job job;
    struct api_op *ops;
    size_t n_ops;
    atomic_bool job_done;
    char new_token[TOKEN_TEXT_MAX];
    char new_pass[PASS_TEXT_MAX]; /* likewise */
    struct pass_seen *pass_seen;  /* a pass that is verified; NULL = none */
    struct batch *batch;
};

/* Per TCP connection, in MHD's socket context: the buffers outlive a request, so that a look-up allocates next to nothing. */
struct conn {
    struct conn *prev, *next;
    struct api *api;
    int fd;
    uint8_t client
        [CLIENT_BYTES_MAX]; /* the address of an IPv4 client; of IPv6 the network, in which it has 2^64 of its own */
    uint8_t client_len;     /* behind a proxy all have the proxy's */
    bool target_bad;
    bool served;                 /* had a request before */
    _Atomic int64_t deadline_ms; /* INT64_MAX = none */
    struct buf in, out;
    struct request request;
};

struct api_counters {
    atomic_uint_fast64_t requests[6]; /* by class of status, 1 to 5 */
    atomic_uint_fast64_t unauthorized, limited, guarded, over_deadline, replayed;
    atomic_uint_fast64_t batch_lines;
    atomic_uint_fast64_t passes_refused[PASS_NO_KEYS + 1]; /* by enum pass_refusal */
    atomic_uint_fast64_t rejected[API_REASONS_MAX];        /* by error code, lines of batches among them */
};

enum { API_LOOKS_MAX = 256 };

struct api {
    struct api_deps deps;
    struct {
        pthread_mutex_t lock;
        size_t n;
        struct look v[API_LOOKS_MAX];
    } looks; /* looks.c */
    struct MHD_Daemon *daemon;
    int64_t idle_ms, request_ms;
    uint16_t port;
    pthread_mutex_t lock; /* conns, jobs, stopping */
    pthread_cond_t no_jobs;
    struct conn *conns;
    size_t n_conns;
    size_t jobs; /* in the writer's hands, or on the way back */
    bool stopping;
    struct request *pollers; /* under lock, as n_pollers */
    size_t n_pollers;
    atomic_uint_fast64_t told; /* calls of api_changed */
    atomic_uint batches;
    struct limiter *tokens_failed, *guesses_failed, *own_passes;
    struct api_counters counters;
};

/* ---- server.c, write.c */
/* Hands r->ops to the writer and suspends the connection; the server comes back when they are done, or refused all alike. */
void request_submit(struct request *r);
void request_ops_free(struct request *r);
/* A zeroed operation, or ERR_NOMEM. */
int request_op(struct request *r, enum api_op_kind kind, uint16_t status, struct api_op **ret,
               struct err *err) NODISCARD;
void op_init(struct api_op *op, enum api_op_kind kind, uint16_t status);
/* Idempotency of op: line 0 for a request, bytes what was asked. Nothing without the header. */
void op_identify(struct request *r, struct api_op *op, uint64_t line, struct slice bytes);
/* The same with a key of the line's own, whatever number it has and whatever the header says. */
void op_identify_line(struct request *r, struct api_op *op, const char *key, struct slice bytes);
/* ERR_INVALID: no Idempotency-Key where the route needs one, or one of bad form. */
int idempotency_check(struct request *r, struct err *err) NODISCARD;
/* Deadline of what happens next: ms from now; < 0 = none. */
void conn_deadline(struct conn *c, int64_t ms);

/* ---- poll.c: requests that wait for changes */
/* Suspends the request until something was committed since poll.told, or its time is over; it is then dispatched again. */
void poll_park(struct request *r);
void poll_tick(struct api *a, struct mono_ms now);
void poll_stop(struct api *a); /* wakes all; none waits again while stopping is set */

/* ---- reply.c */
unsigned http_status(const struct err *err);
/* Turns an error into the answer: problem+json. line 0 = no batch. */
void reply_problem(struct request *r, unsigned status, const struct err *err);
void problem_write(struct json_out *j, unsigned status, const struct err *err);
/* One request, or line of a batch, that was refused for that reason. */
void count_rejected(struct api *a, const struct err *err);
/* The answer to one operation of the writer. */
void reply_op(struct request *r);
void result_write(struct json_out *j, const struct api_op *op);
/* Where a refusal names a field by the command's word, that of the request instead. */
void op_field_name(struct api_op *op);
/* Sends what is in r. */
enum MHD_Result reply_send(struct request *r);
/* Starts a JSON answer of status. */
struct json_out reply_json(struct request *r, unsigned status);

/* ---- auth.c */
/* Token, role and route together, and whose data it is (own.c). On failure *ret_status is 401, 403 or 429 (or what http_status
 * says). */
int auth_check(struct request *r, unsigned *ret_status, struct err *err) NODISCARD;
/* For what can be guessed behind a good token (the secret of a pass). check comes first: ERR_DENIED, answered with 429 and
 * Retry-After, once this token at this address has failed too often. failed counts a guess that was wrong. */
int guess_check(struct request *r, struct err *err) NODISCARD;
void guess_failed(struct request *r);
/* Passes that a member makes with a token of its own: 16 at once, and 16 a day. check: ERR_DENIED, and retry_after_s is set. */
int own_pass_check(struct request *r, const struct subject_id *member, struct err *err) NODISCARD;
void own_pass_made(struct request *r, const struct subject_id *member);

/* ---- own.c */
/* The role member: lets the request through only if it is about the token's own member. ERR_DENIED (*ret_status 403): not a route
 * for members; (401): the member was erased. ERR_NOTFOUND: of another, in the same words as of nobody. */
int own_check(struct request *r, unsigned *ret_status, struct err *err) NODISCARD;

/* ---- params.c: query, path and head */
const char *query_text(struct request *r, const char *name);   /* NULL if absent */
int query_check(struct request *r, struct err *err) NODISCARD; /* ERR_INVALID names one that the route does not know */
int query_limit(struct request *r, size_t *ret, struct err *err) NODISCARD;
int query_date(struct request *r, const char *name, struct civil_date otherwise, struct civil_date *ret,
               struct err *err) NODISCARD;
int query_hex(struct request *r, const char *name, uint8_t *out, size_t len, bool *ret_has, struct err *err) NODISCARD;
/* A page of a list by ?after= and ?limit=: room for `limit` items, and the key after which it begins. Free it, also after an error. */
enum { PAGE_KEY_MAX = 64 };
struct key_page {
    void *items;
    size_t limit, n; /* n: filled by the caller */
    bool has_after;
    uint8_t after[PAGE_KEY_MAX];
};
int key_page_open(struct request *r, size_t key_bytes, size_t item_bytes, struct key_page *ret,
                  struct err *err) NODISCARD;
/* "next": the key of the last item if the page is full, else null. */
void key_page_next(struct json_out *j, const struct key_page *p, const uint8_t *last_key, size_t key_bytes);
void key_page_free(struct key_page *p);
/* A whole number up to max; 0 if absent. */
int query_uint(struct request *r, const char *name, uint64_t max, uint64_t *ret, struct err *err) NODISCARD;
/* ?unit=BE: ERR_NOTFOUND; absent: *ret_has = false. */
int query_unit(struct request *r, struct unit_id *ret, bool *ret_has, struct err *err) NODISCARD;
int param_hex(struct request *r, size_t i, const char *what, uint8_t *out, size_t len, struct err *err) NODISCARD;
int param_uint(struct request *r, size_t i, const char *what, uint64_t *ret, struct err *err) NODISCARD;
int unit_from_code(struct request *r, const char *code, struct unit_id *ret,
                   struct err *err) NODISCARD; /* ERR_NOTFOUND */
int param_unit(struct request *r, size_t i, struct unit_id *ret, struct err *err) NODISCARD;
bool unit_is_own(const struct request *r, const struct unit_id *unit);
/* Code of a unit from its row; "?" if it is not known yet. */
void unit_code_of(struct request *r, const struct unit_id *unit, char out[UNIT_CODE_MAX]);
bool wants_type(struct request *r, const char *type); /* by Accept */
bool wants_csv(struct request *r);
/* ETags. If-Match of a member (a position), of an office or unit (a hash). ERR_INVALID. */
void etag_position(const struct position *p, char out[ETAG_TEXT_MAX]);
int etag_position_parse(const char *text, struct position *ret, struct err *err) NODISCARD;
void etag_hash(const struct hash *h, char out[ETAG_TEXT_MAX]);
int if_match_position(struct request *r, struct position *ret, struct err *err) NODISCARD;
int if_match_hash(struct request *r, struct hash *ret, struct err *err) NODISCARD;
int body_open(struct request *r, struct json_in *in, struct err *err) NODISCARD;

/* ---- names.c: words of the interface for the numbers of the format */
extern const char *const category_words[3];    /* A B C; number = index + 1 */
extern const char *const person_type_words[2]; /* natural legal */
const char *category_word(uint8_t category);
const char *person_type_word(uint8_t type);
const char *status_word(enum member_status s);
const char *left_word(enum left_reason reason);
const char *outcome_word(enum outcome o);
const char *class_word(uint8_t class);
const char *readiness_word(enum api_readiness r);
const char *peer_state_word(enum api_peer_state s);
void put_office_facts(struct json_out *j, const struct office_facts *f);
void put_work_facets(struct json_out *j, const struct activity_facets *f); /* of activities and invoices */
void put_position(struct json_out *j, const struct position *p);           /* keys log and seq */

extern const char *const posting_count_words[POSTING_N];

/* ---- work.c: what activities, invoices and postings are read with */
struct command_ctx work_ctx(struct request *r); /* to look up links and capsules; vault NULL: not here */
void put_month(struct json_out *j, const char *key, struct civil_date month);
void put_filled(struct json_out *j, const char *key, const struct person_text *t); /* nothing if it is empty */
/* Objects of a list: what hosts recorded about a member of this unit, all of it (guests.c). */
int visits_export(struct request *r, struct json_out *j, const struct subject_id *member, bool with_contact,
                  struct err *err) NODISCARD;
void put_outcome(struct json_out *j, const struct position *at, uint16_t kind, struct civil_date month,
                 enum outcome outcome, enum void_reason reason);
int named_unit(struct request *r, struct unit_id *ret, struct err *err) NODISCARD; /* ?unit=; else the own */

/* ---- person.c: node/command/person_open.h in a request; the vault must be there. Wipe ret. */
int person_load(struct request *r, const struct member_row *row, unsigned classes, struct person_input *ret,
                struct err *err) NODISCARD;
/* The word for why nothing of the classes opens, though none is restricted: "lost" (no key), "erased", "not yet here" (who moved here is not
 * received), "none" (nothing was entered). Static. */
int person_why_nothing(struct request *r, const struct member_row *row, unsigned classes, const char **ret,
                       struct err *err) NODISCARD;
int person_load_at(struct request *r, const struct subject_id *subject, const struct position *at, uint8_t class,
                   struct person_input *ret, struct err *err) NODISCARD;
int person_load_representative(struct request *r, const struct member_row *row, const struct subject_id *person,
                               struct person_input *ret, struct err *err) NODISCARD;
void person_write(struct json_out *j, const struct person_input *p);
void contact_write(struct json_out *j, const char *key, const struct person_contact *c);

/* ---- looks.c */
/* Notes that the token's owner, if of a desk or of the unit's own systems, opened this member of the own unit; it is kept within a second. Errors of
 * looks_note: then nothing may be shown. */
int look_note(struct request *r, const struct subject_id *member, struct err *err) NODISCARD;
/* Puts what was noted into the vault. */
int looks_flush(struct api *a, struct err *err) NODISCARD;

/* ---- guests.c */
/* Of a member of another unit: opens what a grant allows, and puts that on record; or says why it is closed. The members "personal",
 * "closed_because", "classes", "person". */
int put_visitor(struct request *r, struct json_out *j, const struct member_row *row, unsigned classes,
                struct err *err) NODISCARD;

/* ---- erase.c */
const char *ground_word(uint8_t ground);
void put_erasable(struct json_out *j, const char *key, uint16_t bits); /* of classes 1 to 5, bit class − 1 */
void erase_result_write(struct json_out *j, const struct api_op *op);
/* The answer to many orders at once. */
void erase_reply_many(struct request *r);

/* ---- members.c */
/* What a desk may open of those asked for, as a set of 1 << class. The member sees all. */
unsigned member_readable(struct request *r, const struct member_row *row, unsigned classes);
void member_state_write(struct request *r, struct json_out *j, const struct member_row *row,
                        const struct member_state *s);
void member_entry_write(struct json_out *j, const struct member_entry *e);

/* ---- work.c: an activity or invoice of the own unit as its resource shows it. ERR_NOTFOUND */
int work_write(struct request *r, struct json_out *j, bool invoice, const struct subject_id *id,
               struct err *err) NODISCARD;
/* The word for why an activity, invoice or posting does not open here: "erased", "closed" (the access to a visitor's ended), "not yet here" (a
 * host's), "lost" (no key). Static. */
int work_why_nothing(struct request *r, const struct subject_id *entity, const char **ret, struct err *err) NODISCARD;
/* Whether the member's activity links are kept for their legal date only. The member sees them. *ret is set to true only. */
int work_is_restricted(struct request *r, const struct subject_id *member, bool *ret, struct err *err) NODISCARD;

/* ---- postings.c: a posting of the own unit as its resource shows it, with its events. ERR_NOTFOUND */
int posting_write(struct request *r, struct json_out *j, const struct subject_id *id, struct err *err) NODISCARD;

/* ---- page.c */
enum { PAGE_POLICY_MAX = 256 };
/* Turns the JSON answer in r->out into a page. */
int page_from_json(struct request *r, const char *title, struct err *err) NODISCARD;
/* Content-Security-Policy of such a page. */
void page_policy(char out[PAGE_POLICY_MAX]);

/* ---- member_in.c */
void contact_read(struct json_in *part, struct person_contact *c);
void op_member_init(struct api_op *op, enum member_action action, uint16_t status);
void office_fields_read(struct json_in *in, bool required, struct office_facts *facts, struct civil_date *effective);
/* A text that one of the registries of names.h reads. */
void numbered_read(struct json_in *in, const char *key, bool required,
                   int (*parse)(const char *text, uint16_t *ret, struct err *err), uint16_t *ret);
/* One line of a batch: an operation with its name in the field "op". key: the line's own, or empty. */
int batch_line_read(struct slice line, struct api_op *op, char key[IDEM_KEY_BYTES_MAX + 1], struct err *err) NODISCARD;

/* ---- work_in.c */
/* Activities, invoices, merges, cancellations in a batch; false: no such operation. */
bool line_work_read(struct json_in *in, const char *name, struct api_op *op);
/* Postings likewise (posting_in.c). */
bool line_posting_read(struct json_in *in, const char *name, struct api_op *op);

/* ---- passes.c */
/* The answer to a pass that was found good, once the writer has kept its keys. */
void reply_pass_seen(struct request *r);
void pass_seen_free(struct request *r);
/* "person" of a request: identity, contact, bank, each as far as it is given. member_in.c */
void person_read(struct json_in *in, struct person_input *p);

/* ---- access.c */
/* The answer to a pass that was issued: its text, in the form asked for. */
void reply_pass(struct request *r, const struct api_op *op);
/* A list of classes, bit (class − 1), in words. */
void put_classes(struct json_out *j, const char *key, uint16_t classes);

/* ---- batch.c */
int batch_new(struct request *r, struct err *err) NODISCARD;
/* Takes from data what it can; *ret_taken bytes. *ret_full: a group waits to be submitted. */
int batch_feed(struct request *r, const char *data, size_t len, size_t *ret_taken, bool *ret_full,
               struct err *err) NODISCARD;
/* Answers of the group that is done. */
void batch_collect(struct request *r);
/* The upload has ended: the last line without a newline. *ret_full as above. */
int batch_end(struct request *r, bool *ret_full, struct err *err) NODISCARD;
void batch_free(struct request *r);

/* ---- events.c */
/* Members of the object that stands for an event, the same wherever events are shown. */
int put_event_fields(struct request *r, struct json_out *j, const struct log_row *log, uint64_t seq,
                     const struct stored_event *e, struct err *err) NODISCARD;

/* ---- handlers, one file for each resource */
int get_changes(struct request *r, struct err *err);
int get_members(struct request *r, struct err *err);
int get_member(struct request *r, struct err *err);
int get_member_history(struct request *r, struct err *err);
int post_members(struct request *r, struct err *err);
int patch_member(struct request *r, struct err *err);
int post_member_action(struct request *r, struct err *err);
int post_member_end(struct request *r, struct err *err);
int post_member_cancel(struct request *r, struct err *err);
int post_member_merge(struct request *r, struct err *err);
int post_member_erase(struct request *r, struct err *err);
int get_erasures(struct request *r, struct err *err);
int get_retention(struct request *r, struct err *err);
int post_retention(struct request *r, struct err *err);
int get_member_export(struct request *r, struct err *err);
int get_member_names(struct request *r, struct err *err);
int get_member_representatives(struct request *r, struct err *err);
int get_member_openings(struct request *r, struct err *err);
int get_member_proposals(struct request *r, struct err *err);
int get_proposals(struct request *r, struct err *err);
int post_proposal(struct request *r, struct err *err);
int post_contact_proposal(struct request *r, struct err *err);
int post_guest_records(struct request *r, struct err *err);
int post_taken_activities(struct request *r, struct err *err);
int get_activities(struct request *r, struct err *err);
int get_activity(struct request *r, struct err *err);
int post_activities(struct request *r, struct err *err);
int patch_activity(struct request *r, struct err *err);
int post_activity_close(struct request *r, struct err *err);
int post_work_cancel(struct request *r, struct err *err);
int get_invoices(struct request *r, struct err *err);
int get_invoice(struct request *r, struct err *err);
int post_invoices(struct request *r, struct err *err);
int patch_invoice(struct request *r, struct err *err);
int post_credit_notes(struct request *r, struct err *err);
int get_postings(struct request *r, struct err *err);
int get_posting(struct request *r, struct err *err);
int post_postings(struct request *r, struct err *err);
int post_posting_change(struct request *r, struct err *err);
int post_posting_cancel(struct request *r, struct err *err);
int get_report_postings(struct request *r, struct err *err);
int get_periods(struct request *r, struct err *err);
int get_period(struct request *r, struct err *err);
int post_periods(struct request *r, struct err *err);
int get_report_activity(struct request *r, struct err *err);
int get_report_shares(struct request *r, struct err *err);
int get_units(struct request *r, struct err *err);
int get_unit(struct request *r, struct err *err);
int put_unit(struct request *r, struct err *err);
int get_offices(struct request *r, struct err *err);
int get_office(struct request *r, struct err *err);
int post_offices(struct request *r, struct err *err);
int patch_office(struct request *r, struct err *err);
int post_office_close(struct request *r, struct err *err);
int get_peers(struct request *r, struct err *err);
int post_peers(struct request *r, struct err *err);
int delete_peer(struct request *r, struct err *err);
int get_tokens(struct request *r, struct err *err);
int post_tokens(struct request *r, struct err *err);
int delete_token(struct request *r, struct err *err);
int post_member_token(struct request *r, struct err *err);
int delete_member_token(struct request *r, struct err *err);
int get_events(struct request *r, struct err *err);
int get_event(struct request *r, struct err *err);
int get_receipt(struct request *r, struct err *err);
int get_conflicts(struct request *r, struct err *err);
int get_duplicates(struct request *r, struct err *err);
int get_lookups(struct request *r, struct err *err);
int get_status(struct request *r, struct err *err);
int post_unit_custody(struct request *r, struct err *err);
int get_doubles(struct request *r, struct err *err);
int post_member_double(struct request *r, struct err *err);
/* How one side settled a double: "open", or a word of the settlement. */
const char *double_word(uint8_t settled);
int get_requests(struct request *r, struct err *err);
int get_member_requests(struct request *r, struct err *err);
int post_member_request(struct request *r, struct err *err);
int delete_member_request(struct request *r, struct err *err);
int get_handovers(struct request *r, struct err *err);
int get_member_handover(struct request *r, struct err *err);
int post_member_handover(struct request *r, struct err *err);
int get_access(struct request *r, struct err *err);
int get_member_access(struct request *r, struct err *err);
int post_member_access(struct request *r, struct err *err);
int post_access_revoke(struct request *r, struct err *err);
int post_member_pass(struct request *r, struct err *err);
int post_passes_verify(struct request *r, struct err *err);
int get_report_members(struct request *r, struct err *err);
int get_report_flows(struct request *r, struct err *err);
int get_healthz(struct request *r, struct err *err);
int get_readyz(struct request *r, struct err *err);
int get_metrics(struct request *r, struct err *err);

#endif
