/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals, asked for one by one: what a request, a certificate request, a mail, a relay, CAA
   records, an operator or a clock can cause, and the words that a client gets to read then.
   oracle/test_problems.py holds what all tests of acme/ produce against the sources. */
#include "tests/unit/acme/harness.h"
#include "tests/unit/ca/csr_cases.h"

#include "mime/reply.h"
#include "store/certificate.h"
#include "store/external_account_key.h"

#define ALICES "Alice@example.org"
#define ORDER_OF_ALICE "{\"identifiers\":[{\"type\":\"email\",\"value\":\"" ALICES "\"}]"

/* --- what is read --- */

static void assert_document(const json_t *problem, const char *name, guint status, const char *type,
                            const char *words) {
  const char *detail = json_string_value(json_object_get(problem, "detail"));
  const char *urn = json_string_value(json_object_get(problem, "type"));
  json_int_t number = json_integer_value(json_object_get(problem, "status"));
  if (detail == NULL || urn == NULL || !g_str_has_prefix(urn, LAB_URN) ||
      strcmp(urn + strlen(LAB_URN), type) != 0 || number != status || strstr(detail, words) == NULL)
    g_error("%s: %s %" JSON_INTEGER_FORMAT ": %s", name, urn, number, detail);
}

static void assert_refused(const Answer *answer, const char *name, guint status, const char *type,
                           const char *words) {
  g_assert_cmpuint(answer->status, ==, status);
  g_assert_cmpstr(answer->type, ==, "application/problem+json");
  assert_document(answer->json, name, status, type, words);
}

/* The error of an order, as its owner reads it. */
static void assert_order_failed(LabOrder *order, const char *name, guint status, const char *type,
                                const char *words) {
  g_autoptr(Answer) answer = lab_post(order->lab, order->client, order->order, NULL);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "invalid");
  assert_document(json_object_get(answer->json, "error"), name, status, type, words);
}

/* --- certificate requests --- */

static Answer *finalize_der(LabOrder *order, GBytes *der) {
  g_autofree char *csr = base64url_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  g_autofree char *payload = g_strdup_printf("{\"csr\":\"%s\"}", csr);
  return lab_post(order->lab, order->client, order->finalize, payload);
}

static void refuse_requests(LabOrder *order, guint compatible) {
  for (gsize i = 0; i < G_N_ELEMENTS(csr_cases); i++) {
    const CsrCase *c = &csr_cases[i];
    if (c->expected == NULL || (c->flags & COMPATIBLE) != compatible)
      continue;
    g_autoptr(GBytes) der = csr_case_make(c);
    g_autoptr(Answer) answer = finalize_der(order, der);
    assert_refused(answer, c->name, 400, "badCSR", c->expected);
  }
}

static void test_certificate_requests(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_ready(lab, client);
  refuse_requests(order, 0);
  lab_sql(lab, "UPDATE authz SET type = 'dns'");
  refuse_requests(order, COMPATIBLE);
  lab_order_free(order);
}

