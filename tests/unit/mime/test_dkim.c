/* SPDX-License-Identifier: Apache-2.0 */
/* DKIM: canonical forms, tag lists, our signatures, and what must not count (security.md items 14,
   15). Also the tool of tests/oracle/test_dkim_oracle.py: mime_test_dkim --sign KEYFILE DOMAIN
   SELECTOR MILLISECONDS < message   writes the field mime_test_dkim --record KEYFILE writes the key
   record mime_test_dkim --verify MILLISECONDS QUESTION=RECORD... < message      writes "result
   reason" lines */
#include "mime/dkim.h"
#include "mime/dkim_canon.h"
#include "mime/dkim_hash.h"
#include "mime/dkim_key.h"
#include "mime/dkim_tags.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW G_GINT64_CONSTANT(1700000000000)

static EVP_PKEY *rsa, *ed25519; /* made once in main */

static const char *const result_names[] = {
    [DKIM_PENDING] = "pending",   [DKIM_PASS] = "pass",           [DKIM_FAIL] = "fail",
    [DKIM_UNUSABLE] = "unusable", [DKIM_TEMPORARY] = "temporary",
};

/* Names the case of a table in the log, made fit for TAP. */
static void note(const char *text) {
  g_autofree char *escaped = g_strescape(text, NULL);
  g_test_message("%s", escaped);
}

static GBytes *message_from(const char *text) {
  return g_bytes_new(text, strlen(text));
}

/* LF to CRLF, so that tables stay readable. */
static char *crlf(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  return g_strjoinv("\r\n", lines);
}

/* The check of text with one key record for every question. */
static DkimCheck *check_text(const char *text, const char *record, gint64 now) {
  g_autoptr(GBytes) message = message_from(text);
  const char *records[] = {record, NULL};
  DkimCheck *check = dkim_check_new(message, now);
  for (guint i = 0; i < dkim_check_count(check); i++)
    dkim_check_key(check, i, DKIM_KEY_FOUND, records, TRUE);
  return check;
}

static void assert_result(const DkimCheck *check, guint i, DkimResult result, const char *word) {
  const DkimSignature *signature = dkim_check_signature(check, i);
  g_test_message("%s: %s", result_names[signature->result],
                 signature->reason == NULL ? "-" : signature->reason);
  g_assert_cmpstr(result_names[signature->result], ==, result_names[result]);
  if (word == NULL)
    g_assert_null(signature->reason);
  else
    g_assert_nonnull(strstr(signature->reason, word));
}

/* --- canonical forms --- */

