/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ca_folder.h"
#include "base/clock.h"
#include "base/hex.h"
#include "ca/algorithm.h"
#include "ca/ceremony.h"
#include "ca/transcript.h"
#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static gboolean fail(GError **error, const char *path, const char *why) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", path, why);
  return FALSE;
}

/* --- the folder
 * ------------------------------------------------------------------------------------- */

char *ca_folder_file(const CaFolder *folder, const char *name) {
  return g_build_filename(folder->path, name, NULL);
}

static int lock(const char *path, GError **error) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  fail(error, path,
       fd >= 0 && errno == EWOULDBLOCK ? "another command is at work there" : g_strerror(errno));
  if (fd >= 0)
    close(fd);
  return -1;
}

/* A CA without a transcript lost it: nothing is done with its keys until it is back. */
static gboolean check_not_lost(const CaFolder *folder, GError **error) {
  static const char *const files[] = {CA_FOLDER_ROOT, "root.key", CA_FOLDER_ROOT_CRL,
                                      CA_FOLDER_REVOKED};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = ca_folder_file(folder, files[i]);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return fail(error, path,
                  "is there, but " CA_FOLDER_TRANSCRIPT " is not; put it back from "
                  "a copy first");
  }
  return TRUE;
}

CaFolder *ca_folder_open(const char *path, const char *command, GError **error) {
  guint entries = 0;
  g_autofree char *head = NULL;
  g_autoptr(CaFolder) folder = g_new0(CaFolder, 1);
  folder->path = g_strdup(path);
  folder->command = g_strdup(command);
  folder->lock = -1;
  if (g_mkdir_with_parents(path, 0700) != 0)
    return fail(error, path, g_strerror(errno)), NULL;
  folder->lock = lock(path, error);
  g_autofree char *text =
      folder->lock >= 0 ? ca_folder_transcript(path, &entries, &head, error) : NULL;
  if (text == NULL || (entries == 0 && !check_not_lost(folder, error)))
    return NULL;
  folder->public_ca = transcript_has(text, "operation", "public");
  return g_steal_pointer(&folder);
}

void ca_folder_free(CaFolder *folder) {
  if (folder == NULL)
    return;
  if (folder->lock >= 0)
    close(folder->lock);
  g_free(folder->path);
  g_free(folder->command);
  g_free(folder);
}

/* --- the transcript
 * ----------------------------------------------------------------------------------- */

/* A PIN that stands in a URI against all advice stays out. */
char *ca_folder_command(int argc, char **argv) {
  g_autoptr(GString) line = g_string_new("signetctl ca");
  for (int i = 0; i < argc; i++) {
    const char *uri = strstr(argv[i], "pkcs11:");
    const char *query = uri != NULL ? strchr(uri, '?') : NULL;
    g_autofree char *shown =
        query != NULL ? g_strndup(argv[i], (gsize)(query - argv[i])) : g_strdup(argv[i]);
    g_autofree char *quoted = g_shell_quote(shown);
    gboolean plain = strpbrk(shown, " \t'\"\\$;&|<>*?") == NULL && *shown != '\0';
    g_string_append_printf(line, " %s", plain ? shown : quoted);
  }
  return g_strdup(line->str);
}

char *ca_folder_user(uid_t uid) {
  const struct passwd *user = getpwuid(uid);
  return user != NULL ? g_strdup_printf("%s (uid %u)", user->pw_name, (guint)uid)
                      : g_strdup_printf("uid %u", (guint)uid);
}

char *ca_folder_transcript(const char *path, guint *entries, char **head, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *file = g_build_filename(path, CA_FOLDER_TRANSCRIPT, NULL);
  g_autofree char *text = NULL;
  gsize length = 0;
  if (!g_file_get_contents(file, &text, &length, &failure)) {
    if (!g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
      return g_propagate_error(error, g_steal_pointer(&failure)), NULL;
    text = g_strdup("");
  }
  if (strlen(text) != length)
    return fail(error, file, "holds octets that are no text"), NULL;
  return transcript_check(text, entries, head, error) ? g_steal_pointer(&text) : NULL;
}

static gboolean append(const char *path, const char *entry, GError **error) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  gboolean good =
      fd >= 0 && write(fd, entry, strlen(entry)) == (ssize_t)strlen(entry) && fsync(fd) == 0;
  int failure = errno;
  if (fd >= 0)
    close(fd);
  return good || fail(error, path, g_strerror(failure));
}