static void test_fewer_names(void) {
  static const char *const both[] = {ALICES, "bob@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_order_of(lab, client, both);
  for (guint i = 0; i < 2; i++) {
    g_autoptr(Answer) responded = lab_challenge(order, i, "{}");
    lab_right(order, i);
  }
  g_autoptr(Answer) answer = lab_finalize(order);
  assert_refused(answer, "one of two", 400, "badCSR", "the order names bob@example.org");
  lab_order_free(order);
}

static void append_der(GByteArray *to, guint8 tag, const GByteArray *content) {
  guint8 head[4] = {tag, 0x82, (guint8)(content->len >> 8), (guint8)content->len};
  if (content->len < 0x80) {
    head[1] = (guint8)content->len;
    g_byte_array_append(to, head, 2);
  } else if (content->len < 0x100) {
    head[1] = 0x81;
    head[2] = (guint8)content->len;
    g_byte_array_append(to, head, 3);
  } else {
    g_byte_array_append(to, head, 4);
  }
  g_byte_array_append(to, content->data, content->len);
}

static void append_octets(GByteArray *to, const char *digits) {
  g_autoptr(GBytes) octets = fixture_octets(digits);
  g_byte_array_append(to, g_bytes_get_data(octets, NULL), (guint)g_bytes_get_size(octets));
}

#define ECDSA_WITH_SHA256 "300a06082a8648ce3d040302"
#define ECDSA_WITH_NULL "300c06082a8648ce3d0403020500"
#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define P256 "301306072a8648ce3d020106082a8648ce3d030107"

/* A request for any public key, without names, its signature empty. */
static GBytes *raw_request(GBytes *spki, const char *algorithm) {
  g_autoptr(GByteArray) info = g_byte_array_new();
  g_autoptr(GByteArray) parts = g_byte_array_new();
  GByteArray *request = g_byte_array_new();
  append_octets(info, "0201003000");
  g_byte_array_append(info, g_bytes_get_data(spki, NULL), (guint)g_bytes_get_size(spki));
  append_octets(info, "a000");
  append_der(parts, 0x30, info);
  append_octets(parts, algorithm);
  append_octets(parts, "030100");
  append_der(request, 0x30, parts);
  return g_byte_array_free_to_bytes(request);
}

static GBytes *rsa_of(guint bits, guint32 exponent, guint32 factor) {
  g_autoptr(BIGNUM) n = BN_new();
  BN_rand(n, (int)bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
  if (factor != 0)
    BN_sub_word(n, BN_mod_word(n, factor));
  return fixture_rsa(n, exponent);
}

static GBytes *rsa_of_close_primes(void) {
  g_autoptr(BIGNUM) n = BN_new();
  fixture_close_primes(n, 2);
  return fixture_rsa(n, 65537);
}

static void test_requests_keys(void) {
  const struct {
    const char *algorithm, *words;
    GBytes *spki;
  } keys[] = {
      {ECDSA_WITH_SHA256, "has 2050 bits", rsa_of(2050, 65537, 0)},
      {ECDSA_WITH_SHA256, "is not 65537", rsa_of(2048, 3, 0)},
      {ECDSA_WITH_SHA256, "a factor below 752", rsa_of(2048, 65537, 3)},
      {ECDSA_WITH_SHA256, "ROCA", fixture_roca()},
      {ECDSA_WITH_SHA256, "too close", rsa_of_close_primes()},
      {ECDSA_WITH_SHA256, "not in uncompressed form", fixture_octets("3039" P256 "03220003" GX)},
      {ECDSA_WITH_SHA256, "not a point of its curve", fixture_octets("3059" P256 "03420004" GX GX)},
      {ECDSA_WITH_SHA256, "not a DER RSAPublicKey",
       fixture_octets("3014300d06092a864886f70d01010105000303003000")},
      {ECDSA_WITH_NULL, "RFC 5758 (ECDSA)", fixture_octets("3059" P256 "03420004" GX GY)},
  };
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_ready(lab, client);
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(GBytes) der = raw_request(keys[i].spki, keys[i].algorithm);
    g_autoptr(Answer) answer = finalize_der(order, der);
    assert_refused(answer, keys[i].words, 400, "badCSR", keys[i].words);
    g_bytes_unref(keys[i].spki);
  }
  lab_order_free(order);
}

/* --- addresses --- */

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define UUUU "\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc.\\u00fc."

static void test_addresses(void) {
  static const struct {
    const char *address, *words;
  } cases[] = {
      {"ann", "there is no @"},
      {"@example.org", "nothing before the @"},
      {"ann@[127.0.0.1]", "address literals"},
      {"\\\"a\\\"@example.org", "quoted local parts"},
      {"@a.example:b@example.org", "source routes"},
      {"a..b@example.org", "two in a row"},
      {"a(b)@example.org", "needs quoting"},
      {A60 "aaaaa@example.org", "longer than 64 octets"},
      {"a b@example.org", "a blank"},
      {"a\\u202eb@example.org", "a control character"},
      {"a\\ue000b@example.org", "without a meaning"},
      {"a\\u3164b@example.org", "an invisible character"},
      {"\\u0301a@example.org", "a combining mark"},
      {"a\\uff20example.org@example.org", "looks like an @"},
      {"=?utf-8?q?a?=@example.org", "an encoded word"},
      {"jo\\u0308rg@example.org", "normalization form C"},
      {"ann@localhost", "fewer than two labels"},
      {"ann@127.0.0.1", "not a name but a number"},
      {"ann@a..example", "an empty label"},
      {"ann@a_b.example", "host names cannot have"},
      {"ann@-a.example", "begins or ends with a hyphen"},
      {"ann@" A60 "aaaa.example", "longer than 63 octets"},
      {"ann@ab--cd.example", "reserved or not a valid A-label"},
      {"ann@\\u2603\\u0301.example", "not a valid internationalised label"},
      {"ann@" A60 "." A60 "." A60 "." A60 ".example.org", "longer than 254 octets"},
      {"ann@" UUUU UUUU UUUU UUUU "example.org", "longer than 253 octets"}, /* as A-labels */
  };
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *payload = g_strdup_printf(
        "{\"identifiers\":[{\"type\":\"email\",\"value\":\"%s\"}]}", cases[i].address);
    g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
    assert_refused(answer, cases[i].address, 400, "rejectedIdentifier", cases[i].words);
  }
}

