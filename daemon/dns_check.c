/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dns_check.h"
#include "base/log.h"
#include "mime/dkim.h"
#include "mime/mail_records.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_HOSTS 10  /* of MX records that are followed */
#define TEXT_MAX 4096 /* characters of a text that is shown */
#define METHOD "email-reply-00"

static void finding_free(gpointer data) {
  DnsFinding *finding = data;
  g_free(finding->name);
  g_ptr_array_unref(finding->found);
  g_free(finding->wanted);
  g_free(finding->reason);
  g_free(finding);
}

static GPtrArray *findings_new(void) {
  return g_ptr_array_new_with_free_func(finding_free);
}

static DnsFinding *add_finding(GPtrArray *findings, const char *what, const char *name) {
  DnsFinding *finding = g_new0(DnsFinding, 1);
  finding->what = what;
  finding->name = g_strdup(name);
  finding->found = g_ptr_array_new_with_free_func(g_free);
  finding->secure = TRUE;
  g_ptr_array_add(findings, finding);
  return finding;
}

/* The worst state stays, with the first reason for it. */
static void blame(DnsFinding *finding, DnsState state, const char *reason) {
  static const int weight[DNS_STATES] = {
      [DNS_GOOD] = 0, [DNS_UNKNOWN] = 1, [DNS_MISSING] = 2, [DNS_WRONG] = 3};
  if (weight[state] <= weight[finding->state])
    return;
  finding->state = state;
  g_free(finding->reason);
  finding->reason = log_escape(reason, TEXT_MAX);
}

/* Whether there are records to look at; else the answer alone decides. */
static gboolean has_records(DnsFinding *finding, const DnsAnswer *answer) {
  finding->secure = finding->secure && answer->secure;
  if (answer->outcome == RESOLVER_TEMPORARY)
    blame(finding, DNS_UNKNOWN, answer->text);
  else if (answer->outcome == RESOLVER_BOGUS)
    blame(finding, DNS_WRONG, answer->text);
  else if (answer->outcome == RESOLVER_NONE)
    blame(finding, DNS_MISSING, answer->text);
  return answer->outcome == RESOLVER_FOUND;
}

/* --- addresses
 * ------------------------------------------------------------------------------------- */

static char *address_text(GBytes *rdata) {
  char text[INET6_ADDRSTRLEN];
  gsize length = 0;
  const void *data = g_bytes_get_data(rdata, &length);
  int family = length == 4 ? AF_INET : AF_INET6;
  if ((length != 4 && length != 16) || inet_ntop(family, data, text, sizeof text) == NULL)
    return g_strdup("malformed");
  return g_strdup(text);
}

/* Looks for addresses of a name, of either family; those found are added to found, unless it is
   NULL. without: the state when there are none. */
static void look_for_address(DnsAsk *ask, DnsFinding *finding, const char *name, GPtrArray *found,
                             DnsState without) {
  static const int types[] = {RESOLVER_A, RESOLVER_AAAA};
  g_autofree char *reason = g_strdup_printf("%s has no address", name);
  g_autoptr(DnsAnswer) trouble = NULL;
  gboolean has_address = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    g_autoptr(DnsAnswer) answer = dns_ask(ask, name, types[i]);
    if (answer->outcome == RESOLVER_FOUND) {
      has_address = has_records(finding, answer);
      for (guint j = 0; found != NULL && j < answer->rdata->len; j++)
        g_ptr_array_add(found, address_text(answer->rdata->pdata[j]));
    } else if (answer->outcome != RESOLVER_NONE && trouble == NULL) {
      trouble = g_steal_pointer(&answer);
    }
  }
  if (!has_address && trouble != NULL)
    has_records(finding, trouble);
  else if (!has_address)
    blame(finding, without, reason);
}

static void check_host(DnsAsk *ask, GPtrArray *findings, const char *host) {
  DnsFinding *finding = add_finding(findings, "address", host);
  finding->wanted = g_strdup_printf("%s. IN A or AAAA, the address of the web server", host);
  look_for_address(ask, finding, host, finding->found, DNS_MISSING);
}

/* --- MX
 * -------------------------------------------------------------------------------------------- */

/* RFC 5321 section 5.1: a name with an address, and no alias. */
static void check_exchange(DnsAsk *ask, DnsFinding *finding, const char *host) {
  if (strcmp(host, ".") == 0) {
    blame(finding, DNS_WRONG, "it says that the domain takes no mail (RFC 7505)");
    return;
  }
  g_autoptr(DnsAnswer) alias = dns_ask(ask, host, RESOLVER_CNAME);
  g_autofree char *reason = g_strdup_printf("%s is an alias (CNAME)", host);
  if (alias->outcome == RESOLVER_FOUND)
    blame(finding, DNS_WRONG, reason);
  look_for_address(ask, finding, host, NULL, DNS_WRONG);
}

