/* What the entries of all rows begin with: members, places, activities, invoices, postings, access. Whoever needs no more of an entry reads it so,
 * whatever row it is of; the size of an entry is the row's own. */
#ifndef SMARTNODE_RULES_ENTRY_H
#define SMARTNODE_RULES_ENTRY_H

#include "node/rules/member.h"

struct row_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective;
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[];
};
#define ROW_ENTRY_FIELD(type, field) (offsetof(type, field) == offsetof(struct row_entry, field))
#define ROW_ENTRY_BEGINS(type)                                                                                        \
    _Static_assert(ROW_ENTRY_FIELD(type, at) && ROW_ENTRY_FIELD(type, kind) && ROW_ENTRY_FIELD(type, kind_version) && \
                       ROW_ENTRY_FIELD(type, effective) && ROW_ENTRY_FIELD(type, outcome) &&                          \
                       ROW_ENTRY_FIELD(type, reason) && ROW_ENTRY_FIELD(type, n_refs) && ROW_ENTRY_FIELD(type, refs), \
                   "an entry begins with the fields of struct row_entry")

/* Entries of one row, as an array of a type that begins so. */
struct row_entries {
    const void *v;
    size_t n, size; /* of one */
};
#define ROW_ENTRIES(row) ((struct row_entries){(row)->entries, (row)->n, sizeof(*(row)->entries)})

#endif
