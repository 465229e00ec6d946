/* SPDX-License-Identifier: Apache-2.0 */
/* S/MIME signatures over challenges and replies: who may sign, what is signed, what a check finds.
 */
#include "mime/challenge_mail.h"
#include "mime/reply.h"
#include "mime/smime_check.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define TOKEN "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
#define DIGEST "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo"
#define FIXED "acme-challenge@ca.example"
#define TAGGED "acme-challenge+abcdefghijklmnopqrstuvwx01@ca.example"
#define NOW G_GINT64_CONSTANT(1700000000000)
#define DAY G_GINT64_CONSTANT(86400000)

/* --- certificates --- */

typedef struct {
  const char *names, *usage, *extended, *constraints; /* NULL: not there */
  gint64 from, until;                                 /* days from NOW */
} Leaf;

static const Leaf good_leaf = {
    "email:" FIXED, "critical,digitalSignature", "emailProtection", "critical,CA:FALSE", -1, 30};

static EVP_PKEY *root_key, *leaf_key;
static X509 *root;

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509_EXTENSION *extension = value != NULL ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;
  if (extension != NULL)
    X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

static X509 *certificate_of(const char *name, EVP_PKEY *key, const Leaf *leaf) {
  X509 *certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), root != NULL ? 7 : 1);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const guint8 *)name, -1, -1, 0);
  X509_set_issuer_name(certificate, root != NULL ? X509_get_subject_name(root)
                                                 : X509_get_subject_name(certificate));
  ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)((NOW + leaf->from * DAY) / 1000));
  ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)((NOW + leaf->until * DAY) / 1000));
  X509_set_pubkey(certificate, key);
  add_extension(certificate, NID_subject_alt_name, leaf->names);
  add_extension(certificate, NID_key_usage, leaf->usage);
  add_extension(certificate, NID_ext_key_usage, leaf->extended);
  add_extension(certificate, NID_basic_constraints, leaf->constraints);
  g_assert_cmpint(X509_sign(certificate, root_key, EVP_sha256()), >, 0);
  return certificate;
}

static GBytes *take_bio(BIO *bio) {
  char *data = NULL;
  long length = BIO_get_mem_data(bio, &data);
  GBytes *bytes = g_bytes_new(data, (gsize)length);
  BIO_free(bio);
  return bytes;
}

static GBytes *pem_of(X509 *first, X509 *second) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, first);
  if (second != NULL)
    PEM_write_bio_X509(bio, second);
  return take_bio(bio);
}

static GBytes *key_pem(EVP_PKEY *key) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  return take_bio(bio);
}

static void make_root(void) {
  static const Leaf ca = {NULL, "critical,keyCertSign,cRLSign", NULL, "critical,CA:TRUE", -10, 99};
  root_key = EVP_EC_gen("P-256");
  leaf_key = EVP_RSA_gen(2048);
  X509 *made = certificate_of("Root", root_key, &ca);
  root = made;
}

static SmimeSigner *signer_of(const Leaf *leaf, const char *address, GError **error) {
  X509 *certificate = certificate_of("Leaf", leaf_key, leaf);
  g_autoptr(GBytes) chain = pem_of(certificate, root), key = key_pem(leaf_key);
  X509_free(certificate);
  return smime_signer_new(chain, key, address, NOW, error);
}