/* --- replies, from the mail to what the client reads --- */

#define BLOCK "-----BEGIN ACME RESPONSE-----\r\n@DIGEST@\r\n-----END ACME RESPONSE-----\r\n"
#define OTHER_BLOCK                                                                                \
  "-----BEGIN ACME RESPONSE-----\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"               \
  "-----END ACME RESPONSE-----\r\n"

static const char right_mail[] = "From: Alice <" ALICES ">\r\n"
                                 "To: <@TO@>\r\n"
                                 "Subject: Re: ACME: @TOKEN@\r\n"
                                 "\r\n" BLOCK;

/* Each differs in one thing from a reply that passes. */
typedef struct {
  const char *words;
  const char *text, *as;     /* put in place of a text of the message before it is signed */
  const char *after, *later; /* the same once it is signed, in the message below the signature */
  const char *tag, *tag_as;  /* the same in the signature */
  const char *record;        /* of the key, @KEY@ in it is the right one; NULL: the right one */
  GBytes *(*key)(void);      /* a DER SubjectPublicKeyInfo for @KEY@; NULL: the right one */
  DkimKeyOutcome outcome;
  gboolean is_unsigned, refused, none, several; /* records */
} Mail;

static GBytes *small_key(void) {
  return rsa_of(768, 65537, 0);
}

static GBytes *large_key(void) {
  return rsa_of(8200, 65537, 0);
}

static GBytes *even_exponent(void) {
  return rsa_of(2048, 65536, 0);
}

#define RSA_TAG .tag = "a=ed25519-sha256", .tag_as = "a=rsa-sha256"
#define RECORD_KEY "v=DKIM1; k=rsa; p=@KEY@"
#define LABEL60 A60 "." A60 "." A60 "." A60

