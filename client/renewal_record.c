/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_record.h"

#include "base/clock.h"
#include "client/failure.h"
#include "client/local_file.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define OPTIONS "request"
#define STATE "state"
#define HEAD                                                                                       \
  " What signet renew renews this certificate with. The group request holds options of signet "    \
  "request and\n may be changed; the group state is the program's own."

RenewalRecord *renewal_record_new(RequestOptions *options) {
  RenewalRecord *record = g_new0(RenewalRecord, 1);
  record->options = options;
  return record;
}

void renewal_record_free(RenewalRecord *record) {
  if (record == NULL)
    return;
  request_options_free(record->options);
  g_clear_pointer(&record->file, g_key_file_unref);
  g_free(record->identifier);
  g_free(record->explanation);
  g_free(record->failure);
  g_free(record->order);
  g_free(record);
}

void renewal_record_turn_to(RenewalRecord *record, const char *identifier) {
  if (g_strcmp0(record->identifier, identifier) == 0)
    return;
  g_free(record->identifier);
  record->identifier = g_strdup(identifier);
  record->state = (RenewalState){0};
  g_clear_pointer(&record->explanation, g_free);
  g_clear_pointer(&record->failure, g_free);
  if (record->order != NULL)
    record->hook_due = record->options->hook != NULL;
  g_clear_pointer(&record->order, g_free);
}

static gint64 read_time(GKeyFile *file, const char *key) {
  g_autofree char *text = g_key_file_get_string(file, STATE, key, NULL);
  gint64 milliseconds = 0;
  return text != NULL && clock_read_rfc3339(text, &milliseconds) ? milliseconds / 1000 : 0;
}

static void write_time(GKeyFile *file, const char *key, gint64 seconds) {
  g_autofree char *text = clock_rfc3339(seconds * 1000);
  if (seconds != 0)
    g_key_file_set_string(file, STATE, key, text);
}

static void write_text(GKeyFile *file, const char *key, const char *text) {
  if (text != NULL)
    g_key_file_set_string(file, STATE, key, text);
}

static void read_state(RenewalRecord *record, GKeyFile *file) {
  record->identifier = g_key_file_get_string(file, STATE, "certificate", NULL);
  record->state.start = read_time(file, "window-start");
  record->state.end = read_time(file, "window-end");
  record->state.ask_at = read_time(file, "ask-at");
  record->state.failed_at = read_time(file, "failed-at");
  record->state.failures = (guint)MAX(g_key_file_get_integer(file, STATE, "failures", NULL), 0);
  record->state.refused = MAX(g_key_file_get_int64(file, STATE, "refused-seconds", NULL), 0);
  record->explanation = g_key_file_get_string(file, STATE, "explanation", NULL);
  record->failure = g_key_file_get_string(file, STATE, "failure", NULL);
  record->order = g_key_file_get_string(file, STATE, "order", NULL);
  record->hook_due = g_key_file_get_boolean(file, STATE, "hook-due", NULL);
}

static void write_state(const RenewalRecord *record, GKeyFile *file) {
  write_text(file, "certificate", record->identifier);
  write_time(file, "window-start", record->state.start);
  write_time(file, "window-end", record->state.end);
  write_time(file, "ask-at", record->state.ask_at);
  write_time(file, "failed-at", record->state.failed_at);
  if (record->state.failures > 0)
    g_key_file_set_integer(file, STATE, "failures", (int)MIN(record->state.failures, G_MAXINT));
  if (record->state.refused > 0)
    g_key_file_set_int64(file, STATE, "refused-seconds", record->state.refused);
  write_text(file, "explanation", record->explanation);
  write_text(file, "failure", record->failure);
  write_text(file, "order", record->order);
  if (record->hook_due)
    g_key_file_set_boolean(file, STATE, "hook-due", TRUE);
}

static char *record_path(const char *folder, const char *name) {
  g_autofree char *file = g_strconcat(name, RENEWAL_RECORD_ENDING, NULL);
  return g_build_filename(folder, file, NULL);
}

/* Its hook is run: nobody else may write it. */
static gboolean is_ones_own(const char *path, GError **error) {
  GStatBuf status;
  if (g_stat(path, &status) == 0 && (status.st_mode & 022) == 0 &&
      (status.st_uid == geteuid() || status.st_uid == 0))
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
              "%s can be written by others, who could have their commands run; look what is in it, "
              "then: chmod go-w, chown",
              path);
  return FALSE;
}

static GKeyFile *load_file(const char *path, GError **error) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autoptr(GError) reason = NULL;
  g_autoptr(GBytes) content = local_file_read(path, error);
  if (content == NULL || !is_ones_own(path, error))
    return NULL;
  if (g_key_file_load_from_bytes(file, content, G_KEY_FILE_KEEP_COMMENTS, &reason))
    return g_steal_pointer(&file);
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", path, reason->message);
  return NULL;
}

static RequestOptions *load_options(GKeyFile *file, const char *folder, const char *name,
                                    const RequestOptions *given, GError **error) {
  g_autoptr(RequestOptions) options = g_new0(RequestOptions, 1);
  for (const OptionField *const *table = request_tables; *table != NULL; table++) {
    option_fields_load(*table, options, file, OPTIONS);
    if (given != NULL)
      option_fields_overlay(*table, options, given);
  }
  options->prove.command = "signet renew";
  options->rest = g_key_file_get_string_list(file, OPTIONS, "addresses", NULL, NULL);
  g_free(options->out);
  options->out = g_strdup(folder);
  g_free(options->name_text);
  options->name_text = g_strdup(name);
  return request_options_read(options, error) ? g_steal_pointer(&options) : NULL;
}

RenewalRecord *renewal_record_load(const char *folder, const char *name,
                                   const RequestOptions *given, GError **error) {
  g_autofree char *path = record_path(folder, name);
  GKeyFile *file = load_file(path, error);
  RequestOptions *options = file != NULL ? load_options(file, folder, name, given, error) : NULL;
  if (options == NULL) {
    if (file != NULL) {
      g_prefix_error(error, "%s: ", path);
      g_key_file_unref(file);
    }
    return NULL;
  }
  RenewalRecord *record = renewal_record_new(options);
  record->file = file;
  read_state(record, file);
  return record;
}

static GKeyFile *make_file(const RequestOptions *o) {
  GKeyFile *file = g_key_file_new();
  for (const OptionField *const *table = request_tables; *table != NULL; table++)
    option_fields_keep(*table, o, file, OPTIONS);
  return file;
}

gboolean renewal_record_save(const RenewalRecord *record, GError **error) {
  const RequestOptions *o = record->options;
  g_autofree char *path = record_path(request_options_folder(o), o->name);
  g_autoptr(GKeyFile) file = record->file != NULL ? g_key_file_ref(record->file) : make_file(o);
  g_key_file_set_string_list(file, OPTIONS, "addresses", (const char *const *)o->addresses,
                             g_strv_length(o->addresses));
  g_key_file_remove_group(file, STATE, NULL);
  write_state(record, file);
  if (record->file == NULL)
    g_key_file_set_comment(file, NULL, NULL, HEAD, NULL);
  gsize length = 0;
  char *text = g_key_file_to_data(file, &length, NULL);
  g_autoptr(GBytes) content = g_bytes_new_take(text, length);
  return local_file_write(path, content, 0600, LOCAL_FILE_REPLACE, error);
}
