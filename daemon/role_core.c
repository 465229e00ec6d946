/* SPDX-License-Identifier: Apache-2.0 */
/* core: ACME, judging, jobs, audit; the only writer of the store. */
#include "acme/issuing_ca.h"
#include "acme/measure.h"
#include "acme/record.h"
#include "acme/settings_record.h"
#include "base/log.h"
#include "ca/alternate_chain.h"
#include "ca/certificate_read.h"
#include "ca/pem.h"
#include "daemon/ca_key.h"
#include "daemon/core.h"
#include "daemon/store_place.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_BLOCK 512

static void draw(void *octets, gsize length) {
  if (RAND_bytes(octets, (int)length) != 1) {
    log_error("no randomness", NULL);
    abort();
  }
}

/* A draw takes as long for some octets as for a block. What was handed out is kept nowhere; core
   has one thread, and no process comes of it. */
static void random_octets(void *octets, gsize length) {
  static guint8 block[RANDOM_BLOCK];
  static gsize left;
  if (length > sizeof(block)) {
    draw(octets, length);
    return;
  }
  if (length > left) {
    draw(block, sizeof(block));
    left = sizeof(block);
  }
  left -= length;
  memcpy(octets, block + left, length);
  OPENSSL_cleanse(block + left, length);
}

/* --- the other roles
 * -------------------------------------------------------------------------------------- */

static void on_role_says(Channel *channel, guint kind, guint64 id, GVariant *body,
                         int fd G_GNUC_UNUSED, gpointer user) {
  Core *core = ((RoleProcess *)user)->state;
  if (kind == MESSAGE_COUNTED) {
    if (!metrics_merge(core->acme.metrics, body, channel_peer(channel)))
      role_die_of_nonsense(channel_peer(channel), "numbers that cannot be");
    return;
  }
  CoreItem *item = core_request_item(channel, kind, id, body);
  if (item == NULL)
    role_die_of_nonsense(channel_peer(channel), "a message that core does not take");
  core_enqueue(core, item);
}

static void on_role_gone(Channel *channel, const char *nonsense, gpointer user) {
  Core *core = ((RoleProcess *)user)->state;
  if (nonsense != NULL)
    role_die_of_nonsense(channel_peer(channel), nonsense);
  log_debug("role gone", "peer", role_names[channel_peer(channel)], NULL);
  core_drop_items(core, channel);
  g_ptr_array_remove_fast(core->channels, channel);
}

