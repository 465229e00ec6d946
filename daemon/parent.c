/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parent.h"
#include "acme/acme.h"
#include "base/log.h"
#include "ca/pkcs11.h"
#include "daemon/ca_key.h"
#include "daemon/check.h"
#include "daemon/control.h"
#include "daemon/ends.h"
#include "daemon/mail_texts.h"
#include "daemon/messages.h"
#include "daemon/role.h"
#include "daemon/service_manager.h"
#include "daemon/sockets.h"
#include "daemon/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS_AT_ONCE 2 /* within a minute; from the next one on the restart waits */
#define MAX_BACK_OFF_SECONDS 30
#define MAX_DESCRIPTORS 65536
#define STOP_SECONDS 10   /* until a role that does not end is killed */
#define CONTROL_SECONDS 1 /* between attempts to have the control socket */

typedef struct Parent Parent;

/* One process. */
typedef struct {
  Parent *parent;
  Role role;
  guint index; /* among those of its role */
  pid_t pid;   /* 0: not running */
  Channel *control;
  GArray *https, *http, *smtp, *lmtp,
      *metrics;                      /* its listening sockets, kept over restarts; NULL: none */
  gint64 deaths[DEATHS_AT_ONCE + 1]; /* monotonic seconds, newest first */
  guint deaths_in_row;
  gboolean begun; /* its work, once at least */
  gint64 since;   /* when it was started last, milliseconds; 0: never */
  guint restarts;
  struct event *restart, *kill;
} Child;

struct Parent {
  const char *path;
  Config *config;
  struct event_base *base;
  GPtrArray *children;
  char *control_path;
  int control;             /* the control socket, listening; the first core's; -1: not ours */
  gboolean control_missed; /* and it was said */
  gboolean ready;          /* and the service manager was told */
  gboolean stopping;
  guint stage; /* of stopping */
};

/* The order in which roles are stopped: those that take work first. */
static const RoleSet stop_stages[] = {ROLE_BIT(ROLE_EDGE) | ROLE_BIT(ROLE_INBOUND),
                                      ROLE_BIT(ROLE_CORE),
                                      ROLE_BIT(ROLE_OUTBOUND) | ROLE_BIT(ROLE_LOOKUP) |
                                          ROLE_BIT(ROLE_SIGNER) | ROLE_BIT(ROLE_LINTER)};

static gint64 seconds_now(void) {
  return g_get_monotonic_time() / G_USEC_PER_SEC;
}

/* --- what a role is given
 * --------------------------------------------------------------------------------- */

typedef struct {
  RoleSet roles;
  const char *name, *key; /* of the descriptor, of the configuration */
  gboolean reloaded;      /* given again at SIGHUP */
} GivenFile;

static const GivenFile files[] = {
    {ROLE_BIT(ROLE_EDGE), "tls-certificate", "acme.tls-certificate", TRUE},
    {ROLE_BIT(ROLE_EDGE), "tls-key", "acme.tls-key", TRUE},
    {ROLE_BIT(ROLE_INBOUND), "mail-tls-certificate", "mail.tls-certificate", TRUE},
    {ROLE_BIT(ROLE_INBOUND), "mail-tls-key", "mail.tls-key", TRUE},
    {ROLE_BIT(ROLE_INBOUND) | ROLE_BIT(ROLE_LOOKUP), "dns-local-data", "dns.local-data", FALSE},
    {ROLE_BIT(ROLE_OUTBOUND), "dkim-key", "mail.dkim-key", TRUE},
    {ROLE_BIT(ROLE_OUTBOUND), "relay-password", "mail.relay-password-file", TRUE},
    {ROLE_BIT(ROLE_OUTBOUND), "dkim-ed25519-key", "mail.dkim-ed25519-key", TRUE},
    {ROLE_BIT(ROLE_OUTBOUND), "smime-certificate", "mail.smime-certificate", TRUE},
    {ROLE_BIT(ROLE_OUTBOUND), "smime-key", "mail.smime-key", TRUE},
    {ROLE_BIT(ROLE_SIGNER) | ROLE_BIT(ROLE_CORE), "ca-certificate", "ca.certificate", FALSE},
    {ROLE_BIT(ROLE_SIGNER), "ca-key", "ca.key", FALSE},
    {ROLE_BIT(ROLE_SIGNER), "ca-passphrase", "ca.passphrase-file", FALSE},
    {ROLE_BIT(ROLE_SIGNER), "audit-key", "ca.audit-key", FALSE},
    {ROLE_BIT(ROLE_CORE), "ca-root", "ca.root", FALSE},
    {ROLE_BIT(ROLE_CORE), "ca-root-crl", "ca.root-crl", TRUE},
};

