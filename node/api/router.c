/* The table of routes and how a path finds its own. */
#include "node/api/router.h"

#include "node/api/request.h"

enum {
    PEOPLE = ROLE_DESK | ROLE_INTEGRATION,
    SELVES = ROLE_INTEGRATION | ROLE_OPERATOR, /* who lets members in to their own data: the unit's own platform */
    STAFF = PEOPLE | ROLE_OPERATOR | ROLE_REPORTS,
    READS = ROUTE_READS,
    WRITES = ROUTE_READS | ROUTE_WRITES,
    CHANGES = WRITES | ROUTE_IF_MATCH,
    ACTS = CHANGES | ROUTE_BODY_FREE,
};

/* clang-format off */
static const struct route routes[] = {
    {"GET", "/v1/members/{id}", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, "unit as_of", get_member},
    {"GET", "/v1/members", PEOPLE, READS, "q unit after limit", get_members},
    {"POST", "/v1/members", PEOPLE, WRITES, NULL, post_members},
    {"PATCH", "/v1/members/{id}", PEOPLE, CHANGES, NULL, patch_member},
    {"GET", "/v1/members/{id}/history", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, "unit", get_member_history},
    {"POST", "/v1/members/{id}/shares", PEOPLE, CHANGES, NULL, post_member_action},
    {"POST", "/v1/members/{id}/admit", PEOPLE, CHANGES, NULL, post_member_action},
    {"POST", "/v1/members/{id}/refuse", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/withdrawal", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/withdrawal/grant", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/withdrawal/refuse", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/resign", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/exclude", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/death", PEOPLE, ACTS, NULL, post_member_action},
    {"POST", "/v1/members/{id}/repayments", PEOPLE, CHANGES, NULL, post_member_action},
    {"GET", "/v1/members/{id}/representatives", PEOPLE, READS, NULL, get_member_representatives},
    {"POST", "/v1/members/{id}/representatives", PEOPLE, CHANGES, NULL, post_member_action},
    {"POST", "/v1/members/{id}/representatives/{person}/end", PEOPLE, ACTS, NULL, post_member_end},
    {"POST", "/v1/members/{id}/consents", PEOPLE, CHANGES, NULL, post_member_action},
    {"POST", "/v1/members/{id}/consents/{purpose}/withdraw", PEOPLE, ACTS, NULL, post_member_end},
    {"POST", "/v1/members/{id}/cancellations", PEOPLE, CHANGES, NULL, post_member_cancel},
    {"POST", "/v1/members/{id}/merge", PEOPLE, CHANGES, NULL, post_member_merge},
    {"POST", "/v1/members/{id}/unmerge", PEOPLE, ACTS, NULL, post_member_merge},
    {"POST", "/v1/members/{id}/erase", PEOPLE, CHANGES, NULL, post_member_erase},
    {"POST", "/v1/members/{id}/restrict", PEOPLE, CHANGES, NULL, post_member_erase},
    {"POST", "/v1/members/{id}/lift", PEOPLE, CHANGES, NULL, post_member_erase},
    {"GET", "/v1/members/{id}/export", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, NULL, get_member_export},
    {"GET", "/v1/members/{id}/names", PEOPLE, READS, NULL, get_member_names},
    {"POST", "/v1/members/{id}/token", SELVES, WRITES | ROUTE_BODY_FREE, NULL, post_member_token},
    {"DELETE", "/v1/members/{id}/token", SELVES | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH, NULL, delete_member_token},
    {"GET", "/v1/members/{id}/access", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, "after limit", get_member_access},
    {"POST", "/v1/members/{id}/access", PEOPLE | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH, NULL, post_member_access},
    {"GET", "/v1/members/{id}/access/{access}", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, NULL, get_access},
    {"POST", "/v1/members/{id}/access/{access}/revoke", PEOPLE | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH | ROUTE_BODY_FREE, NULL, post_access_revoke},
    {"POST", "/v1/members/{id}/pass", PEOPLE | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH, NULL, post_member_pass},
    {"GET", "/v1/members/{id}/handover", PEOPLE, READS, NULL, get_member_handover},
    {"POST", "/v1/members/{id}/handover/offer", PEOPLE, WRITES, NULL, post_member_handover},
    {"POST", "/v1/members/{id}/handover/withdraw", PEOPLE, WRITES | ROUTE_BODY_FREE, NULL, post_member_handover},
    {"POST", "/v1/members/{id}/handover/accept", PEOPLE, WRITES, NULL, post_member_handover},
    {"POST", "/v1/members/{id}/handover/complete", PEOPLE, WRITES | ROUTE_BODY_FREE, NULL, post_member_handover},
    {"POST", "/v1/members/{id}/handover/receive", PEOPLE, WRITES, NULL, post_member_handover},
    {"GET", "/v1/members/{id}/requests", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, NULL, get_member_requests},
    {"POST", "/v1/members/{id}/requests", PEOPLE | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH, NULL, post_member_request},
    {"DELETE", "/v1/members/{id}/requests/{request}", PEOPLE | ROLE_MEMBER, WRITES | ROUTE_OWN_PATH, NULL, delete_member_request},
    {"GET", "/v1/requests", PEOPLE, READS, "after limit", get_requests},
    {"GET", "/v1/handovers", PEOPLE, READS, "after limit", get_handovers},
    {"POST", "/v1/members/{id}/doubles", PEOPLE, WRITES, NULL, post_member_double},
    {"POST", "/v1/members/{id}/doubles/settle", PEOPLE, WRITES, NULL, post_member_double},
    {"GET", "/v1/doubles", PEOPLE, READS, "after limit", get_doubles},
    {"GET", "/v1/members/{id}/openings", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, NULL, get_member_openings},
    {"GET", "/v1/members/{id}/proposals", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_PATH, NULL, get_member_proposals},
    {"POST", "/v1/members/{id}/proposals/{proposal}/accept", PEOPLE, ACTS, NULL, post_proposal},
    {"POST", "/v1/members/{id}/proposals/{proposal}/decline", PEOPLE, WRITES | ROUTE_BODY_FREE, NULL, post_proposal},
    {"GET", "/v1/proposals", PEOPLE, READS, "after limit", get_proposals},
    {"POST", "/v1/members/{id}/contact-proposal", PEOPLE, WRITES, "unit", post_contact_proposal},
    {"POST", "/v1/taken-activities", PEOPLE | ROLE_OPERATOR, WRITES | ROUTE_BODY_FREE, NULL, post_taken_activities},
    {"POST", "/v1/guest-records", PEOPLE | ROLE_OPERATOR, WRITES | ROUTE_BODY_FREE, NULL, post_guest_records},
    {"GET", "/v1/activities/{id}", PEOPLE, READS, "unit", get_activity},
    {"GET", "/v1/activities", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_QUERY, "unit member activity_no after limit", get_activities},
    {"POST", "/v1/activities", PEOPLE, WRITES, NULL, post_activities},
    {"PATCH", "/v1/activities/{id}", PEOPLE, CHANGES, NULL, patch_activity},
    {"POST", "/v1/activities/{id}/close", PEOPLE, ACTS, NULL, post_activity_close},
    {"POST", "/v1/activities/{id}/cancellations", PEOPLE, CHANGES, NULL, post_work_cancel},
    {"GET", "/v1/invoices/{id}", PEOPLE, READS, "unit", get_invoice},
    {"GET", "/v1/invoices", PEOPLE | ROLE_MEMBER, READS | ROUTE_OWN_QUERY, "unit member month invoice_no after limit", get_invoices},
    {"POST", "/v1/invoices", PEOPLE, WRITES, NULL, post_invoices},
    {"PATCH", "/v1/invoices/{id}", PEOPLE, CHANGES, NULL, patch_invoice},
    {"POST", "/v1/invoices/{id}/credit-notes", PEOPLE, CHANGES, NULL, post_credit_notes},
    {"POST", "/v1/invoices/{id}/cancellations", PEOPLE, ACTS, NULL, post_work_cancel},
    {"GET", "/v1/postings/{id}", PEOPLE, READS, "unit", get_posting},
    {"GET", "/v1/postings", PEOPLE, READS, "unit member country on reference overlapping after limit", get_postings},
    {"POST", "/v1/postings", PEOPLE, WRITES, NULL, post_postings},
    {"POST", "/v1/postings/{id}/change", PEOPLE, CHANGES, NULL, post_posting_change},
    {"POST", "/v1/postings/{id}/cancel", PEOPLE, ACTS, NULL, post_posting_cancel},
    {"GET", "/v1/periods/{code}/{year}", STAFF, READS, NULL, get_period},
    {"GET", "/v1/periods", STAFF, READS, "unit", get_periods},
    {"POST", "/v1/periods", ROLE_OPERATOR, WRITES, NULL, post_periods},
    {"POST", "/v1/passes/verify", PEOPLE, WRITES, NULL, post_passes_verify},
    {"POST", "/v1/batch", PEOPLE, WRITES | ROUTE_BATCH, NULL, NULL},
    {"GET", "/v1/units", STAFF, READS, "as_of", get_units},
    {"GET", "/v1/units/{code}", STAFF, READS, "as_of", get_unit},
    {"PUT", "/v1/units/{code}", ROLE_OPERATOR, WRITES, NULL, put_unit},
    {"POST", "/v1/units/{code}/custodian", ROLE_OPERATOR, WRITES | ROUTE_BODY_FREE, NULL, post_unit_custody},
    {"POST", "/v1/units/{code}/close", ROLE_OPERATOR, WRITES, NULL, post_unit_custody},
    {"GET", "/v1/units/{code}/offices", STAFF, READS, "as_of", get_offices},
    {"POST", "/v1/units/{code}/offices", ROLE_OPERATOR | ROLE_INTEGRATION, WRITES, NULL, post_offices},
    {"GET", "/v1/units/{code}/offices/{id}", STAFF, READS, "as_of", get_office},
    {"PATCH", "/v1/units/{code}/offices/{id}", ROLE_OPERATOR | ROLE_INTEGRATION, CHANGES, NULL, patch_office},
    {"POST", "/v1/units/{code}/offices/{id}/close", ROLE_OPERATOR | ROLE_INTEGRATION, ACTS, NULL, post_office_close},
    {"GET", "/v1/peers", STAFF, READS, NULL, get_peers},
    {"POST", "/v1/peers", ROLE_OPERATOR, WRITES, NULL, post_peers},
    {"DELETE", "/v1/peers/{code}", ROLE_OPERATOR, WRITES, NULL, delete_peer},
    {"GET", "/v1/tokens", ROLE_OPERATOR, READS, "member", get_tokens},
    {"POST", "/v1/tokens", ROLE_OPERATOR, WRITES, NULL, post_tokens},
    {"DELETE", "/v1/tokens/{id}", ROLE_OPERATOR, WRITES, NULL, delete_token},
    {"GET", "/v1/changes", ROLE_OPERATOR | ROLE_INTEGRATION, READS, "after limit wait unit", get_changes},
    {"GET", "/v1/events", PEOPLE | ROLE_OPERATOR, READS, "unit log after limit", get_events},
    {"GET", "/v1/events/{log}/{seq}", PEOPLE | ROLE_OPERATOR, READS, NULL, get_event},
    {"GET", "/v1/events/{log}/{seq}/receipt", PEOPLE | ROLE_OPERATOR, READS, NULL, get_receipt},
    {"GET", "/v1/conflicts", PEOPLE | ROLE_OPERATOR, READS, "after limit", get_conflicts},
    {"GET", "/v1/duplicates", PEOPLE, READS, "after limit", get_duplicates},
    {"GET", "/v1/lookups", ROLE_OPERATOR, READS, "after limit", get_lookups},
    {"GET", "/v1/erasures", PEOPLE | ROLE_OPERATOR, READS, "unit member open after limit", get_erasures},
    {"GET", "/v1/retention", PEOPLE, READS, "after limit", get_retention},
    {"POST", "/v1/retention", PEOPLE, WRITES, NULL, post_retention},
    {"GET", "/v1/status", STAFF, READS | ROUTE_LIVE, NULL, get_status},
    {"GET", "/v1/reports/members", STAFF, READS, "as_of unit by", get_report_members},
    {"GET", "/v1/reports/flows", STAFF, READS, "from to unit by", get_report_flows},
    {"GET", "/v1/reports/activity", STAFF, READS, "from to unit by each", get_report_activity},
    {"GET", "/v1/reports/postings", STAFF, READS, "from to unit each", get_report_postings},
    {"GET", "/v1/reports/shares", PEOPLE | ROLE_OPERATOR, READS, "unit after limit", get_report_shares},
    {"GET", "/healthz", 0, ROUTE_LIVE, NULL, get_healthz},
    {"GET", "/readyz", 0, ROUTE_LIVE, NULL, get_readyz},
    {"GET", "/metrics", 0, ROUTE_LIVE, NULL, get_metrics},
};
/* clang-format on */

const struct route *
router_table(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(routes);
    return routes;
}

static bool
match(const char *pattern, const char *path, struct slice params[ROUTE_PARAMS_MAX])
{
    size_t n = 0;

    while (*pattern != '\0' && *path != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t len = strcspn(path, "/");
        if (len == 0) {
            return false;
        }
        params[n++] = slice_of(path, len);
        path += len;
        pattern = strchr(pattern, '}') + 1;
    }
    return *pattern == '\0' && *path == '\0';
}

const struct route *
router_find(const char *method, const char *path, struct slice params[ROUTE_PARAMS_MAX], char *ret_allowed,
            size_t allowed_cap)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    size_t at = 0;

    ret_allowed[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!match(routes[i].pattern, path, params)) {
            continue;
        }
        if (strcmp(routes[i].method, wanted) == 0) {
            ret_allowed[0] = '\0';
            return &routes[i];
        }
        int n = snprintf(ret_allowed + at, allowed_cap - at, "%s%s", at == 0 ? "" : ", ", routes[i].method);
        MUST(n > 0 && (size_t)n < allowed_cap - at);
        at += (size_t)n;
    }
    return NULL;
}
