/* GET /v1/changes: the list of changes as a stream that a client pulls, from where it stopped. A cursor is a mark of the list
 * (storage/changes.h): its number and its tag. A client that waits for more holds no thread: node/api/poll.c. */
#include "storage/changes.h"
#include "node/api/request.h"

enum {
    MARK_TEXT_MAX = 20 + 1 + 2 * CHANGES_TAG_BYTES + 1,
    WAIT_S_MAX = 30,
    /* Bounds what one request reads where little of it is asked for; a client goes on from `next`. */
    ROWS_MAX = 4096,
    KIND_MEMBERS_LAST = 63, /* docs/PROTOCOL.md §9: what members' events have, known here or not */
};

struct change_filter {
    bool all;
    struct unit_id unit;
    size_t limit;
    uint64_t wait_s;
};

/* Where reading is. Chunks of one log come one after the other, so its row and the hashes of one run are kept. */
struct change_reader {
    struct request *r;
    const struct change_filter *filter;
    struct json_out *j;
    bool lines;
    size_t n, rows;
    struct changes_mark at; /* after the last number read */
    struct log_row log;
    struct evlog_chains chains;
};

/* ---- cursors ---- */

static void
mark_text(const struct changes_mark *mark, char out[MARK_TEXT_MAX])
{
    char tag[2 * CHANGES_TAG_BYTES + 1];

    snprintf(out, MARK_TEXT_MAX, "%llu-%s", (unsigned long long)mark->number,
             hex_encode(mark->tag, CHANGES_TAG_BYTES, tag));
}

static int
mark_parse(const char *text, struct changes_mark *ret, struct err *err)
{
    unsigned long long number;
    int used = 0;

    if (strlen(text) < MARK_TEXT_MAX && text[0] >= '0' && text[0] <= '9' &&
        sscanf(text, "%18llu-%n", &number, &used) == 1 && used > 0 &&
        hex_decode(text + used, ret->tag, CHANGES_TAG_BYTES)) {
        ret->number = number;
        return 0;
    }
    return err_field(err, ERR_INVALID, "after", "is not a cursor of this list");
}

static int
mark_start(struct request *r, struct changes_mark *ret, struct err *err)
{
    const char *after = query_text(r, "after");
    struct changes_mark mark = {.number = 0};
    bool holds = true;
    int rc = 0;

    if (after != NULL && strcmp(after, "now") == 0) {
        rc = changes_end(r->txn, &mark, err);
    } else if (after != NULL) {
        rc = mark_parse(after, &mark, err);
        if (rc == 0) {
            rc = changes_holds(r->txn, &mark, &holds, err);
        }
    }
    if (rc == 0 && !holds) {
        rc = err_field(
            err, ERR_NOTFOUND, "after",
            "this node was restored or a log was rolled back: what you were told up to this cursor is not what "
            "it holds. Take a new cursor with after=now, then read members, activities, invoices and postings anew, "
            "then go on from it");
    }
    if (rc == 0) {
        *ret = mark;
    }
    return rc;
}

/* ---- one change ---- */

/* Where what the event is about can be read. */
static void
put_path(struct request *r, struct json_out *j, const struct log_row *log, const struct event_header *h,
         const struct event_common *c)
{
    char id[HEX16_MAX] = "", code[UNIT_CODE_MAX], path[128] = "";
    bool own = unit_is_own(r, &log->unit);

    unit_code_of(r, &log->unit, code);
    if (c->has_subject) {
        hex_encode(c->subject.b, ID_BYTES, id);
    }
    if (h->kind == KIND_UNIT_DESCRIBED) {
        snprintf(path, sizeof(path), "/v1/units/%s", code);
    } else if (h->kind >= KIND_OFFICE_OPENED && h->kind <= KIND_OFFICE_CLOSED && c->has_subject) {
        snprintf(path, sizeof(path), "/v1/units/%s/offices/%s", code, id);
    } else if (h->kind >= KIND_APPLICATION_RECEIVED && h->kind <= KIND_MEMBERS_LAST && c->has_subject) {
        snprintf(path, sizeof(path), "/v1/members/%s%s%s", id, own ? "" : "?unit=", own ? "" : code);
    } else if (h->kind >= KIND_ACTIVITY_OPENED && h->kind <= KIND_INVOICE_CANCELLED && c->has_subject) {
        snprintf(path, sizeof(path), "/v1/%s/%s%s%s", h->kind < KIND_INVOICE_ISSUED ? "activities" : "invoices", id,
                 own ? "" : "?unit=", own ? "" : code);
    } else if (h->kind >= KIND_POSTING_ISSUED && h->kind <= KIND_POSTING_CANCELLED && c->has_subject) {
        snprintf(path, sizeof(path), "/v1/postings/%s%s%s", id, own ? "" : "?unit=", own ? "" : code);
    }
    if (path[0] != '\0' && code[0] != '?') {
        json_put_text(j, "path", path);
    }
}

static int
put_event_change(struct change_reader *c, uint64_t seq, struct err *err)
{
    struct request *r = c->r;
    struct event_header h;
    struct event_common common = {0};
    struct stored_event e;

    int rc = evlog_event(r->txn, c->log.no, seq, &e, err);
    if (rc == 0) {
        rc = event_header_decode(e.header, &h, err);
    }
    if (rc != 0) {
        return err_set(err, ERR_CORRUPT, "stored event at %llu", (unsigned long long)seq);
    }
    json_put_text(c->j, "change", "event");
    if (e.payload.len > 0 && event_common_decode(e.payload, &common, NULL) == 0) {
        put_path(r, c->j, &c->log, &h, &common);
    }
    return put_event_fields(r, c->j, &c->log, seq, &e, err);
}

