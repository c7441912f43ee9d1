/* Whose activities, invoices and postings are, and what their capsules say. See command.h; docs/PROTOCOL.md §6, docs/STORAGE.md "Vault". */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/work.h"
#include "storage/keyslots.h"
#include "storage/received.h"

enum { STEP = 256, RECORDS_MAX = 64 };

/* Which of the event's capsules is of class 4. An event of the group that is being written is in no run yet; then it is the first: that is
 * how drafts of these kinds are made. */
static int
links_index(const struct command_ctx *ctx, const struct position *at, uint32_t *ret_log_no, uint8_t *ret_index,
            struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_find(ctx->txn, &at->log, &log, err);
    if (rc != 0)
        return rc;
    *ret_log_no = log.no;
    *ret_index = 0;
    rc = evlog_event(ctx->txn, log.no, at->seq, &ev, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        if (h.capsules[i].class == CLASS_ACTIVITY) {
            *ret_index = i;
            return 0;
        }
    }
    return rc != 0 ? rc : err_set(err, ERR_NOTFOUND, "the event has no capsule of class 4");
}

int
work_links_read(const struct command_ctx *ctx, const struct subject_id *entity, const struct position *at,
                struct activity_links *ret, struct err *err)
{
    struct vault_link link;
    struct slice capsule;
    struct buf plain;
    uint32_t log_no = 0;
    uint8_t index = 0;
    int rc = vault_link_get(ctx->vault, entity, &link, err);
    if (rc == 0)
        rc = links_index(ctx, at, &log_no, &index, err);
    if (rc == 0)
        rc = capsules_get(ctx->txn, log_no, at->seq, index, &capsule, err);
    if (rc != 0)
        return rc;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    struct received_filter given = RECEIVED_ANY;
    given.class = CLASS_ACTIVITY;
    rc = link.flags & LINK_OTHER_UNIT
             ? received_open(ctx->vault, &link.member, &given, capsule, &plain, err)
             : keyslots_open(ctx->txn, ctx->vault, &link.member, CLASS_ACTIVITY, capsule, &plain, err);
    if (rc == 0)
        rc = activity_links_decode(buf_slice(&plain), ret, err);
    buf_free(&plain);
    return rc;
}

/* ---- of a member ---- */

