/* SPDX-License-Identifier: Apache-2.0 */
/* Input: "m" and a message with LF line ends; or "h" and the header of a message whose signature is
   right; or "d" and the DER of a signature. Holds: a verdict has a reason when it is bad and none
   otherwise; what is good with roots is good without; a message that is good has the From, To and
   Subject that were signed, once each, whatever its header is. */
#include "mime/raw_message.h"
#include "mime/smime_check.h"
#include "mime/smime_sign.h"
#include "mime/smime_types.h"
#include "tests/fuzz/fuzz_key.h"

#include <openssl/pem.h>

#define ADDRESS "acme-challenge@ca.example"
#define TO "user@example.org"
#define SUBJECT "ACME: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
#define FIELDS "From: " ADDRESS "\r\nTo: " TO "\r\nSubject: " SUBJECT "\r\n"
#define ENTITY "Content-Type: text/plain" SMIME_PARAMETER "\r\n\r\nhello\r\n"
#define BEFORE_SIGNATURE "smime.p7s\"\r\n\r\n"

/* A certificate that fuzz_key issued to itself, and what it signed. */
typedef struct {
  GBytes *root;
  char *entity;
} Fixture;

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

static GBytes *take_bio(BIO *bio) {
  char *data = NULL;
  long length = BIO_get_mem_data(bio, &data);
  GBytes *bytes = g_bytes_new(data, (gsize)length);
  BIO_free(bio);
  return bytes;
}

static GBytes *certificate_pem(void) {
  X509 *certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const guint8 *)"x", -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  ASN1_TIME_set(X509_getm_notBefore(certificate), FUZZ_NOW / 1000 - 3600);
  ASN1_TIME_set(X509_getm_notAfter(certificate), FUZZ_NOW / 1000 + 3600);
  X509_set_pubkey(certificate, fuzz_key());
  add_extension(certificate, NID_subject_alt_name, "email:" ADDRESS);
  add_extension(certificate, NID_key_usage, "critical,digitalSignature");
  add_extension(certificate, NID_ext_key_usage, "emailProtection");
  X509_sign(certificate, fuzz_key(), EVP_sha256());
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  X509_free(certificate);
  return take_bio(bio);
}

static const Fixture *fixture(void) {
  static Fixture made;
  if (made.root != NULL)
    return &made;
  g_autoptr(GError) error = NULL;
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, fuzz_key(), NULL, NULL, 0, NULL, NULL);
  g_autoptr(GBytes) key = take_bio(bio);
  made.root = certificate_pem();
  g_autoptr(SmimeSigner) signer = smime_signer_new(made.root, key, ADDRESS, FUZZ_NOW, &error);
  g_assert_no_error(error);
  made.entity = smime_sign(signer, FIELDS, ENTITY, "seed", &error);
  g_assert_no_error(error);
  return &made;
}

static SmimeVerdict check(GBytes *message, GBytes *roots) {
  const char *why = NULL;
  SmimeVerdict verdict = smime_check(message, roots, FUZZ_NOW, &why);
  g_assert_true((verdict == SMIME_BAD) == (why != NULL));
  return verdict;
}

static SmimeVerdict check_twice(GBytes *message) {
  SmimeVerdict trusted = check(message, fixture()->root), any = check(message, NULL);
  g_assert_true((trusted == SMIME_UNSIGNED) == (any == SMIME_UNSIGNED));
  g_assert_true(trusted != SMIME_GOOD || any == SMIME_GOOD);
  return trusted;
}

static void assert_field(const RawMessage *message, const char *name, const char *expected) {
  g_assert_cmpuint(raw_message_count(message, name), ==, 1);
  g_autofree char *value = raw_field_value(raw_message_first(message, name));
  g_autofree char *relaxed = smime_relaxed(value);
  g_assert_cmpstr(relaxed, ==, expected);
}

/* What a good verdict is worth, when the fixture's certificate is the one root. */
static void run(GBytes *message) {
  if (check_twice(message) != SMIME_GOOD)
    return;
  const char *why = NULL;
  g_autoptr(RawMessage) read = raw_message_new(message, &why);
  g_assert_nonnull(read);
  assert_field(read, "from", ADDRESS);
  assert_field(read, "to", TO);
  assert_field(read, "subject", SUBJECT);
}

static void run_header(GBytes *header) {
  g_autoptr(GBytes) fields = fuzz_crlf(header);
  GString *message =
      g_string_new_len(g_bytes_get_data(fields, NULL), (gssize)g_bytes_get_size(fields));
  g_string_append(message, fixture()->entity);
  g_autoptr(GBytes) octets = g_string_free_to_bytes(message);
  run(octets);
}

static void run_signature(GBytes *der) {
  const char *entity = fixture()->entity;
  const char *start = strstr(entity, BEFORE_SIGNATURE) + strlen(BEFORE_SIGNATURE);
  g_autofree char *base64 = g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  GString *message = g_string_new(FIELDS "MIME-Version: 1.0\r\n");
  g_string_append_len(message, entity, start - entity);
  g_string_append(message, base64);
  g_string_append(message, strstr(start, "\r\n--"));
  g_autoptr(GBytes) octets = g_string_free_to_bytes(message);
  run(octets);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  guint form = fuzz_octet(&input);
  g_autoptr(GBytes) rest = fuzz_rest(&input);
  g_autoptr(GBytes) message = fuzz_crlf(rest);
  if (form == 'h')
    run_header(rest);
  else if (form == 'd')
    run_signature(rest);
  else
    run(message);
  return 0;
}
