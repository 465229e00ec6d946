/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_files.h"

#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"

#include <string.h>

#define NEW ".new"

char *certificate_files_name(const char *address) {
  char *name = g_strndup(address, strcspn(address, "@"));
  return g_strdelimit(name, "/", '_');
}

gboolean certificate_files_name_fits(const char *name) {
  return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

char *certificate_files_path(const CertificateFiles *files, const char *ending) {
  g_autofree char *file = g_strconcat(files->name, ending, NULL);
  return g_build_filename(files->folder, file, NULL);
}

char *certificate_files_key(const CertificateFiles *files) {
  return files->key != NULL ? g_strdup(files->key) : certificate_files_path(files, ".key");
}

char *certificate_files_new_key(const CertificateFiles *files) {
  g_autofree char *key = certificate_files_key(files);
  return g_strconcat(key, NEW, NULL);
}

static gboolean exists(const char *path) {
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

static CertificateStack *load_chain(const char *path, GError **error) {
  g_autoptr(GBytes) pem = local_file_read(path, error);
  CertificateStack *chain = pem != NULL ? certificate_chain_read(g_bytes_get_data(pem, NULL),
                                                                 g_bytes_get_size(pem), error)
                                        : NULL;
  if (pem != NULL && chain == NULL)
    g_prefix_error(error, "%s: ", path);
  return chain;
}

CertificateStack *certificate_files_load(const CertificateFiles *files, GError **error) {
  g_autofree char *path = certificate_files_path(files, ".pem");
  return exists(path) ? load_chain(path, error) : NULL;
}

/* --- the password -------------------------------------------------------------------------------
 */

static char *new_password(const char *path, GError **error) {
  g_autofree char *password = pkcs12_make_password();
  g_autofree char *line = g_strconcat(password, "\n", NULL);
  g_autoptr(GBytes) content = g_bytes_new_static(line, strlen(line));
  if (!local_file_write(path, content, 0600, LOCAL_FILE_NEW, error))
    return NULL;
  return g_steal_pointer(&password);
}

static char *find_password(const CertificateFiles *files, GError **error) {
  if (files->password_file != NULL)
    return local_file_read_secret(files->password_file, error);
  g_autofree char *path = certificate_files_path(files, ".p12.password");
  if (exists(path))
    return local_file_read_secret(path, error);
  char *password = new_password(path, error);
  if (password != NULL)
    output_step("password", "%s", path);
  return password;
}

/* --- what was there before ----------------------------------------------------------------------
 */

static gboolean keep_one(const char *path, const char *folder, const char *name, const char *serial,
                         const char *ending, guint mode, GError **error) {
  g_autofree char *file = g_strconcat(name, ".", serial, ending, NULL);
  g_autofree char *copy = g_build_filename(folder, file, NULL);
  if (!exists(path) || exists(copy))
    return TRUE;
  g_autoptr(GBytes) content = local_file_read(path, error);
  return content != NULL && local_file_write(copy, content, mode, LOCAL_FILE_NEW, error);
}

static gboolean keep_old(const CertificateFiles *files, GError **error) {
  g_autofree char *pem = certificate_files_path(files, ".pem");
  if (!exists(pem))
    return TRUE;
  g_autoptr(CertificateStack) chain = certificate_files_load(files, error);
  if (chain == NULL)
    return FALSE;
  g_autofree char *serial = certificate_chain_serial(chain);
  g_autofree char *folder = g_build_filename(files->folder, "old", NULL);
  g_autofree char *key = certificate_files_key(files);
  g_autofree char *p12 = certificate_files_path(files, ".p12");
  return local_file_make_folder(folder, error) &&
         keep_one(key, folder, files->name, serial, ".key", 0600, error) &&
         keep_one(p12, folder, files->name, serial, ".p12", 0600, error) &&
         keep_one(pem, folder, files->name, serial, ".pem", 0644, error);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static gboolean stage(const CertificateFiles *files, const char *ending, GBytes *content,
                      guint mode, GError **error) {
  g_autofree char *path = certificate_files_path(files, ending);
  return content != NULL && local_file_write(path, content, mode, LOCAL_FILE_REPLACE, error);
}

static gboolean place(const char *path, GError **error) {
  g_autofree char *fresh = g_strconcat(path, NEW, NULL);
  if (!exists(fresh))
    return TRUE;
  if (!local_file_rename(fresh, path, error))
    return FALSE;
  output_step("written", "%s", path);
  return TRUE;
}

/* A new key that a failed renewal left is not that of every chain. */
static gboolean new_key_is_of(const CertificateFiles *files, const CertificateStack *chain) {
  g_autofree char *path = certificate_files_new_key(files);
  g_autoptr(EVP_PKEY) key = exists(path) ? private_key_load(path, NULL) : NULL;
  return key != NULL && certificate_chain_is_for(chain, key);
}

/* NAME.pem.new is the last to be written and the last to be renamed: where it is, the others are or
   were. */
gboolean certificate_files_finish(const CertificateFiles *files, GError **error) {
  g_autofree char *key = certificate_files_key(files);
  g_autofree char *p12 = certificate_files_path(files, ".p12");
  g_autofree char *pem = certificate_files_path(files, ".pem");
  g_autofree char *mark = g_strconcat(pem, NEW, NULL);
  if (!exists(mark))
    return TRUE;
  g_autoptr(CertificateStack) chain = load_chain(mark, error);
  return chain != NULL && (!new_key_is_of(files, chain) || place(key, error)) &&
         place(p12, error) && place(pem, error);
}

/* The program that imports the file shows this. */
static char *shown_name(const CertificateFiles *files, const CertificateStack *chain) {
  g_auto(GStrv) addresses = certificate_chain_addresses(chain, NULL);
  return g_strdup(addresses != NULL ? addresses[0] : files->name);
}

gboolean certificate_files_write(const CertificateFiles *files, EVP_PKEY *key,
                                 const CertificateStack *chain, GError **error) {
  if (new_key_is_of(files, chain) && !keep_old(files, error))
    return FALSE;
  g_autofree char *password = find_password(files, error);
  if (password == NULL)
    return FALSE;
  g_autofree char *name = shown_name(files, chain);
  g_autoptr(GBytes) pack = pkcs12_pack(key, chain, name, password, files->p12, error);
  g_autoptr(GBytes) pem = certificate_chain_pem(chain);
  return stage(files, ".p12" NEW, pack, 0600, error) &&
         stage(files, ".pem" NEW, pem, 0644, error) && certificate_files_finish(files, error);
}