static void
put_withdrawn(struct change_reader *c, uint64_t seq)
{
    const struct position at = {c->log.id, seq};
    char code[UNIT_CODE_MAX];

    unit_code_of(c->r, &c->log.unit, code);
    json_put_text(c->j, "change", "withdrawn");
    put_position(c->j, &at);
    json_put_text(c->j, "unit", code);
}

static int
put_change(struct change_reader *c, const struct changes_row *row, uint64_t number, struct err *err)
{
    uint64_t seq = row->first + (number - (row->last - row->count) - 1);
    char cursor[MARK_TEXT_MAX];

    mark_text(&c->at, cursor);
    json_open(c->j, '{');
    json_put_text(c->j, "cursor", cursor);
    int rc = 0;
    if (row->type == CHANGES_WITHDRAWN) {
        put_withdrawn(c, seq);
    } else {
        rc = put_event_change(c, seq, err);
    }
    json_close(c->j, '}');
    if (c->lines) {
        buf_put_u8(c->j->b, '\n');
        c->j->comma = false;
    }
    c->n++;
    return rc;
}

/* ---- a page ---- */

static int
mark_move(struct change_reader *c, const struct changes_row *row, uint64_t number, struct err *err)
{
    uint8_t tag[CHANGES_TAG_BYTES];

    int rc = changes_tag(c->r->txn, row, &c->log, number, &c->chains, 1, tag, err);
    if (rc == 0) {
        c->at.number = number;
        memcpy(c->at.tag, tag, sizeof(tag));
    }
    return rc;
}

/* What is asked for of one chunk, from `number` on. */
static int
read_row(struct change_reader *c, const struct changes_row *row, uint64_t number, struct err *err)
{
    int rc = 0;

    if (c->log.no != row->log_no) {
        rc = evlog_get(c->r->txn, row->log_no, &c->log, err);
        if (rc != 0) {
            return err_set(err, ERR_CORRUPT, "list of changes: no log %u", (unsigned)row->log_no);
        }
    }
    if (!c->filter->all && !TYPE_EQ(&c->log.unit, &c->filter->unit)) {
        return mark_move(c, row, row->last, err);
    }
    for (; rc == 0 && number <= row->last && c->n < c->filter->limit; number++) {
        rc = mark_move(c, row, number, err);
        if (rc == 0) {
            rc = put_change(c, row, number, err);
        }
    }
    return rc;
}

/* *ret_more: the list goes on. */
static int
read_page(struct change_reader *c, bool *ret_more, struct err *err)
{
    struct changes_row row;
    uint64_t number = c->at.number + 1;
    int rc = 0;

    *ret_more = true;
    while (rc == 0 && c->n < c->filter->limit && c->rows < ROWS_MAX) {
        rc = changes_at(c->r->txn, number, &row, err);
        if (rc == 0 && row.type != CHANGES_GONE) {
            rc = read_row(c, &row, number, err);
            c->rows++;
        }
        if (rc == 0) {
            number = row.type == CHANGES_GONE ? row.last + 1 : c->at.number + 1;
        }
    }
    if (rc == 0) {
        rc = changes_at(c->r->txn, c->at.number + 1, &row, err);
    }
    *ret_more = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static void
page_open(struct change_reader *c)
{
    if (c->lines) {
        c->r->content_type = "application/x-ndjson";
        return;
    }
    json_open(c->j, '{');
    json_key(c->j, "changes");
    json_open(c->j, '[');
}

/* The last line of a stream of lines is no change: without it the answer was cut off. */
static void
page_close(struct change_reader *c, bool more)
{
    char cursor[MARK_TEXT_MAX];

    mark_text(&c->at, cursor);
    if (c->lines) {
        json_open(c->j, '{');
    } else {
        json_close(c->j, ']');
    }
    json_put_text(c->j, "next", cursor);
    json_put_bool(c->j, "more", more);
    json_close(c->j, '}');
    if (c->lines) {
        buf_put_u8(c->j->b, '\n');
    }
}

static int
filter_read(struct request *r, struct change_filter *ret, struct err *err)
{
    const char *unit = query_text(r, "unit");
    bool has;
    int rc = 0;

    *ret = (struct change_filter){.all = unit != NULL && strcmp(unit, "all") == 0, .unit = r->api->deps.unit};
    if (!ret->all && unit != NULL) {
        rc = query_unit(r, &ret->unit, &has, err);
    }
    if (rc == 0) {
        rc = query_limit(r, &ret->limit, err);
    }
    if (rc == 0) {
        rc = query_uint(r, "wait", WAIT_S_MAX, &ret->wait_s, err);
    }
    return rc;
}

int
get_changes(struct request *r, struct err *err)
{
    struct change_filter filter;
    struct change_reader c = {.r = r, .filter = &filter, .lines = wants_type(r, "application/x-ndjson")};
    struct poll_state *p = &r->poll;
    bool more;

    p->wanted = false;
    if (p->refused) {
        return err_set(err, ERR_BUSY, "enough clients wait for changes already: later, or without waiting");
    }
    int rc = filter_read(r, &filter, err);
    if (rc == 0 && !p->begun) {
        rc = mark_start(r, &p->after, err);
        p->begun = true;
        p->until_ms = r->api->deps.now_mono(r->api->deps.arg).ms + 1000 * (int64_t)filter.wait_s;
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    c.j = &j;
    c.at = p->after;
    page_open(&c);
    rc = read_page(&c, &more, err);
    if (rc != 0) {
        return rc;
    }
    page_close(&c, more);
    /* What was looked through and is not asked for need not be looked through again. */
    p->after = c.at;
    p->wanted = c.n == 0 && !more && filter.wait_s > 0 && !p->over;
    return 0;
}