/* The record and those merged into it, and into those. */
static int
records_of(const struct command_ctx *ctx, const struct subject_id *member, struct subject_id *ret, size_t *ret_n,
           struct err *err)
{
    size_t n = 1;
    ret[0] = *member;
    for (size_t i = 0; i < n; i++) {
        struct member_row row;
        int rc = rows_member(ctx, &ret[i], &row, err);
        if (rc == ERR_NOTFOUND && i == 0 && guest_known(ctx, member))
            continue;
        if (rc != 0)
            return rc;
        for (size_t k = 0; k < row.n && n < RECORDS_MAX; k++) {
            const struct member_entry *e = &row.entries[k];
            if (e->kind == KIND_MEMBER_ABSORBED && e->outcome == OUTCOME_APPLIED && e->has_other)
                ret[n++] = e->other;
        }
        member_row_release(&row);
    }
    *ret_n = n;
    return 0;
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

typedef void token_of(const struct vault *v, const struct subject_id *member, uint8_t ret[VAULT_TOKEN_BYTES]);

/* Adds to v (room for *n + max) the first max entities of one record that are linked to it still. */
static int
add_record(const struct command_ctx *ctx, token_of *token_of_record, const struct subject_id *record,
           const struct subject_id *after, size_t max, struct subject_id *v, size_t *n, struct err *err)
{
    struct subject_id found[STEP], from;
    uint8_t token[VAULT_TOKEN_BYTES];
    size_t got = STEP, end = *n + max;
    token_of_record(ctx->vault, record, token);
    while (got == STEP && *n < end) {
        int rc = vault_index_find(ctx->vault, token, after, STEP, found, &got, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < got && *n < end; i++) {
            struct vault_link link;
            rc = vault_link_get(ctx->vault, &found[i], &link, err);
            if (rc != 0 && rc != ERR_NOTFOUND)
                return rc;
            if (rc == 0 && TYPE_EQ(&link.member, record))
                v[(*n)++] = found[i];
        }
        if (got > 0) {
            from = found[got - 1];
            after = &from;
        }
    }
    return 0;
}

static int
entities_of_member(const struct command_ctx *ctx, token_of *token_of_record, const struct subject_id *member,
                   const struct subject_id *after, size_t max, struct subject_id *ret, size_t *ret_n, struct err *err)
{
    struct subject_id records[RECORDS_MAX];
    size_t n_records = 0, n = 0;
    struct subject_id *v = malloc((2 * max + 1) * sizeof(*v));
    if (v == NULL)
        return err_set(err, ERR_NOMEM, "work of a member: out of memory");
    int rc = records_of(ctx, member, records, &n_records, err);
    for (size_t i = 0; i < n_records && rc == 0; i++) {
        rc = add_record(ctx, token_of_record, &records[i], after, max, v, &n, err);
        qsort(v, n, sizeof(*v), compare_ids);
        n = n < max ? n : max;
    }
    if (rc == 0) {
        memcpy(ret, v, n * sizeof(*v));
        *ret_n = n;
        err_clear(err);
    }
    free(v);
    return rc;
}

int
work_of_member(const struct command_ctx *ctx, const struct subject_id *member, const struct subject_id *after,
               size_t max, struct subject_id *ret, size_t *ret_n, struct err *err)
{
    return entities_of_member(ctx, index_work_of, member, after, max, ret, ret_n, err);
}

int
postings_of_member(const struct command_ctx *ctx, const struct subject_id *member, const struct subject_id *after,
                   size_t max, struct subject_id *ret, size_t *ret_n, struct err *err)
{
    return entities_of_member(ctx, index_postings_of, member, after, max, ret, ret_n, err);
}

/* Whether the entity is an invoice of the activity that was not cancelled. */
static int
is_invoice_of(const struct command_ctx *ctx, const struct subject_id *entity, const struct subject_id *activity,
              bool *ret, struct err *err)
{
    struct invoice_row row;
    struct invoice_state s;
    struct activity_links links;
    struct position at;
    int rc = rows_invoice(ctx, entity, &row, err);
    if (rc != 0)
        return rc;
    invoice_state_at(&row, DATE_MAX, &s);
    bool has = s.exists && !s.cancelled;
    for (size_t i = 0; i < row.n && has; i++)
        if (row.entries[i].kind == KIND_INVOICE_ISSUED && row.entries[i].outcome == OUTCOME_APPLIED) {
            has = invoice_links_position(&row, i, &at);
            break;
        }
    invoice_row_release(&row);
    if (!has)
        return 0;
    rc = work_links_read(ctx, entity, &at, &links, err);
    if (rc == 0)
        *ret = TYPE_EQ(&links.activity, activity);
    person_wipe(&links, sizeof(links));
    return rc;
}

int
work_is_invoiced(const struct command_ctx *ctx, const struct subject_id *activity, bool *ret, struct err *err)
{
    struct subject_id page[64], member, after;
    size_t n = ARRAY_LEN(page);
    bool found = false;
    struct vault_link link;
    int rc = vault_link_get(ctx->vault, activity, &link, err);
    if (rc == 0)
        rc = work_kept(ctx, &link.member, &member, err);
    for (const struct subject_id *from = NULL; rc == 0 && !found && n == ARRAY_LEN(page); from = &after) {
        rc = work_of_member(ctx, &member, from, ARRAY_LEN(page), page, &n, err);
        for (size_t i = 0; i < n && rc == 0 && !found; i++) {
            rc = is_invoice_of(ctx, &page[i], activity, &found, err);
            if (rc == ERR_NOTFOUND)
                rc = 0; /* an activity, or of a key that is gone */
            after = page[i];
        }
    }
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret = found;
    return 0;
}
