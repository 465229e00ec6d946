/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of orders that CAA records forbade, to those who set the records (RFC 8659 section 4.4):
   one an order and recipient. */
#ifndef SIGNET_STORE_IODEF_REPORT_H
#define SIGNET_STORE_IODEF_REPORT_H

#include "store/store.h"

typedef struct {
  Id id, order_id;
  char *domain;    /* asked for */
  char *mailboxes; /* of that domain, asked for: one line */
  char *record;    /* that forbade it */
  char *recipient; /* address */
  char *message_id;
  gint64 created_at;
  gint64 sent_at; /* the relay took it; 0: not */
} IodefReport;

void iodef_report_free(IodefReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IodefReport, iodef_report_free)

/* STORE_UNCHANGED when there is one of that order for that recipient. */
StoreChange iodef_report_insert(Store *store, const IodefReport *report, GError **error);
StoreFind iodef_report_find(Store *store, const Id *id, IodefReport **report, GError **error);
/* Those of an order; of IodefReport. NULL on failure. */
GPtrArray *iodef_report_list(Store *store, const Id *order_id, GError **error);
/* Once only. */
StoreChange iodef_report_set_sent(Store *store, const Id *id, gint64 now, GError **error);

#endif
