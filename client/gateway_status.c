/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_status.h"

#include "base/clock.h"
#include "base/log.h"
#include "client/failure.h"
#include "client/gateway_frame.h"
#include "client/gateway_options.h"
#include "client/listen_socket.h"
#include "client/output.h"
#include "client/renewal_list.h"
#include "client/renewal_plan.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MILLISECONDS 10000

typedef struct {
  char *list;
  char **rest;
} StatusOptions;

static const OptionField status_fields[] = {
    {"list", 'l', OPTION_FILE, 0, offsetof(StatusOptions, list),
     "Name those of this list too for whom nothing was done yet", "FILE"},
    {0},
};

static void status_options_free(StatusOptions *o) {
  option_fields_clear(status_fields, o);
  g_strfreev(o->rest);
  g_free(o);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatusOptions, status_options_free)

static StatusOptions *parse(char **arguments, GError **error) {
  g_autoptr(StatusOptions) o = g_new0(StatusOptions, 1);
  g_autoptr(GOptionContext) context = g_option_context_new("FOLDER");
  const GOptionEntry rest[] = {
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL},
      {0},
  };
  g_autoptr(GError) reason = NULL;
  g_auto(GStrv) copy = g_strdupv(arguments);
  g_set_prgname("signet gateway status");
  g_option_context_set_summary(
      context, "Says who has a certificate until when, and of whom it failed, and why.");
  g_option_context_set_description(context,
                                   "Example:\n  signet gateway status /var/lib/signet-gateway");
  option_fields_add(context, status_fields, o);
  g_option_context_add_main_entries(context, rest, NULL);
  gboolean good = g_option_context_parse_strv(context, &copy, &reason);
  if (good && o->rest != NULL && o->rest[1] == NULL)
    return g_steal_pointer(&o);
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "%s (signet gateway status --help)",
              good ? "status takes one folder, that of the gateway" : reason->message);
  return NULL;
}

/* --- the gateway itself -------------------------------------------------------------------------
 */

static gboolean read_answer(int fd, GatewayFrame *frame) {
  g_autoptr(GByteArray) input = g_byte_array_new();
  gint64 until = g_get_monotonic_time() + ANSWER_MILLISECONDS * 1000;
  guint8 buffer[4096];
  while (gateway_frame_take(input, frame) == GATEWAY_FRAME_NONE) {
    gint64 left = MAX(until - g_get_monotonic_time(), 0) / 1000;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    ssize_t got = poll(&waiting, 1, (int)left) > 0 ? read(fd, buffer, sizeof buffer) : 0;
    if (got <= 0)
      return FALSE;
    g_byte_array_append(input, buffer, (guint)got);
  }
  return frame->body != NULL && frame->kind == GATEWAY_FRAME_STATUS;
}

static gboolean show_gateway(const char *folder, GError **error) {
  g_autofree char *path = g_build_filename(folder, GATEWAY_SOCKET, NULL);
  g_autoptr(GByteArray) question = g_byte_array_new();
  g_auto(GatewayFrame) frame = {0};
  int fd = listen_socket_connect(path, error);
  if (fd < 0)
    return FALSE;
  gateway_frame_put(question, GATEWAY_FRAME_STATUS, NULL, 0);
  gboolean good =
      write(fd, question->data, question->len) == (ssize_t)question->len && read_answer(fd, &frame);
  close(fd);
  if (good)
    output_text("%.*s", (int)g_bytes_get_size(frame.body),
                (const char *)g_bytes_get_data(frame.body, NULL));
  else
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: the gateway does not answer", path);
  return good;
}

/* --- the certificates ---------------------------------------------------------------------------
 */

static char *validity_of(const Renewal *renewal, gint64 now) {
  if (renewal->chain == NULL)
    return g_strdup("no certificate");
  g_autofree char *until = certificate_chain_expiry(renewal->chain);
  if (renewal->subject.to <= now)
    return g_strdup_printf("expired %s", until);
  renewal_plan_decide((Renewal *)renewal, now, 0);
  g_autofree char *due = clock_rfc3339(renewal->due * 1000);
  return g_strdup_printf("until %s, renewed %s%s", until, renewal->due <= now ? "now" : "at ",
                         renewal->due <= now ? "" : due);
}

/* TRUE when nothing is wrong with it. */
static gboolean show_renewal(const Renewal *renewal, gint64 now) {
  if (renewal->fault != NULL) {
    output_text("%s: %s\n", renewal->name, renewal->fault->message);
    return FALSE;
  }
  const char *failure = renewal->record->failure;
  gboolean hook = renewal->record->hook_due;
  g_autofree char *validity = validity_of(renewal, now);
  g_autofree char *words = failure != NULL ? log_escape(failure, 300) : NULL;
  output_text("%s: %s%s%s%s\n", renewal->name, validity, words != NULL ? "; failed: " : "",
              words != NULL ? words : "", hook ? "; its hook waits to be run again" : "");
  return renewal->chain != NULL && renewal->subject.to > now && words == NULL && !hook;
}

static guint show_certificates(const char *folder, GHashTable *shown, GError **error) {
  gint64 now = clock_now(&clock_system) / CLOCK_SECOND;
  guint wrong = 0;
  g_autoptr(GPtrArray) renewals = renewal_plan_folder(folder, NULL, error);
  for (guint i = 0; renewals != NULL && i < renewals->len; i++) {
    const Renewal *renewal = g_ptr_array_index(renewals, i);
    g_hash_table_add(shown, g_strdup(renewal->name));
    wrong += show_renewal(renewal, now) ? 0 : 1;
  }
  return wrong;
}

static guint show_others(const char *list, GHashTable *shown, GError **error) {
  guint missing = 0;
  g_autoptr(GPtrArray) entries = renewal_list_read(list, error);
  for (guint i = 0; entries != NULL && i < entries->len; i++) {
    const RenewalEntry *entry = g_ptr_array_index(entries, i);
    if (g_hash_table_contains(shown, entry->name))
      continue;
    output_text("%s: %s\n", entry->name,
                entry->fault != NULL ? entry->fault : "nothing was done yet");
    missing++;
  }
  return missing;
}

gboolean gateway_status(char **arguments, GError **error) {
  g_autoptr(StatusOptions) o = parse(arguments, error);
  if (o == NULL)
    return FALSE;
  g_autoptr(GHashTable) shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GError) reason = NULL;
  guint wrong = show_certificates(o->rest[0], shown, &reason);
  if (reason == NULL && o->list != NULL)
    wrong += show_others(o->list, shown, &reason);
  if (reason == NULL)
    show_gateway(o->rest[0], &reason);
  if (reason == NULL && wrong == 0)
    return TRUE;
  if (reason != NULL)
    g_propagate_error(error, g_steal_pointer(&reason));
  else
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%u certificates need attention, see above",
                wrong);
  return FALSE;
}
