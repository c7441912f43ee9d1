/* Payloads of every kind, and root statements. The first byte chooses: 0 a root statement, 255 kind 256. What decodes must encode, and read back as the same
 * again; no input may make the memory budget decide; the common fields read alike whether the kind is known or not. */
#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_statement(struct slice bytes)
{
    struct root_statement s;
    int rc = root_statement_decode(bytes, &s, NULL);
    MUST(rc == 0 || rc == ERR_INVALID || rc == ERR_VERSION);
    if (rc != 0)
        return;
    struct buf out;
    buf_init(&out, PAYLOAD_BYTES_MAX);
    MUST(root_statement_encode(&s, &out, NULL) == 0);
    buf_free(&out);
    root_statement_release(&s);
}

static void
lists_read(struct event_payload *p, struct slice bytes)
{
    static struct activity_cell cells[ACTIVITY_CELLS_MAX];
    static struct period_figure figures[FIGURES_MAX];
    static struct erased_place places[ERASED_PLACES_MAX];
    if (p->kind == KIND_ERASURE_ORDERED) {
        MUST(erased_places_read(bytes, places) == p->erasure.n_places);
        p->erasure.places = places;
    }
    if (p->kind == KIND_PERSON_ACTIVE) {
        MUST(active_cells_read(bytes, cells) == p->active.n);
        p->active.cells = cells;
    }
    if (p->kind == KIND_PERIOD_CLOSED) {
        MUST(closed_figures_read(bytes, figures) == p->closed.n);
        p->closed.figures = figures;
    }
}

static void
check_payload(uint16_t kind, struct slice bytes)
{
    struct event_payload p, again;
    struct event_common c;
    int common = event_common_decode(bytes, &c, NULL);
    MUST(common == 0 || common == ERR_INVALID);
    int rc = event_payload_decode(kind, 1, bytes, &p, NULL);
    if (!event_kind_known(kind, 1)) {
        MUST(rc == ERR_UNKNOWN_KIND);
        return;
    }
    MUST(rc == 0 || rc == ERR_INVALID);
    if (rc != 0) {
        /* Nobody should, and nothing happens. */
        static struct activity_cell cells[ACTIVITY_CELLS_MAX];
        static struct period_figure figures[FIGURES_MAX];
        static struct erased_place places[ERASED_PLACES_MAX];
        MUST(active_cells_read(bytes, cells) <= ACTIVITY_CELLS_MAX &&
             closed_figures_read(bytes, figures) <= FIGURES_MAX &&
             erased_places_read(bytes, places) <= ERASED_PLACES_MAX);
        return;
    }
    MUST(common == 0 && TYPE_EQ(&c.actor, &p.common.actor) && TYPE_EQ(&c.subject, &p.common.subject) &&
         c.effective.days == p.common.effective.days && c.precision == p.common.precision);
    lists_read(&p, bytes);
    struct buf first, second;
    buf_init(&first, 2 * PAYLOAD_BYTES_MAX);
    buf_init(&second, 2 * PAYLOAD_BYTES_MAX);
    MUST(event_payload_encode(&p, &first, NULL) == 0);
    MUST(event_payload_decode(kind, 1, buf_slice(&first), &again, NULL) == 0);
    lists_read(&again, buf_slice(&first));
    MUST(event_payload_encode(&again, &second, NULL) == 0);
    MUST(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_free(&first);
    buf_free(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    if (data[0] == 0)
        check_statement(bytes);
    else
        check_payload(data[0] == UINT8_MAX ? KIND_PERIOD_CLOSED : data[0], bytes);
    return 0;
}
