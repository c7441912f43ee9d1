/* The bytes of a place row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row   = version (1) ‖ text unit code ‖ varint entries ‖ entry …          (an office's unit code is empty)
 *   entry = position ‖ varint kind ‖ flags (1) ‖ [svarint date] ‖ [reason (1)] ‖ [varint kind version] ‖ facts ‖ references
 *   flags = outcome (bits 0–2), references (3–4), kind version other than 1 (5), date absent (6)
 *   facts = kinds 17, 18: text name ‖ text city ‖ country (2); kind 16: text name ‖ country (2) ‖ currency (3) ‖
 *           languages (1) ‖ text … ‖ text time zone ‖ varint contribution ‖ varint share price; none for others and unknown versions
 *   text  = length (1) ‖ bytes */
#include <stdlib.h>

#include "node/rules/place.h"
#include "node/rules/row_code.h"

enum { FLAG_VERSION = 0x20, FLAG_NO_DATE = 0x40, FLAGS_MAX = 0x7f, COUNTRY_LEN = 2, ENTRY_REFS_MAX = 2 };

static bool
has_reason(enum outcome o)
{
    return o == OUTCOME_VOID || o == OUTCOME_CONFLICT;
}

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

static void
put_entry(struct buf *out, const struct position *before, const struct place_entry *e)
{
    bool no_date = date_is_none(e->effective);
    row_position_put(out, before, &e->at);
    buf_put_varint(out, e->kind);
    buf_put_u8(out, (uint8_t)((unsigned)e->outcome | (unsigned)e->n_refs << 3 |
                              (e->kind_version != 1 ? FLAG_VERSION : 0) | (no_date ? FLAG_NO_DATE : 0)));
    if (!no_date) {
        buf_put_svarint(out, e->effective.days);
    }
    if (has_reason(e->outcome)) {
        buf_put_u8(out, (uint8_t)e->reason);
    }
    if (e->kind_version != 1) {
        buf_put_varint(out, e->kind_version);
    }
    put_facts(out, e);
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_put(out, &e->at, &e->refs[k]);
    }
}

int
place_row_encode(const struct place_row *r, struct buf *out, struct err *err)
{
    buf_put_u8(out, ROW_VERSION);
    put_text(out, r->unit_code);
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        put_entry(out, i > 0 ? &r->entries[i - 1].at : NULL, &r->entries[i]);
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

static bool
read_entry(struct reader *in, const struct position *before, struct place_entry *e)
{
    memset(e, 0, sizeof(*e));
    row_position_read(in, before, &e->at);
    uint64_t kind = reader_varint(in);
    uint8_t flags = reader_u8(in);
    int64_t day = (flags & FLAG_NO_DATE) != 0 ? DATE_NONE.days : reader_svarint(in);
    e->kind = (uint16_t)kind;
    e->outcome = (enum outcome)(flags & 7);
    e->n_refs = flags >> 3 & 3;
    e->reason = has_reason(e->outcome) ? (enum void_reason)reader_u8(in) : VOID_NONE;
    uint64_t version = (flags & FLAG_VERSION) != 0 ? reader_varint(in) : 1;
    e->kind_version = (uint16_t)version;
    e->effective.days = (int32_t)day;
    if (in->failed || kind == 0 || kind > UINT16_MAX || version == 0 || version > UINT16_MAX || flags > FLAGS_MAX ||
        ((flags & FLAG_VERSION) != 0 && version == 1) || !row_outcome_ok(e->outcome, e->reason) ||
        e->n_refs > ENTRY_REFS_MAX || ((flags & FLAG_NO_DATE) == 0 && (day < DATE_MIN.days || day > DATE_MAX.days))) {
        return false;
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
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_read(in, &e->at, &e->refs[k]);
    }
    return !in->failed;
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
    uint64_t n = reader_varint(&in);
    if (in.failed || version != ROW_VERSION || n > PLACE_ROW_MAX) {
        return err_set(err, ERR_CORRUPT, "place row: another layout, or too many entries");
    }
    row.cap = (size_t)n + 1;
    row.entries = malloc(row.cap * sizeof(*row.entries));
    if (row.entries == NULL) {
        return err_set(err, ERR_NOMEM, "place row: out of memory");
    }
    for (; row.n < n; row.n++) {
        if (!read_entry(&in, row.n > 0 ? &row.entries[row.n - 1].at : NULL, &row.entries[row.n])) {
            in.failed = true;
            break;
        }
    }
    if (!reader_done(&in)) {
        place_row_release(&row);
        return err_set(err, ERR_CORRUPT, "place row: its bytes do not make sense");
    }
    *ret = row;
    return 0;
}
