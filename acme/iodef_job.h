/* SPDX-License-Identifier: Apache-2.0 */
/* Reports to domains whose CAA records forbade an order ([ca] iodef; RFC 8659 section 4.4), by
   mail. They decide nothing: whatever becomes of one, the order is refused all the same. */
#ifndef SIGNET_ACME_IODEF_JOB_H
#define SIGNET_ACME_IODEF_JOB_H

#include "acme/acme.h"
#include "ca/caa.h"
#include "store/order.h"

/* The set forbade the order for domain: reports to the mailboxes of its iodef records, if such are
   wanted. Nobody is written to but at the domain that set the records: the mailbox has the same
   organisational domain, which gets one report in 24 hours. */
gboolean iodef_refused(Acme *acme, gint64 now, const Order *order, const char *domain,
                       const CaaRecordSet *set, const CaaRequest *request, GError **error);

#endif
