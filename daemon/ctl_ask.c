/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_ask.h"
#include "daemon/control.h"
#include "daemon/ctl_settings.h"
#include "daemon/messages.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SECONDS 120 /* longer than a connection that waits in front of others can take */

void ctl_server_clear(CtlServer *server) {
  g_free(server->config);
  g_free(server->socket);
}

/* --- where the server is
 * ----------------------------------------------------------------------------------- */

static char *socket_path(const CtlServer *server, GError **error) {
  if (server->socket != NULL)
    return g_strdup(server->socket);
  g_autoptr(CtlSettings) settings = ctl_settings_new(server->config, error);
  g_autofree char *folder =
      settings != NULL ? ctl_settings_text(settings, "store", "directory") : NULL;
  return folder != NULL ? control_path(folder) : NULL;
}

/* --- one question
 * ------------------------------------------------------------------------------------------ */

/* A connection, kept for the pages of a list. */
typedef struct {
  guint seconds; /* that an answer may take */
  struct event_base *base;
  Channel *channel; /* NULL when the server closed it */
  char *nonsense;
  GVariant *answer;
} Talk;

static void on_answered(GVariant *body, gpointer user) {
  Talk *talk = user;
  talk->answer = body != NULL ? g_variant_ref(body) : NULL;
  event_base_loopbreak(talk->base);
}

static void on_closed(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  Talk *talk = user;
  talk->channel = NULL;
  talk->nonsense = g_strdup(nonsense);
  event_base_loopbreak(talk->base);
}

static gboolean talk_open(Talk *talk, const CtlServer *server, GError **error) {
  g_autofree char *path = socket_path(server, error);
  int fd = path != NULL ? control_connect(path, error) : -1;
  if (fd < 0)
    return FALSE;
  talk->base = event_base_new();
  talk->channel = channel_new(talk->base, fd, &message_catalogue, ROLE_OPERATOR, ROLE_CORE, NULL,
                              on_closed, talk);
  return TRUE;
}

static void talk_close(Talk *talk) {
  channel_free(talk->channel);
  g_clear_pointer(&talk->base, event_base_free);
  g_free(talk->nonsense);
}

static void explain_silence(const Talk *talk, GError **error) {
  const char *reason =
      talk->nonsense != NULL ? "the server's answer is not understood; is it of another version?"
      : talk->channel == NULL
          ? "the server closed the connection: it does not permit this user, is of another version"
            ", or ended; its log says more. What was asked may have been done."
          : "no answer in time; what was asked may have been done";
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", reason);
}

/* NULL: refused, or no answer. */
static json_t *talk_ask(Talk *talk, const char *command, const json_t *arguments, GError **error) {
  const struct timeval patience = {talk->seconds, 0};
  char *text = json_dumps(arguments, JSON_COMPACT);
  gsize size = strlen(text);
  if (size < CHANNEL_MAX_FRAME / 2)
    channel_ask(talk->channel, MESSAGE_COMMAND, g_variant_new("(ss)", command, text), on_answered,
                talk);
  free(text);
  if (size >= CHANNEL_MAX_FRAME / 2) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the arguments are too long");
    return NULL;
  }
  event_base_loopexit(talk->base, &patience);
  event_base_dispatch(talk->base);
  g_autoptr(GVariant) answer = g_steal_pointer(&talk->answer);
  if (answer == NULL) {
    explain_silence(talk, error);
    return NULL;
  }
  guint32 refused = 0;
  const char *said = NULL;
  g_variant_get(answer, "(u&s)", &refused, &said);
  json_t *result = refused == 0 ? json_loads(said, 0, NULL) : NULL;
  if (result == NULL)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                refused != 0 ? said : "the server's answer is no JSON");
  return result;
}

json_t *ctl_ask_within(const CtlServer *server, const char *command, json_t *arguments,
                       guint seconds, GError **error) {
  Talk talk = {.seconds = seconds};
  json_t *result =
      talk_open(&talk, server, error) ? talk_ask(&talk, command, arguments, error) : NULL;
  json_decref(arguments);
  talk_close(&talk);
  return result;
}

json_t *ctl_ask(const CtlServer *server, const char *command, json_t *arguments) {
  g_autoptr(GError) error = NULL;
  json_t *result = ctl_ask_within(server, command, arguments, ANSWER_SECONDS, &error);
  if (result == NULL)
    ctl_failed("not done", &error);
  return result;
}

/* --- lists
 * -------------------------------------------------------------------------------------------------
 */

/* Asks for pages until the last one, and adds their rows. */
static gboolean add_pages(Talk *talk, const char *command, json_t *arguments, const char *member,
                          json_t *rows, void (*next)(json_t *arguments, const json_t *row),
                          GError **error) {
  gboolean more = TRUE;
  while (more) {
    size_t count = json_array_size(rows);
    if (count > 0)
      next(arguments, json_array_get(rows, count - 1));
    json_t *page = talk_ask(talk, command, arguments, error);
    if (page == NULL)
      return FALSE;
    json_array_extend(rows, json_object_get(page, member));
    more = json_is_true(json_object_get(page, "more")) && json_array_size(rows) > count;
    json_decref(page);
  }
  return TRUE;
}

json_t *ctl_ask_all(const CtlServer *server, const char *command, json_t *arguments,
                    const char *member, void (*next)(json_t *arguments, const json_t *row)) {
  Talk talk = {.seconds = ANSWER_SECONDS};
  g_autoptr(GError) error = NULL;
  json_t *result = json_object(), *rows = json_array();
  json_object_set_new(result, member, rows);
  if (arguments == NULL)
    arguments = json_object();
  if (!talk_open(&talk, server, &error) ||
      !add_pages(&talk, command, arguments, member, rows, next, &error)) {
    ctl_failed("not done", &error);
    g_clear_pointer(&result, json_decref);
  }
  json_decref(arguments);
  talk_close(&talk);
  return result;
}

/* --- printing
 * ---------------------------------------------------------------------------------------------- */

void ctl_print_json(const json_t *document) {
  json_dumpf(document, stdout, JSON_INDENT(2));
  printf("\n");
}

const char *ctl_member(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text != NULL ? text : "";
}

char *ctl_list(const json_t *object, const char *name, const char *otherwise) {
  json_t *list = json_object_get(object, name), *entry = NULL;
  GString *text = g_string_new(NULL);
  size_t i = 0;
  json_array_foreach(list, i, entry) {
    g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", json_string_value(entry));
  }
  if (text->len == 0)
    g_string_append(text, otherwise);
  return g_string_free(text, FALSE);
}
