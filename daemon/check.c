/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"
#include "acme/profile.h"
#include "base/perspective.h"
#include "daemon/ca_key.h"
#include "daemon/check_parts.h"
#include "daemon/control.h"
#include "daemon/pem_key.h"
#include "daemon/sockets.h"
#include "daemon/store_place.h"

#include <string.h>

void check_mistake(Check *check, const char *key, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *reason = g_strdup_vprintf(format, values);
  va_end(values);
  const char *dot = strchr(key, '.');
  g_autofree char *where = config_where(check->config, key);
  g_ptr_array_add(check->mistakes, g_strdup_printf("%s: [%.*s] %s: %s", where, (int)(dot - key),
                                                   key, dot + 1, reason));
}

GBytes *check_file(Check *check, const char *key) {
  g_autoptr(GError) error = NULL;
  char *content = NULL;
  gsize length = 0;
  if (!config_given(check->config, key))
    return NULL;
  if (g_file_get_contents(config_text(check->config, key), &content, &length, &error))
    return g_bytes_new_take(content, length);
  check_mistake(check, key, "%s", error->message);
  return NULL;
}

static void check_tls(Check *check, const char *certificate_key, const char *key_key) {
  g_autoptr(GError) error = NULL;
  gboolean one = config_given(check->config, certificate_key),
           other = config_given(check->config, key_key);
  if (one != other)
    check_mistake(check, one ? key_key : certificate_key, "given only one of certificate and key");
  g_autoptr(GBytes) chain = check_file(check, certificate_key);
  g_autoptr(GBytes) key = check_file(check, key_key);
  SSL_CTX *context = chain != NULL && key != NULL ? pem_tls_context(chain, key, &error) : NULL;
  if (error != NULL)
    check_mistake(check, key_key, "%s", error->message);
  SSL_CTX_free(context);
}

static void check_caa(Check *check) {
  if (config_is(check->config, "ca.caa", "on") &&
      config_list(check->config, "ca.caa-identities")[0] == NULL)
    check_mistake(check, "ca.caa-identities",
                  "no name that a CAA issuemail record could permit; give one, or caa = off");
}

static void check_times(Check *check) {
  if (config_number(check->config, "ca.crl-lifetime") <=
      config_number(check->config, "ca.crl-interval"))
    check_mistake(check, "ca.crl-lifetime",
                  "must be longer than crl-interval, or a list ends before the next");
  if (config_number(check->config, "acme.order-lifetime") <
      config_number(check->config, "mail.challenge-lifetime"))
    check_mistake(check, "acme.order-lifetime",
                  "must not be shorter than [mail] challenge-lifetime");
}

/* Names that would promise what Signet does not do. */
static void check_profile_names(Check *check) {
  static const char *const others[] = {"organization-validated", "organisation-validated",
                                       "sponsor-validated", "individual-validated"};
  for (const char *const *name = config_names(check->config, "profile"); *name != NULL; name++)
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
      g_autofree char *key = g_strdup_printf("profile %s.description", *name);
      if (g_str_has_prefix(*name, others[i]))
        check_mistake(check, key,
                      "the profile's name says %s, but Signet proves control of mailboxes: its "
                      "certificates are mailbox-validated",
                      others[i]);
    }
}

static void check_default_profile(Check *check) {
  const char *name = config_text(check->config, "acme.default-profile");
  if (*name != '\0' && !profile_exists(check->config, name))
    check_mistake(check, "acme.default-profile",
                  "there is no profile \"%s\": neither built in nor a group [profile %s]", name,
                  name);
}

/* Shown to clients, and sent in a header field. */
static void check_link(Check *check, const char *key) {
  const char *url = config_text(check->config, key);
  if (*url != '\0' && !config_is_page(url))
    check_mistake(check, key, "is no http:// or https:// URL");
}

#define NODE_MAX 40

static void check_database(Check *check) {
  const char *postgresql = config_text(check->config, "store.postgresql");
  const char *node = config_text(check->config, "store.node");
  if (strlen(node) > NODE_MAX || strpbrk(node, "/ \t") != NULL)
    check_mistake(check, "store.node", "is no name of at most %d octets without \"/\" and blanks",
                  NODE_MAX);
  if (*postgresql == '\0') {
    if (config_number(check->config, "store.cores") > 1)
      check_mistake(check, "store.cores", "SQLite takes one core process");
    return;
  }
  g_autofree char *fault = store_place_fault(postgresql);
  if (fault != NULL)
    check_mistake(check, "store.postgresql", "%s", fault);
}

static void check_store(Check *check) {
  check_database(check);
  g_autofree char *control = control_path(config_text(check->config, "store.directory"));
  if (strlen(control) > SOCKETS_PATH_MAX)
    check_mistake(check, "store.directory",
                  "is too long: the control socket %s would have a path of more than %d octets",
                  control, SOCKETS_PATH_MAX);
}

static void check_dns(Check *check) {
  g_autoptr(GBytes) anchor = check_file(check, "dns.trust-anchor");
  g_autoptr(GBytes) data = check_file(check, "dns.local-data");
}

