/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

gboolean ctl_options(const char *command, const char *summary, const GOptionEntry *options,
                     int argc, char **argv) {
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_strconcat("signetctl ", command, NULL);
  g_set_prgname(name);
  const char *example = ctl_example(command);
  g_autofree char *ending = example != NULL ? g_strconcat("Example:\n  ", example, NULL) : NULL;
  g_option_context_set_summary(context, summary);
  g_option_context_set_description(context, ending);
  g_option_context_add_main_entries(context, options, NULL);
  if (g_option_context_parse(context, &argc, &argv, &error) && argc == 1)
    return TRUE;
  ctl_misused("%s", error != NULL ? error->message : "takes no arguments");
  return FALSE;
}

int ctl_misused(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fprintf(stderr, "%s: %s; see %s --help\n", g_get_prgname(), text, g_get_prgname());
  return CTL_USAGE;
}

gboolean ctl_count_words(char **words, guint wanted, const char *shown) {
  if (words != NULL && g_strv_length(words) == wanted)
    return TRUE;
  ctl_misused("needs %s", shown);
  return FALSE;
}

gboolean ctl_fail(GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_propagate_error(error, g_error_new_valist(G_IO_ERROR, G_IO_ERROR_FAILED, format, values));
  va_end(values);
  return FALSE;
}

int ctl_failed(const char *what, GError **error) {
  fprintf(stderr, "%s: %s%s%s\n", g_get_prgname(), what,
          error != NULL && *error != NULL ? ": " : "",
          error != NULL && *error != NULL ? (*error)->message : "");
  g_clear_error(error);
  return CTL_FAILED;
}

gboolean ctl_write_new(const char *path, const void *content, gsize length, int mode,
                       GError **error) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  ssize_t written = fd >= 0 ? write(fd, content, length) : -1;
  gboolean good = written == (ssize_t)length && fsync(fd) == 0;
  int failure = written >= 0 && written < (ssize_t)length ? ENOSPC : errno;
  if (fd >= 0)
    close(fd);
  if (fd >= 0 && !good)
    unlink(path);
  if (!good)
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(failure), "%s: %s", path,
                g_strerror(failure));
  return good;
}

char *ctl_passphrase(const char *path, GError **error) {
  char *line = NULL;
  if (path == NULL || !g_file_get_contents(path, &line, NULL, error))
    return NULL;
  line[strcspn(line, "\r\n")] = '\0';
  return line;
}
