/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ca_agreement.h"
#include "base/clock.h"
#include "base/config_types.h"
#include "ca/transcript.h"
#include "daemon/ctl.h"
#include "daemon/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_CHARACTERS 12 /* of 32: 60 bit */
#define WRONG_IDS 5      /* then it is over */
#define HELLO_SECONDS 10 /* until one that connected has named an ID */

typedef enum { AGREED, REFUSED, TIMED_OUT, GUESSED, WITHDRAWN } Outcome;

typedef struct {
  char id[ID_CHARACTERS + 1];
  const char *shown;
  uid_t asker, origin;
  int listener, signals;
  gint64 deadline; /* monotonic microseconds */
  guint wrong;
  uid_t confirmer; /* who agreed or refused */
} Agreement;

/* --- lines over a socket
 * ---------------------------------------------------------------------------- */

/* Whether there is something to read at fd; FALSE: deadline, or other has something. */
static gboolean wait_for(int fd, int other, gint64 deadline) {
  for (;;) {
    struct pollfd waits[] = {{fd, POLLIN, 0}, {other, POLLIN, 0}};
    gint64 left = deadline - g_get_monotonic_time();
    int ready = left > 0 ? poll(waits, 2, (int)MIN(left / 1000 + 1, G_MAXINT)) : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    return ready > 0 && waits[1].revents == 0;
  }
}

char *ca_agreement_read(int fd, int other, gint64 deadline) {
  g_autoptr(GString) line = g_string_new(NULL);
  while (line->len < CA_AGREEMENT_LINE && wait_for(fd, other, deadline)) {
    char octet = 0;
    if (recv(fd, &octet, 1, 0) != 1)
      return NULL;
    if (octet == '\n')
      return g_strdup(line->str);
    g_string_append_c(line, octet);
  }
  return NULL;
}

gboolean ca_agreement_write(int fd, const char *octets, gsize length) {
  while (length > 0) {
    ssize_t sent = send(fd, octets, length, MSG_NOSIGNAL);
    if (sent <= 0)
      return FALSE;
    octets += sent;
    length -= (gsize)sent;
  }
  return TRUE;
}

static void say(int fd, const char *line) {
  ca_agreement_write(fd, line, strlen(line));
}

/* --- who
 * -------------------------------------------------------------------------------------------- */

/* The user of the login session, which the kernel keeps over su and sudo; else what sudo says. */
static uid_t find_origin(void) {
  g_autofree char *text = NULL;
  const char *said = getenv("SUDO_UID");
  if (g_file_get_contents("/proc/self/loginuid", &text, NULL, NULL)) {
    guint64 uid = g_ascii_strtoull(text, NULL, 10);
    if (uid < G_MAXUINT)
      return (uid_t)uid;
  }
  return said != NULL && g_ascii_isdigit(*said) ? (uid_t)g_ascii_strtoull(said, NULL, 10)
                                                : (uid_t)G_MAXUINT;
}

char *ca_agreement_fault(uid_t asker, uid_t origin, uid_t confirmer) {
  if (confirmer == asker)
    return g_strdup_printf("it was asked for by the same system user (uid %u); another one has to "
                           "confirm it",
                           (guint)asker);
  if (confirmer == 0)
    return g_strdup("root may be anybody; confirm it as a user of your own, without sudo");
  if (confirmer == origin)
    return g_strdup_printf("it was asked for by uid %u as another user; somebody else has to "
                           "confirm it",
                           (guint)origin);
  return NULL;
}

/* --- the wait
 * -------------------------------------------------------------------------------------------- */

static void make_id(char *id) {
  static const char characters[] = "23456789abcdefghjkmnpqrstuvwxyzA";
  guint8 random[ID_CHARACTERS];
  if (RAND_bytes(random, sizeof random) != 1)
    g_error("no random octets");
  for (gsize i = 0; i < ID_CHARACTERS; i++)
    id[i] = characters[random[i] % 32];
}

static gboolean is_id(const Agreement *agreement, const char *said) {
  return strlen(said) == ID_CHARACTERS && CRYPTO_memcmp(said, agreement->id, ID_CHARACTERS) == 0;
}

/* Shows it to whom may decide; TRUE when there is an outcome. */
static gboolean let_decide(Agreement *agreement, int fd, Outcome *outcome) {
  g_autofree char *head = g_strdup_printf("yes %" G_GSIZE_FORMAT "\n", strlen(agreement->shown));
  say(fd, head);
  say(fd, agreement->shown);
  g_autofree char *said = ca_agreement_read(fd, agreement->signals, agreement->deadline);
  if (said == NULL || (strcmp(said, "confirm") != 0 && strcmp(said, "refuse") != 0))
    return FALSE;
  *outcome = strcmp(said, "confirm") == 0 ? AGREED : REFUSED;
  say(fd, *outcome == AGREED ? "done confirmed\n" : "done refused\n");
  return TRUE;
}

/* One that connected; TRUE when there is an outcome. */
static gboolean serve(Agreement *agreement, int fd, Outcome *outcome) {
  struct ucred peer = {0};
  socklen_t length = sizeof(peer);
  gint64 hello = g_get_monotonic_time() + HELLO_SECONDS * G_USEC_PER_SEC;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    return FALSE;
  g_autofree char *said =
      ca_agreement_read(fd, agreement->signals, MIN(hello, agreement->deadline));
  if (said == NULL)
    return FALSE;
  if (!is_id(agreement, said)) {
    say(fd, "no nothing with this ID waits here\n");
    *outcome = GUESSED;
    return ++agreement->wrong >= WRONG_IDS;
  }
  g_autofree char *fault = ca_agreement_fault(agreement->asker, agreement->origin, peer.uid);
  if (fault != NULL) {
    g_autofree char *line = g_strdup_printf("no %s\n", fault);
    fprintf(stderr, "%s: uid %u may not confirm: %s\n", g_get_prgname(), (guint)peer.uid, fault);
    say(fd, line);
    return FALSE;
  }
  agreement->confirmer = peer.uid;
  return let_decide(agreement, fd, outcome);
}