static void check_mx(DnsAsk *ask, GPtrArray *findings, const DnsZone *zone) {
  DnsFinding *finding = add_finding(findings, "MX", zone->domain);
  g_autoptr(DnsAnswer) answer = dns_ask(ask, zone->domain, RESOLVER_MX);
  gboolean leads = FALSE;
  finding->wanted = g_strdup_printf("%s. IN MX 10 %s.", zone->domain, zone->mx);
  if (!has_records(finding, answer))
    return;
  for (guint i = 0; i < answer->rdata->len && i < MAX_HOSTS; i++) {
    guint preference = 0;
    g_autofree char *host = resolver_mx(answer->rdata->pdata[i], &preference);
    if (host == NULL)
      continue;
    g_ptr_array_add(finding->found, g_strdup_printf("%u %s%s", preference, host,
                                                    strcmp(host, ".") == 0 ? "" : "."));
    leads = leads || g_ascii_strcasecmp(host, zone->mx) == 0;
    check_exchange(ask, finding, host);
  }
  g_autofree char *reason = g_strdup_printf("it does not lead to %s", zone->mx);
  if (!leads)
    blame(finding, DNS_WRONG, reason);
}

/* --- TXT
 * ------------------------------------------------------------------------------------------- */

/* What is looked for among the TXT records of a name. */
typedef struct {
  gboolean (*is_one)(const char *text); /* NULL: every record counts */
  char *(*weakness)(const char *text);  /* NULL: it is a DKIM key record, of key */
  EVP_PKEY *key;
  const char *untold; /* what a good record leaves open; NULL: nothing */
} Txt;

static void judge_txt(DnsFinding *finding, const Txt *txt, const char *text) {
  g_autofree char *why =
      txt->weakness != NULL ? txt->weakness(text) : g_strdup(dkim_record_weakness(text, txt->key));
  if (why != NULL)
    blame(finding, DNS_WRONG, why);
  else
    finding->reason = g_strdup(txt->untold);
}

static void check_txt(DnsAsk *ask, GPtrArray *findings, const char *what, const char *name,
                      const char *wanted, const Txt *txt) {
  DnsFinding *finding = add_finding(findings, what, name);
  g_autoptr(DnsAnswer) answer = dns_ask(ask, name, RESOLVER_TXT);
  g_autofree char *data = dns_zone_txt(wanted), *only = NULL;
  finding->wanted = g_strdup_printf("%s. IN TXT %s", name, data);
  if (!has_records(finding, answer))
    return;
  for (guint i = 0; i < answer->rdata->len; i++) {
    g_autofree char *text = resolver_txt(answer->rdata->pdata[i]);
    if (text == NULL || (txt->is_one != NULL && !txt->is_one(text)))
      continue;
    g_ptr_array_add(finding->found, dns_zone_txt(text));
    g_free(only);
    only = g_steal_pointer(&text);
  }
  if (finding->found->len == 0)
    blame(finding, DNS_MISSING, "no TXT record of that kind");
  else if (finding->found->len > 1)
    blame(finding, DNS_WRONG, "there are several, of which none counts; there must be one");
  else
    judge_txt(finding, txt, only);
}

/* --- CAA
 * ------------------------------------------------------------------------------------------- */

static void check_caa(DnsAsk *ask, const Config *config, GPtrArray *findings, const char *caa,
                      const char *domain) {
  static const DnsState states[] = {
      [CAA_PERMITTED] = DNS_GOOD, [CAA_FORBIDDEN] = DNS_WRONG, [CAA_TRY_AGAIN] = DNS_UNKNOWN};
  CaaRequest request = {config_list(config, "ca.caa-identities"), "", METHOD};
  DnsFinding *finding = add_finding(findings, "CAA", domain);
  g_autoptr(CaaRecordSet) set = dns_ask_caa(ask, domain);
  g_autofree char *explanation = NULL;
  DnsState state = states[caa_judge(set, &request, &explanation)];
  finding->secure = set->secure;
  finding->wanted = g_strdup_printf("%s. IN CAA %s", domain, caa);
  for (guint i = 0; i < set->records->len; i++)
    g_ptr_array_add(finding->found, caa_record_text(set->records->pdata[i]));
  if (state != DNS_GOOD)
    blame(finding, state, explanation);
  else
    finding->reason = log_escape(explanation, TEXT_MAX);
}

/* --- all of it
 * ------------------------------------------------------------------------------------- */

GPtrArray *dns_check_zone(DnsAsk *ask, const Config *config, const DnsZone *zone) {
  static const Txt spf = {spf_record_is, spf_record_weakness, NULL,
                          "read as text: whether it permits the relay's address is not evaluated"},
                   dmarc = {dmarc_record_is, dmarc_record_weakness, NULL, NULL};
  GPtrArray *findings = findings_new();
  g_autofree char *dmarc_name = g_strconcat("_dmarc.", zone->domain, NULL);
  check_mx(ask, findings, zone);
  check_txt(ask, findings, "SPF", zone->domain, zone->spf, &spf);
  for (guint i = 0; i < zone->keys->len; i++) {
    const DnsZoneKey *key = zone->keys->pdata[i];
    Txt dkim = {NULL, NULL, key->key, NULL};
    check_txt(ask, findings, "DKIM", key->name, key->record, &dkim);
  }
  check_txt(ask, findings, "DMARC", dmarc_name, zone->dmarc, &dmarc);
  if (zone->caa != NULL)
    check_caa(ask, config, findings, zone->caa, zone->domain);
  for (guint i = 0; i < zone->hosts->len; i++)
    check_host(ask, findings, zone->hosts->pdata[i]);
  return findings;
}

GPtrArray *dns_check_users(DnsAsk *ask, const Config *config, const DnsZone *zone,
                           const char *const *domains) {
  GPtrArray *findings = findings_new();
  for (; zone->caa != NULL && *domains != NULL; domains++)
    check_caa(ask, config, findings, zone->caa, *domains);
  return findings;
}
