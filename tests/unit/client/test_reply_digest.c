/* SPDX-License-Identifier: Apache-2.0 */
#include "client/account_key.h"
#include "client/reply_digest.h"

/* interop.md 2: part1 is 24 octets, so joining strings and joining octets give the same token. */
static void test_digest_vector(void) {
  g_autofree char *digest =
      reply_digest("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "DGyRejmCefe7v4NfDGDKfADGyRejmCef",
                   "hC4xyXNn8ZDH4yrcp93Zj3qgQs7LyT_GUL45YD7IVMQ");
  g_assert_cmpstr(digest, ==, "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo");
}

/* RFC 7638 section 3.1: optional members do not count; ours has none, order and blanks do not
 * matter. */
static void test_thumbprint_vector(void) {
  g_autoptr(json_t) jwk =
      json_pack("{s:s,s:s,s:s}", "kty", "RSA", "n",
                "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6"
                "tSoc_BJECPebWKRXjBZCiFV4n3o"
                "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
                "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
                "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
                "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ"
                "zKnqDKgw",
                "e", "AQAB");
  g_autofree char *thumbprint = account_key_jwk_thumbprint(jwk);
  g_assert_cmpstr(thumbprint, ==, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static const struct {
  const char *pasted, *token;
} pasted[] = {
    {"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"},
    {"ACME: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"},
    {"  Subject: ACME:AQIDBAUGBwgJ CgsMDQ4PEBES\tExQVFhcY \r\n",
     "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"},
    {"Re: acme: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"},
    /* RFC 8823 figure 1 pads its token, which is then part of it. */
    {"ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME=",
     "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="},
    {"", NULL},
    {"ACME:", NULL},
    {"ACME: AQIDBAUGBwgJCgsMDQ4P", NULL}, /* 15 octets */
    {"ACME: AQIDBAUGBwgJCgsMDQ4PEBESExQV*hcY", NULL},
    {"AQIDBAUG=BwgJCgsMDQ4PEBESExQVFhcY", NULL},
    {"===", NULL},
};

static void test_pasted(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(pasted); i++) {
    g_autofree char *token = reply_token_read(pasted[i].pasted);
    g_assert_cmpstr(token, ==, pasted[i].token);
  }
  g_autofree char *long_text = g_strnfill(TOKEN_MAX + 4, 'A');
  g_assert_null(reply_token_read(long_text));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/reply_digest/vector", test_digest_vector);
  g_test_add_func("/reply_digest/thumbprint", test_thumbprint_vector);
  g_test_add_func("/reply_digest/pasted", test_pasted);
  return g_test_run();
}
