/* SPDX-License-Identifier: Apache-2.0 */
/* What has to stand in the DNS for a configuration. */
#ifndef SIGNET_DAEMON_DNS_ZONE_H
#define SIGNET_DAEMON_DNS_ZONE_H

#include "base/config.h"

#include <openssl/evp.h>

typedef struct {
  char *name;   /* of its record, without a dot at the end, as all names here */
  char *record; /* the TXT record's text */
  EVP_PKEY *key;
} DnsZoneKey;

typedef struct {
  char *domain;      /* [mail] domain */
  char *mx;          /* where its mail goes */
  char *spf, *dmarc; /* texts */
  GPtrArray *keys;   /* of DnsZoneKey, one or two */
  char *caa;         /* data of the record that permits us; NULL: CAA is not obeyed */
  GPtrArray *hosts;  /* of char*: names in our URLs that need an address */
} DnsZone;

/* mx: NULL for [mail] hostname, or else domain. senders (NULL-terminated, or NULL for what [mail]
   relay says): addresses or names of the machines that send to the world. Reads the DKIM keys. */
DnsZone *dns_zone_new(const Config *config, const char *mx, const char *const *senders,
                      GError **error);
void dns_zone_free(DnsZone *zone);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsZone, dns_zone_free)

/* The data of a TXT record in zone-file form; the caller frees it. */
char *dns_zone_txt(const char *text);
/* A file that a key of the configuration names; NULL without error when it names none. */
GBytes *dns_zone_file(const Config *config, const char *key, GError **error);

#endif
