/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/role_files.h"
#include "base/log.h"
#include "ca/pkcs11.h"
#include "daemon/ca_key.h"
#include "daemon/check.h"
#include "daemon/ends.h"
#include "daemon/mail_texts.h"
#include "daemon/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  RoleSet roles;
  const char *name, *key; /* of the descriptor, of the configuration */
  gboolean reloaded;      /* given again at SIGHUP */
} GivenFile;

static const GivenFile given[] = {
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

void role_files_give(const RoleFiles *files, const char *name, int fd, const char *path) {
  if (fd < 0)
    log_error("cannot open", "file", path, "for", role_names[files->role], "reason",
              g_strerror(errno), NULL);
  else
    channel_send(files->control, MESSAGE_DESCRIPTOR, g_variant_new_string(name), fd);
}

static void give_files(const RoleFiles *files, gboolean reload) {
  for (gsize i = 0; i < G_N_ELEMENTS(given); i++) {
    if ((given[i].roles & ROLE_BIT(files->role)) == 0 || (reload && !given[i].reloaded) ||
        !config_given(files->config, given[i].key))
      continue;
    const char *path = config_text(files->config, given[i].key);
    if (!pkcs11_is_uri(path)) /* a key that stays in its token */
      role_files_give(files, given[i].name, open(path, O_RDONLY | O_CLOEXEC), path);
  }
}

/* Not there, and not needed, on some machines whose relays are reached without TLS. */
static void give_relay_ca(const RoleFiles *files) {
  const Config *config = files->config;
  const char *path = config_text(config, "mail.relay-ca");
  if (files->role == ROLE_OUTBOUND && check_relay_tls_demanded(config))
    role_files_give(files, "relay-ca", open(path, O_RDONLY | O_CLOEXEC), path);
}

static void give_perspectives_ca(const RoleFiles *files) {
  const Config *config = files->config;
  const char *path = config_text(config, "dns.perspectives-ca");
  if ((files->role == ROLE_INBOUND || files->role == ROLE_LOOKUP) &&
      config_given(config, "dns.perspectives"))
    role_files_give(files, "dns-perspectives-ca", open(path, O_RDONLY | O_CLOEXEC), path);
}

/* A language without a file in the folder has its built-in texts. */
static void give_mail_texts(const RoleFiles *files) {
  const Config *config = files->config;
  g_auto(GStrv) languages = mail_texts_languages(config);
  for (char **language = languages; files->role == ROLE_OUTBOUND && *language != NULL; language++) {
    g_autofree char *path = mail_texts_path(config, *language);
    g_autofree char *name = g_strconcat("mail-text-", *language, NULL);
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 || (path != NULL && errno != ENOENT))
      role_files_give(files, name, fd, path);
  }
}

/* To core: every file of a list, under one name. */
static void give_list(const RoleFiles *files, const char *key, const char *name) {
  const char *const *paths = config_list(files->config, key);
  for (; files->role == ROLE_CORE && *paths != NULL; paths++)
    role_files_give(files, name, open(*paths, O_RDONLY | O_CLOEXEC), *paths);
}

/* Every path that a key of the group [issuer NAME] has, each under the key's full name. */
static void give_issuer_files(const RoleFiles *files, const char *group, const char *name) {
  const Config *config = files->config;
  g_autofree char *key = ca_key_name(group, name);
  g_auto(GStrv) paths = g_strsplit(config_text(config, key), ";", -1);
  if (pkcs11_is_uri(config_text(config, key))) /* a key that stays in its token */
    return;
  for (char **path = paths; *path != NULL; path++)
    role_files_give(files, key, open(*path, O_RDONLY | O_CLOEXEC), *path);
}

static void give_issuers(const RoleFiles *files, gboolean reload) {
  static const GivenFile of_issuer[] = {
      {ROLE_BIT(ROLE_SIGNER) | ROLE_BIT(ROLE_CORE), NULL, "certificate", FALSE},
      {ROLE_BIT(ROLE_SIGNER), NULL, "key", FALSE},
      {ROLE_BIT(ROLE_SIGNER), NULL, "passphrase-file", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "alternate-chains", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "root", FALSE},
      {ROLE_BIT(ROLE_CORE), NULL, "root-crl", TRUE},
  };
  const char *const *name = config_names(files->config, "issuer");
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(of_issuer); i++)
      if ((of_issuer[i].roles & ROLE_BIT(files->role)) != 0 && (!reload || of_issuer[i].reloaded))
        give_issuer_files(files, group, of_issuer[i].key);
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

/* The whole configuration, for the audit log; no key's value is a secret. */
static void give_settings(const RoleFiles *files) {
  if (files->role != ROLE_CORE || !files->first)
    return;
  g_autofree char *settings = effective_settings(files->config);
  int fd = memfd_create("settings", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, settings, strlen(settings)) != (ssize_t)strlen(settings)) {
    close(fd);
    fd = -1;
  }
  role_files_give(files, "settings", fd, "settings");
}

static void give_folder(const RoleFiles *files) {
  const char *folder = config_text(files->config, "store.directory");
  if (files->role == ROLE_EDGE || files->role == ROLE_CORE) {
    g_autofree char *path = g_build_filename(folder, "published", NULL);
    role_files_give(files, "published", open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
  }
  if (files->role == ROLE_SIGNER) {
    g_autofree char *path = g_build_filename(folder, "signer.log", NULL);
    role_files_give(files, "signer-log", open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600),
                    path);
    g_autofree char *last = g_build_filename(folder, "signer.checkpoint", NULL);
    role_files_give(files, "signer-checkpoint", open(last, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                    last);
  }
}

/* To core, which tells Prometheus, of the files as they are now. */
static void give_ends(const RoleFiles *files) {
  if (files->role == ROLE_CORE)
    channel_send(files->control, MESSAGE_ENDS, ends_read(files->config), -1);
}

void role_files_give_all(const RoleFiles *files) {
  give_files(files, FALSE);
  give_relay_ca(files);
  give_perspectives_ca(files);
  give_mail_texts(files);
  give_list(files, "ca.alternate-chains", "ca-alternate-chain");
  give_list(files, "ca.weak-keys", "ca-weak-keys");
  give_issuers(files, FALSE);
  give_settings(files);
  give_folder(files);
  give_ends(files);
}

void role_files_give_reloaded(const RoleFiles *files) {
  give_files(files, TRUE);
  give_issuers(files, TRUE);
  give_relay_ca(files);
  give_mail_texts(files);
  give_settings(files);
  give_ends(files);
}
