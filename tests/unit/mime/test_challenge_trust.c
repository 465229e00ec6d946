/* SPDX-License-Identifier: Apache-2.0 */
/* Which challenge messages a client answers by itself (RFC 8823 section 3.1 item 6). */
#include "mime/challenge_trust.h"
#include "mime/dkim.h"

#include <gmime/gmime.h>
#include <openssl/rsa.h>
#include <string.h>

#define NOW G_GINT64_CONSTANT(1700000000000)
#define FROM "acme+1@ca.example"

static const char message[] = "From: " FROM "\r\nTo: ann@example.org\r\nSubject: ACME: x\r\n"
                              "Auto-Submitted: auto-generated\r\n\r\nText.\r\n";

static EVP_PKEY *key;

static char *sign(const char *domain) {
  g_autoptr(DkimSigner) signer = dkim_signer_new(domain, "s1", key, NULL);
  g_autoptr(GBytes) bytes = g_bytes_new_static(message, strlen(message));
  return dkim_sign(signer, bytes, NOW, NULL);
}

static const char *judge(const char *fields, const char *authserv_id) {
  g_autofree char *text = g_strconcat(fields, message, NULL);
  g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
  return challenge_distrust(bytes, FROM, authserv_id, NOW);
}

static void expect(const char *fields, const char *authserv_id, const char *words) {
  const char *why = judge(fields, authserv_id);
  g_test_message("%s", why != NULL ? why : "trusted");
  if (words == NULL)
    g_assert_null(why);
  else
    g_assert_true(why != NULL && strstr(why, words) != NULL);
}

static void test_signature(void) {
  g_autofree char *own = sign("ca.example"), *other = sign("evil.example");
  g_autofree char *both = g_strconcat(other, own, NULL);
  expect("", NULL, "no DKIM signature");
  expect(other, NULL, "no DKIM signature of its domain");
  expect(own, NULL, NULL);
  expect(both, NULL, NULL);
  /* Each name of h= is needed: its first letter becomes another. */
  static const char *const names[] = {"from",
                                      "sender",
                                      "reply-to",
                                      "to",
                                      "cc",
                                      "subject",
                                      "date",
                                      "in-reply-to",
                                      "references",
                                      "message-id",
                                      "auto-submitted",
                                      "content-type",
                                      "content-transfer-encoding"};
  g_auto(GStrv) halves = g_strsplit(own, "\th=", 2);
  g_auto(GStrv) rest = g_strsplit(halves[1], ";", 2); /* the list, and what comes behind it */
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *pattern = g_strdup_printf("(?<![a-z-])%s(?![a-z-])", names[i]);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autofree char *less = g_regex_replace(regex, rest[0], -1, 0, "x-other", 0, NULL);
    g_autofree char *field = g_strconcat(halves[0], "\th=", less, ";", rest[1], NULL);
    g_assert_cmpstr(less, !=, rest[0]);
    expect(field, NULL, strcmp(names[i], "from") == 0 ? "counts for nothing" : "does not cover");
  }
}

#define AR "Authentication-Results: "

static const struct {
  const char *field;
  gboolean trusted;
} results[] = {
    {"", FALSE},
    {AR "mx.example; dkim=pass header.d=ca.example\r\n", TRUE},
    {AR "MX.example 1; spf=fail;\r\n dkim=PASS (2048-bit key) header.d=CA.example header.s=s1\r\n",
     TRUE},
    {AR "mx.example; dkim=pass header.i=@ca.example\r\n", TRUE},
    {AR "mx.example; dkim=pass header.i=\"acme@ca.example\"\r\n", TRUE},
    {AR "mx.example; dkim=fail header.d=x.example; dkim=pass header.d=ca.example\r\n", TRUE},
    {AR "other.example; dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "other.example (mx.example); dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "(mx.example) other.example; dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "mx.example.evil; dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "mx.example; dkim=fail header.d=ca.example\r\n", FALSE},
    {AR "mx.example; dkim=pass header.d=evil.example\r\n", FALSE},
    {AR "mx.example; dkim=pass header.d=ca.example.evil\r\n", FALSE},
    {AR "mx.example; dkim=pass header.d=evil.example header.i=@ca.example\r\n", FALSE},
    {AR "mx.example; dkim=pass\r\n", FALSE},
    {AR "mx.example; spf=pass smtp.mailfrom=ca.example header.d=ca.example\r\n", FALSE},
    {AR "mx.example; x-dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "mx.example; spf=pass (; dkim=pass header.d=ca.example )\r\n", FALSE},
    {AR "mx.example; spf=pass (a (b); dkim=pass header.d=ca.example )\r\n", FALSE},
    {AR "mx.example; spf=pass reason=\"; dkim=pass header.d=ca.example\"\r\n", FALSE},
    {AR "mx.example; dkim=fail reason=\"x dkim=pass header.d=ca.example\"\r\n", FALSE},
    {AR "mx.example; spf=pass reason=\"a\\\"; dkim=pass header.d=ca.example\"\r\n", FALSE},
    {AR "mx.example\r\n", FALSE},
    {AR "\r\n", FALSE},
    {"X-" AR "mx.example; dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "mx.example; spf=pass\r\n" AR "mx.example; dkim=pass header.d=ca.example\r\n", TRUE},
    {AR "mx.example; dkim=fail header.d=ca.example\r\n" AR
        "mx.example; dkim=pass header.d=ca.example\r\n",
     FALSE},
    {AR "mx.example; dkim=none\r\n" AR "mx.example; dkim=pass header.d=ca.example\r\n", FALSE},
    {AR "other.example; none\r\n" AR "mx.example; dkim=pass header.d=ca.example\r\n", TRUE},
};

static void test_results(void) {
  g_autofree char *own = sign("ca.example");
  for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
    g_autofree char *fields = g_strconcat(results[i].field, own, NULL);
    g_test_message("%" G_GSIZE_FORMAT, i);
    expect(fields, "mx.example", results[i].trusted ? NULL : "--authserv-id");
  }
  /* What the server says is of no use without a signature that covers enough. */
  expect(results[1].field, "mx.example", "no DKIM signature");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_mime_init();
  key = EVP_RSA_gen(2048);
  g_test_add_func("/challenge_trust/signature", test_signature);
  g_test_add_func("/challenge_trust/results", test_results);
  int result = g_test_run();
  EVP_PKEY_free(key);
  g_mime_shutdown();
  return result;
}
