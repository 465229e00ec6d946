/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/role.h"
#include "base/log.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (64 * 1024 * 1024) /* a list of weak keys has some */
#define EXIT_NONSENSE 70
#define FLUSH_MILLISECONDS 2000

static const RoleTable *const tables[ROLE_COUNT] = {
    [ROLE_EDGE] = &role_edge,         [ROLE_CORE] = &role_core,     [ROLE_INBOUND] = &role_inbound,
    [ROLE_OUTBOUND] = &role_outbound, [ROLE_LOOKUP] = &role_lookup, [ROLE_SIGNER] = &role_signer,
    [ROLE_LINTER] = &role_linter,
};

void role_die_of_nonsense(Role peer, const char *nonsense) {
  log_error("nonsense received", "from", role_names[peer], "reason", nonsense, NULL);
  _exit(EXIT_NONSENSE);
}

static void keep_descriptor(RoleProcess *process, const char *name, int fd) {
  GArray *list = g_hash_table_lookup(process->descriptors, name);
  if (list == NULL) {
    list = g_array_new(FALSE, FALSE, sizeof(int));
    g_hash_table_insert(process->descriptors, g_strdup(name), list);
  }
  g_array_append_val(list, fd);
}

GArray *role_take_descriptors(RoleProcess *process, const char *name) {
  gpointer key = NULL, list = NULL;
  if (!g_hash_table_steal_extended(process->descriptors, name, &key, &list))
    return g_array_new(FALSE, FALSE, sizeof(int));
  g_free(key);
  return list;
}

/* Closes fd. */
static GBytes *read_descriptor(int fd, const char *name, GError **error) {
  g_autoptr(GByteArray) data = g_byte_array_new();
  guint8 piece[64 * 1024];
  ssize_t got = 0;
  while (data->len < MAX_FILE && (got = pread(fd, piece, sizeof(piece), (off_t)data->len)) > 0)
    g_byte_array_append(data, piece, (guint)got);
  int failure = got < 0 ? errno : 0;
  close(fd);
  if (failure != 0 || data->len >= MAX_FILE) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", name,
                failure != 0 ? g_strerror(failure) : "the file is too large");
    return NULL;
  }
  return g_byte_array_free_to_bytes(g_steal_pointer(&data));
}

GPtrArray *role_read_files(RoleProcess *process, const char *name, GError **error) {
  g_autoptr(GArray) list = role_take_descriptors(process, name);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  gboolean good = TRUE;
  for (guint i = 0; i < list->len; i++) {
    GBytes *file = read_descriptor(g_array_index(list, int, i), name, good ? error : NULL);
    good = good && file != NULL;
    if (file != NULL)
      g_ptr_array_add(files, file);
  }
  return good ? g_steal_pointer(&files) : NULL;
}

GBytes *role_read_file(RoleProcess *process, const char *name, GError **error) {
  g_autoptr(GPtrArray) files = role_read_files(process, name, error);
  return files != NULL && files->len > 0 ? g_bytes_ref(files->pdata[0]) : NULL;
}

Channel *role_open_channel(RoleProcess *process, Role peer, int fd, ChannelReceived received,
                           ChannelClosed closed, gpointer user) {
  return channel_new(process->base, fd, &message_catalogue, process->table->role, peer, received,
                     closed, user);
}

/* --- the way to core
 * ------------------------------------------------------------------------------------ */

static void on_core_says(Channel *channel, guint kind, guint64 id, GVariant *body, int fd,
                         gpointer user) {
  const RoleCore *core = user;
  core->process->core_generation = core->generation;
  core->process->table->received(channel, kind, id, body, fd, core->process);
}

static void on_core_gone(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  RoleCore *core = user;
  RoleProcess *process = core->process;
  if (nonsense != NULL)
    role_die_of_nonsense(ROLE_CORE, nonsense);
  g_ptr_array_remove_fast(process->cores, core);
  if (process->table->core_down != NULL)
    process->table->core_down(process);
}

/* The end of the core before may not have been read yet: what it owes is answered now. */
static void end_core(RoleProcess *process, guint index) {
  for (guint i = 0; i < process->cores->len; i++) {
    const RoleCore *core = process->cores->pdata[i];
    if (core->index == index) {
      channel_end(core->channel);
      return;
    }
  }
}

static void connect_core(RoleProcess *process, guint index, int fd) {
  end_core(process, index);
  RoleCore *core = g_new0(RoleCore, 1);
  *core = (RoleCore){process, index, ++process->connections, NULL};
  core->channel = role_open_channel(process, ROLE_CORE, fd, on_core_says, on_core_gone, core);
  g_ptr_array_add(process->cores, core);
  if (process->table->core_up != NULL)
    process->table->core_up(process);
}

Channel *role_least_asked_core(const RoleProcess *process) {
  Channel *best = NULL;
  guint fewest = CHANNEL_MAX_OPEN;
  for (guint i = 0; i < process->cores->len; i++) {
    Channel *channel = ((const RoleCore *)process->cores->pdata[i])->channel;
    guint open = channel_open_questions(channel);
    if (open < fewest) {
      best = channel;
      fewest = open;
    }
  }
  return best;
}

void role_answer(RoleProcess *process, guint generation, guint kind, guint64 id, GVariant *body) {
  g_autoptr(GVariant) sunk = g_variant_ref_sink(body);
  for (guint i = 0; i < process->cores->len; i++) {
    const RoleCore *core = process->cores->pdata[i];
    if (core->generation == generation)
      channel_answer(core->channel, kind, id, sunk);
  }
}

void role_flush(const RoleProcess *process) {
  for (guint i = 0; i < process->cores->len; i++)
    channel_flush(((const RoleCore *)process->cores->pdata[i])->channel, FLUSH_MILLISECONDS);
}