static void give(Child *child, const char *name, int fd, const char *path) {
  if (fd < 0)
    log_error("cannot open", "file", path, "for", role_names[child->role], "reason",
              g_strerror(errno), NULL);
  else
    channel_send(child->control, MESSAGE_DESCRIPTOR, g_variant_new_string(name), fd);
}

static void give_files(Child *child, gboolean reload) {
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    if ((files[i].roles & ROLE_BIT(child->role)) == 0 || (reload && !files[i].reloaded) ||
        !config_given(child->parent->config, files[i].key))
      continue;
    const char *path = config_text(child->parent->config, files[i].key);
    if (!pkcs11_is_uri(path)) /* a key that stays in its token */
      give(child, files[i].name, open(path, O_RDONLY | O_CLOEXEC), path);
  }
}

/* Not there, and not needed, on some machines whose relays are reached without TLS. */
static void give_relay_ca(Child *child) {
  const Config *config = child->parent->config;
  const char *path = config_text(config, "mail.relay-ca");
  if (child->role == ROLE_OUTBOUND && check_relay_tls_demanded(config))
    give(child, "relay-ca", open(path, O_RDONLY | O_CLOEXEC), path);
}

static void give_perspectives_ca(Child *child) {
  const Config *config = child->parent->config;
  const char *path = config_text(config, "dns.perspectives-ca");
  if ((child->role == ROLE_INBOUND || child->role == ROLE_LOOKUP) &&
      config_given(config, "dns.perspectives"))
    give(child, "dns-perspectives-ca", open(path, O_RDONLY | O_CLOEXEC), path);
}

/* A language without a file in the folder has its built-in texts. */
static void give_mail_texts(Child *child) {
  const Config *config = child->parent->config;
  g_auto(GStrv) languages = mail_texts_languages(config);
  for (char **language = languages; child->role == ROLE_OUTBOUND && *language != NULL; language++) {
    g_autofree char *path = mail_texts_path(config, *language);
    g_autofree char *name = g_strconcat("mail-text-", *language, NULL);
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 || (path != NULL && errno != ENOENT))
      give(child, name, fd, path);
  }
}

/* To core: every file of a list, under one name. */
static void give_list(Child *child, const char *key, const char *name) {
  const char *const *paths = config_list(child->parent->config, key);
  for (; child->role == ROLE_CORE && *paths != NULL; paths++)
    give(child, name, open(*paths, O_RDONLY | O_CLOEXEC), *paths);
}

/* Every path that a key of the group [issuer NAME] has, each under the key's full name. */
static void give_issuer_files(Child *child, const char *group, const char *name) {
  const Config *config = child->parent->config;
  g_autofree char *key = ca_key_name(group, name);
  g_auto(GStrv) paths = g_strsplit(config_text(config, key), ";", -1);
  if (pkcs11_is_uri(config_text(config, key))) /* a key that stays in its token */
    return;
  for (char **path = paths; *path != NULL; path++)
    give(child, key, open(*path, O_RDONLY | O_CLOEXEC), *path);
}

static void give_issuers(Child *child, gboolean reload) {
  static const GivenFile of_issuer[] = {
      {ROLE_BIT(ROLE_SIGNER) | ROLE_BIT(ROLE_CORE), NULL, "certificate", FALSE},
      {ROLE_BIT(ROLE_SIGNER), NULL, "key", FALSE},
      {ROLE_BIT(ROLE_SIGNER), NULL, "passphrase-file", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "alternate-chains", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "root", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "root-crl", TRUE},
  };
  const char *const *name = config_names(child->parent->config, "issuer");
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(of_issuer); i++)
      if ((of_issuer[i].roles & ROLE_BIT(child->role)) != 0 && (!reload || of_issuer[i].reloaded))
        give_issuer_files(child, group, of_issuer[i].key);
  }
}

/* What is in a certificate file changes without its name: its digest stands beside it. Files that
   hold a private key are passed over. */
static void list_content(GString *listing, const char *name, const char *path) {
  g_autofree char *content = NULL;
  gsize length = 0;
  if (*path == '\0' || !g_file_get_contents(path, &content, &length, NULL) ||
      strstr(content, "-----BEGIN CERTIFICATE-----") == NULL ||
      strstr(content, "PRIVATE KEY-----") != NULL)
    return;
  g_autofree char *digest =
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)content, length);
  g_string_append_printf(listing, "%s (content of %s) = sha256:%s\n", name, path, digest);
}

