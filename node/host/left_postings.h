/* Ending the postings of members who left or moved to another unit. Not with the leaving: in the log the change would stand beside it, and so say in
 * clear whose the posting is. Once the month of the leaving is over, those of all who left are ended in an order of their own, with the last day of
 * the membership. One that begins after that day is cancelled: it was recorded before the leaving was, for nobody is posted who is no member on its
 * first day. By the upkeep. */
#ifndef SMARTNODE_HOST_LEFT_POSTINGS_H
#define SMARTNODE_HOST_LEFT_POSTINGS_H

#include "node/host/moved_work.h"

/* *ret_ended: ended and cancelled; also where it fails later; what could not be ended is tried again the next time. Reads all postings of the unit. */
int left_postings_run(const struct moved_work *m, uint64_t *ret_ended, struct err *err) NODISCARD;

#endif