static const struct {
  const char *in, *simple, *relaxed;
} field_table[] = {
    /* RFC 6376 section 3.4.5 */
    {"A: X\r\n", "A: X\r\n", "a:X\r\n"},
    {"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
    {"Subject:\r\n", "Subject:\r\n", "subject:\r\n"},
    {"Subject: \t \r\n", "Subject: \t \r\n", "subject:\r\n"},
    {"Subject:\r\n  folded\r\n", "Subject:\r\n  folded\r\n", "subject:folded\r\n"},
    {"X: a\rb\nc\r\n", "X: a\rb\nc\r\n", "x:a\rb\nc\r\n"},
    {"X: no end", "X: no end\r\n", "x:no end\r\n"},
};

static void test_canon_field(void) {
  for (guint i = 0; i < G_N_ELEMENTS(field_table); i++) {
    g_autoptr(GString) simple = g_string_new(NULL), relaxed = g_string_new(NULL);
    const char *in = field_table[i].in;
    dkim_canon_field(simple, in, strlen(in), DKIM_CANON_SIMPLE);
    dkim_canon_field(relaxed, in, strlen(in), DKIM_CANON_RELAXED);
    g_assert_cmpstr(simple->str, ==, field_table[i].simple);
    g_assert_cmpstr(relaxed->str, ==, field_table[i].relaxed);
  }
}

static const struct {
  const char *in, *simple, *relaxed;
} body_table[] = {
    /* RFC 6376 section 3.4.5 */
    {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
    {"", "\r\n", ""},
    {"\r\n", "\r\n", ""},
    {"\r\n\r\n\r\n", "\r\n", ""},
    {" \t\r\n\r\n", " \t\r\n", ""},
    {"a", "a\r\n", "a\r\n"},
    {"a  ", "a  \r\n", "a\r\n"},
    {"\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
    /* only CRLF ends a line */
    {"a \nb\r\n", "a \nb\r\n", "a \nb\r\n"},
    {"a\n\n\n", "a\n\n\n\r\n", "a\n\n\n\r\n"},
    {"a \rb\r\n", "a \rb\r\n", "a \rb\r\n"},
    {"a\r\r\n", "a\r\r\n", "a\r\r\n"},
};

static void test_canon_body(void) {
  for (guint i = 0; i < G_N_ELEMENTS(body_table); i++) {
    g_autoptr(GString) simple = g_string_new(NULL), relaxed = g_string_new(NULL);
    const char *in = body_table[i].in;
    dkim_canon_body(simple, in, strlen(in), DKIM_CANON_SIMPLE);
    dkim_canon_body(relaxed, in, strlen(in), DKIM_CANON_RELAXED);
    g_assert_cmpstr(simple->str, ==, body_table[i].simple);
    g_assert_cmpstr(relaxed->str, ==, body_table[i].relaxed);
  }
}

/* RFC 6376 sections 3.4.3 and 3.4.4: the hashes of an empty body. */
static void test_empty_body(void) {
  static const char *const expected[] = {"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
                                         "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
  const char *why = NULL;
  g_autoptr(GBytes) bytes = message_from("From: a@example.org\r\n\r\n");
  g_autoptr(RawMessage) message = raw_message_new(bytes, &why);
  for (int canon = 0; canon < DKIM_CANON_COUNT; canon++) {
    guint8 hash[DKIM_HASH_OCTETS];
    dkim_hash_body(message, (DkimCanon)canon, hash);
    g_autofree char *text = g_base64_encode(hash, sizeof hash);
    g_assert_cmpstr(text, ==, expected[canon]);
  }
}

/* --- tag lists --- */

static const struct {
  const char *text, *name, *value; /* name NULL: malformed; value NULL: no such tag */
} tag_table[] = {
    {"v=1; a=b", "a", "b"},
    {"v=1;a=b;", "a", "b"},
    {" v = 1 ;\r\n\ta =\r\n b c\t;\r\n ", "a", "b c"},
    {"a=", "a", ""},
    {"a==", "a", "="},
    {"a=1", "A", NULL},
    {"a=\xC3\xBC", "a", "\xC3\xBC"},
    {"", NULL, NULL},
    {";", NULL, NULL},
    {"a=1;;b=2", NULL, NULL},
    {"a=1; ;", NULL, NULL},
    {"a=1;b", NULL, NULL},
    {"a=1;=2", NULL, NULL},
    {"a=1;b b=2", NULL, NULL},
    {"1a=1", NULL, NULL},
    {"a=1;a=1", NULL, NULL},
    {"a=1;a=2", NULL, NULL},
    {"a=1\x01", NULL, NULL},
    {"a=1\n b=2", NULL, NULL},
    {"a=1\r\nb=2", NULL, NULL},
    {"a=\xFF", NULL, NULL},
    {"a=\xC2\x85", NULL, NULL}, /* a control character */
};

static void test_tags(void) {
  for (guint i = 0; i < G_N_ELEMENTS(tag_table); i++) {
    note(tag_table[i].text);
    g_autoptr(DkimTags) tags = dkim_tags_parse(tag_table[i].text, strlen(tag_table[i].text));
    if (tag_table[i].name == NULL)
      g_assert_null(tags);
    else
      g_assert_cmpstr(dkim_tags_value(tags, tag_table[i].name), ==, tag_table[i].value);
  }
  g_assert_null(dkim_tags_parse("a=\0", 3));
}

static void test_tag_count(void) {
  g_autoptr(GString) text = g_string_new("a0=1");
  for (int i = 1; i < DKIM_MAX_TAGS; i++)
    g_string_append_printf(text, ";a%d=1", i);
  g_autoptr(DkimTags) most = dkim_tags_parse(text->str, text->len);
  g_assert_nonnull(most);
  g_string_append(text, ";z=1");
  g_assert_null(dkim_tags_parse(text->str, text->len));
}

static void test_base64(void) {
  static const char *const bad[] = {"", "A", "AA", "AAA", "AAA=A", "AB==", "AAA-", "AAAA=", "A=AA"};
  g_autoptr(GBytes) good = dkim_tag_base64("A A\r\n\tA A");
  g_assert_cmpuint(g_bytes_get_size(good), ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_null(dkim_tag_base64(bad[i]));
}

/* --- examples of the RFCs --- */

/* RFC 8463 appendix A */
static const char rfc8463_message[] =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
    " subject : date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
    " date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n"
    "\n"
    "We lost the game.  Are you hungry yet?\n"
    "\n"
    "Joe.\n";

static const char *const rfc8463_ed25519[] = {
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", NULL};
static const char *const rfc8463_rsa[] = {
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
    "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
    "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
    "Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    NULL};

static void test_rfc8463(void) {
  g_autofree char *text = crlf(rfc8463_message);
  g_autoptr(GBytes) message = message_from(text);
  g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
  g_assert_cmpuint(dkim_check_count(check), ==, 2);
  const DkimSignature *first = dkim_check_signature(check, 0);
  g_assert_cmpstr(first->question, ==, "brisbane._domainkey.football.example.com");
  g_assert_cmpstr(first->domain, ==, "football.example.com");
  g_assert_cmpstr(first->algorithm, ==, "ed25519-sha256");
  g_assert_cmpint(first->created, ==, 1528637909);
  g_assert_true(dkim_signature_covers(first, "from", 2));
  g_assert_false(dkim_signature_covers(first, "from", 3));
  g_assert_true(dkim_signature_covers(first, "to", 1));
  g_assert_false(dkim_signature_covers(first, "cc", 1));
  dkim_check_key(check, 0, DKIM_KEY_FOUND, rfc8463_ed25519, TRUE);
  dkim_check_key(check, 1, DKIM_KEY_FOUND, rfc8463_rsa, FALSE);
  assert_result(check, 0, DKIM_PASS, NULL);
  assert_result(check, 1, DKIM_PASS, NULL);
  g_assert_true(first->key_secure);
  g_assert_false(dkim_check_signature(check, 1)->key_secure);
  g_assert_cmpstr(first->key_record, ==, rfc8463_ed25519[0]);
}

/* RFC 6376 appendix A.2, with the field and key of appendix C: simple/simple, no t=, i= below d=.
 */
static const char rfc6376_message[] =
    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
    "      h=Received : From : To : Subject : Date : Message-ID;\n"
    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
    "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
    "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
    "      4bmp/YzhwvcubU4=;\n"
    "Received: from client1.football.example.com  [192.0.2.1]\n"
    "      by submitserver.example.com with SUBMISSION;\n"
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n"
    "\n"
    "We lost the game. Are you hungry yet?\n"
    "\n"
    "Joe.\n";

static const char rfc6376_record[] = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ"
                                     "KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
                                     "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v"
                                     "/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
                                     "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";

static void test_rfc6376(void) {
  g_autofree char *text = crlf(rfc6376_message);
  g_autoptr(DkimCheck) check = check_text(text, rfc6376_record, NOW);
  assert_result(check, 0, DKIM_PASS, NULL);
}

/* --- our signatures --- */

static const char plain_message[] = "From: acme@ca.example\r\n"
                                    "To: user@example.org\r\n"
                                    "Subject: ACME: token\r\n"
                                    "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                    "Message-ID: <1@ca.example>\r\n"
                                    "Auto-Submitted: auto-generated; type=acme\r\n"
                                    "\r\n"
                                    "Hello \t you\r\n\r\n\r\n";

static char *sign_text(EVP_PKEY *key, const char *domain, const char *selector, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) message = message_from(text);
  g_autoptr(DkimSigner) signer = dkim_signer_new(domain, selector, key, &error);
  g_assert_no_error(error);
  char *field = dkim_sign(signer, message, NOW, &error);
  g_assert_no_error(error);
  return field;
}

/* interop.md item 13, byte for byte */
static void test_sign_form(void) {
  g_autofree char *field = sign_text(ed25519, "ca.example", "sel", plain_message);
  g_assert_true(g_str_has_prefix(
      field, "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=ca.example; s=sel;\r\n"
             "\tt=1700000000;\r\n"
             "\th=from:auto-submitted:date:message-id:subject:to:\r\n"
             "\tsender:reply-to:cc:in-reply-to:references:content-type:\r\n"
             "\tcontent-transfer-encoding;\r\n"
             "\tbh="));
  g_assert_true(g_str_has_suffix(field, "\r\n"));
  g_assert_false(g_str_has_suffix(field, ";\r\n"));
}

static void test_sign_lines(void) {
  static const char *const domains[] = {
      "ca.example", "a.long-name-of-forty-five-letters-or-so.example", "xn--bcher-kva.example"};
  EVP_PKEY *keys[] = {rsa, ed25519};
  for (guint i = 0; i < G_N_ELEMENTS(domains) * G_N_ELEMENTS(keys); i++) {
    g_autofree char *field =
        sign_text(keys[i % 2], domains[i / 2], "selector-2023-11", plain_message);
    g_auto(GStrv) lines = g_strsplit(field, "\r\n", -1);
    guint count = g_strv_length(lines);
    g_assert_cmpstr(lines[count - 1], ==, "");
    for (guint line = 0; line + 1 < count; line++) {
      g_assert_cmpuint(strlen(lines[line]), <=, 78);
      g_assert_true(line == 0 || lines[line][0] == '\t');
      g_assert_null(strstr(lines[line], " ="));
      g_assert_null(strstr(lines[line], "= "));
    }
    /* b= is the last tag, 70 octets a line */
    guint first = 0;
    while (!g_str_has_prefix(lines[first], "\tb="))
      first++;
    g_assert_cmpuint(strlen(lines[first]), ==, 73);
    for (guint line = first + 1; line + 2 < count; line++)
      g_assert_cmpuint(strlen(lines[line]), ==, 71);
  }
}

static void assert_signed(EVP_PKEY *key, const char *text) {
  g_autofree char *field = sign_text(key, "ca.example", "sel", text);
  g_autofree char *record = dkim_key_record(key, NULL);
  g_autofree char *whole = g_strconcat(field, text, NULL);
  g_autoptr(DkimCheck) check = check_text(whole, record, NOW);
  g_assert_cmpuint(dkim_check_count(check), ==, 1);
  assert_result(check, 0, DKIM_PASS, NULL);
}

static void test_sign_round_trip(void) {
  static const char *const texts[] = {
      plain_message,
      "From: a@ca.example\r\n",
      "From: a@ca.example\r\n\r\n",
      "from:a@ca.example\r\nSubject: a\r\n\tfolded  subject \r\n\r\n.\r\nlast line without end",
      "From: a@ca.example\r\nReceived: x\r\nReceived: y\r\n\r\n\xE4\xF6\xFC\r\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    assert_signed(rsa, texts[i]);
    assert_signed(ed25519, texts[i]);
  }
}

/* Every name of RFC 8823 section 3.1 item 6 is there, and adding such a field breaks the signature.
 */
static void test_sign_covers(void) {
  static const char *const names[] = {"From",
                                      "Sender",
                                      "Reply-To",
                                      "To",
                                      "CC",
                                      "Subject",
                                      "Date",
                                      "In-Reply-To",
                                      "References",
                                      "Message-ID",
                                      "Auto-Submitted",
                                      "Content-Type",
                                      "Content-Transfer-Encoding"};
  g_autofree char *field = sign_text(rsa, "ca.example", "sel", "From: a@ca.example\r\n\r\nx\r\n");
  g_autofree char *record = dkim_key_record(rsa, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *lower = g_ascii_strdown(names[i], -1);
    /* The lowest field is the signed one: an added one below it changes the selection. */
    g_autofree char *more =
        g_strconcat(field, "From: a@ca.example\r\n", names[i], ": added\r\n\r\nx\r\n", NULL);
    g_autoptr(DkimCheck) check = check_text(more, record, NOW);
    g_assert_true(dkim_signature_covers(dkim_check_signature(check, 0), lower, 1));
    assert_result(check, 0, DKIM_FAIL, "signature");
  }
}

static void test_sign_refuses_messages(void) {
  static const char *const texts[] = {
      "",
      "\r\nbody\r\n",
      "Subject: no from\r\n\r\n",
      "From: a@ca.example\nSubject: LF\n\n",
      "From: a@ca.example\r\n\r\nbare\nLF\r\n",
      "From: a@ca.example\r\n\r\nbare\rCR\r\n",
      "From: a@ca.example\r\nno field\r\n\r\n",
      " From: a@ca.example\r\n\r\n",
      "From: a@ca.example\r\nFrom: b@ca.example\r\n\r\n",
      "From: a@ca.example\r\nsubject: b\r\nSubject: b\r\n\r\n",
      "From: a@ca.example",
  };
  g_autoptr(DkimSigner) signer = dkim_signer_new("ca.example", "sel", ed25519, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) message = message_from(texts[i]);
    g_assert_null(dkim_sign(signer, message, NOW, &error));
    g_assert_error(error, DKIM_ERROR, DKIM_ERROR_MESSAGE);
  }
}

static void test_signer_refuses(void) {
  g_autoptr(EVP_PKEY) weak = EVP_RSA_gen(1023), curve = EVP_EC_gen("P-256");
  const struct {
    const char *domain, *selector;
    EVP_PKEY *key;
  } table[] = {
      {"ca.example", "sel", weak},    {"ca.example", "sel", curve},
      {"example", "sel", ed25519},    {"ca.example;", "sel", ed25519},
      {"ca.example", "", ed25519},    {"ca.example", "a b", ed25519},
      {"ca.example", "a;b", ed25519}, {"ca.example", "a..b", ed25519},
      {"ca.example", "-a", ed25519},  {"ca.example\r\nX: y", "sel", ed25519},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(dkim_signer_new(table[i].domain, table[i].selector, table[i].key, &error));
    g_assert_error(error, DKIM_ERROR, DKIM_ERROR_KEY);
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(dkim_key_record(curve, &error));
  g_assert_error(error, DKIM_ERROR, DKIM_ERROR_KEY);
}

/* --- signatures of others: made right, so that only the rule under test refuses them --- */

#define GOOD_TAGS "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=sel; h=from:subject"
#define HEADER "From: user@example.org\r\nSubject: hi\r\n"
#define BODY "text\r\n"

/* A signature field with these tags, right bh= (into %s of tags where there is one, else added) and
 * b=. */
static char *forge(EVP_PKEY *key, const char *tags, const char *text) {
  const char *why = NULL;
  guint8 hash[DKIM_HASH_OCTETS];
  DkimCanon header = DKIM_CANON_SIMPLE, body = DKIM_CANON_SIMPLE;
  g_autoptr(GBytes) bytes = message_from(text);
  g_autoptr(RawMessage) message = raw_message_new(bytes, &why);
  g_autoptr(DkimTags) parsed = dkim_tags_parse(tags, strlen(tags));
  const char *names = parsed == NULL ? "from" : dkim_tags_value(parsed, "h");
  g_auto(GStrv) list = dkim_tag_list(names == NULL ? "from" : names, DKIM_MAX_NAMES);
  static char *nothing[] = {NULL};
  if (parsed != NULL)
    dkim_canon_read(dkim_tags_value(parsed, "c"), &header, &body);
  dkim_hash_body(message, body, hash);
  g_autofree char *body_hash = g_base64_encode(hash, sizeof hash);
  g_autofree char *field = g_strdup_printf("DKIM-Signature: %s; bh=%s; b=", tags, body_hash);
  dkim_hash_header(message, list == NULL ? nothing : list, NULL, field, header, hash);
  g_autoptr(EVP_PKEY_CTX) context = dkim_key_context(key, EVP_PKEY_sign_init);
  g_autoptr(GBytes) value = dkim_key_sign(key, context, hash);
  g_autofree char *base64 = g_base64_encode(g_bytes_get_data(value, NULL), g_bytes_get_size(value));
  return g_strconcat(field, base64, "\r\n", text, NULL);
}

static const struct {
  const char *tags;
  DkimResult result;
  const char *word; /* in the reason; NULL for DKIM_PASS */
} signature_table[] = {
    {GOOD_TAGS, DKIM_PASS, NULL},
    {"v=1;a=rsa-sha256;c=simple/simple;d=example.org;s=sel;h=from:subject", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; c=simple/relaxed; d=example.org; s=sel; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=sel; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; c=relaxed; d=example.org; s=sel; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; c=simple; d=example.org; s=sel; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=FROM : Subject:\r\n from:x-none:subject",
     DKIM_PASS, NULL},
    {GOOD_TAGS "; unknown=x; z=From:a", DKIM_PASS, NULL},
    {GOOD_TAGS "; i=@example.org", DKIM_PASS, NULL},
    {GOOD_TAGS "; i=user@EXAMPLE.org", DKIM_PASS, NULL},
    {GOOD_TAGS "; i=@mail.example.org", DKIM_PASS, NULL},
    {GOOD_TAGS "; q=dns/txt", DKIM_PASS, NULL},
    {GOOD_TAGS "; q=dns/other : dns/txt", DKIM_PASS, NULL},
    {GOOD_TAGS "; t=1700000000; x=1700000001", DKIM_PASS, NULL},
    {GOOD_TAGS "; x=1700000000", DKIM_PASS, NULL},
    {GOOD_TAGS "; t=1800000000", DKIM_PASS, NULL}, /* the future is only noted */
    {"v=1; a=rsa-sha256; d=EXAMPLE.org; s=SEL; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; d=example.org; s=a_b.c-d; h=from", DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; d=b\xC3\xBC"
     "cher.example; s=s\xC3\xBC; h=from",
     DKIM_PASS, NULL},
    {"v=1; a=rsa-sha256; d=xn--bcher-kva.example; i=@a.b\xC3\xBC"
     "cher.example; s=sel; h=from",
     DKIM_PASS, NULL},
    /* what must not count though the signature is right */
    {GOOD_TAGS "; l=6", DKIM_UNUSABLE, "l="},
    {GOOD_TAGS "; l=0", DKIM_UNUSABLE, "l="},
    {GOOD_TAGS "; l=", DKIM_UNUSABLE, "l="},
    {GOOD_TAGS "; x=1699999999", DKIM_UNUSABLE, "expired"},
    {GOOD_TAGS "; x=0", DKIM_UNUSABLE, "expired"},
    {GOOD_TAGS "; t=5; x=5", DKIM_UNUSABLE, "x= is not after t="},
    {GOOD_TAGS "; t=-5", DKIM_UNUSABLE, "t="},
    {GOOD_TAGS "; t=", DKIM_UNUSABLE, "t="},
    {GOOD_TAGS "; t=17x", DKIM_UNUSABLE, "t="},
    {GOOD_TAGS "; x=1234567890123", DKIM_UNUSABLE, "x="},
    {GOOD_TAGS "; i=@example.com", DKIM_UNUSABLE, "i= is not within"},
    {GOOD_TAGS "; i=@badexample.org", DKIM_UNUSABLE, "i= is not within"},
    {GOOD_TAGS "; i=@org", DKIM_UNUSABLE, "i= is not within"},
    {GOOD_TAGS "; i=@.example.org", DKIM_UNUSABLE, "i= is not within"},
    {GOOD_TAGS "; i=example.org", DKIM_UNUSABLE, "i= is malformed"},
    {GOOD_TAGS "; i=user@", DKIM_UNUSABLE, "i= is malformed"},
    {GOOD_TAGS "; i=", DKIM_UNUSABLE, "i= is malformed"},
    {GOOD_TAGS "; q=http/x", DKIM_UNUSABLE, "q="},
    {GOOD_TAGS "; q=", DKIM_UNUSABLE, "q="},
    {GOOD_TAGS "; d=example.org", DKIM_UNUSABLE, "twice"},
    {GOOD_TAGS "; unknown=1; unknown=1", DKIM_UNUSABLE, "twice"},
    {GOOD_TAGS "; b=AAAA", DKIM_UNUSABLE, "twice"},
    {"v=2; a=rsa-sha256; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "v="},
    {"v=; a=rsa-sha256; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "v="},
    {"v=1.0; a=rsa-sha256; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "v="},
    {"a=rsa-sha256; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "v= is missing"},
    {"v=1; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "a= is missing"},
    {"v=1; a=rsa-sha256; s=sel; h=from", DKIM_UNUSABLE, "d= is missing"},
    {"v=1; a=rsa-sha256; d=example.org; h=from", DKIM_UNUSABLE, "s= is missing"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel", DKIM_UNUSABLE, "h= is missing"},
    {"v=1; a=rsa-sha1; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "rsa-sha1"},
    {"v=1; a=rsa-sha512; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "a="},
    {"v=1; a=none; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "a="},
    {"v=1; a=; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "a="},
    {"v=1; a=ed25519-sha256; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "kind"},
    {"v=1; a=rsa-sha256; c=nowsp; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "c="},
    {"v=1; a=rsa-sha256; c=relaxed/x; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "c="},
    {"v=1; a=rsa-sha256; c=; d=example.org; s=sel; h=from", DKIM_UNUSABLE, "c="},
    {"v=1; a=rsa-sha256; c=simple/simple/simple; d=example.org; s=sel; h=from", DKIM_UNUSABLE,
     "c="},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=subject", DKIM_UNUSABLE, "From"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=xfrom:from1", DKIM_UNUSABLE, "From"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=", DKIM_UNUSABLE, "h="},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from:", DKIM_UNUSABLE, "h="},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from::to", DKIM_UNUSABLE, "h="},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from to", DKIM_UNUSABLE, "h="},
    {"v=1; a=rsa-sha256; d=org; s=sel; h=from", DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=b\xC3\xBC"
     "cher; s=sel; h=from",
     DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=example.org.; s=sel; h=from", DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=exa mple.org; s=sel; h=from", DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=; s=sel; h=from", DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=[192.0.2.1]; s=sel; h=from", DKIM_UNUSABLE, "d="},
    {"v=1; a=rsa-sha256; d=example.org; s=; h=from", DKIM_UNUSABLE, "s="},
    {"v=1; a=rsa-sha256; d=example.org; s=a b; h=from", DKIM_UNUSABLE, "s="},
    {"v=1; a=rsa-sha256; d=example.org; s=.; h=from", DKIM_UNUSABLE, "s="},
    {"v=1; a=rsa-sha256; d=example.org; s=*; h=from", DKIM_UNUSABLE, "s="},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from; junk", DKIM_UNUSABLE, "tags"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from;; n=1", DKIM_UNUSABLE, "tags"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from; n=\x07", DKIM_UNUSABLE, "tags"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from; n=\xFF", DKIM_UNUSABLE, "tags"},
    {"v=1; a=rsa-sha256; d=example.org; s=sel; h=from; n=a\nb", DKIM_UNUSABLE, "tags"},
    {"V=1; A=rsa-sha256; D=example.org; S=sel; H=from", DKIM_UNUSABLE, "d= is missing"},
};

static void test_signatures(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(signature_table); i++) {
    note(signature_table[i].tags);
    g_autofree char *text = forge(rsa, signature_table[i].tags, HEADER "\r\n" BODY);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    g_assert_cmpuint(dkim_check_count(check), ==, 1);
    assert_result(check, 0, signature_table[i].result, signature_table[i].word);
  }
}

/* RFC 8616 section 5: U-labels and A-labels in d=, s= and i= are the same names; what is hashed is
   the field as it stands. */
static const struct {
  const char *names;
  const char *question; /* NULL: unusable */
  const char *word;
} label_table[] = {
    {"d=B\u00dccher.example; s=s\u00fc.x", "xn--s-eha.x._domainkey.xn--bcher-kva.example", NULL},
    {"d=b\u00fccher.example; s=a; i=\u0430\u043d\u043d\u0430@b\u00fccher.example",
     "a._domainkey.xn--bcher-kva.example", NULL},
    {"d=b\u00fccher.example; s=a; i=@XN--Bcher-KVA.example", "a._domainkey.xn--bcher-kva.example",
     NULL},
    {"d=xn--bcher-kva.example; s=a; i=\u0430@sub.b\u00fccher.example",
     "a._domainkey.xn--bcher-kva.example", NULL},
    {"d=XN--Bcher-KVA.example; s=a; i=a@b\u00dccher.example", "a._domainkey.xn--bcher-kva.example",
     NULL},
    {"d=bu\u0308cher.example; s=a", "a._domainkey.xn--bcher-kva.example", NULL},
    {"d=example.org; s=\u043a\u043b\u044e\u0447", "xn--j1ac0b1a._domainkey.example.org", NULL},
    {"d=example.org; s=\u043a\u043b\u044e\u0447.XN--J1AC0B1A",
     "xn--j1ac0b1a.xn--j1ac0b1a._domainkey.example.org", NULL},
    {"d=b\u00fccher.example; s=a; i=@xb\u00fccher.example", NULL, "i= is not within d="},
    {"d=b\u00fccher.example; s=a; i=@bucher.example", NULL, "i= is not within d="},
    {"d=sub.b\u00fccher.example; s=a; i=@b\u00fccher.example", NULL, "i= is not within d="},
    {"d=b\u00fccher.example; s=a; i=\u0430\u043d\u043d\u0430", NULL, "i= is malformed"},
    {"d=b\u00fc\u200bcher.example; s=a", NULL, "d= is no domain name"},
    {"d=\uff42\u00fccher.example; s=a", NULL, "d= is no domain name"},
    {"d=b\u00fccher\u3002example; s=a", NULL, "d= is no domain name"},
    {"d=xn--zzzzzz99.example; s=a", NULL, "d= is no domain name"},
    {"d=example.org; s=\u2603", NULL, "s= is no name"},
};

static void test_u_labels(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(label_table); i++) {
    note(label_table[i].names);
    g_autofree char *tags =
        g_strconcat("v=1; a=rsa-sha256; ", label_table[i].names, "; h=from", NULL);
    g_autofree char *text = forge(rsa, tags,
                                  "From: \u0430\u043d\u043d\u0430@b\u00fccher.example\r\n"
                                  "\r\n" BODY);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    const DkimSignature *signature = dkim_check_signature(check, 0);
    g_assert_cmpstr(signature->question, ==, label_table[i].question);
    assert_result(check, 0, label_table[i].question != NULL ? DKIM_PASS : DKIM_UNUSABLE,
                  label_table[i].word);
  }
}

/* Values of bh= and b= that are no base64 or of the wrong size. */
static void test_malformed_values(void) {
  static const char *const fields[] = {
      "bh=; b=AAAA",
      "bh=AAAA; b=AAAA",
      "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY; b=AAAA",
      "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=",
      "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAA",
      "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AA-A",
      "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
      "b=AAAA",
  };
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
    g_autofree char *text =
        g_strconcat("DKIM-Signature: " GOOD_TAGS "; ", fields[i], "\r\n" HEADER "\r\n", NULL);
    g_autoptr(DkimCheck) check = check_text(text, "p=", NOW);
    assert_result(check, 0, DKIM_UNUSABLE, "b");
    g_assert_null(dkim_check_signature(check, 0)->question);
  }
}

/* b= is emptied wherever it stands, with the blanks around it. */
static void test_value_in_the_middle(void) {
  const char *why = NULL;
  guint8 hash[DKIM_HASH_OCTETS];
  static char *names[] = {"from", NULL};
  g_autofree char *record = dkim_key_record(rsa, NULL);
  g_autoptr(GBytes) bytes = message_from(HEADER "\r\n" BODY);
  g_autoptr(RawMessage) message = raw_message_new(bytes, &why);
  dkim_hash_body(message, DKIM_CANON_SIMPLE, hash);
  g_autofree char *body_hash = g_base64_encode(hash, sizeof hash);
  g_autofree char *start = g_strdup_printf("DKIM-Signature: v=1; a=rsa-sha256; b =");
  g_autofree char *rest = g_strdup_printf(";d=example.org; s=sel;\r\n\th=from; bh=%s ", body_hash);
  g_autofree char *whole = g_strconcat(start, rest, NULL);
  dkim_hash_header(message, names, NULL, whole, DKIM_CANON_SIMPLE, hash);
  g_autoptr(EVP_PKEY_CTX) context = dkim_key_context(rsa, EVP_PKEY_sign_init);
  g_autoptr(GBytes) value = dkim_key_sign(rsa, context, hash);
  g_autofree char *base64 = g_base64_encode(g_bytes_get_data(value, NULL), g_bytes_get_size(value));
  g_autofree char *text =
      g_strconcat(start, " \r\n\t ", base64, "\r\n ", rest, "\r\n" HEADER "\r\n" BODY, NULL);
  g_autoptr(DkimCheck) check = check_text(text, record, NOW);
  assert_result(check, 0, DKIM_PASS, NULL);
}

/* --- key records --- */

static const struct {
  const char *record; /* "@": the right key */
  const char *word;   /* in the reason for DKIM_UNUSABLE; NULL for DKIM_PASS */
} record_table[] = {
    {"v=DKIM1; k=rsa; p=@", NULL},
    {"v=DKIM1;p=@;", NULL},
    {"p=@", NULL},
    {"k=rsa; p=@; n=a note", NULL},
    {"v=DKIM1; h=sha1:sha256; s=email; t=s; p=@", NULL},
    {"v=DKIM1; s=tlsrpt:*; t=x; p=@", NULL},
    {"v=DKIM1; g=*; p=@", NULL},
    {"v=DKIM1; p=", "revoked"},
    {"v=DKIM1; p= ;", "revoked"},
    {"v=DKIM1; k=rsa", "no key"},
    {"v=DKIM2; p=@", "v"},
    {"v=DKIM1.0; p=@", "v"},
    {"v=dkim1; p=@", "v"},
    {"p=@; v=DKIM1", "v="},
    {"v=DKIM1; h=sha1; p=@", "sha256"},
    {"v=DKIM1; h=; p=@", "sha256"},
    {"v=DKIM1; s=tlsrpt; p=@", "e-mail"},
    {"v=DKIM1; s=; p=@", "e-mail"},
    {"v=DKIM1; t=y; p=@", "testing"},
    {"v=DKIM1; t=s : y; p=@", "testing"},
    {"v=DKIM1; k=ed25519; p=@", "kind"},
    {"v=DKIM1; k=rs; p=@", "kind"},
    {"v=DKIM1; k=; p=@", "kind"},
    {"v=DKIM1; p=@; p=@", "malformed"},
    {"v=DKIM1; p=@; junk", "malformed"},
    {"v=DKIM1; p=@\x01", "malformed"},
    {"v=spf1 -all", "v"},
    {"", "malformed"},
    {"any text", "malformed"},
    {"v=DKIM1; p=!", "base64"},
    {"v=DKIM1; p=@=", "base64"},
    {"v=DKIM1; p=AAAA", "no key of its kind"},
    {"v=DKIM1; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "no key of its kind"},
};

static char *replace(const char *text, const char *what, const char *with) {
  g_auto(GStrv) parts = g_strsplit(text, what, -1);
  return g_strjoinv(with, parts);
}

static void test_records(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  const char *key = strstr(record, "p=") + 2;
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  for (guint i = 0; i < G_N_ELEMENTS(record_table); i++) {
    note(record_table[i].record);
    g_autofree char *full = replace(record_table[i].record, "@", key);
    g_autoptr(DkimCheck) check = check_text(text, full, NOW);
    assert_result(check, 0, record_table[i].word == NULL ? DKIM_PASS : DKIM_UNUSABLE,
                  record_table[i].word);
  }
}

static char *der_record(EVP_PKEY *key, gboolean subject_public_key_info, const char *tail) {
  guchar *der = NULL;
  int length = subject_public_key_info ? i2d_PUBKEY(key, &der) : i2d_PublicKey(key, &der);
  g_autoptr(GByteArray) octets = g_byte_array_new();
  g_byte_array_append(octets, der, (guint)length);
  g_byte_array_append(octets, (const guint8 *)tail, (guint)strlen(tail));
  g_autofree char *base64 = g_base64_encode(octets->data, octets->len);
  OPENSSL_free(der);
  return g_strconcat("v=DKIM1; p=", base64, NULL);
}

/* RFC 6376 section 3.6.1 names RFC 3447's RSAPublicKey; nothing may follow the key. */
static void test_record_forms(void) {
  static const struct {
    gboolean info;
    const char *tail;
    DkimResult result;
  } table[] = {{TRUE, "", DKIM_PASS},
               {FALSE, "", DKIM_PASS},
               {TRUE, "x", DKIM_UNUSABLE},
               {FALSE, "x", DKIM_UNUSABLE}};
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autofree char *record = der_record(rsa, table[i].info, table[i].tail);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    assert_result(check, 0, table[i].result,
                  table[i].result == DKIM_PASS ? NULL : "no key of its kind");
  }
}

static void assert_key(EVP_PKEY *key, DkimResult result, const char *word) {
  g_autofree char *text = forge(key, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autofree char *record = der_record(key, TRUE, "");
  g_autoptr(DkimCheck) check = check_text(text, record, NOW);
  assert_result(check, 0, result, word);
}

static void test_key_sizes(void) {
  g_autoptr(EVP_PKEY) weak = EVP_RSA_gen(1023), least = EVP_RSA_gen(1024);
  assert_key(weak, DKIM_UNUSABLE, "1024");
  assert_key(least, DKIM_PASS, NULL);
}

/* A key with 8193 bits or with the exponent 1 is public data that anybody can publish. */
static void test_odd_keys(void) {
  static const struct {
    int bits, exponent;
    const char *word;
  } table[] = {{8193, 65537, "8192"}, {2048, 1, "exponent"}, {2048, 4, "exponent"}};
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    BIGNUM *n = BN_new(), *e = BN_new();
    BN_set_bit(n, table[i].bits - 1);
    BN_set_bit(n, 0);
    BN_set_word(e, (BN_ULONG)table[i].exponent);
    G_GNUC_BEGIN_IGNORE_DEPRECATIONS
    RSA *key = RSA_new();
    RSA_set0_key(key, n, e, NULL);
    guchar *der = NULL;
    int length = i2d_RSA_PUBKEY(key, &der);
    RSA_free(key);
    G_GNUC_END_IGNORE_DEPRECATIONS
    g_autofree char *base64 = g_base64_encode(der, (gsize)length);
    OPENSSL_free(der);
    g_autofree char *record = g_strconcat("p=", base64, NULL);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    assert_result(check, 0, DKIM_UNUSABLE, table[i].word);
  }
}

static void test_strict_key(void) {
  g_autofree char *base = dkim_key_record(rsa, NULL);
  g_autofree char *record = g_strconcat(base, "; t=s", NULL);
  g_autofree char *same = forge(rsa, GOOD_TAGS "; i=u@example.org", HEADER "\r\n" BODY);
  g_autofree char *below = forge(rsa, GOOD_TAGS "; i=u@a.example.org", HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) first = check_text(same, record, NOW);
  g_autoptr(DkimCheck) second = check_text(below, record, NOW);
  assert_result(first, 0, DKIM_PASS, NULL);
  assert_result(second, 0, DKIM_UNUSABLE, "t=s");
}

static void test_outcomes(void) {
  static const struct {
    DkimKeyOutcome outcome;
    DkimResult result;
    const char *word;
  } table[] = {
      {DKIM_KEY_NONE, DKIM_UNUSABLE, "no key record"},
      {DKIM_KEY_BOGUS, DKIM_UNUSABLE, "DNSSEC"},
      {DKIM_KEY_TEMPORARY, DKIM_TEMPORARY, "DNS"},
      {DKIM_KEY_FOUND, DKIM_UNUSABLE, "no key record"},
  };
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autoptr(GBytes) message = message_from(text);
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
    assert_result(check, 0, DKIM_PENDING, "to be asked");
    dkim_check_key(check, 0, table[i].outcome, NULL, FALSE);
    assert_result(check, 0, table[i].result, table[i].word);
  }
}

/* Temporary may be asked again; what is decided stays; two records are none. */
static void test_answers(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  const char *one[] = {record, NULL}, *two[] = {record, record, NULL};
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autoptr(GBytes) message = message_from(text);
  g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
  dkim_check_key(check, 0, DKIM_KEY_TEMPORARY, NULL, FALSE);
  dkim_check_key(check, 0, DKIM_KEY_FOUND, one, FALSE);
  assert_result(check, 0, DKIM_PASS, NULL);
  dkim_check_key(check, 0, DKIM_KEY_BOGUS, NULL, FALSE);
  assert_result(check, 0, DKIM_PASS, NULL);
  g_autoptr(DkimCheck) several = dkim_check_new(message, NOW);
  dkim_check_key(several, 0, DKIM_KEY_FOUND, two, FALSE);
  assert_result(several, 0, DKIM_UNUSABLE, "several");
}

/* Of another domain, above or below, no key is asked for; what is decided stays as it is. */
static void test_narrow(void) {
  static const struct {
    const char *domain;
    gboolean asked;
  } cases[] = {{"example.org", TRUE},
               {"other.example", FALSE},
               {"org", FALSE},
               {"sub.example.org", FALSE},
               {NULL, FALSE}};
  g_autofree char *record = dkim_key_record(rsa, NULL);
  const char *one[] = {record, NULL};
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autoptr(GBytes) message = message_from(text);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
    dkim_check_narrow(check, cases[i].domain);
    g_assert_cmpint(dkim_check_signature(check, 0)->question != NULL, ==, cases[i].asked);
    if (!cases[i].asked)
      assert_result(check, 0, DKIM_UNUSABLE, "not asked for");
    dkim_check_key(check, 0, DKIM_KEY_FOUND, one, FALSE);
    if (!cases[i].asked)
      continue;
    dkim_check_narrow(check, NULL);
    assert_result(check, 0, DKIM_PASS, NULL);
  }
}

/* Checks the same with keys that were read before, as often as to fill the tables several times. */
static void test_keys_kept(void) {
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autofree char *good = dkim_key_record(rsa, NULL);
  g_autofree char *strict = g_strconcat(good, "; t=s", NULL);
  g_autoptr(EVP_PKEY) other_key = EVP_RSA_gen(1024);
  g_autofree char *other = dkim_key_record(other_key, NULL);
  const struct {
    const char *record;
    DkimResult result;
    const char *word;
  } cases[] = {{good, DKIM_PASS, NULL},
               {other, DKIM_FAIL, "does not fit"},
               {strict, DKIM_PASS, NULL},
               {"v=DKIM1; p=", DKIM_UNUSABLE, "revoked"},
               {rfc8463_ed25519[0], DKIM_UNUSABLE, "kind"}};
  g_autoptr(DkimKeys) keys = dkim_keys_new();
  g_autoptr(GBytes) message = message_from(text);
  for (guint i = 0; i < 3 * DKIM_KEYS_KEPT; i++) {
    g_autofree char *new = g_strdup_printf("%s; n=%u", i % 2 == 0 ? good : other, i);
    const char *records[] = {new, NULL};
    g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
    dkim_check_use(check, keys);
    dkim_check_key(check, 0, DKIM_KEY_FOUND, records, FALSE);
    assert_result(check, 0, i % 2 == 0 ? DKIM_PASS : DKIM_FAIL, i % 2 == 0 ? NULL : "does not fit");
    const gsize n = i % G_N_ELEMENTS(cases);
    const char *one[] = {cases[n].record, NULL};
    g_autoptr(DkimCheck) again = dkim_check_new(message, NOW);
    dkim_check_use(again, keys);
    dkim_check_key(again, 0, DKIM_KEY_FOUND, one, FALSE);
    assert_result(again, 0, cases[n].result, cases[n].word);
  }
}

/* A record is shown and passed on without what could break a line or a value. */
static void test_hostile_record(void) {
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autofree char *filler = g_strnfill(DKIM_MAX_RECORD_OCTETS, 'A');
  g_autofree char *record = g_strconcat("v=DKIM1;\x1B[31m\r\n\xFFp=", filler, NULL);
  g_autoptr(DkimCheck) check = check_text(text, record, NOW);
  assert_result(check, 0, DKIM_UNUSABLE, "too long");
  const char *kept = dkim_check_signature(check, 0)->key_record;
  g_assert_cmpuint(strlen(kept), <=, DKIM_MAX_RECORD_OCTETS);
  g_assert_true(g_utf8_validate(kept, -1, NULL));
  g_assert_true(g_str_has_prefix(kept, "v=DKIM1;?[31m  "));
}

/* What is kept of a record is enough to check the signature again. */
static void test_kept_record(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  g_auto(GStrv) parts = g_strsplit(record, "; ", -1);
  g_autofree char *folded = g_strjoinv(";\t\r\n ", parts);
  g_autofree char *text = forge(rsa, GOOD_TAGS, HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) check = check_text(text, folded, NOW);
  assert_result(check, 0, DKIM_PASS, NULL);
  g_autoptr(DkimCheck) again = check_text(text, dkim_check_signature(check, 0)->key_record, NOW);
  assert_result(again, 0, DKIM_PASS, NULL);
}

/* --- messages --- */

static const struct {
  const char *tags, *signed_text, *seen;
  DkimResult result;
} change_table[] = {
    /* relaxed forgives blanks and folding, simple nothing */
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a b\r\n\r\nx y\r\n",
     "from:a@example.org\r\nSUBJECT:  a\r\n\tb \r\n\r\nx \t y \r\n\r\n", DKIM_PASS},
    {"v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=sel; h=from",
     "From: a@example.org\r\n\r\nx\r\n", "From: a@example.org\r\n\r\nx\r\n\r\n\r\n", DKIM_PASS},
    {"v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=sel; h=from",
     "From: a@example.org\r\n\r\nx\r\n", "From:  a@example.org\r\n\r\nx\r\n", DKIM_FAIL},
    {"v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=sel; h=from",
     "From: a@example.org\r\n\r\nx\r\n", "From: a@example.org\r\n\r\nx \r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: b@example.org\r\nSubject: a\r\n\r\nx\r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: a@example.org\r\nSubject: b\r\n\r\nx\r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: a@example.org\r\nSubject: a\r\n\r\ny\r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: a@example.org\r\nSubject: a\r\n\r\nx\r\nmore\r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: a@example.org\r\n\r\nx\r\n", DKIM_FAIL},
    /* an unsigned field does no harm; order of different names neither */
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "X-New: 1\r\nSubject: a\r\nFrom: a@example.org\r\n\r\nx\r\n", DKIM_PASS},
    /* the lowest field is the signed one (section 5.4.2) */
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "Subject: evil\r\nFrom: a@example.org\r\nSubject: a\r\n\r\nx\r\n", DKIM_PASS},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "From: a@example.org\r\nSubject: a\r\nSubject: evil\r\n\r\nx\r\n", DKIM_FAIL},
    /* over-signed: adding one anywhere breaks it */
    {GOOD_TAGS ":from:subject", "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "Subject: evil\r\nFrom: a@example.org\r\nSubject: a\r\n\r\nx\r\n", DKIM_FAIL},
    {GOOD_TAGS ":cc", "From: a@example.org\r\nSubject: a\r\n\r\nx\r\n",
     "Cc: evil\r\nFrom: a@example.org\r\nSubject: a\r\n\r\nx\r\n", DKIM_FAIL},
    {GOOD_TAGS ":received:received", "Received: 1\r\nReceived: 2\r\nFrom: a@b.example\r\n\r\nx\r\n",
     "Received: 0\r\nReceived: 1\r\nReceived: 2\r\nFrom: a@b.example\r\n\r\nx\r\n", DKIM_PASS},
    {GOOD_TAGS ":received:received", "Received: 1\r\nReceived: 2\r\nFrom: a@b.example\r\n\r\nx\r\n",
     "Received: 2\r\nReceived: 1\r\nFrom: a@b.example\r\n\r\nx\r\n", DKIM_FAIL},
    /* a bare LF is no line end */
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx\r\ny\r\n",
     "From: a@example.org\r\nSubject: a\r\n\r\nx\ny\r\n", DKIM_FAIL},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx \ny\r\n",
     "From: a@example.org\r\nSubject: a\r\n\r\nx \ny\r\n", DKIM_PASS},
    {GOOD_TAGS, "From: a@example.org\r\nSubject: a\r\n\r\nx \ny\r\n",
     "From: a@example.org\r\nSubject: a\r\n\r\nx\ny\r\n", DKIM_FAIL},
};

static void test_changes(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(change_table); i++) {
    note(change_table[i].seen);
    g_autofree char *made = forge(rsa, change_table[i].tags, change_table[i].signed_text);
    g_autofree char *field = g_strndup(made, strlen(made) - strlen(change_table[i].signed_text));
    g_autofree char *text = g_strconcat(field, change_table[i].seen, NULL);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    assert_result(check, 0, change_table[i].result,
                  change_table[i].result == DKIM_PASS ? NULL : "");
  }
}

/* Every octet of a signed message counts: no change of one passes, but in blanks that relaxed
 * forgives. */
static void test_every_octet(void) {
  g_autofree char *field = sign_text(ed25519, "ca.example", "sel", plain_message);
  g_autofree char *record = dkim_key_record(ed25519, NULL);
  g_autofree char *text = g_strconcat(field, plain_message, NULL);
  gsize start = (gsize)(strchr(text, ':') - text) + 1;
  for (gsize i = start; i < strlen(text); i++) {
    char was = text[i];
    if (strchr(" \t\r\n", was) != NULL)
      continue;
    text[i] = (char)(was ^ 0x01);
    g_autoptr(DkimCheck) check = check_text(text, record, NOW);
    for (guint s = 0; s < dkim_check_count(check); s++)
      g_assert_cmpint(dkim_check_signature(check, s)->result, !=, DKIM_PASS);
    text[i] = was;
  }
  g_autoptr(DkimCheck) check = check_text(text, record, NOW);
  assert_result(check, 0, DKIM_PASS, NULL);
}

static void test_many_signatures(void) {
  g_autofree char *record = dkim_key_record(ed25519, NULL);
  g_autofree char *field = sign_text(ed25519, "ca.example", "sel", plain_message);
  g_autoptr(GString) text = g_string_new("DKIM-Signature: junk\r\n");
  for (int i = 0; i < DKIM_MAX_SIGNATURES + 3; i++)
    g_string_append(text, field);
  g_string_append(text, plain_message);
  g_autoptr(DkimCheck) check = check_text(text->str, record, NOW);
  g_assert_cmpuint(dkim_check_count(check), ==, DKIM_MAX_SIGNATURES);
  assert_result(check, 0, DKIM_UNUSABLE, "tags");
  for (guint i = 1; i < DKIM_MAX_SIGNATURES; i++)
    assert_result(check, i, DKIM_PASS, NULL);
}

/* Another DKIM-Signature may be signed; the field itself is never one of the selected
 * (section 3.7). */
static void test_signed_signature(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  const char *tags =
      "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:dkim-signature:dkim-signature";
  g_autofree char *once = forge(rsa, tags, "DKIM-Signature: other\r\n" HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) check = check_text(once, record, NOW);
  assert_result(check, 0, DKIM_PASS, NULL);
  g_autofree char *more = g_strconcat("DKIM-Signature: evil\r\n", once, NULL);
  g_autoptr(DkimCheck) changed = check_text(more, record, NOW);
  assert_result(changed, 1, DKIM_FAIL, "");
}

static void test_unreadable_messages(void) {
  static const char *const texts[] = {
      "DKIM-Signature: v=1\r\nno field\r\n\r\n",
      " folded first\r\nDKIM-Signature: v=1\r\n\r\n",
      "DKIM-Signature: v=1",
      "DKIM-Signature: v=1\nFrom: x\n\n",
      ": no name\r\n\r\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(DkimCheck) check = check_text(texts[i], "p=", NOW);
    g_assert_cmpuint(dkim_check_count(check), ==, 1);
    assert_result(check, 0, DKIM_UNUSABLE, "no field");
  }
  g_autoptr(DkimCheck) none = check_text("From: a\r\n\r\n", "p=", NOW);
  g_assert_cmpuint(dkim_check_count(none), ==, 0);
  g_autoptr(DkimCheck) empty = check_text("", "p=", NOW);
  g_assert_cmpuint(dkim_check_count(empty), ==, 0);
}

static void test_bounds(void) {
  g_autofree char *record = dkim_key_record(rsa, NULL);
  g_autoptr(GString) names = g_string_new("v=1; a=rsa-sha256; d=example.org; s=sel; h=from");
  for (int i = 1; i < DKIM_MAX_NAMES; i++)
    g_string_append(names, ":x");
  g_autofree char *most = forge(rsa, names->str, HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) passes = check_text(most, record, NOW);
  assert_result(passes, 0, DKIM_PASS, NULL);
  g_string_append(names, ":x");
  g_autofree char *more = forge(rsa, names->str, HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) refused = check_text(more, record, NOW);
  assert_result(refused, 0, DKIM_UNUSABLE, "h=");
  g_autofree char *filler = g_strnfill(DKIM_MAX_FIELD_OCTETS, 'x');
  g_autofree char *tags = g_strconcat(GOOD_TAGS "; n=", filler, NULL);
  g_autofree char *big = forge(rsa, tags, HEADER "\r\n" BODY);
  g_autoptr(DkimCheck) too_big = check_text(big, record, NOW);
  assert_result(too_big, 0, DKIM_UNUSABLE, "too long");
  g_autoptr(GString) fields = g_string_new(NULL);
  for (int i = 0; i <= RAW_MESSAGE_MAX_FIELDS; i++)
    g_string_append(fields, "X: y\r\n");
  g_autoptr(DkimCheck) many = check_text(fields->str, record, NOW);
  assert_result(many, 0, DKIM_UNUSABLE, "too many fields");
}

/* --- the oracle's tool --- */

static GBytes *read_stdin(void) {
  GByteArray *octets = g_byte_array_new();
  guint8 buffer[4096];
  gsize count = 0;
  while ((count = fread(buffer, 1, sizeof buffer, stdin)) > 0)
    g_byte_array_append(octets, buffer, (guint)count);
  return g_byte_array_free_to_bytes(octets);
}

static EVP_PKEY *read_key(const char *path) {
  FILE *file = fopen(path, "r");
  EVP_PKEY *key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, NULL, NULL);
  if (key == NULL)
    g_error("no key in %s", path);
  fclose(file);
  return key;
}

static int tool_sign(char **arguments) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = read_key(arguments[0]);
  g_autoptr(GBytes) message = read_stdin();
  g_autoptr(DkimSigner) signer = dkim_signer_new(arguments[1], arguments[2], key, &error);
  g_autofree char *field =
      signer == NULL ? NULL : dkim_sign(signer, message, atoll(arguments[3]), &error);
  if (field == NULL)
    return fprintf(stderr, "%s\n", error->message), 1;
  return fputs(field, stdout) < 0;
}

static int tool_record(char **arguments) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) key = read_key(arguments[0]);
  g_autofree char *record = dkim_key_record(key, &error);
  return puts(record == NULL ? error->message : record) < 0;
}

static void answer(DkimCheck *check, guint i, char **pairs) {
  const DkimSignature *signature = dkim_check_signature(check, i);
  for (; signature->question != NULL && *pairs != NULL; pairs++) {
    gsize length = strlen(signature->question);
    if (strncmp(*pairs, signature->question, length) != 0 || (*pairs)[length] != '=')
      continue;
    const char *records[] = {*pairs + length + 1, NULL};
    dkim_check_key(check, i, DKIM_KEY_FOUND, records, FALSE);
    return;
  }
  dkim_check_key(check, i, DKIM_KEY_NONE, NULL, FALSE);
}

static int tool_verify(char **arguments) {
  g_autoptr(GBytes) message = read_stdin();
  g_autoptr(DkimCheck) check = dkim_check_new(message, atoll(arguments[0]));
  for (guint i = 0; i < dkim_check_count(check); i++) {
    const DkimSignature *signature = dkim_check_signature(check, i);
    answer(check, i, arguments + 1);
    printf("%s %s\n", result_names[signature->result],
           signature->reason == NULL ? "" : signature->reason);
  }
  return 0;
}

static const struct {
  const char *path;
  void (*run)(void);
} tests[] = {
    {"/dkim/canon/field", test_canon_field},
    {"/dkim/canon/body", test_canon_body},
    {"/dkim/canon/empty-body", test_empty_body},
    {"/dkim/tags/table", test_tags},
    {"/dkim/tags/count", test_tag_count},
    {"/dkim/tags/base64", test_base64},
    {"/dkim/rfc8463", test_rfc8463},
    {"/dkim/rfc6376", test_rfc6376},
    {"/dkim/sign/form", test_sign_form},
    {"/dkim/sign/lines", test_sign_lines},
    {"/dkim/sign/round-trip", test_sign_round_trip},
    {"/dkim/sign/covers", test_sign_covers},
    {"/dkim/sign/refuses-messages", test_sign_refuses_messages},
    {"/dkim/sign/refuses-keys-and-names", test_signer_refuses},
    {"/dkim/check/signatures", test_signatures},
    {"/dkim/check/u-labels", test_u_labels},
    {"/dkim/check/malformed-values", test_malformed_values},
    {"/dkim/check/value-in-the-middle", test_value_in_the_middle},
    {"/dkim/check/records", test_records},
    {"/dkim/check/record-forms", test_record_forms},
    {"/dkim/check/key-sizes", test_key_sizes},
    {"/dkim/check/odd-keys", test_odd_keys},
    {"/dkim/check/strict-key", test_strict_key},
    {"/dkim/check/outcomes", test_outcomes},
    {"/dkim/check/answers", test_answers},
    {"/dkim/check/narrow", test_narrow},
    {"/dkim/check/keys-kept", test_keys_kept},
    {"/dkim/check/hostile-record", test_hostile_record},
    {"/dkim/check/kept-record", test_kept_record},
    {"/dkim/check/changes", test_changes},
    {"/dkim/check/every-octet", test_every_octet},
    {"/dkim/check/many-signatures", test_many_signatures},
    {"/dkim/check/signed-signature", test_signed_signature},
    {"/dkim/check/unreadable-messages", test_unreadable_messages},
    {"/dkim/check/bounds", test_bounds},
};

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "--sign") == 0)
    return tool_sign(argv + 2);
  if (argc == 3 && strcmp(argv[1], "--record") == 0)
    return tool_record(argv + 2);
  if (argc >= 3 && strcmp(argv[1], "--verify") == 0)
    return tool_verify(argv + 2);
  g_test_init(&argc, &argv, NULL);
  rsa = EVP_RSA_gen(2048);
  ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add_func(tests[i].path, tests[i].run);
  int result = g_test_run();
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(ed25519);
  return result;
}
