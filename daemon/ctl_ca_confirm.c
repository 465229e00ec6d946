/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca confirm: the second person of a root operation. */
#include "base/log.h"
#include "daemon/ca_agreement.h"
#include "daemon/ctl.h"
#include "daemon/sockets.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SECONDS 30

static gint64 soon(void) {
  return g_get_monotonic_time() + ANSWER_SECONDS * G_USEC_PER_SEC;
}

static gboolean fail(GError **error, const char *why) {
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, why);
  return FALSE;
}

static const char *reason_of(int failure) {
  if (failure == ENOENT || failure == ECONNREFUSED)
    return "nothing waits here for a second person";
  if (failure == EACCES)
    return "no permission; the folder has to let you in (chgrp, chmod 0710)";
  return g_strerror(failure);
}

static gboolean say(int fd, const char *line, GError **error) {
  return ca_agreement_write(fd, line, strlen(line)) ||
         fail(error, "the one who asks is gone; ask anew");
}

/* What will be signed, when the ID was good and this user may decide. */
static char *read_shown(int fd, GError **error) {
  g_autofree char *line = ca_agreement_read(fd, -1, soon());
  gsize length =
      line != NULL && g_str_has_prefix(line, "yes ") ? g_ascii_strtoull(line + 4, NULL, 10) : 0;
  if (line != NULL && g_str_has_prefix(line, "no ")) {
    g_autofree char *why = log_escape(line + 3, CA_AGREEMENT_LINE);
    return fail(error, why), NULL;
  }
  if (length == 0 || length > CA_AGREEMENT_TEXT)
    return fail(error, "no answer; ask anew"), NULL;
  g_autofree char *text = g_malloc0(length + 1);
  for (gsize got = 0; got < length;) {
    ssize_t part = recv(fd, text + got, length - got, 0);
    if (part <= 0)
      return fail(error, "the one who asks is gone; ask anew"), NULL;
    got += (gsize)part;
  }
  return g_steal_pointer(&text);
}

/* Escaped, so that nothing can be hidden on a terminal; who asks is the kernel's word. */
static void print_shown(int fd, const char *text) {
  struct ucred peer = {0};
  socklen_t length = sizeof(peer);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
    g_autofree char *who = ca_folder_user(peer.uid);
    printf("%s asks:\n", who);
  }
  for (char **line = lines; *line != NULL; line++) {
    g_autofree char *escaped = log_escape(*line, G_MAXUINT);
    printf("%s\n", escaped);
  }
}

/* A line of its own: "yes"; everything else leaves it undecided. */
static gboolean ask(void) {
  char line[16] = "";
  printf("Type yes to confirm: ");
  fflush(stdout);
  return fgets(line, sizeof line, stdin) != NULL && strcmp(g_strstrip(line), "yes") == 0;
}

static gboolean decide(int fd, const char *id, gboolean refuse, gboolean yes, GError **error) {
  g_autofree char *hello = g_strconcat(id, "\n", NULL);
  g_autofree char *shown = say(fd, hello, error) ? read_shown(fd, error) : NULL;
  if (shown == NULL)
    return FALSE;
  print_shown(fd, shown);
  if (!refuse && !yes && !ask())
    return fail(error, "not confirmed; it still waits");
  if (!say(fd, refuse ? "refuse\n" : "confirm\n", error))
    return FALSE;
  g_autofree char *answer = ca_agreement_read(fd, -1, soon());
  if (answer == NULL || !g_str_has_prefix(answer, "done "))
    return fail(error, "no answer; look into the transcript");
  printf("%s\n", refuse ? "refused" : "confirmed");
  return TRUE;
}

int ctl_ca_confirm(int argc, char **argv) {
  g_autofree char *directory = NULL;
  g_auto(GStrv) words = NULL;
  gboolean refuse = FALSE, yes = FALSE;
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &directory, "Folder of the root (needed)",
       "DIR"},
      {"refuse", 0, 0, G_OPTION_ARG_NONE, &refuse, "Ends it: nothing is signed", NULL},
      {"yes", 0, 0, G_OPTION_ARG_NONE, &yes, "Does not ask", NULL},
      CTL_WORDS(words, "ID"),
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca confirm",
                   "Shows what another system user asked a root's key to sign; "
                   "confirms or refuses it.",
                   options, argc, argv) ||
      !ctl_count_words(words, 1, "an ID"))
    return CTL_USAGE;
  if (directory == NULL || (refuse && yes))
    return ctl_misused("%s",
                       directory == NULL ? "--directory is needed" : "--refuse or --yes, not both");
  g_autofree char *path = g_build_filename(directory, CA_FOLDER_SOCKET, NULL);
  int fd = sockets_connect_to(path);
  if (fd < 0)
    return fail(&error, reason_of(errno)), ctl_failed(path, &error);
  gboolean done = decide(fd, words[0], refuse, yes, &error);
  close(fd);
  return done ? CTL_DONE : ctl_failed("nothing decided", &error);
}
