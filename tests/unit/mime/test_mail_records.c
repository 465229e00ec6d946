/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of SPF, DMARC and DKIM records to the operator of a domain. */
#include "mime/dkim.h"
#include "mime/mail_records.h"

#include <openssl/rsa.h>
#include <string.h>

typedef struct {
  const char *text, *why; /* a part of it; NULL: nothing speaks against the record */
} Row;

static void check(const Row *rows, gsize count, char *(*judge)(const char *text)) {
  for (gsize i = 0; i < count; i++) {
    g_autofree char *why = judge(rows[i].text);
    g_test_message("%s: %s", rows[i].text, why != NULL ? why : "good");
    if (rows[i].why == NULL)
      g_assert_null(why);
    else
      g_assert_nonnull(strstr(why != NULL ? why : "", rows[i].why));
  }
}

static void test_spf(void) {
  static const Row rows[] = {
      {"v=spf1 a:relay.example.org -all", NULL},
      {"V=SPF1 MX ~ALL", NULL},
      {"v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ?all", NULL},
      {"v=spf1 a/24//64 mx:example.org/28 -all", NULL},
      {"v=spf1 include:_spf.example.org exists:%{i}.x.example.org  -all", NULL},
      {"v=spf1 redirect=_spf.example.org", NULL},
      {"v=spf1 +mx exp=why.example.org other=x -all", NULL},
      {"v=spf1 mx all", "everybody"},
      {"v=spf1 +all", "everybody"},
      {"v=spf1 +ALL", "everybody"},
      {"v=spf1 -all", "nobody"},
      {"v=spf1", "nobody"},
      {"v=spf1 -a -all", "nobody"},
      {"v=spf1 -all mx", "nobody"},
      {"v=spf1 ip4:192.0.2.1/33 -all", "malformed"},
      {"v=spf1 ip4:2001:db8::1 -all", "malformed"},
      {"v=spf1 ip6:192.0.2.1 -all", "malformed"},
      {"v=spf1 ip4 -all", "malformed"},
      {"v=spf1 ip4:relay.example.org -all", "malformed"},
      {"v=spf1 include -all", "malformed"},
      {"v=spf1 a: -all", "malformed"},
      {"v=spf1 a/x -all", "malformed"},
      {"v=spf1 mx -all:x", "malformed"},
      {"v=spf1 ipv4:192.0.2.1 -all", "no mechanism"},
      {"v=spf1 192.0.2.1 -all", "no mechanism"},
      {"v=spf1 redirect=", "names no domain"},
      {"v=spf1 a a a a a a a a a a mx -all", "more than 10"},
      {"v=spf10 mx -all", "begin"},
      {"spf2.0/pra mx -all", "begin"},
  };
  check(rows, G_N_ELEMENTS(rows), spf_record_weakness);
  g_assert_true(spf_record_is("v=spf1"));
  g_assert_false(spf_record_is("v=spf1;mx"));
}

static void test_dmarc(void) {
  static const Row rows[] = {
      {"v=DMARC1; p=reject", NULL},
      {"v=DMARC1;p=none;rua=mailto:dmarc@example.org;", NULL},
      {"v=DMARC1; p=Quarantine; sp=reject; adkim=s; aspf=r; pct=50; x=y", NULL},
      {"v=DMARC1", "no policy"},
      {"v=DMARC1; p=", "one of the words"},
      {"v=DMARC1; p=deny", "one of the words"},
      {"v=DMARC1; p=reject; sp=all", "one of the words"},
      {"v=DMARC1; p=reject; adkim=strict", "one of the words"},
      {"v=DMARC1; p=reject; p=none", "list of tags"},
      {"v=DMARC1 p=reject", "begin"},
      {"p=reject; v=DMARC1", "begin"},
      {"v=dmarc1; p=reject", "begin"},
      {"", "list of tags"},
  };
  check(rows, G_N_ELEMENTS(rows), dmarc_record_weakness);
  g_assert_true(dmarc_record_is("v=DMARC1; p=reject; p=none"));
  g_assert_true(dmarc_record_is("v = DMARC1 ; p=none"));
  g_assert_false(dmarc_record_is("v=spf1 mx -all"));
}

static void test_dkim(void) {
  static const struct {
    const char *before, *after; /* in place of "v=DKIM1; k=rsa; p=", and behind the key */
    const char *why;
  } rows[] = {
      {"v=DKIM1; k=rsa; p=", "", NULL},
      {"p=", "", NULL},
      {"v=DKIM1; s=email; h=sha1:sha256; k=rsa; t=s; p=", " ; n=x", NULL},
      {"v=DKIM1; k=rsa; t=y; p=", "", "testing"},
      {"v=DKIM1; k=rsa; s=other; p=", "", "not for e-mail"},
      {"v=DKIM1; k=rsa; h=sha1; p=", "", "sha256"},
      {"v=DKIM1; k=ed25519; p=", "", "another kind"},
      {"v=DKIM2; k=rsa; p=", "", "version"},
      {"k=rsa; v=DKIM1; p=", "", "first"},
      {"v=DKIM1; k=rsa; p=;x=", "", "revoked"},
      {"v=DKIM1; k=rsa; p=A", "", "base64"},
  };
  EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
  g_autofree char *record = dkim_key_record(key, NULL);
  const char *encoded = strstr(record, "p=") + 2;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strconcat(rows[i].before, encoded, rows[i].after, NULL);
    const char *why = dkim_record_weakness(text, key);
    g_test_message("%s...%s: %s", rows[i].before, rows[i].after, why != NULL ? why : "good");
    if (rows[i].why == NULL)
      g_assert_null(why);
    else
      g_assert_nonnull(strstr(why != NULL ? why : "", rows[i].why));
  }
  g_assert_nonnull(strstr(dkim_record_weakness(record, other), "another key"));
  EVP_PKEY_free(key);
  EVP_PKEY_free(other);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/mail-records/spf", test_spf);
  g_test_add_func("/mail-records/dmarc", test_dmarc);
  g_test_add_func("/mail-records/dkim", test_dkim);
  return g_test_run();
}
