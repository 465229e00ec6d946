/* SPDX-License-Identifier: Apache-2.0 */
/* What Signet makes of requests, for test_csr_mutants.py. A line in: "mail" or "dns" (CsrNames),
   the request in base64, the addresses of the order, with tabs between. A line out, with tabs
   between: refused CODE MESSAGE                          by csr_parse other WISHES KIND MAILBOXES
   accepted, but it does not match the order issued WISHES KIND MAILBOXES CERTIFICATE certificate
   for the order, base64 WISHES: of "s", "e", "n"; MAILBOXES: canonical forms with blanks between.
 */
#include "ca/csr.h"
#include "tests/unit/ca/fixture.h"

#include <stdio.h>

static const char *const codes[] = {[CA_ERROR_BAD_CSR] = "csr", [CA_ERROR_BAD_KEY] = "key"};

static GPtrArray *read_order(char **addresses) {
  GPtrArray *order = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  for (; *addresses != NULL; addresses++) {
    Mailbox *mailbox = mailbox_parse(*addresses, NULL);
    g_assert_nonnull(mailbox);
    g_assert_cmpstr(mailbox->address, ==, *addresses);
    g_ptr_array_add(order, mailbox);
  }
  return order;
}

static void print_request(const char *verdict, const Csr *csr) {
  printf("%s\t%s%s%s\t%s\t", verdict, csr->want_sign ? "s" : "", csr->want_encrypt ? "e" : "",
         csr->want_non_repudiation ? "n" : "", key_algorithm(csr->spki)->name);
  for (guint i = 0; i < csr->mailboxes->len; i++)
    printf("%s%s", i > 0 ? " " : "", ((const Mailbox *)csr->mailboxes->pdata[i])->canonical);
}

/* As the issuance path does it: names from the order, key and wishes from the request. */
static void issue(const Issuer *issuer, const Csr *csr, char **addresses) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) serial = fixture_serial(5);
  CertificateFields fields = fixture_fields(serial, csr->spki);
  fields.names = (const char *const *)addresses;
  fields.sign = csr->want_sign;
  fields.encrypt = csr->want_encrypt;
  fields.non_repudiation = csr->want_non_repudiation;
  g_autoptr(GBytes) tbs = certificate_build(issuer, &fields, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) der = certificate_sign(issuer, tbs, &error);
  g_assert_no_error(error);
  g_autofree char *text = g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  printf("\t%s", text);
}

static void judge(const Issuer *issuer, const char *line) {
  g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
  g_assert_cmpuint(g_strv_length(fields), >=, 3);
  gsize length;
  guint8 *octets = g_base64_decode(fields[1], &length);
  g_autoptr(GBytes) der = g_bytes_new_take(octets, length);
  g_autoptr(GPtrArray) order = read_order(fields + 2);
  g_autoptr(GError) error = NULL;
  g_autoptr(Csr) csr = csr_parse(
      der, strcmp(fields[0], "dns") == 0 ? CSR_NAMES_MAIL_AND_DNS : CSR_NAMES_MAIL, &error);
  if (csr == NULL) {
    g_assert_true(error->domain == CA_ERROR && error->code < (int)G_N_ELEMENTS(codes));
    printf("refused\t%s\t%s\n", codes[error->code], error->message);
    return;
  }
  gboolean matches = csr_matches(csr, order, NULL);
  print_request(matches ? "issued" : "other", csr);
  if (matches)
    issue(issuer, csr, fields + 2);
  printf("\n");
}

int main(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autofree char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
    line[length - 1] = '\0';
    judge(issuer, line);
    fflush(stdout);
  }
  free(g_steal_pointer(&line));
  return 0;
}
