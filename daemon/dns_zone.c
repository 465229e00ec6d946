/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dns_zone.h"
#include "base/mailbox.h"
#include "daemon/pem_key.h"
#include "mime/dkim.h"

#include <gio/gio.h>
#include <string.h>

#define TXT_STRING 200 /* octets of one string of a TXT record, below 255 */

static void key_free(gpointer data) {
  DnsZoneKey *key = data;
  EVP_PKEY_free(key->key);
  g_free(key->name);
  g_free(key->record);
  g_free(key);
}

void dns_zone_free(DnsZone *zone) {
  if (zone == NULL)
    return;
  g_free(zone->domain);
  g_free(zone->mx);
  g_free(zone->spf);
  g_free(zone->dmarc);
  g_clear_pointer(&zone->keys, g_ptr_array_unref);
  g_free(zone->caa);
  g_clear_pointer(&zone->hosts, g_ptr_array_unref);
  g_free(zone);
}

/* RFC 1035 section 5.1. */
char *dns_zone_txt(const char *text) {
  GString *data = g_string_new("\"");
  for (gsize i = 0; text[i] != '\0'; i++) {
    guchar c = (guchar)text[i];
    if (i > 0 && i % TXT_STRING == 0)
      g_string_append(data, "\" \"");
    if (c == '"' || c == '\\')
      g_string_append_printf(data, "\\%c", c);
    else if (g_ascii_isprint((char)c))
      g_string_append_c(data, (char)c);
    else
      g_string_append_printf(data, "\\%03u", c);
  }
  g_string_append_c(data, '"');
  return g_string_free(data, FALSE);
}

GBytes *dns_zone_file(const Config *config, const char *key, GError **error) {
  char *content = NULL;
  gsize length = 0;
  if (!config_given(config, key) ||
      !g_file_get_contents(config_text(config, key), &content, &length, error))
    return NULL;
  return g_bytes_new_take(content, length);
}

/* --- DKIM
 * ------------------------------------------------------------------------------------------ */

static DnsZoneKey *read_key(const Config *config, GBytes *pem, const char *selector,
                            GError **error) {
  EVP_PKEY *private = pem_private_key(pem, error);
  g_autoptr(DkimSigner) signer =
      private != NULL ? dkim_signer_new(config_text(config, "mail.domain"),
                                        config_text(config, selector), private, error)
                      : NULL;
  char *record = signer != NULL ? dkim_key_record(private, error) : NULL;
  if (record == NULL) {
    EVP_PKEY_free(private);
    return NULL;
  }
  DnsZoneKey *key = g_new0(DnsZoneKey, 1);
  key->name = g_strdup(dkim_signer_question(signer));
  key->record = record;
  key->key = private;
  return key;
}

static gboolean add_key(DnsZone *zone, const Config *config, const char *file, const char *selector,
                        GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) pem = dns_zone_file(config, file, &failure);
  DnsZoneKey *key = pem != NULL ? read_key(config, pem, selector, &failure) : NULL;
  if (key != NULL)
    g_ptr_array_add(zone->keys, key);
  if (failure == NULL)
    return TRUE;
  g_prefix_error(&failure, "%s: ", config_text(config, file));
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}

/* --- SPF
 * ------------------------------------------------------------------------------------------- */

/* "relay", "localhost": known to this host or its network alone. */
static gboolean is_local_name(const char *name) {
  const char *end = name;
  while (g_ascii_isalnum(*end) || *end == '-')
    end++;
  return end > name && *end == '\0';
}

/* The mechanism that permits one machine. One that only this host or its network reaches sends from
   their address, as the MX does. NULL: neither address nor name. */
static char *mechanism_of(const char *sender) {
  g_autoptr(GInetAddress) address = g_inet_address_new_from_string(sender);
  if (address != NULL && g_inet_address_get_is_loopback(address))
    return g_strdup("mx");
  if (address != NULL)
    return g_strconcat(
        g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV4 ? "ip4:" : "ip6:", sender, NULL);
  if (is_local_name(sender))
    return g_strdup("mx");
  g_autofree char *name = mailbox_domain_to_ascii(sender, NULL);
  return name != NULL ? g_strconcat("a:", name, NULL) : NULL;
}

/* The hosts of [mail] relay. */
static char **relay_hosts(const Config *config) {
  g_auto(GStrv) peers = g_strsplit(config_text(config, "mail.relay"), ";", -1);
  g_autoptr(GPtrArray) hosts = g_ptr_array_new();
  for (char **peer = peers; *peer != NULL; peer++) {
    char *host = NULL;
    guint16 port = 0;
    if (config_split_peer(g_strstrip(*peer), &host, &port))
      g_ptr_array_add(hosts, host);
  }
  g_ptr_array_add(hosts, NULL);
  return (char **)g_ptr_array_steal(hosts, NULL);
}

static char *make_spf(const Config *config, const char *const *senders, GError **error) {
  g_auto(GStrv) relays = senders == NULL ? relay_hosts(config) : NULL;
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GString) text = g_string_new("v=spf1");
  const char *const *sender = senders != NULL ? senders : (const char *const *)relays;
  for (; *sender != NULL; sender++) {
    char *mechanism = mechanism_of(*sender);
    if (mechanism == NULL) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                  "\"%s\" is no address and no domain name", *sender);
      return NULL;
    }
    if (!g_hash_table_contains(seen, mechanism))
      g_string_append_printf(text, " %s", mechanism);
    g_hash_table_add(seen, mechanism);
  }
  g_string_append(text, " -all");
  return g_strdup(text->str);
}

/* --- the rest
 * -------------------------------------------------------------------------------------- */

static void add_host(DnsZone *zone, const Config *config, const char *key) {
  g_autoptr(GUri) uri = g_uri_parse(config_text(config, key), G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
  if (host != NULL && strchr(host, '.') != NULL && !g_hostname_is_ip_address(host) &&
      !g_ptr_array_find_with_equal_func(zone->hosts, host, g_str_equal, NULL))
    g_ptr_array_add(zone->hosts, g_strdup(host));
}

static char *make_caa(const Config *config) {
  const char *identity = config_list(config, "ca.caa-identities")[0];
  return config_is(config, "ca.caa", "on") && identity != NULL
             ? g_strdup_printf("0 issuemail \"%s\"", identity)
             : NULL;
}

static char *choose_mx(const Config *config, const char *given, GError **error) {
  if (given != NULL)
    return mailbox_domain_to_ascii(given, error);
  return g_strdup(
      config_text(config, config_given(config, "mail.hostname") ? "mail.hostname" : "mail.domain"));
}

DnsZone *dns_zone_new(const Config *config, const char *mx, const char *const *senders,
                      GError **error) {
  g_autoptr(DnsZone) zone = g_new0(DnsZone, 1);
  zone->domain = g_strdup(config_text(config, "mail.domain"));
  zone->dmarc = g_strdup("v=DMARC1; p=reject");
  zone->keys = g_ptr_array_new_with_free_func(key_free);
  zone->hosts = g_ptr_array_new_with_free_func(g_free);
  zone->caa = make_caa(config);
  zone->mx = choose_mx(config, mx, error);
  if (zone->mx == NULL)
    return NULL;
  zone->spf = make_spf(config, senders, error);
  if (zone->spf == NULL || !add_key(zone, config, "mail.dkim-key", "mail.dkim-selector", error) ||
      !add_key(zone, config, "mail.dkim-ed25519-key", "mail.dkim-ed25519-selector", error))
    return NULL;
  add_host(zone, config, "acme.url");
  add_host(zone, config, "publish.url");
  return g_steal_pointer(&zone);
}
