/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/root_list.h"

#include "base/clock.h"
#include "ca/der.h"
#include "ca/openssl_auto.h"

gboolean root_list_read(GBytes *crl, RootList *list) {
  struct tm parts = {0};
  g_autoptr(X509_CRL) decoded = der_decode(crl, ASN1_ITEM_rptr(X509_CRL));
  const ASN1_TIME *next = decoded != NULL ? X509_CRL_get0_nextUpdate(decoded) : NULL;
  if (next == NULL || ASN1_TIME_to_tm(next, &parts) != 1)
    return FALSE;
  g_autoptr(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(decoded, NID_crl_number, NULL, NULL);
  *list = (RootList){0};
  if (number != NULL)
    ASN1_INTEGER_get_int64(&list->number, number);
  list->next_update = (gint64)timegm(&parts) * CLOCK_SECOND;
  list->revoked = (guint)MAX(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(decoded)), 0);
  return TRUE;
}

char *root_list_warning(RootList *list, gint64 now, gint64 ahead) {
  gint64 left = list->next_update - now;
  if (left >= ahead || (list->warned != 0 && now < list->warned + CLOCK_DAY))
    return NULL;
  g_autofree char *time = clock_rfc3339(list->next_update);
  list->warned = now;
  if (left <= 0)
    return g_strdup_printf("it ended at %s; make a new one with signetctl ca crl", time);
  return g_strdup_printf("it ends at %s, in %" G_GINT64_FORMAT
                         " days; make a new one with signetctl ca crl",
                         time, left / CLOCK_DAY);
}
