/* See cmd_duplicates.h. */
#include "node/cli/cmd_duplicates.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/api/json_out.h"
#include "node/host/trust.h"
#include "storage/lookups.h"

enum { PAGE = 256, TIME_TEXT_BYTES = 40 };

static void
print_duplicates(const json_t *list)
{
    const json_t *d;
    size_t i;
    json_array_foreach(list, i, d)
    {
        cli_cell(desk_text(d, "member"), 34, false);
        cli_cell(desk_text(d, "unit"), 9, false);
        cli_cell(desk_text(d, "other"), 34, false);
        printf("%s\n", desk_text(d, "found"));
    }
}

int
duplicates_print(struct http *h, bool as_json, struct err *err)
{
    char path[DESK_PATH_BYTES] = "/v1/duplicates?limit=200";
    size_t n = 0;
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        json_t *doc = NULL;
        rc = desk_get(h, path, &doc, err);
        const char *next = rc == 0 ? desk_text(doc, "next") : "";
        more = next[0] != '\0';
        n += json_array_size(json_object_get(doc, "duplicates"));
        if (rc == 0 && as_json)
            desk_dump(doc);
        else if (rc == 0)
            print_duplicates(json_object_get(doc, "duplicates"));
        snprintf(path, sizeof(path), "/v1/duplicates?limit=200&after=%s", next);
        json_decref(doc);
    }
    if (rc == 0 && n == 0 && !as_json)
        printf("nobody admitted here is known to be a member elsewhere\n");
    return rc;
}

static const char *
code_of(const struct trusted *list, size_t n, const struct unit_id *unit)
{
    for (size_t i = 0; i < n; i++)
        if (TYPE_EQ(&list[i].card.unit, unit))
            return list[i].card.unit_code;
    return "?";
}

int
lookups_print(struct datadir *d, struct err *err)
{
    struct lookup_record page[PAGE];
    uint8_t after[LOOKUP_RECORD_KEY_BYTES];
    struct trusted *list = NULL;
    struct db_txn *txn = NULL;
    size_t n_list = 0, n = PAGE;
    bool started = false;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, &list, &n_list, err);
    db_abort(&txn);
    while (rc == 0 && n == PAGE) {
        rc = lookup_records(d->vault, started ? after : NULL, page, PAGE, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            char room[TIME_TEXT_BYTES];
            struct buf at;
            buf_fixed(&at, room, sizeof(room));
            text_put_time(&at, page[i].at);
            printf("%.*s\t%s\t%s\t%s\n", (int)at.len, room, code_of(list, n_list, &page[i].unit),
                   page[i].direction == LOOKUP_OURS ? "asked" : "answered", lookup_outcome_word(page[i].outcome));
        }
        if (rc == 0 && n > 0)
            lookup_record_key(&page[n - 1], after);
        started = true;
    }
    free(list);
    return rc;
}
