/* SPDX-License-Identifier: Apache-2.0 */
/* CAA for e-mail: RFC 8659 (climbing), RFC 9495 (issuemail), RFC 8657 (accounturi,
   validationmethods); S/MIME BR 4.2.2.1; ca-rules 8 to 12. No I/O. */
#ifndef SIGNET_CA_CAA_H
#define SIGNET_CA_CAA_H

#include "base/resolver.h"

/* The relevant record set of a domain, as found by climbing. */
typedef struct {
  char *found_at; /* name where the climb ended with records; NULL when there are none up to the top
                   */
  ResolverOutcome outcome; /* FOUND, NONE; TEMPORARY or BOGUS when a question on the way ended so */
  gboolean secure;         /* every answer on the way was validated */
  gint64 ttl;              /* seconds */
  GPtrArray *records;      /* of GBytes: CAA wire data */
  char *text;              /* why, for TEMPORARY and BOGUS */
} CaaRecordSet;

void caa_record_set_free(CaaRecordSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaaRecordSet, caa_record_set_free)

/* The name to ask next after domain answered NONE: its parent; NULL at the top (the root is not
 * asked). */
const char *caa_parent(const char *domain);

typedef struct {
  const char *const *identities; /* our issuer domain names, lower case */
  const char *account_url;       /* of the requesting account */
  const char *method;            /* "email-reply-00" */
} CaaRequest;

typedef enum { CAA_PERMITTED, CAA_FORBIDDEN, CAA_TRY_AGAIN } CaaVerdict;

/* Judges: no records or no issuemail tag permits; bogus, a malformed record and an unknown critical
   tag forbid; TEMPORARY is CAA_TRY_AGAIN. explanation (the caller frees it; set whatever the
   verdict) names record and reason, for the problem document and the record. Of the parameters of a
   property that names us, accounturi and validationmethods are obeyed, each at most once; others
   are ignored. */
CaaVerdict caa_judge(const CaaRecordSet *set, const CaaRequest *request, char **explanation);

/* The record that makes caa_judge forbid, as a zone has it: "example.org. CAA 0 issuemail \";\"".
   NULL: no record that was found does; a bogus answer has none. The caller frees it. */
char *caa_refusing_record(const CaaRecordSet *set, const CaaRequest *request);

/* Of Mailbox: where the iodef properties (RFC 8659 section 4.4) want reports by mail, each once, in
   an order of their own. */
GPtrArray *caa_report_mailboxes(const CaaRecordSet *set);

/* A record as text "0 issuemail \"ca.example.org\"" for logs and evidence; never NULL. */
char *caa_record_text(GBytes *record);

#endif