static void test_signers(void) {
  static const struct {
    Leaf leaf;
    const char *why; /* NULL: taken */
  } table[] = {
      {{"email:" FIXED, "digitalSignature", "emailProtection", NULL, -1, 30}, NULL},
      {{"email:ACME-challenge@CA.example,email:x@ca.example", "digitalSignature",
        "clientAuth,emailProtection", "CA:FALSE", -1, 30},
       NULL},
      {{"email:" FIXED, "digitalSignature", "emailProtection", "CA:TRUE", -1, 30}, "a CA's"},
      {{"email:" FIXED, "keyEncipherment", "emailProtection", NULL, -1, 30}, "digitalSignature"},
      {{"email:" FIXED, "digitalSignature", "clientAuth", NULL, -1, 30}, "emailProtection"},
      {{"email:" FIXED, "digitalSignature", NULL, NULL, -1, 30}, "emailProtection"},
      {{"email:x@ca.example,email:" FIXED, "digitalSignature", "emailProtection", NULL, -1, 30},
       "first mail address"},
      {{"DNS:ca.example", "digitalSignature", "emailProtection", NULL, -1, 30},
       "first mail address"},
      {{NULL, "digitalSignature", "emailProtection", NULL, -1, 30}, "first mail address"},
      {{"email:" FIXED, "digitalSignature", "emailProtection", NULL, -9, -1}, "not valid"},
      {{"email:" FIXED, "digitalSignature", "emailProtection", NULL, 1, 30}, "not valid"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(SmimeSigner) signer = signer_of(&table[i].leaf, FIXED, &error);
    g_test_message("%s", error != NULL ? error->message : "taken");
    g_assert_cmpint(signer != NULL, ==, table[i].why == NULL);
    if (signer != NULL)
      continue;
    g_assert_error(error, SMIME_ERROR, SMIME_ERROR_CERTIFICATE);
    g_assert_nonnull(strstr(error->message, table[i].why));
  }
}

static void test_files(void) {
  X509 *leaf = certificate_of("Leaf", leaf_key, &good_leaf);
  g_autoptr(GBytes) chain = pem_of(leaf, NULL), doubled = pem_of(leaf, leaf);
  g_autoptr(GBytes) key = key_pem(leaf_key), other = key_pem(root_key);
  g_autoptr(GBytes) nothing = g_bytes_new("", 0);
  const struct {
    GBytes *chain, *key;
    int code; /* -1: taken */
  } table[] = {
      {chain, key, -1},
      {chain, other, SMIME_ERROR_KEY},
      {chain, chain, SMIME_ERROR_KEY},
      {chain, nothing, SMIME_ERROR_KEY},
      {doubled, key, SMIME_ERROR_CERTIFICATE},
      {key, key, SMIME_ERROR_CERTIFICATE},
      {nothing, key, SMIME_ERROR_CERTIFICATE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(SmimeSigner) signer =
        smime_signer_new(table[i].chain, table[i].key, FIXED, NOW, &error);
    g_assert_cmpint(signer == NULL ? error->code : -1, ==, table[i].code);
  }
  X509_free(leaf);
}

static void test_valid(void) {
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_assert_true(smime_signer_is_valid(signer, NOW));
  g_assert_false(smime_signer_is_valid(signer, NOW + 31 * DAY));
  g_assert_false(smime_signer_is_valid(signer, NOW - 2 * DAY));
}

/* --- messages --- */

static GBytes *challenge_of(const SmimeSigner *signer, gboolean html, const char *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) file = mail_text_built_in("de");
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func((GDestroyNotify)mail_text_free);
  g_ptr_array_add(texts, mail_text_read("de", file, NULL));
  const ChallengeMail mail = {.from = FIXED,
                              .reply_to = TAGGED,
                              .to = to,
                              .token = TOKEN,
                              .message_id = "<1.2@ca.example>",
                              .service = "https://ca.example/acme",
                              .date = NOW,
                              .texts = texts,
                              .html = html,
                              .signer = signer};
  GBytes *bytes = challenge_mail_compose(&mail, &error);
  g_assert_no_error(error);
  return bytes;
}

static GBytes *root_pem(void) {
  return pem_of(root, NULL);
}

static void assert_verdict(GBytes *message, GBytes *roots, SmimeVerdict verdict,
                           const char *words) {
  const char *why = NULL;
  SmimeVerdict given = smime_check(message, roots, NOW, &why);
  g_test_message("%s", why != NULL ? why : "no reason");
  g_assert_cmpint(given, ==, verdict);
  if (words != NULL)
    g_assert_nonnull(strstr(why, words));
}

static void test_challenge(void) {
  static const char *const addresses[] = {"User.Name@example.org",
                                          "\u0430\u043d\u043d\u0430@example.org"};
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_autoptr(GBytes) roots = root_pem();
  for (guint i = 0; i < 4; i++) {
    g_autoptr(GBytes) bytes = challenge_of(signer, i % 2 == 1, addresses[i / 2]);
    assert_verdict(bytes, roots, SMIME_GOOD, NULL);
    assert_verdict(bytes, NULL, SMIME_GOOD, NULL);
    g_autoptr(ReceivedChallenge) read = received_challenge_read(bytes, NULL);
    g_assert_cmpstr(read->from, ==, FIXED);
    g_assert_cmpstr(read->reply_to, ==, TAGGED);
    g_assert_cmpstr(read->to, ==, addresses[i / 2]);
    g_assert_cmpstr(read->token, ==, TOKEN);
  }
  g_autoptr(GBytes) plain = challenge_of(NULL, TRUE, "u@example.org");
  assert_verdict(plain, roots, SMIME_UNSIGNED, NULL);
}

static GBytes *replaced(GBytes *message, const char *find, const char *put, guint occurrence) {
  g_autofree char *text = g_strndup(g_bytes_get_data(message, NULL), g_bytes_get_size(message));
  char *at = strstr(text, find);
  for (guint i = 0; i < occurrence; i++)
    at = strstr(at + 1, find);
  g_assert_nonnull(at);
  GString *out = g_string_new_len(text, at - text);
  g_string_append(out, put);
  g_string_append(out, at + strlen(find));
  return g_string_free_to_bytes(out);
}

/* Every change that a signature must not survive. occurrence 0 is the message's own header, 1 the
   copy in the signed part. */
static void test_changed(void) {
  static const struct {
    const char *find, *put;
    guint occurrence;
    const char *why; /* NULL: still good */
  } table[] = {
      {"X: y", "X: y", 0, NULL},
      {"Subject: ACME: AQID", "Subject: ACME: BQID", 0, "not those of the message"},
      {"Subject: ACME: AQID", "Subject: ACME: BQID", 1, "signature is wrong"},
      {"Subject: ACME: ", "Subject:  ACME:\r\n ", 0, NULL},
      {"To: u@", "To: v@", 0, "not those of the message"},
      {"From: acme-challenge@", "From: acme-challengf@", 0, "does not name the address"},
      {"From: " FIXED, "From: CA <" FIXED ">", 0, "not those of the message"},
      {"From: ", "From: x@example.org\r\nFrom: ", 0, "does not name the address"},
      {"Reply-To: acme", "Reply-To: bcme", 0, "not those of the message"},
      {"\r\nReply-To: " TAGGED, "", 0, "not those of the message"},
      {"Guten Tag", "Guten Tog", 0, "signature is wrong"},
      {"\r\nGuten Tag", "\r\n\r\nGuten Tag", 0, "signature is wrong"},
      {"multipart/signed", "multipart/mixed", 0, NULL},
  };
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_autoptr(GBytes) plain = challenge_of(signer, FALSE, "u@example.org");
  g_autoptr(GBytes) bytes = replaced(plain, "MIME-Version", "X: y\r\nMIME-Version", 0);
  g_autoptr(GBytes) roots = root_pem();
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_test_message("%s -> %s", table[i].find, table[i].put);
    g_autoptr(GBytes) changed = replaced(bytes, table[i].find, table[i].put, table[i].occurrence);
    gboolean is_unsigned = strstr(table[i].put, "mixed") != NULL;
    assert_verdict(changed, roots,
                   table[i].why != NULL ? SMIME_BAD
                   : is_unsigned        ? SMIME_UNSIGNED
                                        : SMIME_GOOD,
                   table[i].why);
  }
}

