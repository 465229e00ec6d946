/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/dns_ask.h"
#include "daemon/dns_zone.h"
#include "daemon/resolver_options.h"

struct DnsAsk {
  struct event_base *base;
  Resolver *resolver;
  int timeout;
  DnsAnswer *answer; /* of the question that is open */
};

void dns_ask_free(DnsAsk *ask) {
  if (ask == NULL)
    return;
  resolver_free(ask->resolver);
  event_base_free(ask->base);
  g_free(ask);
}

DnsAsk *dns_ask_new(const Config *config, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) local_data = dns_zone_file(config, "dns.local-data", &failure);
  if (failure != NULL) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
  }
  g_autoptr(DnsAsk) ask = g_new0(DnsAsk, 1);
  ask->base = event_base_new();
  ask->timeout = (int)config_number(config, "dns.timeout");
  ask->resolver = resolver_with_data(ask->base, config, local_data, error);
  return ask->resolver != NULL ? g_steal_pointer(&ask) : NULL;
}

void dns_answer_free(DnsAnswer *answer) {
  g_ptr_array_unref(answer->rdata);
  g_free(answer->text);
  g_free(answer);
}

static void on_answer(const ResolverAnswer *found, gpointer user) {
  DnsAsk *ask = user;
  ask->answer = g_new0(DnsAnswer, 1);
  ask->answer->outcome = found->outcome;
  ask->answer->secure = found->secure;
  ask->answer->rdata = g_ptr_array_ref(found->rdata);
  ask->answer->text = g_strdup(found->text);
  event_base_loopbreak(ask->base);
}

DnsAnswer *dns_ask(DnsAsk *ask, const char *name, int type) {
  resolver_ask(ask->resolver, name, type, ask->timeout, on_answer, ask);
  while (ask->answer == NULL)
    event_base_dispatch(ask->base);
  return g_steal_pointer(&ask->answer);
}

CaaRecordSet *dns_ask_caa(DnsAsk *ask, const char *domain) {
  CaaRecordSet *set = g_new0(CaaRecordSet, 1);
  set->secure = TRUE;
  for (const char *at = domain; at != NULL; at = caa_parent(at)) {
    g_autoptr(DnsAnswer) answer = dns_ask(ask, at, RESOLVER_CAA);
    g_clear_pointer(&set->records, g_ptr_array_unref);
    set->records = g_ptr_array_ref(answer->rdata);
    set->outcome = answer->outcome;
    set->secure = set->secure && answer->secure;
    if (answer->outcome == RESOLVER_NONE)
      continue;
    if (answer->outcome == RESOLVER_FOUND)
      set->found_at = g_strdup(at);
    set->text = g_strdup(answer->text);
    break;
  }
  return set;
}