static Outcome wait_for_outcome(Agreement *agreement) {
  while (wait_for(agreement->listener, agreement->signals, agreement->deadline)) {
    Outcome outcome = WITHDRAWN;
    int fd = accept4(agreement->listener, NULL, NULL, SOCK_CLOEXEC);
    gboolean decided = fd >= 0 && serve(agreement, fd, &outcome);
    if (fd >= 0)
      close(fd);
    if (decided)
      return outcome;
  }
  return g_get_monotonic_time() >= agreement->deadline ? TIMED_OUT : WITHDRAWN;
}

/* Interruptions become readable, so that they are recorded. */
static int take_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

static gboolean record_outcome(const CaFolder *folder, const Agreement *agreement, Outcome outcome,
                               const char *wait, GError **error) {
  static const char *const events[] = {[AGREED] = "confirmed",
                                       [REFUSED] = "refused",
                                       [TIMED_OUT] = "timed out",
                                       [GUESSED] = "given up: wrong IDs were tried",
                                       [WITHDRAWN] = "withdrawn"};
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autofree char *who = ca_folder_user(agreement->confirmer);
  gboolean by_somebody = outcome == AGREED || outcome == REFUSED;
  transcript_line(lines, "id", agreement->id);
  transcript_line(lines, outcome == AGREED ? "confirmed-by" : "refused-by",
                  by_somebody ? who : NULL);
  if (!ca_folder_record(folder, events[outcome], lines, error))
    return FALSE;
  if (outcome == REFUSED)
    return ctl_fail(error, "%s refused it", who);
  if (outcome == TIMED_OUT)
    return ctl_fail(error, "nobody confirmed it within %s", wait);
  if (outcome != AGREED)
    return ctl_fail(error, "%s",
                    outcome == GUESSED ? "wrong IDs were tried; ask anew" : "withdrawn");
  printf("confirmed by %s\n", who);
  return TRUE;
}

/* Without a way in for others the wait would be for nothing. */
static gboolean check_way_in(const CaFolder *folder, GError **error) {
  struct stat status;
  if (stat(folder->path, &status) == 0 && (status.st_mode & 0011) != 0)
    return TRUE;
  return ctl_fail(
      error,
      "nobody else can reach %s to confirm: give it to a group that the second person is "
      "in (chgrp GROUP %s; chmod 0710 %s)",
      folder->path, folder->path, folder->path);
}

static gboolean wait_for_second(const CaFolder *folder, Agreement *agreement, const char *wait,
                                GError **error) {
  g_autofree char *path = ca_folder_file(folder, CA_FOLDER_SOCKET);
  g_autofree char *quoted = g_shell_quote(folder->path);
  agreement->listener = sockets_listen_at(path, 0666, error);
  if (agreement->listener < 0)
    return FALSE;
  agreement->signals = take_signals();
  printf("%s\nThis waits %s for another system user, who says:\n\n"
         "    signetctl ca confirm %s --directory %s\n\n",
         agreement->shown, wait, agreement->id, quoted);
  fflush(stdout);
  Outcome outcome = wait_for_outcome(agreement);
  close(agreement->listener);
  close(agreement->signals);
  unlink(path);
  return record_outcome(folder, agreement, outcome, wait, error);
}

static gboolean set_deadline(Agreement *agreement, const char *wait, GError **error) {
  static const ConfigKey key = {.type = CONFIG_DURATION, .min = CLOCK_SECOND, .max = 7 * CLOCK_DAY};
  g_autofree char *why = NULL;
  g_autofree char *milliseconds = config_parse_value(&key, wait, NULL, &why);
  if (milliseconds == NULL)
    return ctl_fail(error, "--wait %s: %s", wait, why);
  agreement->deadline =
      g_get_monotonic_time() + g_ascii_strtoll(milliseconds, NULL, 10) * (G_USEC_PER_SEC / 1000);
  return TRUE;
}

gboolean ca_agreement(const CaFolder *folder, const char *what, const char *shown, const char *wait,
                      GError **error) {
  Agreement agreement = {.asker = geteuid(), .origin = find_origin()};
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autofree char *origin =
      agreement.origin != (uid_t)G_MAXUINT && agreement.origin != agreement.asker
          ? ca_folder_user(agreement.origin)
          : NULL;
  g_autofree char *text = g_strconcat(what, "\n", shown, NULL);
  if (wait == NULL)
    wait = CA_AGREEMENT_WAIT;
  if (!set_deadline(&agreement, wait, error) || (folder->public_ca && !check_way_in(folder, error)))
    return FALSE;
  make_id(agreement.id);
  agreement.shown = text;
  transcript_line(lines, "operation", folder->public_ca ? "public" : "private");
  transcript_line(lines, "asked", what);
  transcript_line(lines, "logged-in-as", origin);
  transcript_line(lines, "id", folder->public_ca ? agreement.id : NULL);
  transcript_block(lines, "to-be-signed", shown);
  if (!ca_folder_record(folder, "asked", lines, error))
    return FALSE;
  return !folder->public_ca || wait_for_second(folder, &agreement, wait, error);
}
