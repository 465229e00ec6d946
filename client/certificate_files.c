/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_files.h"

#include "client/local_file.h"
#include "client/output.h"
#include "client/pkcs12.h"

#include <string.h>

char *certificate_files_path(const char *folder, const char *address, const char *ending) {
  g_autofree char *local = g_strndup(address, strcspn(address, "@"));
  g_strdelimit(local, "/", '_');
  g_autofree char *name = g_strconcat(local, ending, NULL);
  return g_build_filename(folder, name, NULL);
}

static char *new_password(const char *path, GError **error) {
  g_autofree char *password = pkcs12_make_password();
  g_autofree char *line = g_strconcat(password, "\n", NULL);
  g_autoptr(GBytes) content = g_bytes_new_static(line, strlen(line));
  if (!local_file_write(path, content, 0600, LOCAL_FILE_NEW, error))
    return NULL;
  return g_steal_pointer(&password);
}

static char *find_password(const char *folder, const char *address, const char *given,
                           GError **error) {
  if (given != NULL)
    return local_file_read_secret(given, error);
  g_autofree char *path = certificate_files_path(folder, address, ".p12.password");
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return local_file_read_secret(path, error);
  char *password = new_password(path, error);
  if (password != NULL)
    output_step("password", "%s", path);
  return password;
}

static gboolean write_one(const char *folder, const char *address, const char *ending,
                          GBytes *content, guint mode, GError **error) {
  g_autofree char *path = certificate_files_path(folder, address, ending);
  if (content == NULL || !local_file_write(path, content, mode, LOCAL_FILE_REPLACE, error))
    return FALSE;
  output_step("written", "%s", path);
  return TRUE;
}

gboolean certificate_files_write(const char *folder, const char *address, EVP_PKEY *key,
                                 const CertificateStack *chain, const char *password_file,
                                 GError **error) {
  g_autoptr(GBytes) pem = certificate_chain_pem(chain);
  if (!write_one(folder, address, ".pem", pem, 0644, error))
    return FALSE;
  g_autofree char *password = find_password(folder, address, password_file, error);
  if (password == NULL)
    return FALSE;
  g_autoptr(GBytes) pack = pkcs12_pack(key, chain, address, password, error);
  return write_one(folder, address, ".p12", pack, 0600, error);
}
