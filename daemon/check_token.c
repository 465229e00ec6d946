/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_token.h"
#include "daemon/ca_key.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_SECONDS 60
#define ANSWER_MAX 1024

static GBytes *read_pin(const Config *config, const char *group, GError **error) {
  g_autofree char *name = ca_key_name(group, "passphrase-file");
  char *content = NULL;
  gsize length = 0;
  if (!config_given(config, name))
    return NULL;
  return g_file_get_contents(config_text(config, name), &content, &length, error)
             ? g_bytes_new_take(content, length)
             : NULL;
}

static gboolean try_key(const Config *config, const char *group, GBytes *certificate,
                        GError **error) {
  g_autoptr(Issuer) issuer = issuer_new(certificate, NULL, NULL, error);
  GError *unreadable = NULL;
  g_autoptr(GBytes) pin = issuer != NULL ? read_pin(config, group, &unreadable) : NULL;
  g_autoptr(Pkcs11) pkcs11 = NULL;
  if (unreadable != NULL) {
    g_set_error_literal(error, CA_ERROR, CA_ERROR_PIN, unreadable->message);
    g_error_free(unreadable);
    return FALSE;
  }
  return issuer != NULL && ca_key_open(config, group, pin, issuer, &pkcs11, error);
}

/* The answer: nothing when the key is there; else the error's code as one octet, and its text. The
   process ends without running what the parent or the module may have put up for its end. */
static void run_child(const Config *config, const char *group, GBytes *certificate,
                      int fd) G_GNUC_NORETURN;
static void run_child(const Config *config, const char *group, GBytes *certificate, int fd) {
  g_autoptr(GError) error = NULL;
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  if (dup2(fd, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, G_MAXUINT, 0) != 0)
    _exit(EXIT_FAILURE);
  if (try_key(config, group, certificate, &error))
    _exit(EXIT_SUCCESS);
  g_autofree char *answer = g_strdup_printf("%c%s", 'a' + error->code, error->message);
  _exit(write(STDERR_FILENO + 1, answer, MIN(strlen(answer), ANSWER_MAX)) > 0 ? 1 : 2);
}

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, CA_ERROR, CA_ERROR_TOKEN, "%s: %s", what, g_strerror(errno));
  return FALSE;
}

/* Until the end of the pipe; FALSE when that does not come in time. */
static gboolean read_answer(int fd, GString *answer) {
  gint64 end = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;
  for (;;) {
    char part[ANSWER_MAX];
    struct pollfd wait = {fd, POLLIN, 0};
    gint64 left = end - g_get_monotonic_time();
    int ready = left > 0 ? poll(&wait, 1, (int)(left / 1000) + 1) : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    ssize_t got = ready > 0 ? read(fd, part, sizeof(part)) : -1;
    if (got <= 0)
      return got == 0;
    g_string_append_len(answer, part, got);
  }
}

static gboolean judge(gboolean in_time, int status, const GString *answer, GError **error) {
  if (!in_time)
    g_set_error(error, CA_ERROR, CA_ERROR_TOKEN, "the token did not answer within %d seconds",
                WAIT_SECONDS);
  else if (answer->len > 0)
    g_set_error_literal(error, CA_ERROR, answer->str[0] - 'a', answer->str + 1);
  else if (WIFSIGNALED(status))
    g_set_error(error, CA_ERROR, CA_ERROR_MODULE, "the PKCS#11 module crashed (signal %d)",
                WTERMSIG(status));
  else if (WEXITSTATUS(status) != EXIT_SUCCESS)
    g_set_error(error, CA_ERROR, CA_ERROR_MODULE, "the PKCS#11 module ended its process");
  else
    return TRUE;
  return FALSE;
}

gboolean check_token(const Config *config, const char *group, GBytes *certificate, GError **error) {
  int pipes[2], status = 0;
  g_autoptr(GString) answer = g_string_new(NULL);
  if (pipe(pipes) != 0)
    return fail(error, "no pipe");
  pid_t pid = fork();
  if (pid == 0)
    run_child(config, group, certificate, pipes[1]);
  close(pipes[1]);
  if (pid < 0) {
    close(pipes[0]);
    return fail(error, "no process");
  }
  gboolean in_time = read_answer(pipes[0], answer);
  close(pipes[0]);
  if (!in_time)
    kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  return judge(in_time, status, answer, error);
}