static void peer(RoleProcess *process, Role role, int fd) {
  Core *core = process->state;
  g_ptr_array_add(core->channels,
                  role_open_channel(process, role, fd, on_role_says, on_role_gone, process));
  if (core->shared != NULL)
    core_shared_hurry(core);
  core_wake(core); /* a job may have waited for it */
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

/* A PEM certificate file's first certificate in DER. */
static GBytes *certificate_der(GBytes *pem, GError **error) {
  g_autoptr(Issuer) issuer = issuer_new(pem, NULL, NULL, error);
  return issuer != NULL ? issuer_der(issuer) : NULL;
}

/* A root's, whose key is nobody else's (ca-rules 15). */
static GBytes *root_der(Core *core, GBytes *pem, GError **error) {
  g_autoptr(Issuer) root = issuer_new(pem, NULL, NULL, error);
  if (root == NULL)
    return NULL;
  if (core->acme.root_keys == NULL)
    core->acme.root_keys =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_hash_table_add(core->acme.root_keys, issuer_spki(root));
  return issuer_der(root);
}

/* The certificate of a file that has been read before, and nothing else of it (RFC 8555
 * section 9.1). */
static char *chain_text(GBytes *pem) {
  g_autoptr(GBytes) der = certificate_der(pem, NULL);
  return pem_certificate(der);
}

/* A root's certificate or list stands where the certificate of its issuing CA says, or, when that
   is elsewhere, under a name of its own. */
static void publish_for(Core *core, char *(*name_of)(const Issuer *, const char *base),
                        const Issuer *issuer, const char *fallback, GBytes *der) {
  g_autofree char *name = name_of(issuer, config_text(core->process->config, "publish.url"));
  if (name != NULL || fallback != NULL)
    acme_publish(&core->acme, name != NULL ? name : fallback, der);
}

static gboolean publish_root(RoleProcess *process, Core *core, GBytes **pem, GError **error) {
  *pem = role_read_file(process, "ca-root", error);
  g_autoptr(GBytes) der = *pem != NULL ? root_der(core, *pem, error) : NULL;
  if (der == NULL)
    return FALSE;
  publish_for(core, issuer_root_file, core->acme.issuer, "root.der", der);
  return TRUE;
}

static void root_list_free(gpointer data) {
  AcmeRootList *root = data;
  g_free(root->key);
  g_free(root);
}

/* So that its end is warned of. */
static void note_root_crl(Core *core, const char *key, GBytes *crl) {
  AcmeRootList *root = g_new0(AcmeRootList, 1);
  root->key = g_strdup(key);
  if (root_list_read(crl, &root->list))
    g_ptr_array_add(core->acme.root_lists, root);
  else
    root_list_free(root);
}

static gboolean publish_root_crl(RoleProcess *process, Core *core, GError **error) {
  g_autoptr(GBytes) crl = role_read_file(process, "ca-root-crl", error);
  if (crl == NULL)
    return FALSE;
  g_clear_pointer(&core->acme.root_lists, g_ptr_array_unref);
  core->acme.root_lists = g_ptr_array_new_with_free_func(root_list_free);
  note_root_crl(core, "ca.root-crl", crl);
  publish_for(core, issuer_crl_file, core->acme.issuer, "root.crl", crl);
  return TRUE;
}

/* They were good when the parent started. One that has ended since is offered no more; that is no
   reason to issue nothing. */
static GPtrArray *read_alternates(RoleProcess *process, const char *descriptor,
                                  const Issuer *issuer, GError **error) {
  g_autoptr(GPtrArray) files = role_read_files(process, descriptor, error);
  GPtrArray *chains = files != NULL ? g_ptr_array_new_with_free_func(g_free) : NULL;
  for (guint i = 0; files != NULL && i < files->len; i++) {
    g_autoptr(GError) fault = NULL;
    char *chain = alternate_chain_read(files->pdata[i], issuer, clock_now(&clock_system), &fault);
    if (chain != NULL)
      g_ptr_array_add(chains, chain);
    else
      log_error("alternate chain not offered", "reason", fault->message, NULL);
  }
  return chains;
}

static gboolean read_other(RoleProcess *process, Core *core, const char *group, GError **error) {
  g_autofree char *certificate = ca_key_name(group, "certificate");
  g_autofree char *chains = ca_key_name(group, "alternate-chains");
  g_autoptr(GBytes) pem = role_read_file(process, certificate, error);
  g_autoptr(Issuer) issuer = pem != NULL ? issuer_new(pem, NULL, NULL, error) : NULL;
  GPtrArray *alternates = issuer != NULL ? read_alternates(process, chains, issuer, error) : NULL;
  if (alternates == NULL)
    return FALSE;
  IssuingCa *ca = g_new0(IssuingCa, 1);
  ca->chain = chain_text(pem);
  ca->issuer = g_steal_pointer(&issuer);
  ca->alternates = alternates;
  g_ptr_array_add(core->acme.others, ca);
  return TRUE;
}

/* Those with a root of their own. */
static void publish_roots(RoleProcess *process, Core *core) {
  const char *const *name = config_names(process->config, "issuer");
  for (guint i = 0; name[i] != NULL; i++) {
    const IssuingCa *ca = core->acme.others->pdata[i];
    g_autofree char *root_name = g_strdup_printf("issuer %s.root", name[i]);
    g_autofree char *crl_name = g_strdup_printf("issuer %s.root-crl", name[i]);
    g_autoptr(GBytes) root = role_read_file(process, root_name, NULL);
    g_autoptr(GBytes) crl = role_read_file(process, crl_name, NULL);
    g_autoptr(GBytes) der = root != NULL ? root_der(core, root, NULL) : NULL;
    if (der != NULL)
      publish_for(core, issuer_root_file, ca->issuer, NULL, der);
    if (crl != NULL) {
      note_root_crl(core, crl_name, crl);
      publish_for(core, issuer_crl_file, ca->issuer, NULL, crl);
    }
  }
}

static gboolean read_others(RoleProcess *process, Core *core, GError **error) {
  const char *const *name = config_names(process->config, "issuer");
  core->acme.others = g_ptr_array_new_with_free_func((GDestroyNotify)issuing_ca_free);
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    if (!read_other(process, core, group, error))
      return FALSE;
  }
  publish_roots(process, core);
  return TRUE;
}

static gboolean read_ca(RoleProcess *process, Core *core, GError **error) {
  g_autoptr(GBytes) root = NULL, issuing = role_read_file(process, "ca-certificate", error);
  core->acme.issuer = issuing != NULL ? issuer_new(issuing, NULL, NULL, error) : NULL;
  if (core->acme.issuer == NULL || !publish_root(process, core, &root, error) ||
      !publish_root_crl(process, core, error))
    return FALSE;
  core->acme.chain = chain_text(issuing);
  core->acme.alternates = read_alternates(process, "ca-alternate-chain", core->acme.issuer, error);
  if (core->acme.alternates == NULL || !read_others(process, core, error))
    return FALSE;
  if (config_is(process->config, "test.alternate-chain", "on")) {
    g_autofree char *above = chain_text(root);
    g_ptr_array_add(core->acme.alternates, g_strconcat(core->acme.chain, above, NULL));
  }
  return TRUE;
}

