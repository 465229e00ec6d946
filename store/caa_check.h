/* SPDX-License-Identifier: Apache-2.0 */
/* CAA checks of an order, each recorded (S/MIME BR 4.2.2.1). */
#ifndef SIGNET_STORE_CAA_CHECK_H
#define SIGNET_STORE_CAA_CHECK_H

#include "store/store.h"

typedef struct {
  Id order_id;
  const char *domain;
  gint64 at;
  const char *verdict; /* "permitted", "forbidden" or "failed" */
  gboolean secure;
  const char *explanation, *records;
  const char *found_at; /* the name that has them; NULL: there are none */
  const char *rdata;    /* the records as they came, in hexadecimal, blanks between them */
} CaaCheck;

/* Of one that caa_check_list gave, with its texts. */
void caa_check_free(CaaCheck *check);

gboolean caa_check_insert(Store *store, const CaaCheck *check, GError **error);
/* The newest of an order, at most limit, oldest first; of CaaCheck. NULL on failure. */
GPtrArray *caa_check_list(Store *store, const Id *order_id, guint limit, GError **error);
/* A domain of the order that has no "permitted" check at or after since; *domain is NULL when all
 * have. */
gboolean caa_check_next(Store *store, const Id *order_id, gint64 since, char **domain,
                        GError **error);

#endif