static const Mail mails[] = {
    {"exactly one From", .text = "To:", .as = "From: a@b.example\r\nTo:"},
    {"not an address", .text = ALICES, .as = "alice@localhost"},
    {"another address than " ALICES ";", .text = ALICES, .as = "mallory@example.org"},
    {"one Subject", .text = "\r\n\r\n", .as = "\r\nSubject: x\r\n\r\n"},
    {"more than once", .text = "\r\n\r\n",
     .as = "\r\nContent-Type: text/plain\r\nContent-Type: text/plain\r\n\r\n"},
    {"a mailing list (it has a List-Id", .text = "To:", .as = "List-Id: <x.example>\r\nTo:"},
    {"has no block", .text = BLOCK, .as = "Yes, please.\r\n"},
    {"an automatic notice", .text = "\r\n\r\n" BLOCK,
     .as = "\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"},
    {"its digest is not the right one", .text = "\r\n\r\n" BLOCK,
     .as = "\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n" OTHER_BLOCK},
    {"no text/plain part", .text = "\r\n\r\n",
     .as = "\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"},
    {"block is damaged", .text = "@DIGEST@", .as = "AAAA"},
    {"blocks that differ", .text = BLOCK, .as = BLOCK OTHER_BLOCK},
    {"From or Subject is not the message's", .text = "\r\n\r\n",
     .as = "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
           "Subject: Re: ACME: another\r\n\r\n",
     .refused = TRUE},

    {"no DKIM signature", .is_unsigned = TRUE},
    {"which must be example.org", .tag = "d=example.org", .tag_as = "d=example.net"},
    {"the body was changed", .after = "-----BEGIN", .later = "x\r\n-----BEGIN"},
    {"does not fit the header", .after = "To: ", .later = "To: you "},

    /* the signature */
    {"d= is missing", .tag = "d=example.org;", .tag_as = ""},
    {"d= is no domain name", .tag = "d=example.org", .tag_as = "d=-"},
    {"the field is too long", .tag = "v=1;", .tag_as = "v=1; n=@LONG@;"},
    {"has one twice", .tag = "v=1;", .tag_as = "v=1; v=1;"},
    {"s= is missing", .tag = "s=sel;", .tag_as = ""},
    {"s= is no name", .tag = "s=sel;", .tag_as = "s=-;"},
    {"too long for DNS", .tag = "s=sel;", .tag_as = "s=" LABEL60 ";"},
    {"v= is missing", .tag = "v=1;", .tag_as = ""},
    {"another version (v=)", .tag = "v=1;", .tag_as = "v=2;"},
    {"a= is missing", .tag = "a=ed25519-sha256;", .tag_as = ""},
    {"a= is malformed", .tag = "a=ed25519-sha256;", .tag_as = "a=x y;"},
    {"rsa-sha1 is broken", .tag = "a=ed25519-sha256;", .tag_as = "a=rsa-sha1;"},
    {"algorithm (a=) is unknown", .tag = "a=ed25519-sha256;", .tag_as = "a=x;"},
    {"canonical form (c=)", .tag = "c=relaxed/relaxed", .tag_as = "c=x"},
    {"h= is missing", .tag = "\th=", .tag_as = "\tn="},
    {"h= is malformed", .tag = "h=from:", .tag_as = "h=from::"},
    {"does not cover From (h=)", .tag = "from", .tag_as = "to"},
    {"i= is malformed", .tag = "s=sel;", .tag_as = "s=sel; i=x;"},
    {"i= is not within d=", .tag = "s=sel;", .tag_as = "s=sel; i=@example.net;"},
    {"(l=)", .tag = "s=sel;", .tag_as = "s=sel; l=1;"},
    {"(q=) is unknown", .tag = "s=sel;", .tag_as = "s=sel; q=x;"},
    {"t= is malformed", .tag = " t=", .tag_as = " t=x"},
    {"x= is malformed", .tag = "s=sel;", .tag_as = "s=sel; x=y;"},
    {"x= is not after t=", .tag = "s=sel;", .tag_as = "s=sel; x=1;"},
    {"has expired (x=)", .tag = " t=", .tag_as = " x=9; n="},
    {"bh= is missing", .tag = "\tbh=", .tag_as = "\tn="},
    {"bh= is malformed", .tag = "\tbh=", .tag_as = "\tbh=AAAA"},
    {"b= is missing", .tag = "\tb=", .tag_as = "\tn="},
    {"b= is malformed", .tag = "\tb=", .tag_as = "\tb=!"},

    /* the key */
    {"no key record", .outcome = DKIM_KEY_NONE},
    {"no key record", .none = TRUE},
    {"several key records", .several = TRUE},
    {"is forged", .outcome = DKIM_KEY_BOGUS},
    {"could not be had", .outcome = DKIM_KEY_TEMPORARY},
    {"key record is too long", .record = "v=DKIM1; n=@LONG@"},
    {"key record is malformed", .record = "="},
    {"not the first tag", .record = "k=ed25519; v=DKIM1; p=@KEY@"},
    {"record is of another version", .record = "v=DKIM2; p=@KEY@"},
    {"has no key (p=)", .record = "v=DKIM1; k=ed25519"},
    {"was revoked", .record = "v=DKIM1; k=ed25519; p="},
    {"of another kind (k=)", .record = "v=DKIM1; k=rsa; p=@KEY@"},
    {"allow sha256", .record = "v=DKIM1; k=ed25519; h=sha1; p=@KEY@"},
    {"not for e-mail", .record = "v=DKIM1; k=ed25519; s=tlsrpt; p=@KEY@"},
    {"testing DKIM", .record = "v=DKIM1; k=ed25519; t=y; p=@KEY@"},
    {"not base64", .record = "v=DKIM1; k=ed25519; p=!"},
    {"no key of its kind", .record = "v=DKIM1; k=ed25519; p=AAAA"},
    {"not for subdomains", .record = "v=DKIM1; k=ed25519; t=s; p=@KEY@", .tag = "s=sel;",
     .tag_as = "s=sel; i=@sub.example.org;"},
    {"fewer than 1024 bits", .record = RECORD_KEY, .key = small_key, RSA_TAG},
    {"more than 8192 bits", .record = RECORD_KEY, .key = large_key, RSA_TAG},
    {"an exponent that is not", .record = RECORD_KEY, .key = even_exponent, RSA_TAG},
};

static void replace(GString *text, const char *find, const char *put) {
  if (find != NULL)
    g_assert_cmpuint(g_string_replace(text, find, put, 0), >, 0);
}

static void put_long(GString *text) {
  g_autofree char *many = g_strnfill(DKIM_MAX_FIELD_OCTETS, 'x');
  g_string_replace(text, "@LONG@", many, 0);
}

