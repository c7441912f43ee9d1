/* What every report says of itself: from which log heads it was computed, how old the knowledge of each unit is, and which years it touches
 * that are closed. Private to node/api. */
#ifndef SMARTNODE_API_REPORT_SOURCES_H
#define SMARTNODE_API_REPORT_SOURCES_H

#include "node/api/request.h"

/* Which unit, from where. */
struct source {
    struct unit_id unit;
    char code[UNIT_CODE_MAX];
    bool known;
    struct wall_ms known_at;
    struct head *heads;
    size_t n_heads;
};

/* Units as described on a day; unit NULL = all. Freed with sources_free. */
int sources_load(struct request *r, struct civil_date day, const struct unit_id *unit, struct source **ret,
                 size_t *ret_n, struct err *err) NODISCARD;
void sources_free(struct source *s, size_t n);
/* Key "computed_from". */
void json_sources(struct request *r, struct json_out *j, const struct source *s, size_t n);
/* Lines "source,UNIT,…,age_s,…" and "source,UNIT,…,head,LOG.SEQ" with `commas` between unit and figure. */
void csv_sources(struct request *r, const struct source *s, size_t n, unsigned commas);
/* Closed years that the days from … to lie in: key "closed_years"; lines "closed,UNIT,…,YEAR,DATE" and, where figures are no longer what
 * was fixed, "adjusted,UNIT,…,YEAR,HOW MANY". */
void json_closed(struct request *r, struct json_out *j, const struct closed_year *years, size_t n);
void csv_closed(struct request *r, const struct closed_year *years, size_t n, unsigned commas);
/* ?each=month|year; absent: the whole span. ERR_INVALID, field "each" (report_activity.c). */
int span_read(struct request *r, enum report_span *ret, struct err *err) NODISCARD;
/* ?by=: a list of the words given. ERR_INVALID, field "by". */
struct by_word {
    const char *name;
    unsigned bit;
};
int by_parse(struct request *r, const struct by_word *words, size_t n, unsigned *ret, struct err *err) NODISCARD;

#endif
