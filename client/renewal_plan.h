/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of a folder or list, and which of them are due. */
#ifndef SIGNET_CLIENT_RENEWAL_PLAN_H
#define SIGNET_CLIENT_RENEWAL_PLAN_H

#include "client/acme_client.h"
#include "client/renewal_record.h"

/* One certificate. With a fault there is nothing else of it. */
typedef struct {
  char *name;
  GError *fault; /* why it cannot be renewed; NULL */
  RenewalRecord *record;
  CertificateStack *chain; /* NULL: there is none yet */
  char *identifier;        /* of chain (RFC 9773 section 4.1); NULL: none */
  RenewalSubject subject;  /* of chain; all 0 without one */
  gint64 due;              /* seconds since 1970 */
  const char *why;         /* static text: what made it so */
} Renewal;

/* With the certificate that is there; takes record. */
Renewal *renewal_new(RenewalRecord *record);
/* One that cannot be renewed; takes fault. */
Renewal *renewal_new_faulty(const char *name, GError *fault);
/* Reads the certificate anew, when its files have changed. */
void renewal_reload(Renewal *renewal);
void renewal_free(Renewal *renewal);
GPtrArray *renewal_list_new(void); /* that owns them, empty */

/* All that signet has requested into a folder, by name. given: NULL or what takes the place of what
   is kept. CLIENT_LOCAL when the folder cannot be read. */
GPtrArray *renewal_plan_folder(const char *folder, const RequestOptions *given, GError **error);

/* Those of a list (renewal_list.h), in its order: what is there in folder, for the addresses of its
   line, and what is to be requested with given. A line that cannot be is one with a fault.
   CLIENT_LOCAL when the list cannot be read. */
GPtrArray *renewal_plan_list(const char *list, const char *folder, const RequestOptions *given,
                             GError **error);

/* Asks the server of the certificate with this identifier; what it says is in the record after
   that. FALSE with an error when it said nothing of use, which changes only when it is asked again.
 */
gboolean renewal_plan_ask(RenewalRecord *record, const char *identifier, AcmeClient *acme,
                          gint64 now, GError **error);
/* Whether it is time to. */
gboolean renewal_plan_asks(const Renewal *renewal, gint64 now);

/* Sets due and why; interval as of renewal_time_due. */
void renewal_plan_decide(Renewal *renewal, gint64 now, gint64 interval);

/* Those due now, at most so many, who ends first first; not owned. */
GPtrArray *renewal_plan_choose(const GPtrArray *renewals, gint64 now, guint most);

#endif
