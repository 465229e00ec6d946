/* SPDX-License-Identifier: Apache-2.0 */
/* Renewal information (RFC 9773 section 4). */
#ifndef SIGNET_CLIENT_RENEWAL_INFO_H
#define SIGNET_CLIENT_RENEWAL_INFO_H

#include "client/acme_client.h"

/* Seconds since 1970; explanation is NULL when there is none. */
typedef struct {
  gint64 start, end, retry_after; /* retry_after: from now; 0 when there was none */
  char *explanation;
} RenewalInfo;

/* What the server says of the certificate with this identifier; tried again a few times when it is
   away. CLIENT_NETWORK when it has nothing to say, or nothing of use. */
RenewalInfo *renewal_info_fetch(AcmeClient *acme, const char *identifier, GError **error);
/* From the answer's body; NULL when it is no RenewalInfo object. */
RenewalInfo *renewal_info_read(const json_t *json);
void renewal_info_free(RenewalInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RenewalInfo, renewal_info_free)

#endif
