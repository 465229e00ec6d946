/* SPDX-License-Identifier: Apache-2.0 */
/* What is written for the user: keys, requests, chains, PKCS#12. */
#include "client/certificate_files.h"
#include "client/certificate_request.h"
#include "client/failure.h"
#include "client/hook.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/pkcs12.h"
#include "client/private_key.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static char *path_of(const char *name) {
  return g_build_filename(folder, name, NULL);
}

static guint mode_of(const char *path) {
  GStatBuf status;
  g_assert_cmpint(g_stat(path, &status), ==, 0);
  return status.st_mode & 07777;
}

static guint count_entries(void) {
  g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
  guint count = 0;
  while (g_dir_read_name(entries) != NULL)
    count++;
  return count;
}

static void test_write(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = path_of("file");
  g_autoptr(GBytes) one = g_bytes_new_static("one\nrest", 8);
  g_autoptr(GBytes) two = g_bytes_new_static("two", 3);
  guint before = count_entries();
  g_assert_true(local_file_write(path, one, 0600, LOCAL_FILE_NEW, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(mode_of(path), ==, 0600);
  g_assert_false(local_file_write(path, two, 0600, LOCAL_FILE_NEW, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_clear_error(&error);
  g_autofree char *secret = local_file_read_secret(path, &error);
  g_assert_cmpstr(secret, ==, "one");
  g_assert_true(local_file_write(path, two, 0644, LOCAL_FILE_REPLACE, &error));
  g_autoptr(GBytes) content = local_file_read(path, &error);
  g_assert_true(g_bytes_equal(content, two));
  g_assert_cmpuint(mode_of(path), ==, 0644);
  g_assert_cmpuint(count_entries(), ==, before + 1); /* no temporary file is left */
}

static void test_bad_files(void) {
  static const struct {
    const char *content;
    gsize length;
  } secrets[] = {{"", 0}, {"\nx", 2}, {"a\tb\n", 4}, {"a\0b", 3}};
  g_autofree char *path = path_of("secret");
  for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) content = g_bytes_new_static(secrets[i].content, secrets[i].length);
    g_assert_true(local_file_write(path, content, 0600, LOCAL_FILE_REPLACE, NULL));
    g_assert_null(local_file_read_secret(path, &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  }
  g_autoptr(GError) error = NULL;
  g_autofree char *missing = path_of("missing");
  g_assert_null(local_file_read(missing, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_clear_error(&error);
  g_autofree char *nowhere = path_of("missing/file");
  g_autoptr(GBytes) content = g_bytes_new_static("x", 1);
  g_assert_false(local_file_write(nowhere, content, 0600, LOCAL_FILE_REPLACE, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
}

static void test_key(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = path_of("deep/down/a.key");
  gboolean made = FALSE;
  g_autoptr(EVP_PKEY) key = private_key_load_or_make(path, NULL, &made, &error);
  g_assert_no_error(error);
  g_assert_true(made);
  g_assert_cmpuint(mode_of(path), ==, 0600);
  g_autoptr(EVP_PKEY) again = private_key_load_or_make(path, "P-256", &made, &error);
  g_assert_no_error(error);
  g_assert_false(made);
  g_assert_cmpint(EVP_PKEY_eq(key, again), ==, 1);
  g_assert_null(private_key_load_or_make(path, "RSA-2048", &made, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
  g_assert_true(g_str_has_prefix(content, "-----BEGIN PRIVATE KEY-----\n"));
}

static gpointer make_shared_key(gpointer path) {
  return private_key_load_or_make(path, NULL, NULL, NULL);
}

/* Two first runs at once have one key. */
static void test_key_at_once(void) {
  for (guint round = 0; round < 20; round++) {
    g_autofree char *name = g_strdup_printf("shared%u.key", round);
    g_autofree char *path = path_of(name);
    GThread *other = g_thread_new("other", make_shared_key, path);
    g_autoptr(EVP_PKEY) mine = make_shared_key(path);
    g_autoptr(EVP_PKEY) theirs = g_thread_join(other);
    g_assert_true(mine != NULL && theirs != NULL);
    g_assert_cmpint(EVP_PKEY_eq(mine, theirs), ==, 1);
  }
}

static void test_key_types(void) {
  static const char *const types[] = {"P-256", "P-384", "RSA-2048", "RSA-3072"};
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    g_assert_true(private_key_type_known(types[i]));
    g_autoptr(EVP_PKEY) key = private_key_make(types[i], NULL);
    g_autofree char *type = private_key_type(key);
    g_assert_cmpstr(type, ==, types[i]);
  }
  g_assert_false(private_key_type_known("RSA-1024"));
  g_assert_null(private_key_make("RSA-1024", NULL));
}

static const struct {
  const char *key_type;
  CertificateUsage usage;
  guint32 bits;
} usages[] = {
    {"P-256", CERTIFICATE_USAGE_BOTH, KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT},
    {"P-256", CERTIFICATE_USAGE_ENCRYPT, KU_KEY_AGREEMENT},
    {"P-384", CERTIFICATE_USAGE_SIGN, KU_DIGITAL_SIGNATURE},
    {"RSA-2048", CERTIFICATE_USAGE_BOTH, KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT},
    {"RSA-2048", CERTIFICATE_USAGE_ENCRYPT, KU_KEY_ENCIPHERMENT},
};

static void check_names(const ExtensionStack *extensions) {
  int critical = 0;
  g_autoptr(GENERAL_NAMES) names =
      X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
  g_assert_cmpint(critical, ==, 1);
  g_assert_cmpint(sk_GENERAL_NAME_num(names), ==, 2);
  const GENERAL_NAME *first = sk_GENERAL_NAME_value(names, 0);
  g_assert_cmpint(first->type, ==, GEN_EMAIL);
  g_assert_cmpint(ASN1_STRING_length(first->d.rfc822Name), ==, 15);
  g_assert_cmpint(memcmp(ASN1_STRING_get0_data(first->d.rfc822Name), "ann@example.org", 15), ==, 0);
  const GENERAL_NAME *second = sk_GENERAL_NAME_value(names, 1);
  g_assert_cmpint(second->type, ==, GEN_OTHERNAME);
  g_assert_cmpint(OBJ_obj2nid(second->d.otherName->type_id), ==, NID_id_on_SmtpUTF8Mailbox);
}

static void check_request(X509_REQ *request, guint32 bits) {
  g_autoptr(EVP_PKEY) key = X509_REQ_get_pubkey(request);
  g_assert_cmpint(X509_REQ_verify(request, key), ==, 1);
  g_assert_cmpint(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), ==, 0);
  g_autoptr(ExtensionStack) extensions = X509_REQ_get_extensions(request);
  check_names(extensions);
  g_autoptr(ASN1_BIT_STRING) usage = X509V3_get_d2i(extensions, NID_key_usage, NULL, NULL);
  g_assert_cmpuint(ASN1_STRING_get0_data(usage)[0], ==, bits);
  g_autoptr(EXTENDED_KEY_USAGE) extended =
      X509V3_get_d2i(extensions, NID_ext_key_usage, NULL, NULL);
  g_assert_cmpint(sk_ASN1_OBJECT_num(extended), ==, 1);
  g_assert_cmpint(OBJ_obj2nid(sk_ASN1_OBJECT_value(extended, 0)), ==, NID_email_protect);
}

static void test_request(void) {
  static const char *const addresses[] = {"ann@example.org", "j\u00f6rg@example.org", NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(usages); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(EVP_PKEY) key = private_key_make(usages[i].key_type, NULL);
    g_autoptr(GBytes) der = certificate_request_new(key, addresses, usages[i].usage, &error);
    g_assert_no_error(error);
    const guint8 *data = g_bytes_get_data(der, NULL);
    g_autoptr(X509_REQ) request = d2i_X509_REQ(NULL, &data, (long)g_bytes_get_size(der));
    g_assert_nonnull(request);
    check_request(request, usages[i].bits);
  }
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, EVP_PKEY *issuer_key,
                              const char *issuer) {
  X509 *certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20250101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "20270218000000Z");
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             (const guint8 *)name, -1, -1, 0);
  X509_NAME_add_entry_by_txt(X509_get_issuer_name(certificate), "CN", MBSTRING_UTF8,
                             (const guint8 *)issuer, -1, -1, 0);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, issuer_key, EVP_sha256());
  return certificate;
}

static CertificateStack *make_chain(EVP_PKEY *key, EVP_PKEY *issuer) {
  CertificateStack *chain = sk_X509_new_null();
  sk_X509_push(chain, make_certificate(key, "leaf", issuer, "ca"));
  sk_X509_push(chain, make_certificate(issuer, "ca", issuer, "ca"));
  return chain;
}

static void test_chain(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(EVP_PKEY) issuer = private_key_make("P-256", NULL);
  g_autoptr(CertificateStack) made = make_chain(key, issuer);
  g_autoptr(GBytes) pem = certificate_chain_pem(made);
  gsize size = g_bytes_get_size(pem);
  const char *text = g_bytes_get_data(pem, NULL);
  g_autoptr(CertificateStack) chain = certificate_chain_read(text, size, &error);
  g_assert_no_error(error);
  g_assert_cmpint(sk_X509_num(chain), ==, 2);
  g_assert_true(certificate_chain_is_for(chain, key));
  g_assert_false(certificate_chain_is_for(chain, issuer));
  g_autofree char *expiry = certificate_chain_expiry(chain);
  g_assert_cmpstr(expiry, ==, "2027-02-18");
  /* The other way round the first is not signed by the second. */
  gsize leaf = (gsize)(g_strstr_len(text, (gssize)size, "-----END CERTIFICATE-----\n") - text) + 26;
  g_autofree char *swapped =
      g_strdup_printf("%.*s%.*s", (int)(size - leaf), text + leaf, (int)leaf, text);
  g_assert_null(certificate_chain_read(swapped, strlen(swapped), &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
  g_assert_null(certificate_chain_read("nothing", 7, NULL));
}

/* RFC 8555 section 11.4: a key, or what another program could take for one, is not among
   certificates. */
static void test_chain_with_more(void) {
  static const char *const more[] = {
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
      "-----BEGIN EC PRIVATE KEY-----\n", "-----BEGIN", "-----BEGIN CERTIFICATE REQUEST-----\n",
      "-----BEGIN TRUSTED CERTIFICATE-----\n"};
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(CertificateStack) made = make_chain(key, key);
  g_autoptr(GBytes) pem = certificate_chain_pem(made);
  const char *text = g_bytes_get_data(pem, NULL);
  int size = (int)g_bytes_get_size(pem);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS(more); i++) {
    g_autoptr(GError) error = NULL;
    const char *other = more[i / 2];
    g_autofree char *mixed = i % 2 == 0 ? g_strdup_printf("%s%.*s", other, size, text)
                                        : g_strdup_printf("%.*s%s", size, text, other);
    g_assert_null(certificate_chain_read(mixed, strlen(mixed), &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
    g_assert_nonnull(strstr(error->message, "more than certificates"));
  }
}

static void open_pack(const char *path, const char *password, EVP_PKEY *key) {
  g_autoptr(GBytes) content = local_file_read(path, NULL);
  const guint8 *data = g_bytes_get_data(content, NULL);
  g_autoptr(PKCS12) pack = d2i_PKCS12(NULL, &data, (long)g_bytes_get_size(content));
  g_assert_nonnull(pack);
  EVP_PKEY *found = NULL;
  X509 *leaf = NULL;
  CertificateStack *issuers = NULL;
  g_assert_cmpint(PKCS12_parse(pack, password, &found, &leaf, &issuers), ==, 1);
  g_assert_cmpint(EVP_PKEY_eq(found, key), ==, 1);
  g_assert_cmpint(sk_X509_num(issuers), ==, 1);
  EVP_PKEY_free(found);
  X509_free(leaf);
  certificate_stack_free(issuers);
}

static void test_certificate_files(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(EVP_PKEY) issuer = private_key_make("P-256", NULL);
  g_autoptr(CertificateStack) chain = make_chain(key, issuer);
  g_autofree char *name = certificate_files_name("a/b@example.org");
  for (guint round = 0; round < 4; round++) { /* a second certificate keeps the password */
    const CertificateFiles files = {folder, name, NULL, NULL,
                                    round % 2 == 0 ? PKCS12_MODERN : PKCS12_LEGACY};
    g_assert_true(certificate_files_write(&files, key, chain, &error));
    g_assert_no_error(error);
    g_autofree char *password_path = path_of("a_b.p12.password");
    g_autofree char *pack_path = path_of("a_b.p12");
    g_autofree char *password = local_file_read_secret(password_path, &error);
    g_assert_cmpuint(strlen(password), ==, 24);
    g_assert_cmpuint(mode_of(password_path), ==, 0600);
    g_assert_cmpuint(mode_of(pack_path), ==, 0600);
    if (files.p12 == PKCS12_MODERN) /* this program has no RC2 beside pkcs12_pack */
      open_pack(pack_path, password, key);
  }
  g_assert_true(certificate_files_name_fits("ann@example.org"));
  g_assert_false(certificate_files_name_fits(".ann") || certificate_files_name_fits("a/b") ||
                 certificate_files_name_fits(""));
}

/* --- a renewal's files ---------------------------------------------------------------------------
 */

static gboolean holds_key(const char *path, EVP_PKEY *key) {
  g_autoptr(EVP_PKEY) found = private_key_load(path, NULL);
  return found != NULL && EVP_PKEY_eq(found, key) == 1;
}

static EVP_PKEY *make_key(const CertificateFiles *files) {
  g_autofree char *path = certificate_files_new_key(files);
  return private_key_load_or_make(path, NULL, NULL, NULL);
}

static void write_first(const CertificateFiles *files, EVP_PKEY *issuer, EVP_PKEY **key) {
  g_autoptr(GError) error = NULL;
  *key = make_key(files);
  g_autoptr(CertificateStack) chain = make_chain(*key, issuer);
  g_assert_true(certificate_files_write(files, *key, chain, &error));
  g_assert_no_error(error);
}

static void test_renewed_files(void) {
  static const char *const kept[] = {"renewed/old/r.07.key", "renewed/old/r.07.pem",
                                     "renewed/old/r.07.p12"};
  g_autoptr(GError) error = NULL;
  g_autofree char *place = path_of("renewed");
  g_assert_cmpint(g_mkdir(place, 0700), ==, 0);
  const CertificateFiles files = {place, "r", NULL, NULL, PKCS12_MODERN};
  g_autoptr(EVP_PKEY) issuer = private_key_make("P-256", NULL);
  EVP_PKEY *made = NULL;
  write_first(&files, issuer, &made);
  g_autoptr(EVP_PKEY) first = made;
  g_autofree char *path = certificate_files_key(&files);
  g_assert_true(holds_key(path, first));
  write_first(&files, issuer, &made);
  g_autoptr(EVP_PKEY) second = made;
  g_assert_true(holds_key(path, second));
  for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
    g_autofree char *old = path_of(kept[i]);
    g_assert_true(g_file_test(old, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(mode_of(old), ==, g_str_has_suffix(old, ".pem") ? 0644 : 0600);
  }
  g_autofree char *old = path_of(kept[0]);
  g_assert_true(holds_key(old, first));
  g_autoptr(CertificateStack) loaded = certificate_files_load(&files, &error);
  g_assert_true(certificate_chain_is_for(loaded, second));
}

/* A new key that a failed run left does not take the place of the one that a certificate is for. */
static void test_key_left(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *place = path_of("left");
  g_assert_cmpint(g_mkdir(place, 0700), ==, 0);
  const CertificateFiles files = {place, "l", NULL, NULL, PKCS12_MODERN};
  g_autoptr(EVP_PKEY) issuer = private_key_make("P-256", NULL);
  EVP_PKEY *made = NULL;
  write_first(&files, issuer, &made);
  g_autoptr(EVP_PKEY) key = made;
  g_autoptr(EVP_PKEY) other = make_key(&files);
  g_autoptr(CertificateStack) chain = make_chain(key, issuer);
  g_assert_true(certificate_files_write(&files, key, chain, &error));
  g_autofree char *path = certificate_files_key(&files);
  g_autofree char *fresh = certificate_files_new_key(&files);
  g_assert_true(holds_key(path, key));
  g_assert_true(holds_key(fresh, other));
}

/* A crash between the renames: what is left of them is done by the next run. */
static void test_cut_off(void) {
  static const char *const endings[] = {".key", ".p12", ".pem"};
  g_autoptr(EVP_PKEY) issuer = private_key_make("P-256", NULL);
  for (gsize done = 0; done <= G_N_ELEMENTS(endings); done++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("cut%" G_GSIZE_FORMAT, done);
    const CertificateFiles files = {folder, name, NULL, NULL, PKCS12_MODERN};
    EVP_PKEY *made = NULL;
    write_first(&files, issuer, &made);
    g_autoptr(EVP_PKEY) key = made;
    for (gsize i = done; i < G_N_ELEMENTS(endings); i++) { /* as if not renamed yet */
      g_autofree char *path = certificate_files_path(&files, endings[i]);
      g_autofree char *fresh = g_strconcat(path, ".new", NULL);
      g_assert_cmpint(g_rename(path, fresh), ==, 0);
    }
    for (guint round = 0; round < 2; round++) {
      g_assert_true(certificate_files_finish(&files, &error));
      g_assert_no_error(error);
    }
    g_autofree char *path = certificate_files_key(&files);
    g_autofree char *pack = certificate_files_path(&files, ".p12");
    g_autoptr(CertificateStack) chain = certificate_files_load(&files, &error);
    g_assert_true(holds_key(path, key) && certificate_chain_is_for(chain, key));
    g_assert_true(g_file_test(pack, G_FILE_TEST_EXISTS));
  }
}

static void remove_folder(const char *path) {
  g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
  for (const char *name = NULL; entries != NULL && (name = g_dir_read_name(entries)) != NULL;) {
    g_autofree char *entry = g_build_filename(path, name, NULL);
    if (g_file_test(entry, G_FILE_TEST_IS_DIR))
      remove_folder(entry);
    else
      g_unlink(entry);
  }
  g_rmdir(path);
}

/* --- hooks --------------------------------------------------------------------------------------
 */

/* One that hangs is ended with what it has started; none reads what is not for it. */
static void test_hook(void) {
  static const char *const addresses[] = {"ann@example.org", NULL};
  g_autoptr(EVP_PKEY) key = private_key_make("P-256", NULL);
  g_autoptr(CertificateStack) chain = make_chain(key, key);
  const CertificateFiles files = {folder, "hooked", NULL, NULL, PKCS12_MODERN};
  g_assert_true(certificate_files_write(&files, key, chain, NULL));
  const struct {
    const char *command, *words;
  } hooks[] = {
      {"test \"$SIGNET_NAME\" = hooked && ! read line", NULL},
      {"exit 3", "code 3"},
      {"kill -9 $$", "signal 9"},
      {"(flock -x 9; sleep 600) 9>\"$SIGNET_KEY.lock\" & sleep 600", "was ended after 1 "}};
  for (gsize i = 0; i < G_N_ELEMENTS(hooks); i++) {
    g_autoptr(GError) error = NULL;
    gboolean hangs = i + 1 == G_N_ELEMENTS(hooks);
    gboolean good = hook_run(hooks[i].command, &files, addresses, hangs ? 1 : 60, &error);
    g_assert_true(good == (hooks[i].words == NULL));
    if (hooks[i].words != NULL)
      g_assert_nonnull(strstr(error->message, hooks[i].words));
  }
  g_autofree char *lock = path_of("hooked.key.lock");
  g_autofree char *quoted = g_shell_quote(lock);
  g_autofree char *free_again = g_strdup_printf("flock -w 60 %s true", quoted);
  g_assert_cmpint(system(free_again), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  output_set_quiet(TRUE);
  folder = g_dir_make_tmp("signet-client-XXXXXX", NULL);
  g_test_add_func("/files/write", test_write);
  g_test_add_func("/files/bad", test_bad_files);
  g_test_add_func("/files/key", test_key);
  g_test_add_func("/files/key_at_once", test_key_at_once);
  g_test_add_func("/files/key_types", test_key_types);
  g_test_add_func("/files/request", test_request);
  g_test_add_func("/files/chain", test_chain);
  g_test_add_func("/files/chain_with_more", test_chain_with_more);
  g_test_add_func("/files/certificate", test_certificate_files);
  g_test_add_func("/files/renewed", test_renewed_files);
  g_test_add_func("/files/key_left", test_key_left);
  g_test_add_func("/files/cut_off", test_cut_off);
  g_test_add_func("/files/hook", test_hook);
  int result = g_test_run();
  remove_folder(folder);
  g_free(folder);
  return result;
}