static void test_strangers(void) {
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_autoptr(GBytes) bytes = challenge_of(signer, FALSE, "u@example.org");
  X509 *leaf = certificate_of("Other", leaf_key, &good_leaf);
  g_autoptr(GBytes) other = pem_of(leaf, NULL), none = g_bytes_new("", 0);
  X509_free(leaf);
  assert_verdict(bytes, other, SMIME_BAD, "not trusted");
  assert_verdict(bytes, none, SMIME_BAD, "not trusted");
  Leaf late = good_leaf;
  late.until = 1;
  g_autoptr(SmimeSigner) ended = signer_of(&late, FIXED, NULL);
  g_autoptr(GBytes) late_bytes = challenge_of(ended, FALSE, "u@example.org"), roots = root_pem();
  const char *why = NULL;
  g_assert_cmpint(smime_check(late_bytes, roots, NOW, &why), ==, SMIME_GOOD);
  g_assert_cmpint(smime_check(late_bytes, roots, NOW + 2 * DAY, &why), ==, SMIME_BAD);
}

/* A signature that says nothing about the header proves nothing about the token. */
static void test_unprotected(void) {
  static const char entity[] = "Content-Type: text/plain\r\n\r\nhello\r\n";
  static const char header[] = "From: " FIXED "\r\nTo: u@example.org\r\n"
                               "Subject: ACME: " TOKEN "\r\nMIME-Version: 1.0\r\n";
  static const struct {
    const char *fields;
    gboolean good;
  } table[] = {
      {"", FALSE},
      {"Subject: ACME: " TOKEN "\r\n", FALSE},
      {"From: " FIXED "\r\nSubject: ACME: " TOKEN "\r\n", FALSE},
      {"From: " FIXED "\r\nTo: u@example.org\r\nSubject: ACME: " TOKEN "\r\n", TRUE},
      {"From: " FIXED "\r\nTo: u@example.org\r\nSubject: ACME: " TOKEN "\r\nCc: x@example.org\r\n",
       FALSE},
  };
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_autoptr(GBytes) roots = root_pem();
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autofree char *whole = smime_sign(signer, table[i].fields, entity, "seed", NULL);
    g_autofree char *text = g_strconcat(header, whole, NULL);
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    assert_verdict(bytes, roots, table[i].good ? SMIME_GOOD : SMIME_BAD, NULL);
  }
}