static void list_contents(GString *listing, const Config *config, const char *group,
                          const ConfigKey *key) {
  g_autofree char *name = g_strconcat(group, ".", key->name, NULL);
  if (key->type == CONFIG_PATH)
    list_content(listing, name, config_text(config, name));
  else
    for (const char *const *path = config_list(config, name); *path != NULL; path++)
      list_content(listing, name, *path);
}

static char *effective_settings(const Config *config) {
  GString *listing = g_string_new(NULL);
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    if (key->type != CONFIG_PATH && key->type != CONFIG_PATHS)
      continue;
    if (!key->named)
      list_contents(listing, config, key->group, key);
    const char *const *name = config_names(config, key->group);
    for (; key->named && *name != NULL; name++) {
      g_autofree char *group = g_strconcat(key->group, " ", *name, NULL);
      list_contents(listing, config, group, key);
    }
  }
  g_autofree char *values = config_listing(config);
  g_string_prepend(listing, values);
  return g_string_free(listing, FALSE);
}

/* Of several cores the first one has what there is once on a node. */
static gboolean is_first_core(const Child *child) {
  return child->role == ROLE_CORE && child->index == 0;
}

/* The whole configuration, for the audit log; no key's value is a secret. */
static void give_settings(Child *child) {
  if (!is_first_core(child))
    return;
  g_autofree char *settings = effective_settings(child->parent->config);
  int fd = memfd_create("settings", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, settings, strlen(settings)) != (ssize_t)strlen(settings)) {
    close(fd);
    fd = -1;
  }
  give(child, "settings", fd, "settings");
}

static void give_folder(Child *child) {
  const char *folder = config_text(child->parent->config, "store.directory");
  if (child->role == ROLE_EDGE || child->role == ROLE_CORE) {
    g_autofree char *path = g_build_filename(folder, "published", NULL);
    give(child, "published", open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
  }
  if (child->role == ROLE_SIGNER) {
    g_autofree char *path = g_build_filename(folder, "signer.log", NULL);
    give(child, "signer-log", open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600), path);
    g_autofree char *last = g_build_filename(folder, "signer.checkpoint", NULL);
    give(child, "signer-checkpoint", open(last, O_RDWR | O_CREAT | O_CLOEXEC, 0600), last);
  }
}

static void give_sockets(Child *child, const char *name, GArray *sockets) {
  for (guint i = 0; sockets != NULL && i < sockets->len; i++)
    give(child, name, fcntl(g_array_index(sockets, int, i), F_DUPFD_CLOEXEC, 0), name);
}

/* Kept over restarts of core: who connects meanwhile waits. */
static void give_control(Child *child) {
  if (is_first_core(child))
    give(child, "control", fcntl(child->parent->control, F_DUPFD_CLOEXEC, 0), CONTROL_NAME);
}

static void send_peer(Child *child, const Child *peer, int fd) {
  channel_send(child->control, MESSAGE_PEER,
               g_variant_new("(uu)", (guint32)peer->role, peer->index), fd);
}

/* A new pair between a core and another role. */
static void connect_pair(Child *core, Child *limb) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    log_error("no socket pair", "reason", g_strerror(errno), NULL);
    return;
  }
  send_peer(core, limb, pair[0]);
  send_peer(limb, core, pair[1]);
}

/* One that is dying is passed over: its successor is connected when it starts. */
static void connect_child(Child *child) {
  GPtrArray *children = child->parent->children;
  for (guint i = 0; i < children->len; i++) {
    Child *other = children->pdata[i];
    if (other->pid == 0 || other->control == NULL || other == child)
      continue;
    if (child->role == ROLE_CORE && other->role != ROLE_CORE)
      connect_pair(child, other);
    else if (child->role != ROLE_CORE && other->role == ROLE_CORE)
      connect_pair(other, child);
  }
}

/* What runs, to core, which tells operators. */
static void tell_roles(Parent *parent) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(ACME_ROLES_TYPE));
  for (guint i = 0; i < parent->children->len; i++) {
    const Child *child = parent->children->pdata[i];
    g_variant_builder_add(&builder, "(uuuxu)", (guint32)child->role, child->index,
                          (guint32)child->pid, child->since, child->restarts);
  }
  g_autoptr(GVariant) roles = g_variant_ref_sink(g_variant_builder_end(&builder));
  for (guint i = 0; i < parent->children->len; i++) {
    Child *child = parent->children->pdata[i];
    if (child->role == ROLE_CORE && child->pid != 0 && child->control != NULL)
      channel_send(child->control, MESSAGE_ROLES, roles, -1);
  }
}

