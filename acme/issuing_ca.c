/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/issuing_ca.h"
#include "ca/certificate_read.h"
#include "store/crl_shard.h"

void issuing_ca_free(IssuingCa *ca) {
  issuer_free(ca->issuer);
  g_free(ca->chain);
  g_ptr_array_unref(ca->alternates);
  g_free(ca);
}

/* The n-th, from the one that issues now on. */
static gboolean issuing_ca_at(const Acme *acme, guint n, IssuingCa *found) {
  *found = (IssuingCa){acme->issuer, acme->chain, acme->alternates};
  if (n > 0 && (acme->others == NULL || n > acme->others->len))
    return FALSE;
  if (n > 0)
    *found = *(IssuingCa *)acme->others->pdata[n - 1];
  return TRUE;
}

gboolean issuing_ca_find(const Acme *acme, GBytes *identifier, IssuingCa *found) {
  for (guint i = 0; issuing_ca_at(acme, i, found); i++) {
    g_autoptr(GBytes) own = issuer_identifier(found->issuer);
    if (g_bytes_equal(own, identifier))
      return TRUE;
  }
  return FALSE;
}

StoreFind issuing_ca_of_shard(const Acme *acme, gint64 shard, IssuingCa *found, GError **error) {
  g_autoptr(GBytes) identifier = NULL;
  StoreFind known = crl_shard_issuer(acme->store, shard, &identifier, error);
  return known != STORE_FOUND                       ? known
         : issuing_ca_find(acme, identifier, found) ? STORE_FOUND
                                                    : STORE_MISSING;
}

GBytes *issuing_ca_current(const Acme *acme) {
  return issuer_identifier(acme->issuer);
}

char *issuing_ca_file(const Acme *acme, GBytes *identifier, GError **error) {
  gint64 first = 0;
  if (!crl_shard_ensure(acme->store, identifier, &first, error))
    return NULL;
  return first == 1 ? g_strdup("issuing.der")
                    : g_strdup_printf("issuing-%" G_GINT64_FORMAT ".der", first);
}

gboolean issuing_ca_has_key(const Acme *acme, GBytes *spki) {
  IssuingCa ca;
  for (guint i = 0; issuing_ca_at(acme, i, &ca); i++)
    if (issuer_has_key(ca.issuer, spki))
      return TRUE;
  return acme->root_keys != NULL && g_hash_table_contains(acme->root_keys, spki);
}

/* Whose a shard of a time with one CA alone is: its certificates or its list say so. */
static gboolean claim(Acme *acme, const CrlShard *shard, GError **error) {
  g_autoptr(GBytes) der = NULL, identifier = NULL;
  if (crl_shard_sample(acme->store, shard->number, &der, error) == STORE_LOOKUP_FAILED)
    return FALSE;
  if (der != NULL)
    identifier = certificate_authority(der);
  else if (shard->crl != NULL)
    identifier = crl_authority(shard->crl);
  if (identifier == NULL)
    identifier = issuing_ca_current(acme);
  return crl_shard_claim(acme->store, shard->number, identifier, error) != STORE_FAILED;
}

gboolean issuing_cas_start(Acme *acme, GError **error) {
  g_autoptr(GPtrArray) shards = crl_shard_list(acme->store, error);
  for (guint i = 0; shards != NULL && i < shards->len; i++)
    if (((CrlShard *)shards->pdata[i])->issuer == NULL && !claim(acme, shards->pdata[i], error))
      return FALSE;
  IssuingCa ca;
  for (guint i = 0; shards != NULL && issuing_ca_at(acme, i, &ca); i++) {
    g_autoptr(GBytes) identifier = issuer_identifier(ca.issuer);
    g_autoptr(GBytes) der = issuer_der(ca.issuer);
    g_autofree char *file = issuing_ca_file(acme, identifier, error);
    if (file == NULL)
      return FALSE;
    acme_publish(acme, file, der);
  }
  return shards != NULL;
}
