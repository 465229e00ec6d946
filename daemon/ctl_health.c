/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl health: one line and an exit status, for service managers and load balancers. */
#include "daemon/ctl_ask.h"
#include "daemon/ctl_probe.h"
#include "daemon/ctl_settings.h"

#include <gio/gio.h>
#include <stdio.h>

#define ANSWER_SECONDS 5
#define AGAIN_MICROSECONDS 200000

/* --- what the server says of itself
 * --------------------------------------------------------------------------- */

static gboolean ask_core(const CtlServer *server, GError **error) {
  json_t *answer = ctl_ask_within(server, "health", json_object(), ANSWER_SECONDS, error);
  json_t *missing = json_object_get(answer, "missing"), *row = NULL;
  g_autoptr(GString) names = g_string_new(NULL);
  size_t i = 0;
  if (answer == NULL)
    return FALSE;
  json_array_foreach(missing, i, row) {
    g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", ctl_member(row, "role"));
  }
  json_decref(answer);
  if (names->len > 0)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "not running: %s", names->str);
  return names->len == 0;
}

/* --- its listeners
 * -------------------------------------------------------------------------------------------- */

/* The first of a list stands for all: one process serves them. */
static char *first_of(const CtlSettings *settings, const char *group, const char *name) {
  g_auto(GStrv) list = ctl_settings_list(settings, group, name);
  return g_strdup(list[0]);
}

static gboolean ask_web(const CtlSettings *settings, const char *group, const char *path,
                        GError **error) {
  g_autofree char *address = first_of(settings, group, "listen");
  g_autofree char *base = ctl_settings_text(settings, group, "url");
  g_auto(GStrv) proxies = ctl_settings_list(settings, "acme", "proxy-addresses");
  g_autofree char *url = g_strconcat(base, g_str_has_suffix(base, "/") ? path + 1 : path, NULL);
  if (address == NULL || probe_web(url, address, (const char *const *)proxies, error))
    return TRUE;
  g_prefix_error(error, "%s at %s: ", group, address);
  return FALSE;
}

static gboolean ask_mail(const CtlSettings *settings, const char *name, GError **error) {
  g_autofree char *address = first_of(settings, "mail", name);
  if (address == NULL || probe_greeting(address, error))
    return TRUE;
  g_prefix_error(error, "mail at %s: ", address);
  return FALSE;
}

/* The directory is answered by core, through an edge; published files by an edge alone. The root's
   list may have another name, which is no fault of the server. */
static gboolean is_healthy(const CtlServer *server, GError **error) {
  g_autoptr(CtlSettings) settings = ctl_settings_new(server->config, error);
  return settings != NULL && ask_core(server, error) &&
         ask_web(settings, "acme", "/directory", error) &&
         ask_web(settings, "publish", "/root.crl", error) && ask_mail(settings, "listen", error) &&
         ask_mail(settings, "lmtp", error);
}

int ctl_health(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_autoptr(GError) error = NULL;
  int wait = 0;
  const GOptionEntry options[] = {{"wait", 'w', 0, G_OPTION_ARG_INT, &wait,
                                   "How long to wait until it is healthy (0)", "SECONDS"},
                                  CTL_SERVER_OPTIONS(server),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("health",
                   "Tells whether the server serves: core and its store, HTTPS, HTTP, mail, every "
                   "process. Exit status 0: it does.",
                   options, argc, argv))
    return CTL_USAGE;
  gint64 end = g_get_monotonic_time() + wait * G_USEC_PER_SEC;
  gboolean healthy = is_healthy(&server, &error);
  while (!healthy && g_get_monotonic_time() < end) {
    g_usleep(AGAIN_MICROSECONDS);
    g_clear_error(&error);
    healthy = is_healthy(&server, &error);
  }
  if (server.json) {
    json_t *answer =
        json_pack("{s:b, s:s*}", "healthy", healthy, "why", error != NULL ? error->message : NULL);
    ctl_print_json(answer);
    json_decref(answer);
  } else if (healthy) {
    printf("healthy\n");
  } else {
    fprintf(stderr, "unhealthy: %s\n", error->message);
  }
  return healthy ? CTL_DONE : CTL_FAILED;
}
