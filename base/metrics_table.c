/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metrics. docs/monitoring.md says what each is good for. */
#include "base/metrics.h"

#define EDGE ROLE_BIT(ROLE_EDGE)
#define INBOUND ROLE_BIT(ROLE_INBOUND)

#define COUNTER(roles_that_tell, ...)                                                              \
  .kind = METRICS_COUNTER, .labels = {__VA_ARGS__}, .roles = (roles_that_tell)
#define GAUGE(...) .kind = METRICS_GAUGE, .labels = {__VA_ARGS__}
#define HISTOGRAM(roles_that_tell, ...)                                                            \
  .kind = METRICS_HISTOGRAM, .labels = {__VA_ARGS__}, .roles = (roles_that_tell)

const double metrics_buckets[METRICS_BUCKETS] = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 30, 60};

const Metric metrics_table[METRIC_COUNT] = {
    [METRIC_BUILD] = {"signet_build_info", "Version of signetd; always 1.", GAUGE("version")},
    [METRIC_START] = {"signet_core_start_time_seconds", "When this core process started.",
                      GAUGE(NULL)},
    [METRIC_ROLE_UP] = {"signet_role_up", "Whether a process of signetd runs.",
                        GAUGE("role", "index")},
    [METRIC_ROLE_RESTARTS] = {"signet_role_restarts_total",
                              "How often a process of signetd was started again.",
                              COUNTER(0, "role", "index")},
    [METRIC_EVENTS] = {"signet_events_total", "Records written to the audit log, by kind.",
                       COUNTER(0, "event")},
    [METRIC_ORDERS] = {"signet_order_transitions_total",
                       "Orders that came to a status; pending: created.", COUNTER(0, "status")},
    [METRIC_AUTHORIZATIONS] = {"signet_authorization_transitions_total",
                               "Authorizations that came to a status.", COUNTER(0, "status")},
    [METRIC_CHALLENGES] = {"signet_challenge_transitions_total",
                           "Challenges that came to a status.", COUNTER(0, "status")},
    [METRIC_ORDER_FAILURES] = {"signet_order_failures_total",
                               "Orders that became invalid, by type of problem.",
                               COUNTER(0, "problem")},
    [METRIC_CHALLENGE_FAILURES] = {"signet_challenge_failures_total",
                                   "Challenges that became invalid, by type of problem.",
                                   COUNTER(0, "problem")},
    [METRIC_REPLIES] = {"signet_replies_judged_total",
                        "Replies to challenge mails that were judged, by verdict and by the rule "
                        "that decided.",
                        COUNTER(0, "verdict", "rule")},
    [METRIC_NOTES] = {"signet_challenge_notes_total",
                      "Notes on challenges about mails that broke a rule.", COUNTER(0, "rule")},
    [METRIC_PROBLEMS] = {"signet_problems_total",
                         "Requests that core refused, by type of problem and HTTP status.",
                         COUNTER(0, "problem", "code")},
    [METRIC_LIMITS] = {"signet_limit_hits_total", "Requests that a limit refused.",
                       COUNTER(0, "limit")},
    [METRIC_MAILS] = {"signet_mails_total", "Attempts to hand a mail to a relay, by outcome.",
                      COUNTER(0, "mail", "outcome")},
    [METRIC_SMTP_REPLIES] = {"signet_smtp_replies_total",
                             "Replies given to mail servers, but for greetings.",
                             COUNTER(INBOUND, "code")},
    [METRIC_HTTP_REQUESTS] = {"signet_http_requests_total",
                              "HTTP requests answered, by listener and status.",
                              COUNTER(EDGE, "listener", "code")},
    [METRIC_HTTP_SECONDS] = {"signet_http_request_seconds",
                             "From an ACME request to its answer, of those that core answers.",
                             HISTOGRAM(EDGE, NULL)},
    [METRIC_TURN_SECONDS] = {"signet_turn_seconds",
                             "One turn of core: handlers of all that waited, and the commit.",
                             HISTOGRAM(0, NULL)},
    [METRIC_COMMIT_SECONDS] = {"signet_commit_seconds", "The commit of one turn.",
                               HISTOGRAM(0, NULL)},
    [METRIC_TURN_FAILURES] = {"signet_turn_failures_total", "Turns of which nothing was kept.",
                              COUNTER(0, NULL)},
    [METRIC_STEP_SECONDS] = {"signet_step_seconds",
                             "What core asked another process: from the question to the answer.",
                             HISTOGRAM(0, "step")},
    [METRIC_STEPS_LOST] = {"signet_steps_lost_total",
                           "Questions to a process that ended before its answer; they are asked "
                           "again.",
                           COUNTER(0, "step")},
    [METRIC_JOBS] = {"signet_jobs", "Jobs in the queue, those that are not due yet included.",
                     GAUGE("kind")},
    [METRIC_JOB_AGE] = {"signet_job_overdue_seconds",
                        "How long the first job of a kind has been due; 0: none is.",
                        GAUGE("kind")},
    [METRIC_LISTS] = {"signet_revocation_lists", "Revocation lists that are good now.",
                      GAUGE(NULL)},
    [METRIC_LISTS_OVERDUE] = {"signet_revocation_lists_overdue",
                              "Revocation lists that should have been made anew.", GAUGE(NULL)},
    [METRIC_LIST_AGE] = {"signet_revocation_list_age_seconds", "Age of the oldest revocation list.",
                         GAUGE(NULL)},
    [METRIC_LIST_END] = {"signet_revocation_list_next_update_timestamp_seconds",
                         "nextUpdate of the revocation list that ends first.", GAUGE(NULL)},
    [METRIC_HELD] = {"signet_issuance_held", "Whether no certificates are signed.", GAUGE(NULL)},
    [METRIC_LAST_CERTIFICATE] = {"signet_last_certificate_timestamp_seconds",
                                 "When the newest certificate was signed.", GAUGE(NULL)},
    [METRIC_ENDS] = {"signet_end_timestamp_seconds",
                     "When a certificate or list of this server ends, or a DKIM key is worth "
                     "changing, of the files that were there at the last start or reload.",
                     GAUGE("what")},
    [METRIC_CERTIFICATES_ENDING] = {"signet_certificates_ending",
                                    "Certificates that end within that many days; 10000: as many "
                                    "or more.",
                                    GAUGE("days")},
    [METRIC_STORE_OCTETS] = {"signet_store_bytes", "Size of a file of the store.", GAUGE("file")},
};