/* The message of the row as it comes in. */
static GBytes *make_mail(LabOrder *order, const Mail *mail, EVP_PKEY *key) {
  LabReply reply = lab_right_reply(order, 0);
  g_autofree char *digest = base64url_encode(reply.facts.digest, REPLY_DIGEST_OCTETS);
  GString *text = g_string_new(right_mail);
  replace(text, mail->text, mail->as);
  g_string_replace(text, "@TO@", order->challenge_froms->pdata[0], 0);
  g_string_replace(text, "@TOKEN@", reply.facts.token, 0);
  g_string_replace(text, "@DIGEST@", digest, 0);
  lab_reply_clear(&reply);
  g_autoptr(GBytes) message = g_bytes_new(text->str, text->len);
  g_autoptr(DkimSigner) signer = dkim_signer_new("example.org", "sel", key, NULL);
  g_autofree char *made = mail->is_unsigned ? NULL : dkim_sign(signer, message, LAB_NOW, NULL);
  GString *field = g_string_new(made); /* none of a message that has a field twice */
  replace(text, mail->after, mail->later);
  replace(field, mail->tag, mail->tag_as);
  put_long(field);
  g_string_append(field, text->str);
  g_string_free(text, TRUE);
  return g_string_free_to_bytes(field);
}

static char *key_record(const Mail *mail, EVP_PKEY *key) {
  g_autofree char *right = dkim_key_record(key, NULL);
  if (mail->record == NULL)
    return g_steal_pointer(&right);
  g_autoptr(GBytes) spki = mail->key != NULL ? mail->key() : NULL;
  g_autofree char *octets =
      spki != NULL ? g_base64_encode(g_bytes_get_data(spki, NULL), g_bytes_get_size(spki))
                   : g_strdup(strstr(right, "p=") + 2);
  GString *record = g_string_new(mail->record);
  g_string_replace(record, "@KEY@", octets, 0);
  put_long(record);
  return g_string_free(record, FALSE);
}

static void answer_keys(DkimCheck *check, const Mail *mail, EVP_PKEY *key) {
  g_autofree char *record = key_record(mail, key);
  const char *records[] = {record, mail->several ? record : NULL, NULL};
  if (mail->none)
    records[0] = NULL;
  for (guint i = 0; i < dkim_check_count(check); i++)
    dkim_check_key(check, i, mail->outcome, records, TRUE);
}

static void examine(LabOrder *order, const Question *question, const Mail *mail, EVP_PKEY *key) {
  g_autoptr(GBytes) message = make_mail(order, mail, key);
  g_autoptr(ReplyFacts) facts = reply_read(message);
  g_autoptr(DkimCheck) check = dkim_check_new(message, question->date);
  g_autoptr(GPtrArray) signatures = g_ptr_array_new();
  answer_keys(check, mail, key);
  for (guint i = 0; i < dkim_check_count(check); i++)
    g_ptr_array_add(signatures, (gpointer)dkim_check_signature(check, i));
  g_assert_cmpint(facts->refused != NULL, ==, mail->refused);
  LAB_TURN(order->lab,
           job_examined(&order->lab->acme, question, facts, signatures, NULL, "evidence", NULL));
}

/* The challenge waits on, and says why. */
static void assert_noted(LabOrder *order, const Mail *mail) {
  g_autoptr(Answer) answer = lab_challenge(order, 0, NULL);
  const json_t *error = json_object_get(answer->json, "error");
  const json_t *notes = json_object_get(error, "subproblems");
  gboolean dns = mail->outcome == DKIM_KEY_TEMPORARY;
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  g_assert_cmpuint(json_array_size(notes), ==, 1);
  assert_document(json_array_get(notes, 0), mail->words, dns ? 400 : 403,
                  dns ? "dns" : "unauthorized", mail->words);
  assert_document(error, mail->words, dns ? 400 : 403, dns ? "dns" : "unauthorized",
                  dns ? "the last of 1 notes: A reply could not be judged yet: "
                      : "the last of 1 notes: A reply was refused: ");
}

static void give_mail(Lab *lab, LabClient *client, const Mail *mail, EVP_PKEY *key) {
  g_auto(Question) question = {0};
  LabOrder *order = lab_order(lab, client);
  g_autoptr(Answer) responded = lab_challenge(order, 0, "{}");
  g_test_message("%s", mail->words != NULL ? mail->words : "a reply that passes");
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  examine(order, &question, mail, key);
  if (mail->words != NULL)
    assert_noted(order, mail);
  else
    assert_statuses(order, "ready", "valid", "valid");
  lab_order_free(order);
}