/* To core, which tells Prometheus, of the files as they are now. */
static void give_ends(Child *child) {
  if (child->role == ROLE_CORE)
    channel_send(child->control, MESSAGE_ENDS, ends_read(child->parent->config), -1);
}

/* --- starting
 * --------------------------------------------------------------------------------------------- */

/* The first time that every role has begun, the start is over. */
static void note_started(Child *child) {
  Parent *parent = child->parent;
  gboolean all = !parent->ready;
  child->begun = TRUE;
  for (guint i = 0; i < parent->children->len; i++)
    all = all && ((const Child *)parent->children->pdata[i])->begun;
  if (!all)
    return;
  parent->ready = TRUE;
  service_manager_tell("READY=1");
}

static void on_child_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id G_GNUC_UNUSED,
                          GVariant *body G_GNUC_UNUSED, int fd, gpointer user) {
  if (fd >= 0)
    close(fd);
  if (kind == MESSAGE_STARTED)
    note_started(user);
}

/* Its death is seen by SIGCHLD. */
static void on_child_closed(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  Child *child = user;
  child->control = NULL;
  if (nonsense != NULL && child->pid > 0) {
    log_error("nonsense received", "from", role_names[child->role], "reason", nonsense, NULL);
    kill(child->pid, SIGKILL);
  }
}

static void exec_role(Role role, int control) {
  g_autofree char *argument = g_strconcat("--role=", role_names[role], NULL);
  char *const arguments[] = {(char *)"signetd", argument, NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (control == ROLE_CONTROL_FD)
    fcntl(control, F_SETFD, 0);
  else
    dup2(control, ROLE_CONTROL_FD);
  close_range(ROLE_CONTROL_FD + 1, G_MAXUINT, 0);
  execv("/proc/self/exe", arguments);
  _exit(127);
}

static gboolean start_process(Child *child) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
    return FALSE;
  pid_t pid = fork();
  if (pid == 0)
    exec_role(child->role, pair[1]);
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return FALSE;
  }
  child->pid = pid;
  child->control = channel_new(child->parent->base, pair[0], &message_catalogue, ROLE_PARENT,
                               child->role, on_child_says, on_child_closed, child);
  return TRUE;
}

static void schedule_restart(Child *child, guint seconds) {
  struct timeval wait = {seconds, 0};
  event_add(child->restart, &wait);
}

/* While another server has it, which may be one that is about to end, there is no work for a core.
 */
static gboolean have_control(Parent *parent) {
  g_autoptr(GError) error = NULL;
  if (parent->control < 0)
    parent->control = control_listen(parent->control_path, &error);
  if (parent->control < 0 && !parent->control_missed)
    log_error("core waits for the control socket", "reason", error->message, NULL);
  parent->control_missed = parent->control < 0;
  return parent->control >= 0;
}

static void drop_control(Parent *parent) {
  if (parent->control < 0)
    return;
  unlink(parent->control_path);
  close(parent->control);
  parent->control = -1;
}

static void start_child(Child *child) {
  Parent *parent = child->parent;
  if (child->role == ROLE_CORE && !have_control(parent)) {
    schedule_restart(child, CONTROL_SECONDS);
    return;
  }
  if (!start_process(child)) {
    log_error("role not started", "which", role_names[child->role], "reason", g_strerror(errno),
              NULL);
    schedule_restart(child, 1);
    return;
  }
  channel_send(child->control, MESSAGE_CONFIG, config_share(parent->config, child->role), -1);
  give_files(child, FALSE);
  give_relay_ca(child);
  give_perspectives_ca(child);
  give_mail_texts(child);
  give_list(child, "ca.alternate-chains", "ca-alternate-chain");
  give_list(child, "ca.weak-keys", "ca-weak-keys");
  give_issuers(child, FALSE);
  give_settings(child);
  give_folder(child);
  give_control(child);
  give_ends(child);
  give_sockets(child, "listen-https", child->https);
  give_sockets(child, "listen-http", child->http);
  give_sockets(child, "listen-metrics", child->metrics);
  give_sockets(child, "listen-smtp", child->smtp);
  give_sockets(child, "listen-lmtp", child->lmtp);
  channel_send(child->control, MESSAGE_START, g_variant_new_uint32(child->index), -1);
  connect_child(child);
  child->restarts += child->since != 0 ? 1 : 0;
  child->since = clock_now(&clock_system);
  tell_roles(parent);
}

