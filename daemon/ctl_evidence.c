/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl evidence: everything that led to a certificate, shown, written to a file, and checked
   from such a file. They ask no server: the store is read beside one that goes on. */
#include "acme/evidence_check.h"
#include "acme/evidence_row.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/ctl_check.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

#define SERIAL_MAX_OCTETS 20
#define SHOWN_MAX (64 * 1024) /* characters of one value or line */

/* --- out of the store
 * -------------------------------------------------------------------------------------- */

/* Options of the commands that read a store. */
typedef struct {
  char *config;
  char **issuers, **keys, **words;
} Source;

static void source_clear(Source *source) {
  g_free(source->config);
  g_strfreev(source->issuers);
  g_strfreev(source->keys);
  g_strfreev(source->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Source, source_clear)

#define SOURCE_OPTIONS(source)                                                                     \
  {"config",                                                                                       \
   'c',                                                                                            \
   0,                                                                                              \
   G_OPTION_ARG_FILENAME,                                                                          \
   &(source).config,                                                                               \
   "Configuration of the server (" CTL_DEFAULT_CONFIG ")",                                         \
   "FILE"},                                                                                        \
      {"issuer",                                                                                   \
       'i',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_FILENAME_ARRAY,                                                                \
       &(source).issuers,                                                                          \
       "Certificate of a further, former issuing CA; may be given again",                          \
       "FILE"},                                                                                    \
      {"audit-key",                                                                                \
       'k',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_FILENAME_ARRAY,                                                                \
       &(source).keys,                                                                             \
       "Public audit key; may be given again for earlier ones (the one beside [ca] audit-key)",    \
       "FILE"},                                                                                    \
      CTL_WORDS((source).words, "SERIAL")

static StoreFind find(Store *store, const char *word, Certificate **certificate, GError **error) {
  g_autoptr(GBytes) serial = hex_decode(word, SERIAL_MAX_OCTETS);
  StoreFind found = serial != NULL ? certificate_find_by_serial(store, serial, certificate, error)
                                   : STORE_MISSING;
  if (serial == NULL)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is no serial number", word);
  else if (found == STORE_MISSING)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no certificate %s", word);
  else if (found == STORE_FOUND && (*certificate)->der == NULL)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "certificate %s was never signed", word);
  return found == STORE_FOUND && (*certificate)->der == NULL ? STORE_MISSING : found;
}

/* Writes the evidence of the one certificate that is named; check: what was opened for it. */
static gboolean gather(const Source *source, CtlCheck *check, GPtrArray **keys, FILE *out,
                       GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  gboolean covered = TRUE;
  if (!ctl_check_open(check, (const char *const *)source->issuers, error))
    return FALSE;
  *keys = ctl_audit_keys(check->config, (const char *const *)source->keys, error);
  if (*keys == NULL || find(check->store, source->words[0], &certificate, error) != STORE_FOUND ||
      !evidence_write(check->store, certificate, check->issuers, *keys, out, &covered, error))
    return FALSE;
  if (!covered)
    fprintf(stderr,
            "%s: no checkpoint of the audit log covers the last records yet; one is signed within "
            "a minute: ask again then for evidence that verifies\n",
            g_get_prgname());
  return TRUE;
}

static int export_to(const Source *source, const char *output) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = NULL;
  g_auto(CtlCheck) check = {.config = ctl_audit_config(source->config)};
  if (check.config == NULL)
    return CTL_USAGE;
  ctl_report_init(&check.report, FALSE);
  FILE *out = output != NULL ? fopen(output, "wxe") : stdout;
  if (out == NULL) {
    error =
        g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", output, g_strerror(errno));
    return ctl_failed("nothing exported", &error);
  }
  gboolean good = gather(source, &check, &keys, out, &error);
  if (out != stdout && fclose(out) != 0 && good) {
    good = FALSE;
    error =
        g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", output, g_strerror(errno));
  }
  if (!good && output != NULL)
    remove(output);
  return good ? CTL_DONE : ctl_failed("nothing exported", &error);
}

int ctl_evidence_export(int argc, char **argv) {
  g_autofree char *output = NULL;
  g_auto(Source) source = {NULL, NULL, NULL, NULL};
  const GOptionEntry options[] = {{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
                                   "File to be made (standard output)", "FILE"},
                                  SOURCE_OPTIONS(source),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("evidence export",
                   "Writes everything that led to a certificate to one file, which signetctl "
                   "evidence verify reads.",
                   options, argc, argv) ||
      !ctl_count_words(source.words, 1, "one serial number"))
    return CTL_USAGE;
  return export_to(&source, output);
}

/* --- checking
 * ---------------------------------------------------------------------------------------------- */

static void on_result(const char *check, gboolean good, const char *words,
                      gpointer user G_GNUC_UNUSED) {
  g_autofree char *name = log_escape(check, SHOWN_MAX);
  g_autofree char *shown = log_escape(words, SHOWN_MAX);
  printf("%-6s  %s: %s\n", good ? "ok" : "FAILED", name, shown);
}

static gboolean read_keys(char **paths, GPtrArray **keys, GError **error) {
  if (paths != NULL)
    *keys = ctl_audit_keys(NULL, (const char *const *)paths, error);
  return paths == NULL || *keys != NULL;
}

