/* Writing all that the own unit has in the files of docs/FILES.md, with persons in clear, so that an import into an empty node gives the same
 * figures. The members' file alone says less: of somebody who left and came back the last membership, and shares subscribed later as if they
 * had been at the admission. A cell that a spreadsheet would take for a formula gets an apostrophe in front, also a telephone number with
 * its +; the import takes it away. */
#ifndef SMARTNODE_EXCHANGE_EXPORT_H
#define SMARTNODE_EXCHANGE_EXPORT_H

#include <stdio.h>

#include "node/exchange/mapping.h"
#include "node/host/datadir.h"

struct export_result {
    uint64_t members;
    uint64_t nameless; /* erased, or of keys that this node does not have */
};
enum export_form { EXPORT_CSV, EXPORT_NDJSON };
/* In the order of the subjects. ERR_IO, and errors of storage. */
int export_members(struct datadir *d, enum export_form form, FILE *to, struct export_result *ret,
                   struct err *err) NODISCARD;

enum { EXPORT_FILES = 9 };
struct export_options {
    const char *dir; /* there */
    enum export_form form;
    enum table_type only; /* TABLE_OF_ANYTHING: all */
    void (*progress)(void *arg, const char *file, uint64_t rows);
    void *progress_arg;
};
struct export_written {
    size_t n;
    struct {
        const char *name; /* without its end */
        uint64_t rows, nameless;
    } files[EXPORT_FILES];
};
/* Every file whole or not at all, mode 0600; all of one moment. */
int export_register(struct datadir *d, const struct export_options *o, struct export_written *ret,
                    struct err *err) NODISCARD;

#endif