/* Cut off or bent anywhere: never good, never a crash. */
static void test_mutations(void) {
  g_autoptr(SmimeSigner) signer = signer_of(&good_leaf, FIXED, NULL);
  g_autoptr(GBytes) bytes = challenge_of(signer, FALSE, "u@example.org"), roots = root_pem();
  gsize length = 0;
  const char *data = g_bytes_get_data(bytes, &length);
  const char *why = NULL;
  for (gsize cut = 0; cut < length - 60; cut += 37) {
    g_autoptr(GBytes) part = g_bytes_new(data, cut);
    g_assert_cmpint(smime_check(part, roots, NOW, &why), !=, SMIME_GOOD);
  }
  const char *base64 = strstr(strstr(data, "smime.p7s\"\r\n\r\n"), "\r\n\r\n") + 4;
  gsize start = (gsize)(base64 - data);
  for (gsize i = start; i + 60 < length; i += i < start + 100 ? 1 : 41) {
    g_autofree char *copy = g_memdup2(data, length);
    copy[i] = copy[i] == 'A' ? 'B' : 'A';
    g_autoptr(GBytes) bent = g_bytes_new(copy, length);
    smime_check(bent, roots, NOW, &why); /* what is not signed may bend */
  }
}

/* --- the reply, signed by the client --- */

static void test_reply(void) {
  g_autoptr(GError) error = NULL;
  Leaf leaf = good_leaf;
  leaf.names = "email:User.Name@example.org";
  g_autoptr(SmimeSigner) signer = signer_of(&leaf, "User.Name@example.org", NULL);
  g_autoptr(GBytes) plain = challenge_of(NULL, FALSE, "User.Name@example.org");
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(plain, NULL);
  g_autoptr(GBytes) reply = challenge_reply_compose(challenge, "User.Name@example.org", DIGEST,
                                                    "<3@example.org>", NOW, signer, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) roots = root_pem();
  assert_verdict(reply, roots, SMIME_GOOD, NULL);
  g_autoptr(ReplyFacts) facts = reply_read(reply);
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpint(facts->block, ==, REPLY_BLOCK_ONE);
  g_assert_cmpstr(facts->token, ==, TOKEN);
  static const struct {
    const char *find, *put;
    guint occurrence;
    gboolean refused;
  } table[] = {
      {"Subject: Re: ACME: AQID", "Subject: [EXTERNAL] AW: ACME: AQID", 0, FALSE},
      {"Subject: Re: ACME: AQID", "Subject: Re: ACME: BQID", 0, TRUE},
      {"Subject: Re: ACME: AQID", "Subject: Re: ACME: BQID", 1, TRUE},
      {"Subject: Re: ACME: AQID", "Subject: Re: AQID", 1, TRUE},
      {"From: User.Name@", "From: USER.Name@", 0, FALSE},
      {"From: User.Name@", "From: Other.Name@", 0, TRUE},
      {"From: User.Name@", "From: Other.Name@", 1, TRUE},
      {"From: User.Name@", "From: x@example.org, User.Name@", 1, TRUE},
      {"From: User.Name@", "From: User.Name@example.org\r\nFrom: User.Name@", 1, TRUE},
      {"Subject: Re:", "Subject: x\r\nSubject: Re:", 1, TRUE},
      {"To: acme-challenge+", "To: acme-challengf+", 1, FALSE}, /* never acted on */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_test_message("%s -> %s", table[i].find, table[i].put);
    g_autoptr(GBytes) changed = replaced(reply, table[i].find, table[i].put, table[i].occurrence);
    g_autoptr(ReplyFacts) read = reply_read(changed);
    g_assert_cmpint(read->refused != NULL, ==, table[i].refused);
    g_assert_cmpint(read->block, ==, table[i].refused ? REPLY_BLOCK_NONE : REPLY_BLOCK_ONE);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  make_root();
  g_test_add_func("/smime/signers", test_signers);
  g_test_add_func("/smime/files", test_files);
  g_test_add_func("/smime/valid", test_valid);
  g_test_add_func("/smime/challenge", test_challenge);
  g_test_add_func("/smime/changed", test_changed);
  g_test_add_func("/smime/strangers", test_strangers);
  g_test_add_func("/smime/unprotected", test_unprotected);
  g_test_add_func("/smime/mutations", test_mutations);
  g_test_add_func("/smime/reply", test_reply);
  int status = g_test_run();
  X509_free(root);
  EVP_PKEY_free(root_key);
  EVP_PKEY_free(leaf_key);
  return status;
}
