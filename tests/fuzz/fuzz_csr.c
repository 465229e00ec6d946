/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet for the mode, then a request as it comes (mode 0), or the parts of one that the
   target signs itself: subject and attributes (1), extensions (2), names of the SAN (3). Holds: of
   an accepted request a certificate without findings can be built, or certificate_build refuses; an
   accepted key is one that OpenSSL reads. Each input is also tried as a key and as a certificate.
 */
#include "ca/certificate_read.h"
#include "ca/csr.h"
#include "tests/fuzz/fuzz_ca.h"

#define MODES 4

static void put(GByteArray *to, const void *data, gsize length) {
  if (length > 0)
    g_byte_array_append(to, data, (guint)length);
}

/* tag, length, content (taken). */
static GBytes *element(guint8 tag, GBytes *content) {
  gsize length = g_bytes_get_size(content);
  GByteArray *octets = g_byte_array_new();
  const guint8 head[] = {tag, 0x82, (guint8)(length >> 8), (guint8)length};
  if (length < 0x80)
    put(octets, (const guint8[]){tag, (guint8)length}, 2);
  else if (length < 0x100)
    put(octets, (const guint8[]){tag, 0x81, (guint8)length}, 3);
  else
    put(octets, head, sizeof head);
  put(octets, g_bytes_get_data(content, NULL), length);
  g_bytes_unref(content);
  return g_byte_array_free_to_bytes(octets);
}

/* Takes both. */
static GBytes *join(GBytes *a, GBytes *b) {
  GByteArray *octets = g_byte_array_new();
  put(octets, g_bytes_get_data(a, NULL), g_bytes_get_size(a));
  put(octets, g_bytes_get_data(b, NULL), g_bytes_get_size(b));
  g_bytes_unref(a);
  g_bytes_unref(b);
  return g_byte_array_free_to_bytes(octets);
}

static GBytes *object(int nid) {
  return der_encode(OBJ_nid2obj(nid), ASN1_ITEM_rptr(ASN1_OBJECT));
}

/* One extension: which, critical or not, octets. */
static GBytes *extension(int nid, gboolean critical, GBytes *value) {
  static const guint8 flag[] = {1, 1, 0xff};
  GBytes *middle = g_bytes_new(flag, critical ? sizeof flag : 0);
  return element(0x30, join(join(object(nid), middle), element(0x04, value)));
}

static GBytes *extensions(FuzzInput *input) {
  static const int nids[] = {NID_subject_alt_name, NID_key_usage, NID_ext_key_usage,
                             NID_basic_constraints, NID_subject_key_identifier};
  GBytes *list = g_bytes_new(NULL, 0);
  while (input->size > 0) {
    guint which = fuzz_octet(input);
    GBytes *value = fuzz_take(input, fuzz_octet(input));
    list = join(list, extension(nids[(which & 0x7f) % G_N_ELEMENTS(nids)], which >= 0x80, value));
  }
  return list;
}

/* Names: an octet for the type, the text up to NUL. */
static GBytes *names(FuzzInput *input) {
  GBytes *list = g_bytes_new(NULL, 0);
  while (input->size > 0) {
    guint8 tag = (guint8)fuzz_octet(input);
    GBytes *text = fuzz_until(input, '\0');
    if (tag == 'u') {
      GBytes *value = element(0xa0, element(0x0c, text));
      list = join(list, element(0xa0, join(object(NID_id_on_SmtpUTF8Mailbox), value)));
    } else {
      list = join(list, element(tag == 'e' ? 0x81 : tag, text));
    }
  }
  return extension(NID_subject_alt_name, FALSE, element(0x30, list));
}

static GBytes *attributes(GBytes *list) {
  GBytes *set = element(0x31, element(0x30, list));
  return element(0xa0, element(0x30, join(object(NID_ext_req), set)));
}

/* A request with what follows the subject's key, signed. */
static GBytes *sign(GBytes *subject, GBytes *rest) {
  static const guint8 version[] = {2, 1, 0};
  static const guint8 algorithm[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                     0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
  guint8 signature[1 + 80] = {0};
  gsize length = sizeof signature - 1;
  GBytes *head = join(g_bytes_new_static(version, sizeof version), subject);
  GBytes *info = element(0x30, join(join(head, fuzz_spki()), rest));
  g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
  g_assert_true(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, fuzz_key()) == 1 &&
                EVP_DigestSign(context, signature + 1, &length, g_bytes_get_data(info, NULL),
                               g_bytes_get_size(info)) == 1);
  GBytes *tail = join(g_bytes_new_static(algorithm, sizeof algorithm),
                      element(0x03, g_bytes_new(signature, length + 1)));
  return element(0x30, join(info, tail));
}

static GBytes *request(FuzzInput *input) {
  static const guint8 nobody[] = {0x30, 0};
  guint mode = fuzz_octet(input) % MODES;
  if (mode == 0)
    return fuzz_rest(input);
  if (mode == 1) {
    GBytes *subject = element(0x30, fuzz_take(input, fuzz_octet(input)));
    return sign(subject, element(0xa0, fuzz_rest(input)));
  }
  return sign(g_bytes_new_static(nobody, sizeof nobody),
              attributes(mode == 2 ? extensions(input) : names(input)));
}

static void certify(const Csr *csr) {
  g_autoptr(GPtrArray) addresses = g_ptr_array_new();
  g_autoptr(GBytes) serial = fuzz_serial();
  g_autoptr(GError) error = NULL;
  g_assert_cmpuint(csr->mailboxes->len, >, 0);
  for (guint i = 0; i < csr->mailboxes->len; i++)
    g_ptr_array_add(addresses, ((const Mailbox *)csr->mailboxes->pdata[i])->address);
  g_ptr_array_add(addresses, NULL);
  CertificateFields fields = fuzz_fields(serial, csr->spki, (const char *const *)addresses->pdata);
  fields.sign = csr->want_sign;
  fields.encrypt = csr->want_encrypt;
  fields.non_repudiation = csr->want_non_repudiation;
  g_autoptr(GBytes) tbs = certificate_build(fuzz_issuer(), &fields, &error);
  g_assert_true((tbs == NULL) == (error != NULL));
  if (tbs == NULL)
    return;
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, fuzz_issuer());
  fuzz_assert_clean(findings);
}

static void run_request(GBytes *der) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Csr) csr = csr_parse(der, CSR_NAMES_MAIL, &error);
  g_assert_true((csr == NULL) == (error != NULL));
  if (csr == NULL) {
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    return;
  }
  g_assert_true(csr_matches(csr, csr->mailboxes, NULL));
  certify(csr);
}

static void run_key(GBytes *spki) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) identifier = key_identifier(spki);
  const guint8 *octets = g_bytes_get_data(spki, NULL);
  if (!key_check(spki, KEY_SUBSCRIBER, NULL, &error)) {
    g_assert_nonnull(error);
    return;
  }
  g_assert_nonnull(identifier);
  g_autoptr(EVP_PKEY) key = d2i_PUBKEY(NULL, &octets, (long)g_bytes_get_size(spki));
  g_assert_nonnull(key);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  if (size > 2 * CSR_MAX_OCTETS)
    return 0;
  g_autoptr(GBytes) whole = g_bytes_new(data, size);
  g_autoptr(GBytes) serial G_GNUC_UNUSED = certificate_serial_of(whole);
  g_assert_false(certificate_is_made_of(whole, whole));
  run_key(whole);
  g_autoptr(GBytes) der = request(&input);
  run_request(der);
  return 0;
}
