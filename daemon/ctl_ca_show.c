/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca show, transcript: what a CA's folder holds, and what was done there. */
#include "base/clock.h"
#include "ca/algorithm.h"
#include "ca/ceremony_request.h"
#include "ca/openssl_auto.h"
#include "ca/root_list.h"
#include "ca/transcript.h"
#include "daemon/ca_folder.h"
#include "daemon/ca_making.h"
#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

static gint compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Files of one ending, in the order of their names. */
static GPtrArray *find_files(const char *directory, const char *ending, GError **error) {
  g_autoptr(GDir) dir = g_dir_open(directory, 0, error);
  GPtrArray *names = dir != NULL ? g_ptr_array_new_with_free_func(g_free) : NULL;
  const char *name = NULL;
  while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
    if (g_str_has_suffix(name, ending))
      g_ptr_array_add(names, g_strdup(name));
  if (names != NULL)
    g_ptr_array_sort(names, compare_names);
  return names;
}

static X509 *read_certificate(const char *directory, const char *name) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_autoptr(GBytes) octets = ca_folder_read(path, NULL);
  return octets != NULL ? ceremony_read_certificate(octets, NULL) : NULL;
}

static char *digest_of(gconstpointer data, gsize length) {
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, length);
  return g_ascii_strup(digest, -1);
}

/* --- show
 * ------------------------------------------------------------------------------------------- */

static void print_end(const char *title, gint64 end) {
  g_autofree char *time = clock_rfc3339(end);
  gint64 days = (end - clock_now(&clock_system)) / CLOCK_DAY;
  if (end < clock_now(&clock_system))
    printf("  %-11s %s, OVER\n", title, time);
  else
    printf("  %-11s %s, %" G_GINT64_FORMAT " days left\n", title, time, days);
}

static char *name_text(const X509_NAME *name) {
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  return openssl_bio_text(bio);
}

static void print_certificate(const char *name, X509 *certificate) {
  g_autofree char *subject = name_text(X509_get_subject_name(certificate));
  g_autofree char *issuer = name_text(X509_get_issuer_name(certificate));
  g_autofree char *digest = ca_folder_digest(certificate);
  g_autoptr(BIGNUM) serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *digits = BN_bn2hex(serial);
  const Algorithm *algorithm =
      X509_get0_pubkey(certificate) != NULL ? algorithm_of_ca(X509_get0_pubkey(certificate)) : NULL;
  const Issuer view = {.certificate = certificate};
  printf("%s\n  %-11s %s\n  %-11s %s\n  %-11s %s\n  %-11s %s\n", name, "subject", subject, "issuer",
         issuer, "serial", digits, "key", algorithm != NULL ? algorithm->title : "of another kind");
  print_end("ends", issuer_not_after(&view));
  printf("  %-11s %s\n", "sha256", digest);
  OPENSSL_free(digits);
}

static void print_list(const char *name, GBytes *crl) {
  RootList list = {0};
  g_autofree char *digest = digest_of(g_bytes_get_data(crl, NULL), g_bytes_get_size(crl));
  if (!root_list_read(crl, &list)) {
    printf("%s\n  is no revocation list\n", name);
    return;
  }
  printf("%s\n  %-11s %" G_GINT64_FORMAT "\n  %-11s %u\n", name, "number", list.number, "revoked",
         list.revoked);
  print_end("next", list.next_update);
  printf("  %-11s %s\n", "sha256", digest);
}

static gboolean show(const char *directory, GError **error) {
  g_autoptr(GPtrArray) certificates = find_files(directory, ".pem", error);
  g_autoptr(GPtrArray) lists = certificates != NULL ? find_files(directory, ".crl", error) : NULL;
  for (guint i = 0; lists != NULL && i < certificates->len; i++) {
    g_autoptr(X509) certificate = read_certificate(directory, certificates->pdata[i]);
    if (certificate != NULL)
      print_certificate(certificates->pdata[i], certificate);
  }
  for (guint i = 0; lists != NULL && i < lists->len; i++) {
    g_autofree char *path = g_build_filename(directory, lists->pdata[i], NULL);
    g_autoptr(GBytes) crl = ca_folder_read(path, error);
    if (crl == NULL)
      return FALSE;
    print_list(lists->pdata[i], crl);
  }
  return lists != NULL;
}

static char *read_directory(const char *command, const char *summary, int argc, char **argv) {
  char *directory = NULL;
  const GOptionEntry options[] = {
      {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &directory, "Folder of the CA (needed)", "DIR"},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options(command, summary, options, argc, argv))
    return NULL;
  return ca_making_needs(directory, "--directory") ? directory : NULL;
}

int ctl_ca_show(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autofree char *directory = read_directory(
      "ca show", "Prints what certificates and lists there are, and when they end.", argc, argv);
  if (directory == NULL)
    return CTL_USAGE;
  return show(directory, &error) ? CTL_DONE : ctl_failed("cannot be shown", &error);
}

/* --- transcript
 * ------------------------------------------------------------------------------------- */

/* What lies in the folder and was never recorded; TRUE when there is nothing like that. */
static gboolean check_files(const char *directory, const char *text) {
  gboolean good = TRUE;
  g_autoptr(GPtrArray) certificates = find_files(directory, ".pem", NULL);
  for (guint i = 0; certificates != NULL && i < certificates->len; i++) {
    g_autoptr(X509) certificate = read_certificate(directory, certificates->pdata[i]);
    g_autofree char *digest = certificate != NULL ? ca_folder_digest(certificate) : NULL;
    if (digest == NULL || transcript_has(text, "sha256", digest))
      continue;
    fprintf(stderr, "%s: %s/%s is not in the transcript\n", g_get_prgname(), directory,
            (char *)certificates->pdata[i]);
    good = FALSE;
  }
  g_autofree char *path = g_build_filename(directory, CA_FOLDER_ROOT_CRL, NULL);
  g_autoptr(GBytes) crl = ca_folder_read(path, NULL);
  g_autofree char *digest =
      crl != NULL ? digest_of(g_bytes_get_data(crl, NULL), g_bytes_get_size(crl)) : NULL;
  if (digest == NULL || transcript_has(text, "sha256", digest))
    return good;
  fprintf(stderr, "%s: %s is not in the transcript\n", g_get_prgname(), path);
  return FALSE;
}

int ctl_ca_transcript(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  guint entries = 0;
  g_autofree char *head = NULL;
  g_autofree char *directory = read_directory(
      "ca transcript", "Checks what was done with the CA's keys, and prints it.", argc, argv);
  if (directory == NULL)
    return CTL_USAGE;
  g_autofree char *text = ca_folder_transcript(directory, &entries, &head, &error);
  if (text == NULL)
    return ctl_failed("NOT GOOD", &error);
  if (entries == 0)
    return ctl_failed("there is no transcript", NULL);
  printf("%s", text);
  if (!check_files(directory, text))
    return ctl_failed("NOT GOOD", NULL);
  printf("%u entr%s, good; the last one's hash is %s\n", entries, entries == 1 ? "y" : "ies", head);
  return CTL_DONE;
}
