/* SPDX-License-Identifier: Apache-2.0 */
/* Notices to the mailboxes of a certificate: one a mailbox, certificate and kind. */
#ifndef SIGNET_STORE_NOTICE_H
#define SIGNET_STORE_NOTICE_H

#include "store/store.h"

/* What Notice.kind may be. */
#define NOTICE_ISSUANCE "issuance"
#define NOTICE_EXPIRY "expiry"

typedef struct {
  Id id, certificate_id;
  Id authz_id; /* whose mailbox it goes to */
  char *kind;
  char *message_id;
  gint64 created_at;
  gint64 sent_at; /* the relay took it; 0: not */
} Notice;

void notice_free(Notice *notice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Notice, notice_free)

/* STORE_UNCHANGED when there is one of its kind for that mailbox of the certificate. */
StoreChange notice_insert(Store *store, const Notice *notice, GError **error);
StoreFind notice_find(Store *store, const Id *id, Notice **notice, GError **error);
/* Once only. */
StoreChange notice_set_sent(Store *store, const Id *id, gint64 now, GError **error);

/* Certificates (ids, of Id) that are neither revoked nor over and end within lead, of whose end
   nobody has seen to yet; those whose life is less than half over do not count. At most limit. */
gboolean notice_list_ending(Store *store, gint64 now, gint64 lead, guint limit, GArray *ids,
                            GError **error);
/* Its end has been seen to: it is listed no more. */
gboolean notice_set_ending_seen(Store *store, const Id *certificate_id, GError **error);
/* Whether a mailbox has a valid certificate that ends later and serves the same use. */
StoreFind notice_has_newer(Store *store, const Id *certificate_id, const char *canonical,
                           GError **error);

#endif