static void test_mails(void) {
  static const Mail right = {NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  EVP_PKEY *key = lab_key("ED25519");
  give_mail(lab, client, &right, key);
  for (gsize i = 0; i < G_N_ELEMENTS(mails); i++)
    give_mail(lab, client, &mails[i], key);
  EVP_PKEY_free(key);
}

/* Signed right, but not over the Subject. */
static void test_uncovered(void) {
  static char *from[] = {(char *)"from", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_order(lab, client);
  g_autoptr(Answer) responded = lab_challenge(order, 0, "{}");
  LabReply reply = lab_right_reply(order, 0);
  reply.signature.fields = from;
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
  assert_noted(order, &(const Mail){.words = "does not cover Subject"});
  lab_order_free(order);
}

/* --- CAA --- */

static void test_caa(void) {
  static const struct {
    ResolverOutcome outcome;
    const char *record; /* hexadecimal: flags, length of the tag, tag, value */
    gboolean nowhere;
    const char *type, *words;
  } cases[] = {
      {RESOLVER_FOUND, "000969737375656d61696c3b", FALSE, "caa", "it permits nobody"},
      {RESOLVER_FOUND, "000969737375656d61696c3b", TRUE, "caa", "an unknown place"},
      {RESOLVER_FOUND, "000969737375656d61696c252525", FALSE, "caa", "is malformed and names"},
      {RESOLVER_FOUND, "8003746273", FALSE, "caa", "critical and not understood"},
      {RESOLVER_FOUND, "00", FALSE, "caa", "the record is malformed"},
      {RESOLVER_BOGUS, NULL, FALSE, "dns", "DNSSEC validation failed: forged"},
  };
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_auto(Question) question = {0};
    LabOrder *order = lab_ready(lab, client);
    g_autoptr(Answer) answer = lab_finalize(order);
    g_autoptr(CaaRecordSet) set = g_new0(CaaRecordSet, 1);
    set->outcome = cases[i].outcome;
    set->text = g_strdup("forged");
    set->found_at = cases[i].nowhere ? NULL : g_strdup("example.org");
    set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    if (cases[i].record != NULL)
      g_ptr_array_add(set->records, fixture_octets(cases[i].record));
    lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &question);
    LAB_TURN(lab, job_caa_answered(&lab->acme, &question, set, NULL, NULL));
    assert_order_failed(order, cases[i].words, strcmp(cases[i].type, "caa") == 0 ? 403 : 400,
                        cases[i].type, cases[i].words);
    lab_order_free(order);
  }
}

/* --- what is taken back while an order is processed --- */

static void block_key_of(LabOrder *order) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(order->key, &octets);
  g_autoptr(GBytes) spki = der_take(octets, length);
  g_autoptr(GBytes) digest = key_digest(spki);
  LAB_TURN(order->lab, key_block(order->lab->acme.store, digest, LAB_NOW, "shown", NULL));
}

