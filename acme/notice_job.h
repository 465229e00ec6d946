/* SPDX-License-Identifier: Apache-2.0 */
/* Notices to mailboxes ([mail] notices): that a certificate was issued, that it ends soon. They
   decide nothing: whatever becomes of one, certificates and orders stay as they are. */
#ifndef SIGNET_ACME_NOTICE_JOB_H
#define SIGNET_ACME_NOTICE_JOB_H

#include "acme/acme.h"
#include "store/certificate.h"

/* A certificate was issued: the notice to each of its mailboxes, if such are wanted. */
gboolean notice_issued(Acme *acme, gint64 now, const Certificate *certificate, GError **error);
/* Notices on certificates that end soon, for at most limit certificates. */
gboolean notice_sweep(Acme *acme, gint64 now, guint limit, GError **error);

/* The address that mails come from which nobody asked for; the caller frees it. */
char *notice_sender(const Acme *acme);
/* How long such a mail waits after the attempt-th time a relay put it off. */
gint64 notice_delay(gint64 attempt);

#endif