/* Exit status of one file. */
static int verify(const char *path, const EvidenceTrust *trust) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Evidence) evidence = NULL;
  FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
  if (in == NULL)
    error = g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
  else
    evidence = evidence_read(in, &error);
  if (in != NULL && in != stdin)
    fclose(in);
  if (evidence == NULL) {
    g_prefix_error(&error, "%s: ", path);
    ctl_failed("not verified", &error);
    return CTL_USAGE;
  }
  guint failed = evidence_check(evidence, trust, on_result, NULL);
  if (failed == 0)
    printf("%s: the evidence holds\n", path);
  else
    printf("%s: %u checks FAILED\n", path, failed);
  return failed == 0 ? CTL_DONE : CTL_FAILED;
}

int ctl_evidence_verify(int argc, char **argv) {
  g_auto(GStrv) issuers = NULL, key_paths = NULL, paths = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = NULL, read = NULL;
  const GOptionEntry options[] = {
      {"issuer", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &issuers,
       "Certificate of an issuing CA; may be given again (the one in the file)", "FILE"},
      {"audit-key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &key_paths,
       "Public audit key; may be given again (those in the file)", "FILE"},
      CTL_WORDS(paths, "FILE..."),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("evidence verify",
                   "Checks evidence from its raw material, without store, server or network.",
                   options, argc, argv))
    return CTL_USAGE;
  if (paths == NULL)
    return ctl_misused("needs a file");
  if (issuers != NULL)
    read = ctl_check_read_issuers((const char *const *)issuers, &error);
  if ((issuers != NULL && read == NULL) || !read_keys(key_paths, &keys, &error)) {
    ctl_failed("not verified", &error);
    return CTL_USAGE;
  }
  const EvidenceTrust trust = {read, keys};
  int status = CTL_DONE;
  for (char **path = paths; *path != NULL; path++)
    status = MAX(status, verify(*path, &trust));
  return status;
}

/* --- showing
 * -----------------------------------------------------------------------------------------------
 */

static gboolean is_time(const char *name) {
  static const char *const names[] = {"at", "deadline", "not_before", "not_after", NULL};
  return g_str_has_suffix(name, "_at") || g_strv_contains(names, name);
}

static void show_lines(GBytes *octets) {
  g_autofree char *text = g_strndup(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_autofree char *shown = log_escape(g_strchomp(*line), SHOWN_MAX);
    printf("      | %s\n", shown);
  }
}

static void show_octets(const json_t *row, const char *name, gboolean mails) {
  g_autoptr(GBytes) octets = evidence_octets(row, name);
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, octets);
  printf("    %s: %zu octets, SHA-256 %s\n", name, g_bytes_get_size(octets), digest);
  if (mails && strcmp(evidence_text(row, "evidence"), "message") == 0)
    show_lines(octets);
}

static void show_value(const json_t *row, const char *name, const json_t *value, gboolean mails) {
  if (json_is_object(value)) {
    show_octets(row, name, mails);
  } else if (json_is_string(value)) {
    g_autofree char *shown = log_escape(json_string_value(value), SHOWN_MAX);
    printf("    %s: %s\n", name, shown);
  } else if (is_time(name)) {
    g_autofree char *at = clock_rfc3339(json_integer_value(value));
    printf("    %s: %s\n", name, at);
  } else {
    printf("    %s: %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
  }
}

static void show_rows(const Evidence *evidence, gboolean mails) {
  for (guint i = 0; i < evidence->rows->len; i++) {
    json_t *row = evidence->rows->pdata[i], *value = NULL;
    const char *kind = evidence_text(row, "evidence"), *name = NULL;
    if (strcmp(kind, "audit") == 0)
      continue;
    printf("%s\n", kind);
    json_object_foreach(row, name, value) {
      if (strcmp(name, "evidence") != 0)
        show_value(row, name, value, mails);
    }
  }
}

static void show_records(const Evidence *evidence) {
  printf("audit records\n");
  for (guint i = 0; i < evidence->log->len; i++) {
    const json_t *record = evidence->log->pdata[i];
    if (json_object_get(record, "record") == NULL)
      continue;
    g_autofree char *at = clock_rfc3339(evidence_number(record, "at"));
    printf("    %" G_GINT64_FORMAT " %s %s: %s %s\n", evidence_number(record, "record"), at,
           evidence_text(record, "kind"), evidence_text(record, "subject"),
           evidence_text(record, "detail"));
  }
}

int ctl_evidence_show(int argc, char **argv) {
  gboolean mails = FALSE;
  g_auto(Source) source = {NULL, NULL, NULL, NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = NULL;
  g_autoptr(Evidence) evidence = NULL;
  const GOptionEntry options[] = {{"mails", 'm', 0, G_OPTION_ARG_NONE, &mails,
                                   "Print the mails too, as they were sent and received", NULL},
                                  SOURCE_OPTIONS(source),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("evidence show", "Tells everything that led to a certificate, and checks it.",
                   options, argc, argv) ||
      !ctl_count_words(source.words, 1, "one serial number"))
    return CTL_USAGE;
  g_auto(CtlCheck) check = {.config = ctl_audit_config(source.config)};
  if (check.config == NULL)
    return CTL_USAGE;
  ctl_report_init(&check.report, FALSE);
  FILE *file = tmpfile();
  if (file == NULL)
    error = g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
  else if (gather(&source, &check, &keys, file, &error))
    evidence = (rewind(file), evidence_read(file, &error));
  if (file != NULL)
    fclose(file);
  if (evidence == NULL)
    return ctl_failed("nothing to show", &error);
  show_rows(evidence, mails);
  show_records(evidence);
  printf("checks\n");
  const EvidenceTrust trust = {check.issuers, keys};
  return evidence_check(evidence, &trust, on_result, NULL) == 0 ? CTL_DONE : CTL_FAILED;
}