static void on_restart(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Child *child = user;
  if (!child->parent->stopping && child->pid == 0)
    start_child(child);
}

/* --- ending
 * -----------------------------------------------------------------------------------------------
 */

/* The first restarts are immediate; back-off starts at the third death within a minute. */
static guint restart_delay(Child *child) {
  gint64 now = seconds_now();
  memmove(child->deaths + 1, child->deaths, sizeof(child->deaths) - sizeof(child->deaths[0]));
  child->deaths[0] = now;
  gint64 oldest = child->deaths[DEATHS_AT_ONCE];
  if (oldest == 0 || now - oldest > 60) {
    child->deaths_in_row = 0;
    return 0;
  }
  guint shift = MIN(child->deaths_in_row, 5);
  child->deaths_in_row++;
  return MIN(1u << shift, MAX_BACK_OFF_SECONDS);
}

static void on_kill(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Child *child = user;
  if (child->pid == 0)
    return;
  log_warning("role killed", "which", role_names[child->role], "reason", "it did not stop in time",
              NULL);
  kill(child->pid, SIGKILL);
}

/* Closes the control channels of the next stage once those before have ended. */
static void advance_stop(Parent *parent) {
  static const struct timeval patience = {STOP_SECONDS, 0};
  while (parent->stage < G_N_ELEMENTS(stop_stages)) {
    gboolean running = FALSE;
    for (guint i = 0; i < parent->children->len; i++) {
      Child *child = parent->children->pdata[i];
      if (child->pid == 0 || (stop_stages[parent->stage] & ROLE_BIT(child->role)) == 0)
        continue;
      running = TRUE;
      if (child->control == NULL)
        continue;
      channel_flush(child->control, 1000);
      g_clear_pointer(&child->control, channel_free);
      event_add(child->kill, &patience);
    }
    if (running)
      return;
    parent->stage++;
  }
  event_base_loopbreak(parent->base);
}

static void child_ended(Child *child, int status) {
  g_autofree char *how = WIFSIGNALED(status) ? g_strdup_printf("signal %d", WTERMSIG(status))
                                             : g_strdup_printf("exit %d", WEXITSTATUS(status));
  child->pid = 0;
  event_del(child->kill);
  g_clear_pointer(&child->control, channel_free);
  if (child->parent->stopping)
    return;
  guint delay = restart_delay(child);
  g_autofree char *wait = g_strdup_printf("%u", delay);
  log_warning("role ended", "which", role_names[child->role], "how", how, "restart-in-seconds",
              wait, NULL);
  schedule_restart(child, delay);
  tell_roles(child->parent);
}

static void on_sigchld(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  int status = 0;
  for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
    for (guint i = 0; i < parent->children->len; i++)
      if (((Child *)parent->children->pdata[i])->pid == pid)
        child_ended(parent->children->pdata[i], status);
  if (parent->stopping)
    advance_stop(parent);
}

static void on_sigterm(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  if (parent->stopping)
    return;
  log_info("stopping", NULL);
  service_manager_tell("STOPPING=1");
  parent->stopping = TRUE;
  drop_control(parent);
  advance_stop(parent);
}

/* Roles take from it which keys, files and lists hold now; what else changed in the file takes a
   restart. */