static void deactivate_authorization(LabOrder *order) {
  g_autoptr(Answer) answer = lab_post(order->lab, order->client, order->authorizations->pdata[0],
                                      "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(answer->status, ==, 200);
}

static void revoke_external(LabOrder *order) {
  lab_sql(order->lab, "UPDATE external_account_key SET revoked_at = 1");
}

/* What an operator does when a profile is taken out of the configuration. */
static void forget_profile(LabOrder *order) {
  lab_sql(order->lab, "UPDATE orders SET profile = 'former'");
}

/* Of a notBefore that the order asks for. */
static void let_validity_pass(LabOrder *order) {
  order->lab->clock.now += 49 * CLOCK_HOUR;
}

/* --- external accounts --- */

typedef struct {
  char kid[ID_TEXT];
  GBytes *mac_key;
} External;

static void external_clear(External *external) {
  g_bytes_unref(external->mac_key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(External, external_clear)

static void external_make(Lab *lab, const char *identifiers, const char *profiles,
                          External *external) {
  guint8 octets[32];
  lab_random(octets, sizeof(octets));
  external->mac_key = g_bytes_new(octets, sizeof(octets));
  ExternalAccountKey row = {.id = acme_id(&lab->acme, LAB_NOW),
                            .mac_key = external->mac_key,
                            .note = (char *)"",
                            .identifiers = (char *)identifiers,
                            .profiles = (char *)profiles,
                            .created_at = LAB_NOW};
  LAB_TURN(lab, external_account_key_insert(lab->acme.store, &row, NULL));
  id_text(&row.id, external->kid);
}

/* newAccount with a binding whose header and payload are as given; NULL: right. */
static Answer *bind_account(Lab *lab, LabClient *client, const External *external,
                            const char *header, const char *payload) {
  json_t *right = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", external->kid, "url",
                            LAB_URL "/new-account");
  json_t *given = header != NULL ? json_loads(header, 0, NULL) : json_object();
  g_autofree char *jwk = lab_dump(client->jwk);
  json_object_update(right, given);
  json_decref(given);
  json_t *binding = lab_binding(right, payload != NULL ? payload : jwk, external->mac_key);
  json_t *whole = json_pack("{s:o}", "externalAccountBinding", binding);
  g_autofree char *text = lab_dump(whole);
  json_decref(whole);
  return lab_send(lab, client, TRUE, "/new-account", text);
}

static void test_withdrawn(void) {
  static const struct {
    void (*harm)(LabOrder *order);
    guint status;
    const char *type, *words;
  } cases[] = {
      {block_key_of, 400, "badCSR", "known to be compromised"},
      {deactivate_authorization, 403, "unauthorized", "The authorization for " ALICES " is deact"},
      {revoke_external, 403, "unauthorized", "was revoked; ask the operator"},
      {forget_profile, 400, "invalidProfile", "not served any more; order anew"},
      {let_validity_pass, 400, "malformed", "waited too long"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    static const char *const no_caa[] = {"ca.caa", "off", NULL};
    g_autoptr(Lab) lab = lab_new_with(no_caa);
    g_autoptr(LabClient) client = lab_account_bound(lab, "[]", "[]");
    g_auto(Question) question = {0};
    LabOrder *order =
        lab_order_with(lab, client, ORDER_OF_ALICE ",\"notBefore\":\"2026-03-01T00:00:00Z\"}");
    lab_order_read(order);
    lab_validate(order, 0);
    g_autoptr(Answer) answer = lab_finalize(order);
    g_assert_cmpuint(answer->status, ==, 200);
    cases[i].harm(order);
    g_assert_true(lab_take(lab, JOB_ISSUE, &question));
    assert_order_failed(order, cases[i].words, cases[i].status, cases[i].type, cases[i].words);
    lab_order_free(order);
  }
}

/* The profile is gone before finalize. */
static void test_profile_gone(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_ready(lab, client);
  forget_profile(order);
  g_autoptr(Answer) answer = lab_finalize(order);
  assert_refused(answer, "former", 400, "invalidProfile", "not served any more; order anew");
  lab_order_free(order);
}

static void test_bindings(void) {
  static const struct {
    guint status;
    const char *type, *header, *payload, *words;
  } cases[] = {
      {400, "badSignatureAlgorithm", "{\"alg\":\"none\"}", NULL, "HS256, HS384 or HS512"},
      {400, "malformed", "{\"kid\":1}", NULL, "Its kid must be a text"},
      {403, "unauthorized", "{\"kid\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", NULL, "is not the MAC"},
      {403, "unauthorized", "{\"url\":\"https://example.org/\"}", NULL, "Its url is not"},
      {400, "malformed", NULL, "{\"kty\":\"oct\"}", "is not the account's JWK: the key's kty"},
  };
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(LabClient) other = lab_account(lab);
  g_auto(External) external = {0};
  external_make(lab, "[]", "[]", &external);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Answer) answer =
        bind_account(lab, client, &external, cases[i].header, cases[i].payload);
    assert_refused(answer, cases[i].words, cases[i].status, cases[i].type, cases[i].words);
  }
  g_autofree char *others_key = lab_dump(other->jwk);
  g_autoptr(Answer) another = bind_account(lab, client, &external, NULL, others_key);
  assert_refused(another, "key", 403, "unauthorized", "another key than the one that signed");
  g_autoptr(Answer) bound = bind_account(lab, client, &external, NULL, NULL);
  g_assert_cmpuint(bound->status, ==, 201);
  g_autoptr(LabClient) late = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) again = bind_account(lab, late, &external, NULL, NULL);
  assert_refused(again, "bound", 403, "unauthorized", "Its key has an account already");
  lab_sql(lab, "UPDATE external_account_key SET revoked_at = 1");
  g_autoptr(Answer) revoked = bind_account(lab, late, &external, NULL, NULL);
  assert_refused(revoked, "revoked", 403, "unauthorized", "Its key was revoked");
}

