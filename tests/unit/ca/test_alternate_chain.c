/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/alternate_chain.h"

#include "ca/pem.h"
#include "tests/unit/ca/fixture.h"

/* Of one hierarchy, and a second one whose root cross-signs the first one's issuing CA. */
typedef struct {
  CeremonyResult *own, *other;
  Issuer *issuing, *root, *other_root;
} World;

static void world_begin(World *world, gconstpointer data G_GNUC_UNUSED) {
  world->own = fixture_ceremony("P-256");
  world->other = fixture_ceremony("P-256");
  world->issuing = fixture_load(world->own->issuing_certificate, world->own->issuing_key, NULL);
  world->root = fixture_load(world->own->root_certificate, world->own->root_key, NULL);
  world->other_root = fixture_load(world->other->root_certificate, world->other->root_key, NULL);
}

static void world_end(World *world, gconstpointer data G_GNUC_UNUSED) {
  ceremony_result_free(world->own);
  ceremony_result_free(world->other);
  issuer_free(world->issuing);
  issuer_free(world->root);
  issuer_free(world->other_root);
}

typedef void (*Change)(X509 *certificate, const World *world);

/* The issuing CA's certificate as the other root issues it, changed before it is signed. */
static char *cross(const World *world, Change change) {
  g_autoptr(X509) certificate = X509_dup(world->issuing->certificate);
  X509_set_issuer_name(certificate, X509_get_subject_name(world->other_root->certificate));
  const ASN1_OCTET_STRING *signer = X509_get0_subject_key_id(world->other_root->certificate);
  g_autoptr(AUTHORITY_KEYID) authority = AUTHORITY_KEYID_new();
  authority->keyid = ASN1_OCTET_STRING_dup(signer);
  X509_add1_ext_i2d(certificate, NID_authority_key_identifier, authority, 0, X509V3_ADD_REPLACE);
  if (change != NULL)
    change(certificate, world);
  g_assert_cmpint(X509_sign(certificate, world->other_root->key, EVP_sha256()), >, 0);
  g_autoptr(GBytes) der = der_encode(certificate, ASN1_ITEM_rptr(X509));
  return pem_certificate(der);
}

static void other_subject(X509 *certificate, const World *world) {
  X509_set_subject_name(certificate, X509_get_subject_name(world->root->certificate));
}

static void other_key(X509 *certificate, const World *world G_GNUC_UNUSED) {
  g_autoptr(EVP_PKEY) key = fixture_key("P-256");
  X509_set_pubkey(certificate, key);
}

static void other_identifier(X509 *certificate, const World *world G_GNUC_UNUSED) {
  g_autoptr(ASN1_OCTET_STRING) identifier = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(identifier, (const guint8 *)"0123", 4);
  X509_add1_ext_i2d(certificate, NID_subject_key_identifier, identifier, 0, X509V3_ADD_REPLACE);
}

static void no_ca(X509 *certificate, const World *world G_GNUC_UNUSED) {
  g_autoptr(BASIC_CONSTRAINTS) constraints = BASIC_CONSTRAINTS_new();
  X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints, 1, X509V3_ADD_REPLACE);
}

static void ended(X509 *certificate, const World *world G_GNUC_UNUSED) {
  g_autoptr(ASN1_TIME) end = ASN1_TIME_set(NULL, FIXTURE_NOW / 1000);
  X509_set1_notAfter(certificate, end);
}

static char *read_text(const World *world, const char *pem, GError **error) {
  g_autoptr(GBytes) octets = g_bytes_new(pem, strlen(pem));
  return alternate_chain_read(octets, world->issuing, FIXTURE_NOW, error);
}

static void test_taken(World *world, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) error = NULL;
  g_autofree char *first = cross(world, NULL);
  g_autofree char *both = g_strconcat(first, world->other->root_certificate, NULL);
  g_autofree char *noted =
      g_strconcat("a note\n", first, "\nanother\n", world->other->root_certificate, "end\n", NULL);
  g_autofree char *own =
      g_strconcat(world->own->issuing_certificate, world->own->root_certificate, NULL);
  const char *const good[][2] = {{first, first}, {both, both}, {noted, both}, {own, own}};
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    g_autofree char *text = read_text(world, good[i][0], &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, good[i][1]);
  }
}

static void assert_refused(const World *world, const char *pem, CaError code, const char *why) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = read_text(world, pem, &error);
  g_assert_null(text);
  g_assert_error(error, CA_ERROR, (gint)code);
  if (strstr(error->message, why) == NULL)
    g_error("expected \"%s\", got \"%s\"", why, error->message);
}

static void test_refused(World *world, gconstpointer data G_GNUC_UNUSED) {
  static const struct {
    Change change;
    const char *why;
  } changes[] = {{other_subject, "certificate 1: its subject is"},
                 {other_key, "certificate 1: its public key"},
                 {other_identifier, "certificate 1: its subjectKeyIdentifier"},
                 {no_ca, "certificate 1: it is not a certificate of a CA"},
                 {ended, "certificate 1: it has ended"}};
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autofree char *pem = cross(world, changes[i].change);
    assert_refused(world, pem, CA_ERROR_MISMATCH, changes[i].why);
  }
}

static void test_order(World *world, gconstpointer data G_GNUC_UNUSED) {
  g_autofree char *first = cross(world, NULL);
  g_autofree char *stranger = g_strconcat(first, world->own->root_certificate, NULL);
  g_autofree char *same_name =
      g_strconcat(world->own->issuing_certificate, world->other->root_certificate, NULL);
  g_autofree char *turned = g_strconcat(world->other->root_certificate, first, NULL);
  g_autoptr(GString) many = g_string_new(first);
  for (guint i = 0; i < ALTERNATE_CHAIN_MAX; i++)
    g_string_append(many, world->other->root_certificate);
  assert_refused(world, stranger, CA_ERROR_MISMATCH, "certificate 2: it did not issue");
  assert_refused(world, same_name, CA_ERROR_MISMATCH, "certificate 2: it did not issue");
  assert_refused(world, turned, CA_ERROR_MISMATCH, "certificate 1: its subject");
  assert_refused(world, many->str, CA_ERROR_FILE, "1 to 8");
  g_autofree char *damaged = g_strconcat(first, world->other->root_certificate, NULL);
  damaged[strlen(first) + 100] = '!';
  assert_refused(world, damaged, CA_ERROR_FILE, "1 to 8");
  assert_refused(world, "", CA_ERROR_FILE, "1 to 8");
  assert_refused(world, world->own->issuing_key, CA_ERROR_FILE, "1 to 8");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add("/alternate-chain/taken", World, NULL, world_begin, test_taken, world_end);
  g_test_add("/alternate-chain/refused", World, NULL, world_begin, test_refused, world_end);
  g_test_add("/alternate-chain/order", World, NULL, world_begin, test_order, world_end);
  return g_test_run();
}
