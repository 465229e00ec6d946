/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/resolver_options.h"

#include <string.h>

/* The records of a zone data file, one a line; comments and blank lines left out. */
static char **read_local_data(GBytes *file) {
  g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *text = g_strndup(g_bytes_get_data(file, NULL), g_bytes_get_size(file));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    if (*g_strstrip(*line) != '\0' && **line != ';' && **line != '#')
      g_ptr_array_add(records, g_strdup(*line));
  g_ptr_array_add(records, NULL);
  return (char **)g_ptr_array_steal(records, NULL);
}

Resolver *resolver_with_data(struct event_base *base, const Config *config, GBytes *local_data,
                             GError **error) {
  g_auto(GStrv) records = local_data != NULL ? read_local_data(local_data) : NULL;
  ResolverOptions options = {
      .trust_anchor_file =
          config_given(config, "dns.trust-anchor") ? config_text(config, "dns.trust-anchor") : NULL,
      .stubs = config_list(config, "dns.stub"),
      .forwarders = config_list(config, "dns.forward"),
      .local_data = (const char *const *)records,
      .insecure = config_list(config, "dns.insecure"),
  };
  return resolver_new(base, &options, error);
}

Resolver *resolver_from_config(RoleProcess *process, GError **error) {
  GError *failure = NULL;
  g_autoptr(GBytes) local_data = role_read_file(process, "dns-local-data", &failure);
  if (failure != NULL) {
    g_propagate_error(error, failure);
    return NULL;
  }
  return resolver_with_data(process->base, process->config, local_data, error);
}
