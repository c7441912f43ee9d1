/* The bytes of a place row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row   = version (1) ‖ text unit code ‖ varint entries ‖ entry …          (an office's unit code is empty)
 *   entry = head ‖ facts ‖ references
 *   facts = kinds 17, 18: text name ‖ text city ‖ country (2); kind 16: text name ‖ country (2) ‖ currency (3) ‖
 *           languages (1) ‖ text … ‖ text time zone ‖ varint contribution ‖ varint share price; none for others and unknown versions
 *   text  = length (1) ‖ bytes */
#include "node/rules/place.h"
#include "node/rules/row_code.h"

enum { COUNTRY_LEN = 2, ENTRY_REFS_MAX = 2 };
static const struct row_dated all_dated;

static void
put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    buf_put_u8(out, (uint8_t)len);
    buf_put(out, text, len);
}

static void
read_text(struct reader *in, char *ret, size_t size)
{
    uint8_t len = reader_u8(in);
    if (len >= size) {
        in->failed = true;
        return;
    }
    reader_copy(in, ret, len);
    ret[in->failed ? 0 : len] = '\0';
    in->failed = in->failed || strlen(ret) != len;
}

static void
put_facts(struct buf *out, const struct place_entry *e)
{
    if (!event_kind_known(e->kind, e->kind_version)) {
        return;
    }
    if (e->kind == KIND_OFFICE_OPENED || e->kind == KIND_OFFICE_CHANGED) {
        put_text(out, e->facts.name.s);
        put_text(out, e->facts.city.s);
        buf_put(out, e->facts.country, COUNTRY_LEN);
    } else if (e->kind == KIND_UNIT_DESCRIBED) {
        put_text(out, e->unit.name.s);
        buf_put(out, e->unit.country, COUNTRY_LEN);
        buf_put(out, e->unit.currency, CURRENCY_MAX - 1);
        buf_put_u8(out, e->unit.n_languages);
        for (uint8_t i = 0; i < e->unit.n_languages; i++) {
            put_text(out, e->unit.languages[i]);
        }
        put_text(out, e->unit.time_zone.s);
        buf_put_varint(out, e->unit.contribution_bp);
        buf_put_varint(out, (uint64_t)e->unit.share_price_minor);
    }
}

int
place_row_encode(const struct place_row *r, struct buf *out, struct err *err)
{
    buf_put_u8(out, ROW_VERSION);
    put_text(out, r->unit_code);
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct row_entry *e = (const struct row_entry *)&r->entries[i];
        row_head_put(out, i > 0 ? &r->entries[i - 1].at : NULL, e, false, all_dated);
        put_facts(out, &r->entries[i]);
        row_refs_put(out, e);
    }
    return buf_check(out, "place row", err);
}

static void
read_unit(struct reader *in, struct unit_described *u)
{
    read_text(in, u->name.s, sizeof(u->name.s));
    reader_copy(in, u->country, COUNTRY_LEN);
    reader_copy(in, u->currency, CURRENCY_MAX - 1);
    uint8_t n = reader_u8(in);
    if (n > UNIT_LANGUAGES_MAX) {
        in->failed = true;
        return;
    }
    u->n_languages = n;
    for (uint8_t i = 0; i < n; i++) {
        read_text(in, u->languages[i], sizeof(u->languages[i]));
    }
    read_text(in, u->time_zone.s, sizeof(u->time_zone.s));
    uint64_t bp = reader_varint(in);
    uint64_t price = reader_varint(in);
    if (bp > 10000 || price > SHARE_PRICE_MINOR_MAX) {
        in->failed = true;
        return;
    }
    u->contribution_bp = (uint32_t)bp;
    u->share_price_minor = (int64_t)price;
}

static void
read_entry(struct reader *in, const struct row *r, const struct position *before, struct row_entry *head)
{
    struct place_entry *e = (struct place_entry *)head;
    bool mark;
    (void)r;
    row_head_read(in, before, ENTRY_REFS_MAX, all_dated, head, &mark);
    in->failed = in->failed || mark;
    if (in->failed) {
        return;
    }
    if (event_kind_known(e->kind, e->kind_version)) {
        if (e->kind == KIND_OFFICE_OPENED || e->kind == KIND_OFFICE_CHANGED) {
            read_text(in, e->facts.name.s, sizeof(e->facts.name.s));
            read_text(in, e->facts.city.s, sizeof(e->facts.city.s));
            reader_copy(in, e->facts.country, COUNTRY_LEN);
        } else if (e->kind == KIND_UNIT_DESCRIBED) {
            read_unit(in, &e->unit);
        }
    }
    row_refs_read(in, head);
}

int
place_row_decode(struct slice bytes, const struct unit_id *unit, const struct office_id *office, struct place_row *ret,
                 struct err *err)
{
    struct reader in = reader_of(bytes);
    struct place_row row;
    place_row_init(&row, unit, office);
    uint8_t version = reader_u8(&in);
    read_text(&in, row.unit_code, sizeof(row.unit_code));
    in.failed = in.failed || version != ROW_VERSION;
    struct row entries = {.entry_size = sizeof(*row.entries), .what = "place row"};
    int rc = row_entries_read(&in, &entries, PLACE_ROW_MAX, read_entry, err);
    if (rc != 0) {
        return rc;
    }
    row.n = entries.n;
    row.cap = entries.cap;
    row.entries = entries.entries;
    *ret = row;
    return 0;
}
