/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_types.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/network.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/un.h>

#define RATE_COUNT_MAX 1000000
#define RATE_PERIOD_MAX (365 * CLOCK_DAY)

static char *bad(char **why, const char *format, ...) G_GNUC_PRINTF(2, 3);
static char *bad(char **why, const char *format, ...) {
  va_list values;
  va_start(values, format);
  *why = g_strdup_vprintf(format, values);
  va_end(values);
  return NULL;
}

typedef struct {
  const char *suffix;
  gint64 factor;
} Unit;

static char *parse_number(const ConfigKey *key, const char *text, const Unit *units,
                          const char *wanted, char **why) {
  char *end = NULL;
  guint64 number = g_ascii_strtoull(text, &end, 10);
  if (!g_ascii_isdigit(text[0]))
    return bad(why, "\"%s\" is not %s", text, wanted);
  for (const Unit *unit = units; unit->suffix != NULL; unit++) {
    if (strcmp(end, unit->suffix) != 0)
      continue;
    if (number > (guint64)(G_MAXINT64 / unit->factor) || (gint64)number * unit->factor > key->max ||
        (gint64)number * unit->factor < key->min)
      return bad(why, "\"%s\" is out of range", text);
    return g_strdup_printf("%" G_GINT64_FORMAT, (gint64)number * unit->factor);
  }
  return bad(why, "\"%s\" is not %s", text, wanted);
}

static char *parse_integer(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                           char **why) {
  static const Unit units[] = {{"", 1}, {NULL, 0}};
  return parse_number(key, text, units, "a whole number", why);
}

static char *parse_duration(const ConfigKey *key, const char *text,
                            const char *folder G_GNUC_UNUSED, char **why) {
  static const Unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                               {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
  return parse_number(key, text, units, "a duration such as 500ms, 30s, 5m, 6h or 7d", why);
}

static char *parse_size(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                        char **why) {
  static const Unit units[] = {{"", 1}, {"k", 1024}, {"M", 1024 * 1024}, {NULL, 0}};
  return parse_number(key, text, units, "a size such as 4096, 256k or 1M", why);
}

static char *parse_choice(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                          char **why) {
  g_auto(GStrv) words = g_strsplit(key->choices, " ", -1);
  if (g_strv_contains((const char *const *)words, text))
    return g_strdup(text);
  for (const ConfigRefusal *refusal = key->refusals; refusal != NULL && refusal->word != NULL;
       refusal++)
    if (strcmp(refusal->word, text) == 0)
      return bad(why, "\"%s\": %s", text, refusal->why);
  return bad(why, "\"%s\" is none of: %s", text, key->choices);
}

static char *parse_text(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why G_GNUC_UNUSED) {
  return g_strdup(text);
}

static char *parse_path(const ConfigKey *key G_GNUC_UNUSED, const char *text, const char *folder,
                        char **why G_GNUC_UNUSED) {
  return g_path_is_absolute(text) ? g_strdup(text) : g_build_filename(folder, text, NULL);
}

static char *parse_key(const ConfigKey *key, const char *text, const char *folder, char **why) {
  return g_ascii_strncasecmp(text, "pkcs11:", strlen("pkcs11:")) == 0
             ? g_strdup(text)
             : parse_path(key, text, folder, why);
}

static char *parse_rate(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why) {
  ConfigRate rate;
  if (!config_rate_parse(text, &rate, why))
    return NULL;
  if (rate.count == 0)
    return g_strdup(text);
  return g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, rate.count, rate.period);
}

gboolean config_rate_parse(const char *text, ConfigRate *rate, char **why) {
  static const ConfigKey period_bounds = {.min = CLOCK_SECOND, .max = RATE_PERIOD_MAX};
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  guint64 count = 0;
  *rate = (ConfigRate){0, 0};
  if (strcmp(text, "off") == 0)
    return TRUE;
  g_autofree char *period = NULL, *why_period = NULL;
  if (g_strv_length(parts) == 2 &&
      g_ascii_string_to_unsigned(parts[0], 10, 1, RATE_COUNT_MAX, &count, NULL))
    period = parse_duration(&period_bounds, parts[1], NULL, &why_period);
  if (period == NULL) {
    bad(why, "\"%s\" is not off, nor a rate such as 5/1h: 1 to 1000000, \"/\", 1s to 365d", text);
    return FALSE;
  }
  *rate = (ConfigRate){(gint64)count, g_ascii_strtoll(period, NULL, 10)};
  return TRUE;
}

gboolean config_split_peer(const char *text, char **host, guint16 *port) {
  const char *colon = strrchr(text, ':');
  guint64 number = 0;
  if (colon == NULL || colon == text ||
      !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &number, NULL))
    return FALSE;
  g_autofree char *name = g_strndup(text, (gsize)(colon - text));
  gsize length = strlen(name);
  if (name[0] == '[') {
    if (length < 3 || name[length - 1] != ']')
      return FALSE;
    *host = g_strndup(name + 1, length - 2);
  } else if (strchr(name, ':') != NULL) {
    return FALSE;
  } else {
    *host = g_steal_pointer(&name);
  }
  *port = (guint16)number;
  return TRUE;
}