gboolean ca_folder_record(const CaFolder *folder, const char *event, const GString *lines,
                          GError **error) {
  guint entries = 0;
  g_autofree char *head = NULL, *time = clock_rfc3339(clock_now(&clock_system));
  g_autofree char *text = ca_folder_transcript(folder->path, &entries, &head, error);
  g_autofree char *path = ca_folder_file(folder, CA_FOLDER_TRANSCRIPT);
  g_autofree char *by = ca_folder_user(geteuid());
  g_autoptr(GString) all = g_string_new(NULL);
  if (text == NULL)
    return FALSE;
  transcript_line(all, "event", event);
  transcript_line(all, "command", folder->command);
  transcript_line(all, "by", by);
  transcript_line(all, "host", g_get_host_name());
  transcript_line(all, "time", time);
  transcript_line(all, "program", "signetctl " SIGNET_VERSION);
  transcript_line(all, "library", OpenSSL_version(OPENSSL_VERSION));
  if (lines != NULL)
    g_string_append_len(all, lines->str, (gssize)lines->len);
  g_autofree char *entry = transcript_entry(text, all->str);
  return append(path, entry, error);
}

/* --- what was made
 * ------------------------------------------------------------------------------------ */

static char *sha256_of(gconstpointer data, gsize length) {
  char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, length);
  for (char *p = digest; *p != '\0'; p++)
    *p = g_ascii_toupper(*p);
  return digest;
}

void ca_folder_say_key(GString *lines, EVP_PKEY *key, const char *where) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  g_autofree char *digest = sha256_of(octets, (gsize)length);
  OPENSSL_free(octets);
  g_autofree char *type =
      g_strdup_printf("%s, %d bit", algorithm_of_ca(key)->title, EVP_PKEY_get_bits(key));
  transcript_line(lines, "key", where);
  transcript_line(lines, "key-type", type);
  transcript_line(lines, "key-sha256", digest);
}

char *ca_folder_digest(X509 *certificate) {
  guint8 *octets = NULL;
  int length = i2d_X509(certificate, &octets);
  char *digest = sha256_of(octets, (gsize)length);
  OPENSSL_free(octets);
  return digest;
}

gboolean ca_folder_knows(const CaFolder *folder, X509 *certificate, GError **error) {
  guint entries = 0;
  g_autofree char *head = NULL, *digest = ca_folder_digest(certificate);
  g_autofree char *text = ca_folder_transcript(folder->path, &entries, &head, error);
  return text != NULL &&
         (transcript_has(text, "sha256", digest) ||
          fail(error, folder->path, "the transcript does not tell of this certificate"));
}

static char *serial_of(X509 *certificate) {
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *digits = BN_bn2hex(number);
  char *copy = g_strdup(digits);
  OPENSSL_free(digits);
  BN_free(number);
  return copy;
}

void ca_folder_say_certificate(GString *lines, X509 *certificate, const char *name) {
  g_autofree char *digest = ca_folder_digest(certificate);
  g_autofree char *serial = serial_of(certificate);
  g_autofree char *text = ceremony_certificate_text(certificate);
  transcript_line(lines, "certificate", name);
  transcript_line(lines, "serial", serial);
  transcript_line(lines, "sha256", digest);
  transcript_block(lines, "text", text);
}

void ca_folder_say_list(GString *lines, GBytes *crl, const char *name) {
  g_autofree char *digest = sha256_of(g_bytes_get_data(crl, NULL), g_bytes_get_size(crl));
  g_autofree char *text = ceremony_list_text(crl);
  transcript_line(lines, "list", name);
  transcript_line(lines, "sha256", digest);
  transcript_block(lines, "text", text);
}

/* --- files
 * -------------------------------------------------------------------------------------------- */

gboolean ca_folder_is_free(const CaFolder *folder, const char *const *names, GError **error) {
  for (; *names != NULL; names++) {
    g_autofree char *path = ca_folder_file(folder, *names);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return fail(error, path, "exists already and is not replaced");
  }
  return TRUE;
}

gboolean ca_folder_write(const CaFolder *folder, const char *name, const char *text, int mode,
                         GError **error) {
  g_autofree char *path = ca_folder_file(folder, name);
  return ctl_write_new(path, text, strlen(text), mode, error);
}

gboolean ca_folder_replace(const CaFolder *folder, const char *name, GBytes *octets,
                           GError **error) {
  g_autofree char *path = ca_folder_file(folder, name);
  return g_file_set_contents_full(
      path, g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets),
      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, error);
}

GBytes *ca_folder_read(const char *path, GError **error) {
  char *content = NULL;
  gsize length = 0;
  return g_file_get_contents(path, &content, &length, error) ? g_bytes_new_take(content, length)
                                                             : NULL;
}
