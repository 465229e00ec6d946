/* SPDX-License-Identifier: Apache-2.0 */
#include "client/hook.h"

#include "client/failure.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MILLISECONDS 20

static char **set_path(char **environment, const char *name, const char *path) {
  g_autofree char *whole = g_canonicalize_filename(path, NULL);
  return g_environ_setenv(environment, name, whole, TRUE);
}

static char **make_environment(const CertificateFiles *files, const CertificateStack *chain,
                               const char *const *addresses) {
  g_autofree char *key = certificate_files_key(files);
  g_autofree char *pem = certificate_files_path(files, ".pem");
  g_autofree char *p12 = certificate_files_path(files, ".p12");
  g_autofree char *preset = certificate_files_path(files, ".p12.password");
  g_autofree char *lines = g_strjoinv("\n", (char **)addresses);
  g_autofree char *serial = certificate_chain_serial(chain);
  g_autofree char *expiry = certificate_chain_expiry(chain);
  char **environment = g_get_environ();
  environment = g_environ_setenv(environment, "SIGNET_NAME", files->name, TRUE);
  environment = g_environ_setenv(environment, "SIGNET_ADDRESSES", lines, TRUE);
  environment = g_environ_setenv(environment, "SIGNET_SERIAL", serial, TRUE);
  environment = g_environ_setenv(environment, "SIGNET_EXPIRES", expiry, TRUE);
  environment = set_path(environment, "SIGNET_KEY", key);
  environment = set_path(environment, "SIGNET_CERTIFICATE", pem);
  environment = set_path(environment, "SIGNET_P12", p12);
  return set_path(environment, "SIGNET_P12_PASSWORD_FILE",
                  files->password_file != NULL ? files->password_file : preset);
}

/* In the child: a group of its own, which is ended as a whole. */
static void start_group(gpointer user) {
  (void)user;
  setpgid(0, 0);
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* FALSE when it had to be ended. */
static gboolean wait_for(GPid pid, guint seconds, int *status) {
  gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
  for (;;) {
    pid_t found = waitpid(pid, status, WNOHANG);
    if (found == pid)
      return TRUE;
    if ((found < 0 && errno != EINTR) || g_get_monotonic_time() >= until)
      break;
    g_usleep(LOOK_MILLISECONDS * 1000);
  }
  kill(-pid, SIGKILL);
  waitpid(pid, status, 0);
  return FALSE;
}

gboolean hook_run(const char *command, const CertificateFiles *files, const char *const *addresses,
                  guint seconds, GError **error) {
  g_autoptr(CertificateStack) chain = certificate_files_load(files, error);
  if (chain == NULL)
    return FALSE;
  char *const arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
  g_auto(GStrv) environment = make_environment(files, chain, addresses);
  g_autoptr(GError) reason = NULL;
  GPid pid = 0;
  int status = 0;
  if (!g_spawn_async(NULL, (char **)arguments, environment, G_SPAWN_DO_NOT_REAP_CHILD, start_group,
                     NULL, &pid, &reason))
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the hook did not start: %s", reason->message);
  else if (!wait_for(pid, seconds, &status))
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the hook was ended after %u seconds: %s",
                seconds, command);
  else if (!g_spawn_check_wait_status(status, &reason))
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the hook failed (%s): %s", reason->message,
                command);
  else
    return TRUE;
  return FALSE;
}
