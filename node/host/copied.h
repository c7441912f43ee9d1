/* Whether a data directory is a copy that was put in the place of another: then others may know of revocations and erasures that it does not, and
 * what it knew of other units when the copy was made says nothing of today. Seen by the file of the main environment: a copied file has another
 * inode and time of birth. A disk that was set back as a whole (a snapshot of a virtual machine) does not show it. */
#ifndef SMARTNODE_HOST_COPIED_H
#define SMARTNODE_HOST_COPIED_H

#include "storage/db.h"

/* At a start, before peers are loaded: forgets when other units were heard of last if the file is not the one of the last start, and notes which
 * file it is, in one commit; *ret_copied says so. A directory without such a note (new, or of a version before) is no copy. path: of the data
 * directory. ERR_IO, and what a commit may say. */
int copied_check(struct db *db, const char *path, bool *ret_copied, struct err *err) NODISCARD;

#endif