static void on_sighup(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Parent *parent = user;
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  Config *config = check_configuration(parent->path, config_test_mode(parent->config), mistakes);
  for (guint i = 0; i < mistakes->len; i++)
    log_error("not reloaded", "reason", mistakes->pdata[i], NULL);
  if (config == NULL)
    return;
  config_free(parent->config);
  parent->config = config;
  log_info("reloading", NULL);
  for (guint i = 0; i < parent->children->len; i++) {
    Child *child = parent->children->pdata[i];
    if (child->pid == 0 || child->control == NULL)
      continue;
    give_files(child, TRUE);
    give_issuers(child, TRUE);
    give_relay_ca(child);
    give_mail_texts(child);
    give_settings(child);
    give_ends(child);
    channel_send(child->control, MESSAGE_RELOAD, config_share(config, child->role), -1);
  }
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

static Child *add_child(Parent *parent, Role role, guint index) {
  Child *child = g_new0(Child, 1);
  child->parent = parent;
  child->role = role;
  child->index = index;
  child->restart = event_new(parent->base, -1, 0, on_restart, child);
  child->kill = event_new(parent->base, -1, 0, on_kill, child);
  g_ptr_array_add(parent->children, child);
  return child;
}

static gboolean add_edges(Parent *parent, GError **error) {
  guint count = (guint)config_number(parent->config, "acme.processes");
  if (count == 0)
    count = (guint)g_get_num_processors();
  for (guint i = 0; i < count; i++) {
    Child *edge = add_child(parent, ROLE_EDGE, i);
    edge->https = sockets_listen(config_list(parent->config, "acme.listen"), TRUE, error);
    if (edge->https == NULL)
      return FALSE;
    edge->http = sockets_listen(config_list(parent->config, "publish.listen"), TRUE, error);
    if (edge->http == NULL)
      return FALSE;
    if (i == 0)
      edge->metrics = sockets_listen_locally(config_list(parent->config, "metrics.listen"), error);
    if (i == 0 && edge->metrics == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean add_children(Parent *parent, GError **error) {
  add_child(parent, ROLE_SIGNER, 0);
  add_child(parent, ROLE_LOOKUP, 0);
  if (config_given(parent->config, "ca.linter"))
    add_child(parent, ROLE_LINTER, 0);
  add_child(parent, ROLE_OUTBOUND, 0);
  for (guint i = 0; i < store_place_cores(parent->config); i++)
    add_child(parent, ROLE_CORE, i);
  Child *inbound = add_child(parent, ROLE_INBOUND, 0);
  inbound->smtp = sockets_listen(config_list(parent->config, "mail.listen"), FALSE, error);
  if (inbound->smtp != NULL)
    inbound->lmtp = sockets_listen_locally(config_list(parent->config, "mail.lmtp"), error);
  return inbound->lmtp != NULL && add_edges(parent, error);
}

static gboolean make_folders(const Config *config, GError **error) {
  g_autofree char *published =
      g_build_filename(config_text(config, "store.directory"), "published", NULL);
  if (g_mkdir_with_parents(published, 0700) == 0)
    return TRUE;
  g_set_error(error, SOCKETS_ERROR, SOCKETS_ERROR_BIND, "%s: %s", published, g_strerror(errno));
  return FALSE;
}

/* Every connection takes a descriptor: the roles inherit what the system allows. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = MIN(limit.rlim_max, MAX_DESCRIPTORS);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    log_warning("descriptor limit not raised", "reason", g_strerror(errno), NULL);
}

static void watch_signal(Parent *parent, int number, event_callback_fn handler) {
  event_add(evsignal_new(parent->base, number, handler, parent), NULL);
}

static void warn_of_settings(const Config *config) {
  if (!config_given(config, "dns.trust-anchor"))
    log_warning("DNS answers are not validated", "reason", "[dns] trust-anchor is empty", NULL);
  if (!config_given(config, "ca.audit-key"))
    log_warning("the audit log has no signed checkpoints", "reason", "[ca] audit-key is empty",
                NULL);
  if (config_test_mode(config))
    log_warning("test mode", "reason", "answers are made worse on purpose, see [test]", NULL);
}

static void run(Parent *parent) {
  watch_signal(parent, SIGTERM, on_sigterm);
  watch_signal(parent, SIGINT, on_sigterm);
  watch_signal(parent, SIGHUP, on_sighup);
  watch_signal(parent, SIGCHLD, on_sigchld);
  warn_of_settings(parent->config);
  for (guint i = 0; i < parent->children->len; i++)
    start_child(parent->children->pdata[i]);
  log_info("signetd started", "version", SIGNET_VERSION, "url",
           config_text(parent->config, "acme.url"), NULL);
  event_base_dispatch(parent->base);
  log_info("signetd stopped", NULL);
}

int parent_run(const char *path, Config *config) {
  g_autoptr(GError) error = NULL;
  Parent parent = {.path = path,
                   .config = config,
                   .base = event_base_new(),
                   .children = g_ptr_array_new(),
                   .control_path = control_path(config_text(config, "store.directory")),
                   .control = -1};
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_DUMPABLE, 0);
  umask(077);
  raise_descriptor_limit();
  gboolean can_start = make_folders(config, &error) && add_children(&parent, &error);
  if (can_start)
    run(&parent);
  else
    log_error("cannot start", "reason", error->message, NULL);
  g_free(parent.control_path);
  config_free(parent.config);
  return can_start ? EXIT_SUCCESS : EXIT_FAILURE;
}