static void test_rights_of_bound_accounts(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) elsewhere = lab_account_bound(lab, "[\"example.net\"]", "[]");
  g_autoptr(LabClient) signs = lab_account_bound(lab, "[]", "[\"smime-sign\"]");
  g_autoptr(Answer) address = lab_send(lab, elsewhere, FALSE, "/new-order", ORDER_OF_ALICE "}");
  assert_refused(address, "address", 400, "rejectedIdentifier", "does not cover it");
  g_autoptr(Answer) profile =
      lab_send(lab, signs, FALSE, "/new-order", ORDER_OF_ALICE ",\"profile\":\"smime\"}");
  assert_refused(profile, "profile", 400, "invalidProfile", "only: smime-sign; order with");
  lab_sql(lab, "UPDATE external_account_key SET revoked_at = 1");
  g_autoptr(Answer) revoked = lab_send(lab, signs, FALSE, "/new-order", ORDER_OF_ALICE "}");
  assert_refused(revoked, "revoked", 403, "unauthorized", "was revoked; ask the operator");
}

/* An operator begins to require external accounts when there are others already. */
static void test_external_accounts_required(void) {
  static const char *const required[] = {"acme.external-account", "required", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) early = lab_account(lab);
  g_autoptr(LabClient) late = lab_client_of(lab_key("P-256"));
  Config *config = lab_config(required);
  lab->acme.config = config;
  g_autoptr(Answer) order = lab_send(lab, early, FALSE, "/new-order", ORDER_OF_ALICE "}");
  assert_refused(order, "early", 403, "externalAccountRequired", "make one with");
  g_autoptr(Answer) account = lab_send(lab, late, TRUE, "/new-account", "{}");
  assert_refused(account, "late", 403, "externalAccountRequired", "needs externalAccountBinding");
  lab->acme.config = lab->config;
  config_free(config);
}

/* --- requests --- */

static void test_account_keys(void) {
  static const struct {
    const char *algorithm, *jwk, *words;
  } keys[] = {
      {"EdDSA", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "needs x of 32 octets"},
      {"EdDSA",
       "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
       "\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
       "one of small order"},
  };
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) account = lab_account(lab); /* so that the audit log is not empty */
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
    client->algorithm = keys[i].algorithm;
    json_decref(client->jwk);
    client->jwk = json_loads(keys[i].jwk, 0, NULL);
    g_autoptr(Answer) answer = lab_send(lab, client, TRUE, "/new-account", "{}");
    assert_refused(answer, keys[i].words, 400, "badPublicKey", keys[i].words);
  }
}

static void test_orders(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) empty = lab_send(lab, client, FALSE, "/new-order", "{\"identifiers\":[]}");
  assert_refused(empty, "none", 400, "malformed", "a list of 1 to ");
}

static void test_test_mode(void) {
  static const char *const fails[] = {"test.fail-addresses", ALICES, NULL};
  g_autoptr(Lab) lab = lab_new_with(fails);
  g_autoptr(LabClient) client = lab_account(lab);
  LabOrder *order = lab_order(lab, client);
  g_autoptr(Answer) answer = lab_challenge(order, 0, "{}");
  assert_document(json_object_get(answer->json, "error"), "challenge", 403, "unauthorized",
                  "because [test] fail-addresses says so");
  lab_order_free(order);
}

/* A client is not told what it was. */
static void test_store_fails(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  lab_sql(lab, "ALTER TABLE orders RENAME TO elsewhere");
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", ORDER_OF_ALICE "}");
  assert_refused(answer, "no table", 500, "serverInternal", "Try again later");
  lab_sql(lab, "ALTER TABLE elsewhere RENAME TO orders");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/problems/certificate-requests", test_certificate_requests);
  g_test_add_func("/acme/problems/fewer-names", test_fewer_names);
  g_test_add_func("/acme/problems/requests-keys", test_requests_keys);
  g_test_add_func("/acme/problems/addresses", test_addresses);
  g_test_add_func("/acme/problems/mails", test_mails);
  g_test_add_func("/acme/problems/uncovered", test_uncovered);
  g_test_add_func("/acme/problems/caa", test_caa);
  g_test_add_func("/acme/problems/withdrawn", test_withdrawn);
  g_test_add_func("/acme/problems/profile-gone", test_profile_gone);
  g_test_add_func("/acme/problems/bindings", test_bindings);
  g_test_add_func("/acme/problems/bound-accounts", test_rights_of_bound_accounts);
  g_test_add_func("/acme/problems/external-required", test_external_accounts_required);
  g_test_add_func("/acme/problems/account-keys", test_account_keys);
  g_test_add_func("/acme/problems/orders", test_orders);
  g_test_add_func("/acme/problems/test-mode", test_test_mode);
  g_test_add_func("/acme/problems/store-fails", test_store_fails);
  return g_test_run();
}
