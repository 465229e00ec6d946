/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl dns: what has to stand in the DNS, and whether it does. */
#include "base/mailbox.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_making.h"
#include "daemon/dns_check.h"

#include <stdio.h>
#include <string.h>

#define CANNOT_TELL 2 /* exit status of dns check beside CTL_DONE and CTL_FAILED */

/* --- what both commands read
 * -------------------------------------------------------------------------------- */

typedef struct {
  char *path, *mx;
  char **senders;
  gboolean json;
} DnsOptions;

static void dns_options_clear(DnsOptions *options) {
  g_free(options->path);
  g_free(options->mx);
  g_strfreev(options->senders);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DnsOptions, dns_options_clear)

#define DNS_OPTIONS(dns)                                                                           \
  {"config",    'c',                                                                               \
   0,           G_OPTION_ARG_FILENAME,                                                             \
   &(dns).path, "Configuration of the server (" CTL_DEFAULT_CONFIG ")",                            \
   "FILE"},                                                                                        \
      {"mx",      'm',                                                                             \
       0,         G_OPTION_ARG_STRING,                                                             \
       &(dns).mx, "Where the mail of the domain goes ([mail] hostname)",                           \
       "NAME"},                                                                                    \
      {"relay-address",                                                                            \
       'r',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_STRING_ARRAY,                                                                  \
       &(dns).senders,                                                                             \
       "Address or name that the relay sends from; may be given again ([mail] relay)",             \
       "HOST"},                                                                                    \
  {                                                                                                \
    "json", 'j', 0, G_OPTION_ARG_NONE, &(dns).json, "Print JSON", NULL                             \
  }

/* NULL: what is wrong has been printed. Test mode changes nothing that is read here, and files for
   it are taken too. */
static Config *read_config(const DnsOptions *options) {
  const char *path = options->path != NULL ? options->path : CTL_DEFAULT_CONFIG;
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  Config *config = config_load(path, TRUE, mistakes);
  for (guint i = 0; i < mistakes->len; i++)
    fprintf(stderr, "%s: %s\n", g_get_prgname(), (const char *)mistakes->pdata[i]);
  return config;
}

static DnsZone *read_zone(const Config *config, const DnsOptions *options, GError **error) {
  return dns_zone_new(config, options->mx, (const char *const *)options->senders, error);
}

/* --- dns show
 * ------------------------------------------------------------------------------------------ */

static void add_record(json_t *records, const char *name, const char *type, const char *data) {
  json_array_append_new(records,
                        json_pack("{s:s, s:s, s:s}", "name", name, "type", type, "data", data));
}

static void add_txt(json_t *records, const char *name, const char *text) {
  g_autofree char *data = dns_zone_txt(text);
  add_record(records, name, "TXT", data);
}

static json_t *records_of(const DnsZone *zone) {
  json_t *records = json_array();
  g_autofree char *mx = g_strdup_printf("10 %s.", zone->mx);
  g_autofree char *dmarc = g_strconcat("_dmarc.", zone->domain, NULL);
  add_record(records, zone->domain, "MX", mx);
  add_txt(records, zone->domain, zone->spf);
  for (guint i = 0; i < zone->keys->len; i++) {
    const DnsZoneKey *key = zone->keys->pdata[i];
    add_txt(records, key->name, key->record);
  }
  add_txt(records, dmarc, zone->dmarc);
  return records;
}

/* Records that depend on what Signet does not know, as comments. */
static void print_hints(const DnsZone *zone) {
  printf(";\n; %s. IN A or AAAA: the address of [mail] listen\n", zone->mx);
  for (guint i = 0; i < zone->hosts->len; i++)
    printf("; %s. IN A or AAAA: the address of the web server\n",
           (const char *)zone->hosts->pdata[i]);
  if (zone->caa == NULL)
    return;
  printf(";\n; CAA, only where a domain has issuemail records; at this domain, and at those of "
         "users:\n"
         "; %s. IN CAA %s\n; example.com. IN CAA %s\n",
         zone->domain, zone->caa, zone->caa);
}

void ctl_dns_print(const DnsZone *zone) {
  json_t *records = records_of(zone), *record = NULL;
  size_t i = 0;
  printf("; What the DNS needs for %s; in SPF, the addresses from which the relay sends\n",
         zone->domain);
  json_array_foreach(records, i, record)
      printf("%s. IN %s %s\n", ctl_member(record, "name"), ctl_member(record, "type"),
             ctl_member(record, "data"));
  print_hints(zone);
  json_decref(records);
}

static json_t *strings(GPtrArray *texts) {
  json_t *list = json_array();
  for (guint i = 0; i < texts->len; i++)
    json_array_append_new(list, json_string(texts->pdata[i]));
  return list;
}

static void print_zone_json(const DnsZone *zone) {
  json_t *document =
      json_pack("{s:s, s:s, s:o, s:o, s:s*}", "domain", zone->domain, "mx", zone->mx, "records",
                records_of(zone), "hosts", strings(zone->hosts), "caa", zone->caa);
  ctl_print_json(document);
  json_decref(document);
}