/* --- counting
 * --------------------------------------------------------------------------------------------- */

/* What is counted while there is no core waits for the next one. */
void role_tell_counted(RoleProcess *process) {
  Channel *core = role_least_asked_core(process);
  GVariant *counted = core != NULL ? metrics_take(process->metrics) : NULL;
  if (counted != NULL)
    channel_send(core, MESSAGE_COUNTED, counted, -1);
}

static void on_counted(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  RoleProcess *process = user;
  if (role_least_asked_core(process) == NULL)
    event_add(process->counted, &(const struct timeval){1, 0});
  role_tell_counted(process);
}

static void on_changed(gpointer user) {
  event_add(((RoleProcess *)user)->counted, &(const struct timeval){1, 0});
}

static void begin_counting(RoleProcess *process) {
  process->counted = event_new(process->base, -1, 0, on_counted, process);
  process->metrics = metrics_new(on_changed, process);
}

/* --- what the parent says
 * --------------------------------------------------------------------------------- */

static void begin(RoleProcess *process) {
  g_autoptr(GError) error = NULL;
  if (process->config == NULL)
    role_die_of_nonsense(ROLE_PARENT, "start before configuration");
  if (process->table->start(process, &error)) {
    log_info("role started", NULL);
    channel_send(process->control, MESSAGE_STARTED, g_variant_new("()"), -1);
    return;
  }
  log_error("role cannot start", "reason", error->message, NULL);
  _exit(EXIT_FAILURE);
}

static void take_config(RoleProcess *process, GVariant *body) {
  g_clear_pointer(&process->config, config_free);
  process->config = config_receive(body);
  if (process->config == NULL)
    role_die_of_nonsense(ROLE_PARENT, "an unknown configuration key");
  log_init(role_names[process->table->role],
           config_is(process->config, "log.level", "debug")     ? LOG_DEBUG
           : config_is(process->config, "log.level", "info")    ? LOG_INFO
           : config_is(process->config, "log.level", "warning") ? LOG_WARNING
                                                                : LOG_ERROR,
           config_is(process->config, "log.format", "json") ? LOG_JSON : LOG_TEXT);
}

static void take_reload(RoleProcess *process, GVariant *body) {
  g_autoptr(Config) config = config_receive(body);
  if (config == NULL)
    role_die_of_nonsense(ROLE_PARENT, "an unknown configuration key");
  if (process->table->reload != NULL)
    process->table->reload(process, config);
}

static void keep(GVariant **kept, GVariant *body) {
  g_clear_pointer(kept, g_variant_unref);
  *kept = g_variant_ref(body);
}

static void on_parent_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id G_GNUC_UNUSED,
                           GVariant *body, int fd, gpointer user) {
  RoleProcess *process = user;
  if (kind == MESSAGE_CONFIG) {
    take_config(process, body);
  } else if (kind == MESSAGE_DESCRIPTOR) {
    keep_descriptor(process, g_variant_get_string(body, NULL), fd);
  } else if (kind == MESSAGE_PEER) {
    guint32 peer = 0, index = 0;
    g_variant_get(body, "(uu)", &peer, &index);
    if (peer >= ROLE_COUNT || (process->table->peer == NULL && peer != ROLE_CORE))
      role_die_of_nonsense(ROLE_PARENT, "an unknown role");
    if (process->table->peer != NULL)
      process->table->peer(process, (Role)peer, fd);
    else
      connect_core(process, index, fd);
  } else if (kind == MESSAGE_START) {
    process->index = g_variant_get_uint32(body);
    begin(process);
  } else if (kind == MESSAGE_RELOAD) {
    take_reload(process, body);
  } else if (kind == MESSAGE_ROLES) {
    keep(&process->roles, body);
  } else if (kind == MESSAGE_ENDS) {
    keep(&process->ends, body);
  }
}

void role_stopped(void) {
  log_info("role stopped", NULL);
  _exit(EXIT_SUCCESS);
}

static void on_parent_gone(Channel *channel G_GNUC_UNUSED, const char *nonsense, gpointer user) {
  RoleProcess *process = user;
  if (nonsense != NULL)
    role_die_of_nonsense(ROLE_PARENT, nonsense);
  process->control = NULL;
  if (process->table->stop == NULL || process->state == NULL || process->table->stop(process))
    role_stopped();
}

static void free_list(gpointer list) {
  g_array_unref(list);
}

/* libevent's own messages become lines of the log. */
static void on_event_message(int severity, const char *text) {
  if (severity == EVENT_LOG_WARN || severity == EVENT_LOG_ERR)
    log_warning("library message", "text", text, NULL);
}

static struct event_base *new_base(const RoleTable *table) {
  struct event_config *config = event_config_new();
  if (table->joins_changes)
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  struct event_base *base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

int role_run(Role role) {
  struct stat status;
  if (fstat(ROLE_CONTROL_FD, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    static const char text[] = "signetd: roles are started by signetd itself\n";
    return write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? EXIT_FAILURE : 2;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  log_init(role_names[role], LOG_INFO, LOG_TEXT);
  event_set_log_callback(on_event_message);
  RoleProcess process = {.table = tables[role],
                         .base = new_base(tables[role]),
                         .cores = g_ptr_array_new_with_free_func(g_free)};
  process.descriptors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_list);
  process.control = role_open_channel(&process, ROLE_PARENT, ROLE_CONTROL_FD, on_parent_says,
                                      on_parent_gone, &process);
  if (role == ROLE_EDGE || role == ROLE_INBOUND)
    begin_counting(&process);
  event_base_dispatch(process.base);
  return EXIT_FAILURE;
}