static char *parse_peer(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  if (!config_split_peer(text, &host, &port) || port == 0)
    return bad(why, "\"%s\" is not HOST:PORT", text);
  return g_strdup(text);
}

static char *parse_listen(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                          const char *folder G_GNUC_UNUSED, char **why) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  struct in6_addr address;
  if (!config_split_peer(text, &host, &port) || port == 0 ||
      inet_pton(strchr(host, ':') != NULL ? AF_INET6 : AF_INET, host, &address) != 1)
    return bad(why, "\"%s\" is not ADDRESS:PORT (IPv6 in brackets)", text);
  return g_strdup(text);
}

static gboolean is_loopback(const char *host) {
  g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
  return address != NULL && g_inet_address_get_is_loopback(address);
}

/* LMTP is never spoken at port 25 (RFC 2033 section 5). */
static char *parse_local(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                         const char *folder G_GNUC_UNUSED, char **why) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  if (g_path_is_absolute(text)) /* what a socket's address can hold */
    return strlen(text) < sizeof(((struct sockaddr_un *)NULL)->sun_path)
               ? g_strdup(text)
               : bad(why, "\"%s\" is too long for the path of a socket", text);
  if (!config_split_peer(text, &host, &port) || port == 0 || !is_loopback(host))
    return bad(why, "\"%s\" is neither an absolute path nor LOOPBACK-ADDRESS:PORT", text);
  return port != 25 ? g_strdup(text) : bad(why, "port 25 is for SMTP alone");
}

static char *parse_network(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                           const char *folder G_GNUC_UNUSED, char **why) {
  Network network;
  const char *reason = NULL;
  if (!network_parse(text, &network, &reason))
    return bad(why, "\"%s\" is not ADDRESS or ADDRESS/BITS with zeros behind the BITS: %s", text,
               reason);
  return g_strdup(text);
}

static gboolean has_scheme_and_host(const char *text, const char *scheme) {
  g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
  return uri != NULL && strcmp(g_uri_get_scheme(uri), scheme) == 0 && g_uri_get_host(uri) != NULL &&
         *g_uri_get_host(uri) != '\0' && g_uri_get_query(uri) == NULL &&
         g_uri_get_fragment(uri) == NULL && g_uri_get_userinfo(uri) == NULL;
}

gboolean config_is_page(const char *url) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme(uri) : "";
  for (const char *p = url; *p != '\0'; p++)
    if (!g_ascii_isgraph(*p) || strchr("<>\"", *p) != NULL)
      return FALSE;
  return (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) &&
         g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0';
}

static char *parse_http(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why) {
  if (!has_scheme_and_host(text, "http") || !g_str_has_suffix(text, "/"))
    return bad(why, "\"%s\" is not an http:// URL that ends in \"/\"", text);
  return g_strdup(text);
}

static char *parse_https(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                         const char *folder G_GNUC_UNUSED, char **why) {
  if (!has_scheme_and_host(text, "https"))
    return bad(why, "\"%s\" is not an https:// URL", text);
  g_autofree char *kept = g_strdup(text);
  while (g_str_has_suffix(kept, "/"))
    kept[strlen(kept) - 1] = '\0';
  return g_steal_pointer(&kept);
}

static char *parse_domain(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                          const char *folder G_GNUC_UNUSED, char **why) {
  g_autoptr(GError) error = NULL;
  char *domain = mailbox_domain_to_ascii(text, &error);
  return domain != NULL ? domain : bad(why, "\"%s\": %s", text, error->message);
}

/* text as given -> text as kept, or NULL and why */
typedef char *(*ParseType)(const ConfigKey *key, const char *text, const char *folder, char **why);

static const struct {
  ParseType parse; /* of a list: one item */
  gboolean is_list;
} types[] = {
    [CONFIG_TEXT] = {parse_text, FALSE},         [CONFIG_INTEGER] = {parse_integer, FALSE},
    [CONFIG_DURATION] = {parse_duration, FALSE}, [CONFIG_SIZE] = {parse_size, FALSE},
    [CONFIG_RATE] = {parse_rate, FALSE},         [CONFIG_CHOICE] = {parse_choice, FALSE},
    [CONFIG_CHOICES] = {parse_choice, TRUE},     [CONFIG_PATH] = {parse_path, FALSE},
    [CONFIG_PATHS] = {parse_path, TRUE},         [CONFIG_KEY] = {parse_key, FALSE},
    [CONFIG_LISTEN] = {parse_listen, TRUE},      [CONFIG_LOCAL] = {parse_local, TRUE},
    [CONFIG_NETWORKS] = {parse_network, TRUE},   [CONFIG_PEERS] = {parse_peer, TRUE},
    [CONFIG_HTTP] = {parse_http, FALSE},         [CONFIG_HTTPS] = {parse_https, FALSE},
    [CONFIG_DOMAIN] = {parse_domain, FALSE},     [CONFIG_DOMAINS] = {parse_domain, TRUE},
    [CONFIG_LIST] = {parse_text, TRUE},
};

gboolean config_type_is_list(ConfigType type) {
  return types[type].is_list;
}

char *config_parse_value(const ConfigKey *key, const char *text, const char *folder, char **why) {
  return types[key->type].parse(key, text, folder, why);
}