int ctl_dns_show(int argc, char **argv) {
  g_auto(DnsOptions) dns = {NULL};
  const GOptionEntry options[] = {DNS_OPTIONS(dns), G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("dns show", "Prints the records that the DNS needs, in zone-file form.", options,
                   argc, argv))
    return CTL_USAGE;
  g_autoptr(Config) config = read_config(&dns);
  if (config == NULL)
    return CTL_FAILED;
  g_autoptr(DnsZone) zone = read_zone(config, &dns, &error);
  if (zone == NULL)
    return ctl_failed("no records", &error);
  if (dns.json)
    print_zone_json(zone);
  else
    ctl_dns_print(zone);
  return CTL_DONE;
}

/* --- dns check
 * ----------------------------------------------------------------------------------------- */

static const char *const state_names[DNS_STATES] = {[DNS_GOOD] = "good",
                                                    [DNS_MISSING] = "missing",
                                                    [DNS_WRONG] = "wrong",
                                                    [DNS_UNKNOWN] = "unknown"};

static int status_of(GPtrArray *findings) {
  int status = CTL_DONE;
  for (guint i = 0; i < findings->len; i++) {
    DnsState state = ((DnsFinding *)findings->pdata[i])->state;
    if (state == DNS_MISSING || state == DNS_WRONG)
      return CTL_FAILED;
    if (state == DNS_UNKNOWN)
      status = CANNOT_TELL;
  }
  return status;
}

static void print_finding(const DnsFinding *finding) {
  printf("%-8s %s of %s%s\n", state_names[finding->state], finding->what, finding->name,
         finding->secure ? " (DNSSEC)" : "");
  for (guint i = 0; i < finding->found->len; i++)
    printf("  found   %s\n", (const char *)finding->found->pdata[i]);
  if (finding->reason != NULL)
    printf("  %s   %s\n", finding->state == DNS_GOOD ? "note " : "why  ", finding->reason);
  if (finding->state == DNS_MISSING || finding->state == DNS_WRONG)
    printf("  wanted  %s\n", finding->wanted);
}

static void print_findings_json(GPtrArray *findings, int status) {
  json_t *list = json_array();
  for (guint i = 0; i < findings->len; i++) {
    const DnsFinding *finding = findings->pdata[i];
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:s*}", "what", finding->what,
                                    "name", finding->name, "state", state_names[finding->state],
                                    "secure", finding->secure, "found", strings(finding->found),
                                    "wanted", finding->wanted, "reason", finding->reason));
  }
  json_t *document = json_pack("{s:o, s:i}", "findings", list, "status", status);
  ctl_print_json(document);
  json_decref(document);
}

/* Names in place of what was given; NULL: one is no domain. */
static char **read_domains(char **given, GError **error) {
  g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func(g_free);
  for (; given != NULL && *given != NULL; given++) {
    char *domain = mailbox_domain_to_ascii(*given, error);
    if (domain == NULL) {
      g_prefix_error(error, "\"%s\": ", *given);
      return NULL;
    }
    g_ptr_array_add(domains, domain);
  }
  g_ptr_array_add(domains, NULL);
  return (char **)g_ptr_array_steal(domains, NULL);
}

/* NULL with error: it cannot be told. */
static GPtrArray *check(const Config *config, const DnsOptions *dns, char **users, GError **error) {
  g_auto(GStrv) domains = read_domains(users, error);
  g_autoptr(DnsZone) zone = domains != NULL ? read_zone(config, dns, error) : NULL;
  g_autoptr(DnsAsk) ask = zone != NULL ? dns_ask_new(config, error) : NULL;
  if (ask == NULL)
    return NULL;
  return *domains == NULL ? dns_check_zone(ask, config, zone)
                          : dns_check_users(ask, config, zone, (const char *const *)domains);
}

int ctl_dns_check(int argc, char **argv) {
  g_auto(DnsOptions) dns = {NULL};
  g_auto(GStrv) users = NULL;
  const GOptionEntry options[] = {
      {"user-domain", 'u', 0, G_OPTION_ARG_STRING_ARRAY, &users,
       "Check in place of it all whether CAA at a user's domain permits us; may be given again",
       "DOMAIN"},
      DNS_OPTIONS(dns),
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("dns check", "Asks the DNS for the records of dns show, and judges them.",
                   options, argc, argv))
    return CTL_USAGE;
  g_autoptr(Config) config = read_config(&dns);
  if (config == NULL)
    return CANNOT_TELL;
  g_autoptr(GPtrArray) findings = check(config, &dns, users, &error);
  if (findings == NULL) {
    ctl_failed("not checked", &error);
    return CANNOT_TELL;
  }
  int status = status_of(findings);
  if (!dns.json && users != NULL && !config_is(config, "ca.caa", "on"))
    printf("CAA records are not obeyed ([ca] caa = off)\n");
  for (guint i = 0; !dns.json && i < findings->len; i++)
    print_finding(findings->pdata[i]);
  if (dns.json)
    print_findings_json(findings, status);
  return status;
}