/* The URL in one spelling: hosts know no case, and 443 need not be said. */
static char *resolver_of(const Perspective *perspective) {
  g_autoptr(GUri) uri = g_uri_parse(perspective->url, G_URI_FLAGS_SCHEME_NORMALIZE, NULL);
  g_autofree char *host = g_ascii_strdown(g_uri_get_host(uri), -1);
  return g_uri_join(G_URI_FLAGS_SCHEME_NORMALIZE, "https", NULL, host, g_uri_get_port(uri),
                    g_uri_get_path(uri), g_uri_get_query(uri), NULL);
}

/* How many usable ones there are; names and resolvers count once. */
static guint check_perspective_list(Check *check) {
  const char *const *text = config_list(check->config, "dns.perspectives");
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint count = 0;
  for (; *text != NULL; text++) {
    const char *why = NULL;
    g_autoptr(Perspective) perspective = perspective_parse(*text, &why);
    if (perspective == NULL)
      check_mistake(check, "dns.perspectives", "\"%s\" %s", *text, why);
    else if (!g_hash_table_add(seen, g_strdup(perspective->name)) ||
             !g_hash_table_add(seen, resolver_of(perspective)))
      check_mistake(check, "dns.perspectives", "\"%s\" names a perspective twice", *text);
    else
      count++;
  }
  return count;
}

static void check_public_perspectives(Check *check, guint count) {
  gint64 minimum = config_number(check->config, "dns.perspectives-minimum");
  gint64 quorum = config_number(check->config, "dns.perspectives-quorum");
  if (count < minimum && !config_given(check->config, "dns.perspectives-missing-reason"))
    check_mistake(
        check, "dns.perspectives",
        "are %u, fewer than perspectives-minimum = %" G_GINT64_FORMAT
        "; a public CA states why in perspectives-missing-reason ([ca] operation = public)",
        count, minimum);
  if (quorum > 0 && quorum < perspective_least_quorum(count))
    check_mistake(
        check, "dns.perspectives-quorum",
        "is too low for %u perspectives: a public CA needs %u (TLS BR 3.2.2.9) ([ca] operation "
        "= public)",
        count, perspective_least_quorum(count));
}

static void check_perspectives(Check *check) {
  guint count = check_perspective_list(check);
  g_autoptr(GBytes) ca = count > 0 ? check_file(check, "dns.perspectives-ca") : NULL;
  if (count > PERSPECTIVE_MAX)
    check_mistake(check, "dns.perspectives", "are more than %d", PERSPECTIVE_MAX);
  if (config_number(check->config, "dns.perspectives-quorum") > count)
    check_mistake(check, "dns.perspectives-quorum", "is more than there are perspectives: %u",
                  count);
  if (count > 0 && !config_given(check->config, "dns.perspectives-ca"))
    check_mistake(check, "dns.perspectives-ca", "is empty");
  else if (ca != NULL && !pem_has_certificate(ca))
    check_mistake(check, "dns.perspectives-ca", "has no certificate in PEM");
  if (config_is(check->config, "ca.operation", "public"))
    check_public_perspectives(check, count);
}

/* What may stand in the configuration of a private CA only. refused NULL: any value. */
static const struct {
  const char *key, *refused, *reason;
} private_only[] = {
    {"ca.caa", "off", "a public CA obeys CAA records"},
    {"ca.audit-key", "",
     "a public CA has the checkpoints of its audit log signed; make a key with signetctl audit "
     "key"},
    {"dns.trust-anchor", "", "a public CA validates DNS answers"},
    {"dns.insecure", NULL, "a public CA validates DNS answers"},
    {"dns.local-data", NULL, "a public CA asks the DNS"},
};

/* ca-rules 18. */
static void check_key_in_token(Check *check, const char *group) {
  g_autofree char *name = ca_key_name(group, "key");
  if (!ca_key_in_token(check->config, group))
    check_mistake(check, name,
                  "a public CA's key is in a token: a pkcs11: URI, and no file "
                  "([ca] operation = public)");
}

static void check_operation(Check *check) {
  if (!config_is(check->config, "ca.operation", "public"))
    return;
  if (config_test_mode(check->config))
    check_mistake(check, "ca.operation", "public, which has no test mode (--test-mode)");
  check_key_in_token(check, "ca");
  const char *const *name = config_names(check->config, "issuer");
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    check_key_in_token(check, group);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(private_only); i++) {
    const char *key = private_only[i].key, *refused = private_only[i].refused;
    if (refused != NULL ? config_is(check->config, key, refused) : config_given(check->config, key))
      check_mistake(check, key, "%s ([ca] operation = public)", private_only[i].reason);
  }
}

Config *check_configuration(const char *path, gboolean test_mode, GPtrArray *mistakes) {
  guint before = mistakes->len;
  g_autoptr(Config) config = config_load(path, test_mode, mistakes);
  if (config == NULL)
    return NULL;
  Check check = {config, mistakes, FALSE};
  check_tls(&check, "acme.tls-certificate", "acme.tls-key");
  check_tls(&check, "mail.tls-certificate", "mail.tls-key");
  check_listen(&check);
  check_mail(&check);
  check_ca(&check);
  check_caa(&check);
  check_dns(&check);
  check_perspectives(&check);
  check_times(&check);
  check_default_profile(&check);
  check_profile_names(&check);
  check_operation(&check);
  check_store(&check);
  check_link(&check, "acme.terms-of-service");
  check_link(&check, "acme.website");
  return mistakes->len > before ? NULL : g_steal_pointer(&config);
}