static gboolean read_weak_keys(RoleProcess *process, Core *core, GError **error) {
  g_autoptr(GPtrArray) files = role_read_files(process, "ca-weak-keys", error);
  if (files == NULL || files->len == 0)
    return files != NULL;
  core->acme.weak_keys = weak_keys_new(files, error);
  return core->acme.weak_keys != NULL;
}

/* NULL: another core has them. */
static gboolean read_settings(RoleProcess *process, char **text, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) settings = role_read_file(process, "settings", &failure);
  if (settings != NULL)
    *text = g_strndup(g_bytes_get_data(settings, NULL), g_bytes_get_size(settings));
  if (failure == NULL)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}

static gboolean make_nonces(Core *core, GError **error) {
  guint8 octets[NONCE_KEY_OCTETS];
  random_octets(octets, sizeof(octets));
  core->acme.nonces = nonces_start(core->acme.store, octets, error);
  OPENSSL_cleanse(octets, sizeof(octets));
  return core->acme.nonces != NULL;
}

static gboolean run_start(Core *core, gpointer user, GError **error) {
  const char *settings = user;
  g_clear_pointer(&core->acme.nonces, nonces_free);
  return make_nonces(core, error) && core_shared_start(core, error) &&
         jobs_start(&core->acme, error) &&
         (settings == NULL || settings_record(&core->acme, settings, "start", error));
}

static gboolean start_jobs(RoleProcess *process, Core *core, GError **error) {
  g_autofree char *settings = NULL;
  return read_settings(process, &settings, error) &&
         core_transact(core, run_start, settings, error);
}

static gboolean open_store(RoleProcess *process, Core *core, GError **error) {
  StorePlace place = store_place_read(process->config);
  g_autofree char *owner = store_place_owner(process->config, process->index);
  place.owner = owner;
  core->acme.store = store_open(&place, error);
  if (core->acme.store == NULL)
    return FALSE;
  if (store_is_shared(core->acme.store)) {
    core->acme.node = store_place_node(process->config);
    core->shared = core_shared_new(core);
  }
  return TRUE;
}

static gboolean start(RoleProcess *process, GError **error) {
  Core *core = process->state = core_new(process);
  g_autoptr(GArray) folder = role_take_descriptors(process, "published");
  g_autoptr(GArray) control = role_take_descriptors(process, "control");
  json_object_seed(0);
  core->acme.clock = &clock_system;
  core->acme.random = random_octets;
  core->acme.config = process->config;
  core->acme.metrics = measure_new(&core->acme);
  core->acme.keys = jwk_cache_new();
  core->published = published_new(folder->len > 0 ? g_array_index(folder, int, 0) : -1);
  if (config_is(process->config, "ca.caa", "off"))
    log_warning("CAA records are not obeyed", "reason", "[ca] caa = off", NULL);
  if (config_given(process->config, "dns.perspectives-missing-reason"))
    log_warning("fewer network perspectives than a public CA should have", "reason",
                config_text(process->config, "dns.perspectives-missing-reason"), NULL);
  if (!open_store(process, core, error) || !read_ca(process, core, error) ||
      !read_weak_keys(process, core, error) || !start_jobs(process, core, error))
    return FALSE;
  if (control->len > 0)
    core->operators = core_operators_new(core, g_array_index(control, int, 0));
  core_wake(core);
  return TRUE;
}

static gboolean run_reload(Core *core, gpointer user, GError **error) {
  return settings_record(&core->acme, user, "reload", error);
}

static gboolean note_reload(RoleProcess *process, Core *core, GError **error) {
  g_autofree char *settings = NULL;
  return read_settings(process, &settings, error) &&
         (settings == NULL || core_transact(core, run_reload, settings, error));
}

static void reload(RoleProcess *process, const Config *config G_GNUC_UNUSED) {
  g_autoptr(GError) error = NULL;
  Core *core = process->state;
  if (!publish_root_crl(process, core, &error))
    log_error("root CRL not reloaded", "reason", error != NULL ? error->message : "not given",
              NULL);
  publish_roots(process, core);
  g_clear_error(&error);
  if (!note_reload(process, core, &error))
    log_error("reload not recorded", "reason", error->message, NULL);
  core_wake(core);
}

static gboolean stop(RoleProcess *process) {
  core_stop(process->state);
  return FALSE;
}

const RoleTable role_core = {
    .role = ROLE_CORE, .start = start, .peer = peer, .reload = reload, .stop = stop};
