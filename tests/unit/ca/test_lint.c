/* SPDX-License-Identifier: Apache-2.0 */
/* One mutant for each thing that ca-rules 14 to 28 and the sections behind them forbid a
   subscriber's certificate: to-be-signed octets made from good ones by one change. The lint finds
   exactly the rule of that section, and nothing else but what the change breaks by nature. */
#include "ca/extension.h"
#include "ca/key.h"
#include "tests/unit/ca/mutants.h"

/* What a mutant is made from. */
typedef enum {
  EC,        /* P-256, signing and encryption, CN and one address */
  RSA_KEY,   /* the same with RSA */
  NAMELESS,  /* an address too long for a CN: empty subject */
  BY_P384,   /* as EC, of a P-384 CA */
  BY_RSA,    /* as EC, of an RSA CA */
  BY_STRICT, /* multipurpose, of a CA whose certificate names only strict */
  BASES
} Base;

typedef struct Mutant Mutant;
struct Mutant {
  const char *point; /* of ca-rules */
  const char *section;
  const char *rule;
  const char *what;
  Base base;
  void (*change)(X509 *x, const Mutant *mutant);
  int nid;
  int number;
  const char *text;
  const char *also; /* another rule that the change breaks by nature */
};

/* --- changes */

static Issuer *issuers[BASES];

static void drop(X509 *x, const Mutant *m) {
  mutant_drop(x, m->nid);
}
static void flip(X509 *x, const Mutant *m) {
  mutant_flip(x, m->nid);
}
static void value(X509 *x, const Mutant *m) {
  mutant_value(x, m->nid, m->text);
}
/* text: dotted OID; number: critical */
static void add(X509 *x, const Mutant *m) {
  g_autoptr(ASN1_OBJECT) type = OBJ_txt2obj(m->text, 1);
  mutant_add(x, type, m->number, "0500");
}
static void again(X509 *x, const Mutant *m) {
  X509_add_ext(x, X509_get_ext(x, X509_get_ext_by_NID(x, m->nid, -1)), -1);
}
/* text: as in a configuration of OpenSSL */
static void spell(X509 *x, const Mutant *m) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  g_autoptr(X509_EXTENSION) extension = X509V3_EXT_nconf_nid(NULL, &context, m->nid, m->text);
  g_assert_nonnull(extension);
  X509_EXTENSION *there = X509_get_ext(x, X509_get_ext_by_NID(x, m->nid, -1));
  X509_EXTENSION_set_data(there, X509_EXTENSION_get_data(extension));
}
/* alice@example.org, and then text as another GeneralName */
static void also_named(X509 *x, const Mutant *m) {
  g_autofree char *hex = g_strdup_printf("30%02x8111616c696365406578616d706c652e6f7267%s",
                                         (guint)(19 + strlen(m->text) / 2), m->text);
  mutant_value(x, NID_subject_alt_name, hex);
}
/* the CA's key identifier, and then text */
static void authority(X509 *x, const Mutant *m) {
  const ASN1_OCTET_STRING *key = X509_get0_authority_key_id(x);
  g_autofree char *hex = NULL;
  GString *digits = g_string_new(NULL);
  for (int i = 0; i < ASN1_STRING_length(key); i++)
    g_string_append_printf(digits, "%02x", ASN1_STRING_get0_data(key)[i]);
  hex = g_strdup_printf("30%02x8014%s%s", (guint)(22 + strlen(m->text) / 2), digits->str, m->text);
  g_string_free(digits, TRUE);
  mutant_value(x, NID_authority_key_identifier, hex);
}
static void version(X509 *x, const Mutant *m) {
  X509_set_version(x, m->number);
}
/* text: hexadecimal, big-endian; number: negative */
static void serial(X509 *x, const Mutant *m) {
  BIGNUM *read = NULL;
  BN_hex2bn(&read, m->text);
  g_autoptr(BIGNUM) wanted = read;
  BN_set_negative(wanted, m->number);
  g_autoptr(ASN1_INTEGER) integer = BN_to_ASN1_INTEGER(wanted, NULL);
  X509_set_serialNumber(x, integer);
}
/* number: of the string type */
static void from(X509 *x, const Mutant *m) {
  g_autoptr(ASN1_TIME) time = ASN1_STRING_type_new(m->number);
  ASN1_STRING_set(time, m->text, -1);
  X509_set1_notBefore(x, time);
}
static void until(X509 *x, const Mutant *m) {
  g_autoptr(ASN1_TIME) time = ASN1_STRING_type_new(m->number);
  ASN1_STRING_set(time, m->text, -1);
  X509_set1_notAfter(x, time);
}
static void attribute(X509 *x, const Mutant *m) {
  mutant_attribute(x, m->nid, m->number, m->text, 0);
}
static void joined(X509 *x, const Mutant *m) {
  mutant_attribute(x, m->nid, m->number, m->text, -1);
}
/* instead of the CN */
static void instead(X509 *x, const Mutant *m) {
  mutant_clear_subject(x);
  mutant_attribute(x, m->nid, m->number, m->text, 0);
}
static void nameless(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  mutant_clear_subject(x);
}
/* a CN of more than 64 characters that is in the subjectAltName */
static void long_cn(X509 *x, const Mutant *m) {
  mutant_clear_subject(x);
  g_autofree char *names = g_strconcat("email:", m->text, NULL);
  const Mutant named = {.nid = NID_subject_alt_name, .text = names};
  spell(x, &named);
  mutant_attribute(x, NID_commonName, V_ASN1_UTF8STRING, m->text, 0);
}
/* an emailAddress or a serialNumber of number characters */
static void long_attribute(X509 *x, const Mutant *m) {
  g_autofree char *text = g_strnfill((gsize)m->number, 'a');
  X509_NAME *subject = X509_get_subject_name(x);
  X509_NAME_ENTRY *entry =
      X509_NAME_ENTRY_create_by_NID(NULL, m->nid, V_ASN1_PRINTABLESTRING, (const guint8 *)"a", 1);
  X509_NAME_ENTRY_set_data(entry, V_ASN1_PRINTABLESTRING, (const guint8 *)text, m->number);
  X509_NAME_add_entry(subject, entry, -1, 0);
  X509_NAME_ENTRY_free(entry);
}

static void put_key(X509 *x, EVP_PKEY *key) {
  X509_set_pubkey(x, key);
  g_autoptr(GBytes) spki = fixture_spki(key);
  g_autoptr(GBytes) identifier = key_identifier(spki);
  g_autofree char *hex = g_malloc0(2 * 20 + 5);
  g_strlcpy(hex, "0414", 5);
  for (gsize i = 0; i < 20; i++)
    g_snprintf(hex + 4 + 2 * i, 3, "%02x", ((const guint8 *)g_bytes_get_data(identifier, NULL))[i]);
  mutant_value(x, NID_subject_key_identifier, hex);
  mutant_value(x, NID_key_usage, "03020780");
}
static void key(X509 *x, const Mutant *m) {
  g_autoptr(EVP_PKEY) fresh = fixture_key(m->text);
  put_key(x, fresh);
}
static void key_of_ca(X509 *x, const Mutant *m) {
  put_key(x, issuers[m->base]->key);
}
static void put_spki(X509 *x, GBytes *spki) {
  const guint8 *octets = g_bytes_get_data(spki, NULL);
  g_autoptr(EVP_PKEY) fresh = d2i_PUBKEY(NULL, &octets, (long)g_bytes_get_size(spki));
  put_key(x, fresh);
}
static void key_exponent(X509 *x, const Mutant *m) {
  g_autoptr(EVP_PKEY) fresh = fixture_key("RSA");
  BIGNUM *read = NULL;
  EVP_PKEY_get_bn_param(fresh, OSSL_PKEY_PARAM_RSA_N, &read);
  g_autoptr(BIGNUM) n = read;
  g_autoptr(GBytes) spki = fixture_rsa(n, (guint32)m->number);
  put_spki(x, spki);
}
static void key_close(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(BIGNUM) n = BN_new();
  fixture_close_primes(n, 100);
  g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
  put_spki(x, spki);
}
static void key_roca(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(GBytes) spki = fixture_roca();
  put_spki(x, spki);
}
/* number: a small factor of the modulus */
static void key_factor(X509 *x, const Mutant *m) {
  g_autoptr(BIGNUM) n = BN_new();
  do {
    BN_rand(n, 2048 - (int)g_bit_storage((gulong)m->number), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
    BN_mul_word(n, (BN_ULONG)m->number);
  } while (BN_num_bits(n) != 2048);
  g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
  put_spki(x, spki);
}
/* another AlgorithmIdentifier: text is the OID, number the type of its parameters */
static void spki_algorithm(X509 *x, const Mutant *m) {
  X509_PUBKEY *pubkey = X509_get_X509_PUBKEY(x);
  const guint8 *octets;
  int length;
  X509_PUBKEY_get0_param(NULL, &octets, &length, NULL, pubkey);
  X509_PUBKEY_set0_param(pubkey, OBJ_txt2obj(m->text, 1), m->number,
                         m->nid != 0 ? OBJ_nid2obj(m->nid) : NULL,
                         OPENSSL_memdup(octets, (size_t)length), length);
}
/* the point with both coordinates to x and a sign */
static void key_compressed(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(EVP_PKEY) fresh = EVP_PKEY_dup(X509_get0_pubkey(x));
  EVP_PKEY_set_utf8_string_param(fresh, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
  put_key(x, fresh);
}
static void key_explicit(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(EVP_PKEY) fresh = EVP_PKEY_dup(X509_get0_pubkey(x));
  EVP_PKEY_set_utf8_string_param(fresh, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
  put_key(x, fresh);
}
/* number: the type of the parameters */
static void signature(X509 *x, const Mutant *m) {
  X509_ALGOR *algorithm = (X509_ALGOR *)X509_get0_tbs_sigalg(x);
  X509_ALGOR_set0(algorithm, OBJ_nid2obj(m->nid), m->number, NULL);
}
static void issuer_name(X509 *x, const Mutant *m) {
  g_autoptr(X509_NAME) name = X509_NAME_new();
  X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING, (const guint8 *)m->text, -1,
                             -1, 0);
  X509_set_issuer_name(x, name);
}
/* The same name in another string type: equal by RFC 5280 section 7.1, not octet for octet. */
static void issuer_type(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(X509_NAME) name = X509_NAME_new();
  const X509_NAME *old = X509_get_issuer_name(x);
  for (int i = 0; i < X509_NAME_entry_count(old); i++) {
    X509_NAME_ENTRY *entry = X509_NAME_ENTRY_dup(X509_NAME_get_entry(old, i));
    g_autofree char *text =
        g_strdup((const char *)ASN1_STRING_get0_data(X509_NAME_ENTRY_get_data(entry)));
    X509_NAME_ENTRY_set_data(entry, V_ASN1_PRINTABLESTRING, (const guint8 *)text, -1);
    X509_NAME_add_entry(name, entry, -1, 0);
    X509_NAME_ENTRY_free(entry);
  }
  X509_set_issuer_name(x, name);
}
static void issuer_order(X509 *x, const Mutant *m G_GNUC_UNUSED) {
  g_autoptr(X509_NAME) name = X509_NAME_new();
  const X509_NAME *old = X509_get_issuer_name(x);
  for (int i = X509_NAME_entry_count(old) - 1; i >= 0; i--)
    X509_NAME_add_entry(name, X509_NAME_get_entry(old, i), -1, 0);
  X509_set_issuer_name(x, name);
}

/* --- the table */

#define UTC V_ASN1_UTCTIME
#define GENERALIZED V_ASN1_GENERALIZEDTIME
#define UTF8 V_ASN1_UTF8STRING
#define PRINTABLE V_ASN1_PRINTABLESTRING
#define IA5 V_ASN1_IA5STRING
#define AKI NID_authority_key_identifier
#define SKI NID_subject_key_identifier
#define KU NID_key_usage
#define EKU NID_ext_key_usage
#define SAN NID_subject_alt_name
#define BC NID_basic_constraints
#define CDP NID_crl_distribution_points
#define AIA NID_info_access
#define CP NID_certificate_policies
#define BR "S/MIME BR "

/* clang-format off */
static const Mutant mutants[] = {
    {"19", BR "7.1.1", "version", "X.509 v1", EC, version, 0, 0, NULL, NULL},
    {"19", BR "7.1.1", "version", "X.509 v2", EC, version, 0, 1, NULL, NULL},
    {"19", BR "7.1.1", "version", "a version that does not exist", EC, version, 0, 3, NULL, NULL},
    {"19", BR "7.1", "serial", "serial 0", EC, serial, 0, 0, "00", NULL},
    {"19", BR "7.1", "serial", "negative serial", EC, serial, 0, 1, "0123456789abcdef0123456789abcdef01", NULL},
    {"19", BR "7.1", "serial", "serial of 64 bit", EC, serial, 0, 0, "0123456789abcdef", NULL},
    {"19", BR "7.1", "serial", "serial of 128 bit with nothing before them", EC, serial, 0, 0, "ffffffffffffffffffffffffffffffff", NULL},
    {"19", BR "7.1", "serial", "serial of 2^159", EC, serial, 0, 0, "8000000000000000000000000000000000000000", NULL},
    {"19", BR "7.1", "serial", "serial of 21 octets", EC, serial, 0, 0, "010000000000000000000000000000000000000000", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notBefore as GeneralizedTime before 2050", EC, from, 0, GENERALIZED, "20260301000000Z", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notBefore without seconds", EC, from, 0, UTC, "2603010000Z", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notBefore with an offset", EC, from, 0, UTC, "260301000000+0000", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notBefore with a fraction", EC, from, 0, GENERALIZED, "20260301000000.5Z", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notAfter as GeneralizedTime before 2050", EC, until, 0, GENERALIZED, "20270228235959Z", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notAfter without seconds", EC, until, 0, UTC, "2702282359Z", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notAfter with an offset", EC, until, 0, UTC, "270228235959+0000", NULL},
    {"20", "RFC 5280 4.1.2.5", "time-form", "notAfter with a fraction", EC, until, 0, GENERALIZED, "20270228235959.5Z", NULL},
    {"20", BR "6.3.2", "validity", "a second longer than 825 days", EC, until, 0, UTC, "280603000000Z", NULL},
    {"20", BR "6.3.2", "validity", "826 days", EC, until, 0, UTC, "280603235959Z", NULL},
    {"20", BR "6.3.2", "validity", "1185 days, as legacy once had", EC, until, 0, UTC, "290528235959Z", NULL},
    {"20", BR "6.3.2", "validity", "ten years less a day", EC, until, 0, UTC, "360228000000Z", NULL},
    {"20", BR "6.3.2", "validity", "it ends before it begins", EC, until, 0, UTC, "260228235959Z", NULL},
    {"20", BR "6.3.2", "validity-issuer", "it begins a second before the issuer", EC, from, 0, UTC, "260228235959Z", NULL},
    {"20", BR "6.3.2", "validity-issuer", "it ends after the issuer", EC, until, 0, UTC, "360301000000Z", "validity"},
    {"20", BR "6.3.2", "validity-issuer", "it never ends", EC, until, 0, GENERALIZED, "99991231235959Z", "validity"},
    {"21", BR "7.1.2.3 a", "policies", "no certificatePolicies", EC, drop, CP, 0, NULL, NULL},
    {"21", BR "7.1.2.3 a", "policies", "critical certificatePolicies", EC, flip, CP, 0, NULL, NULL},
    {"21", BR "7.1.2.3 a", "policies", "certificatePolicies without a policy", EC, value, CP, 0, "3000", NULL},
    {"21", BR "7.1.2.3 a", "policies", "certificatePolicies that is not DER", EC, value, CP, 0, "30033001", NULL},
    {"21", BR "7.1.2.3 a", "policies", "strict and multipurpose", EC, value, CP, 0, "30163009060767810c010501033009060767810c01050102", NULL},
    {"21", BR "7.1.2.3 a", "policies", "strict twice", EC, value, CP, 0, "30163009060767810c010501033009060767810c01050103", NULL},
    {"21", BR "7.1.2.3 a", "policies", "strict and a policy of its own", EC, value, CP, 0, "30153009060767810c01050103300806062b0601040163", NULL},
    {"21", BR "7.1.2.3 a", "policies", "mailbox-validated legacy", EC, value, CP, 0, "300b3009060767810c01050101", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "organization-validated legacy", EC, value, CP, 0, "300b3009060767810c01050201", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "organization-validated multipurpose", EC, value, CP, 0, "300b3009060767810c01050202", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "organization-validated strict", EC, value, CP, 0, "300b3009060767810c01050203", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "sponsor-validated legacy", EC, value, CP, 0, "300b3009060767810c01050301", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "sponsor-validated multipurpose", EC, value, CP, 0, "300b3009060767810c01050302", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "sponsor-validated strict", EC, value, CP, 0, "300b3009060767810c01050303", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "individual-validated legacy", EC, value, CP, 0, "300b3009060767810c01050401", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "individual-validated multipurpose", EC, value, CP, 0, "300b3009060767810c01050402", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "individual-validated strict", EC, value, CP, 0, "300b3009060767810c01050403", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "anyPolicy", EC, value, CP, 0, "300830060604551d2000", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policies", "the web PKI's domain-validated", EC, value, CP, 0, "300a3008060667810c010201", "policy-issuer"},
    {"21", BR "7.1.2.3 a", "policy-qualifiers", "a CPS qualifier", EC, value, CP, 0, "30233021060767810c010501033016301406082b060105050702011608687474703a2f2f61", NULL},
    {"21", BR "7.1.2.3 a", "policy-qualifiers", "a user notice", EC, value, CP, 0, "301e301c060767810c010501033011300f06082b0601050507020230030c0178", NULL},
    {"21", BR "7.1.6.3", "policy-issuer", "a policy that the CA's certificate does not name", BY_STRICT, version, 0, 2, NULL, NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "no cRLDistributionPoints", EC, drop, CDP, 0, NULL, NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "critical cRLDistributionPoints", EC, flip, CDP, 0, NULL, NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "cRLDistributionPoints without a point", EC, value, CDP, 0, "3000", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a point without a name", EC, value, CDP, 0, "30023000", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a name relative to the issuer", EC, value, CDP, 0, "3010300ea00ca10a300806035504030c0178", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "two names of one point", EC, value, CDP, 0, "301a3018a016a0148608687474703a2f2f618608687474703a2f2f62", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a point for some reasons", EC, value, CDP, 0, "30143012a00ca00a8608687474703a2f2f6181020640", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a point with a cRLIssuer", EC, value, CDP, 0, "301c301aa00ca00a8608687474703a2f2f61a20a8608687474703a2f2f62", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "an https URL", EC, spell, CDP, 0, "URI:https://pki.example.org/1.crl", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "an ldap URL", EC, spell, CDP, 0, "URI:ldap://pki.example.org/1", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "an ftp URL", EC, spell, CDP, 0, "URI:ftp://pki.example.org/1.crl", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a file URL", EC, spell, CDP, 0, "URI:file:///1.crl", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a URL with a blank", EC, spell, CDP, 0, "URI:http://pki.example.org/a b", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a URL without a host", EC, spell, CDP, 0, "URI:http://", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "two points", EC, spell, CDP, 0, "URI:http://a.example/1.crl,URI:http://b.example/1.crl", NULL},
    {"22", BR "7.1.2.3 b", "crl-distribution-points", "a dNSName as a point", EC, spell, CDP, 0, "DNS:pki.example.org", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "no authorityInfoAccess", EC, drop, AIA, 0, NULL, NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "critical authorityInfoAccess", EC, flip, AIA, 0, NULL, NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "authorityInfoAccess without an entry", EC, value, AIA, 0, "3000", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "caIssuers by https", EC, spell, AIA, 0, "caIssuers;URI:https://pki.example.org/i.der", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "caIssuers by ldap", EC, spell, AIA, 0, "caIssuers;URI:ldap://pki.example.org/i", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "caIssuers as a dNSName", EC, spell, AIA, 0, "caIssuers;DNS:pki.example.org", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "caIssuers as an address", EC, spell, AIA, 0, "caIssuers;email:a@example.org", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "OCSP alone", EC, spell, AIA, 0, "OCSP;URI:http://ocsp.example.org/", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "OCSP beside caIssuers", EC, spell, AIA, 0, "caIssuers;URI:http://pki.example.org/i.der,OCSP;URI:http://ocsp.example.org/", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "OCSP by https", EC, spell, AIA, 0, "OCSP;URI:https://ocsp.example.org/", NULL},
    {"22", BR "7.1.2.3 c", "authority-information-access", "caRepository", EC, spell, AIA, 0, "1.3.6.1.5.5.7.48.5;URI:http://pki.example.org/", NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "CA:TRUE", EC, value, BC, 0, "30030101ff", NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "CA:TRUE with pathLen", EC, value, BC, 0, "30060101ff020100", NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "pathLen without CA", EC, value, BC, 0, "3003020100", NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "critical basicConstraints", EC, flip, BC, 0, NULL, NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "FALSE written out", EC, value, BC, 0, "3003010100", NULL},
    {"23", BR "7.1.2.3 d", "basic-constraints", "octets after the value", EC, value, BC, 0, "30000500", NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "no authorityKeyIdentifier", EC, drop, AKI, 0, NULL, NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "critical authorityKeyIdentifier", EC, flip, AKI, 0, NULL, NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "authorityKeyIdentifier without keyIdentifier", EC, value, AKI, 0, "3000", NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "the keyIdentifier of another key", EC, value, AKI, 0, "3003800178", NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "authorityCertSerialNumber", EC, authority, 0, 0, "820105", NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "authorityCertIssuer", EC, authority, 0, 0, "a104a4023000", NULL},
    {"23", BR "7.1.2.3 g", "authority-key-identifier", "authorityCertIssuer and authorityCertSerialNumber", EC, authority, 0, 0, "a104a4023000820105", NULL},
    {"23", BR "7.1.2.3 n", "subject-key-identifier", "no subjectKeyIdentifier", EC, drop, SKI, 0, NULL, NULL},
    {"23", BR "7.1.2.3 n", "subject-key-identifier", "critical subjectKeyIdentifier", EC, flip, SKI, 0, NULL, NULL},
    {"23", BR "7.1.2.3 n", "subject-key-identifier", "the identifier of another key", EC, value, SKI, 0, "040178", NULL},
    {"23", BR "7.1.2.3 n", "subject-key-identifier", "subjectKeyIdentifier that is no OCTET STRING", EC, value, SKI, 0, "0c0178", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "no keyUsage", EC, drop, KU, 0, NULL, NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "keyUsage not critical", EC, flip, KU, 0, NULL, NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "nonRepudiation alone", EC, value, KU, 0, "03020640", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: nonRepudiation with keyAgreement alone", EC, value, KU, 0, "03020348", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: keyEncipherment alone", EC, value, KU, 0, "03020520", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: keyEncipherment", EC, value, KU, 0, "030205a0", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: dataEncipherment", EC, value, KU, 0, "03020490", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: keyCertSign", EC, value, KU, 0, "03020284", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: cRLSign", EC, value, KU, 0, "03020182", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: encipherOnly", EC, value, KU, 0, "03020089", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: decipherOnly", EC, value, KU, 0, "0303078880", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: encipherOnly without keyAgreement", EC, value, KU, 0, "03020001", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: a bit that has no name", EC, value, KU, 0, "0303068840", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "EC: a bit that has no name, far behind", EC, value, KU, 0, "030700880000000001", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: keyAgreement", RSA_KEY, value, KU, 0, "03020388", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: keyAgreement alone", RSA_KEY, value, KU, 0, "03020308", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: dataEncipherment", RSA_KEY, value, KU, 0, "030204b0", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: keyCertSign", RSA_KEY, value, KU, 0, "030202a4", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: cRLSign", RSA_KEY, value, KU, 0, "030201a2", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: encipherOnly", RSA_KEY, value, KU, 0, "030200a1", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: decipherOnly", RSA_KEY, value, KU, 0, "030307a080", NULL},
    {"24", BR "7.1.2.3 e", "key-usage", "RSA: nonRepudiation without digitalSignature", RSA_KEY, value, KU, 0, "03020560", NULL},
    {"24", "RFC 5280 4.2.1.3", "key-usage-form", "no bit", EC, value, KU, 0, "030100", "key-usage"},
    {"24", "RFC 5280 4.2.1.3", "key-usage-form", "zero bits at the end", EC, value, KU, 0, "03020088", NULL},
    {"24", "RFC 5280 4.2.1.3", "key-usage-form", "a zero octet at the end", EC, value, KU, 0, "0303078800", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "no extKeyUsage", EC, drop, EKU, 0, NULL, NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "critical extKeyUsage", EC, flip, EKU, 0, NULL, NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "extKeyUsage without a purpose", EC, value, EKU, 0, "3000", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "serverAuth beside emailProtection", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070301", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "clientAuth beside emailProtection", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070302", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "codeSigning beside emailProtection", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070303", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "timeStamping beside emailProtection", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070308", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "OCSPSigning beside emailProtection", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070309", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "anyExtendedKeyUsage beside emailProtection", EC, value, EKU, 0, "301006082b060105050703040604551d2500", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "clientAuth alone", EC, value, EKU, 0, "300a06082b06010505070302", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "anyExtendedKeyUsage alone", EC, value, EKU, 0, "30060604551d2500", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "emailProtection twice", EC, value, EKU, 0, "301406082b0601050507030406082b06010505070304", NULL},
    {"25", BR "7.1.2.3 f", "extended-key-usage", "a length in more octets than needed", EC, value, EKU, 0, "30810a06082b06010505070304", NULL},
    {"26", BR "7.1.4.2.1", "names", "no subjectAltName", EC, drop, SAN, 0, NULL, "subject-mailbox"},
    {"26", BR "7.1.4.2.1", "names", "subjectAltName without a name", EC, value, SAN, 0, "3000", "subject-mailbox"},
    {"26", BR "7.1.4.2.1", "names", "a dNSName", EC, spell, SAN, 0, "email:alice@example.org,DNS:example.org", NULL},
    {"26", BR "7.1.4.2.1", "names", "a URI", EC, spell, SAN, 0, "email:alice@example.org,URI:mailto:a@b.example", NULL},
    {"26", BR "7.1.4.2.1", "names", "an iPAddress", EC, spell, SAN, 0, "email:alice@example.org,IP:192.0.2.1", NULL},
    {"26", BR "7.1.4.2.1", "names", "a registeredID", EC, spell, SAN, 0, "email:alice@example.org,RID:1.2.3.4", NULL},
    {"26", BR "7.1.4.2.1", "names", "a user principal name", EC, spell, SAN, 0, "email:alice@example.org,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@b.example", NULL},
    {"26", BR "7.1.4.2.1", "names", "an XmppAddr", EC, spell, SAN, 0, "email:alice@example.org,otherName:1.3.6.1.5.5.7.8.5;UTF8:a@b.example", NULL},
    {"26", BR "7.1.4.2.1", "names", "a SmtpUTF8Mailbox that is no UTF8String", EC, spell, SAN, 0, "email:alice@example.org,otherName:1.3.6.1.5.5.7.8.9;IA5:b@example.org", NULL},
    {"26", BR "7.1.4.2.1", "names", "a SmtpUTF8Mailbox with an ASCII local part", EC, spell, SAN, 0, "email:alice@example.org,otherName:1.3.6.1.5.5.7.8.9;UTF8:b@example.org", NULL},
    {"26", BR "7.1.4.2.1", "names", "the same address twice", EC, spell, SAN, 0, "email:alice@example.org,email:alice@example.org", NULL},
    {"26", BR "7.1.4.2.1", "names", "a directoryName", EC, also_named, 0, 0, "a4023000", NULL},
    {"26", BR "7.1.4.2.1", "names", "an x400Address", EC, also_named, 0, 0, "a300", NULL},
    {"26", BR "7.1.4.2.1", "names", "an ediPartyName", EC, also_named, 0, 0, "a505a1030c0178", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name beyond ASCII", EC, also_named, 0, 0, "8108c3a940612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with a U-label", EC, also_named, 0, 0, "8111624062c3bc636865722e6578616d706c65", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with a NUL", EC, also_named, 0, 0, "8108620040612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name in angle brackets", EC, also_named, 0, 0, "81093c6240612e6f72673e", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with a display name", EC, also_named, 0, 0, "810b42203c6240612e6f72673e", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name as a URI", EC, also_named, 0, 0, "810e6d61696c746f3a6240612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name without a domain", EC, also_named, 0, 0, "810162", NULL},
    {"26", BR "7.1.4.2.1", "names", "an empty rfc822Name", EC, also_named, 0, 0, "8100", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with an empty domain", EC, also_named, 0, 0, "81026240", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with two @", EC, also_named, 0, 0, "810962406340612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with an empty label", EC, also_named, 0, 0, "81086240612e2e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with a dot at its end", EC, also_named, 0, 0, "81086240612e6f72672e", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name whose domain begins with a hyphen", EC, also_named, 0, 0, "810862402d612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "an rfc822Name with a line end", EC, also_named, 0, 0, "8108620a40612e6f7267", NULL},
    {"26", BR "7.1.4.2.1", "names", "a SmtpUTF8Mailbox that is not in normalization form C", EC, also_named, 0, 0, "a01d06082b06010505070809a0110c0f65cc81406578616d706c652e6f7267", NULL},
    {"26", "RFC 9598 3", "names-form", "a SmtpUTF8Mailbox with a U-label", EC, also_named, 0, 0, "a02006082b06010505070809a0140c12d0b64062c3bc636865722e6578616d706c65", NULL},
    {"26", "RFC 9598 3", "names-form", "a SmtpUTF8Mailbox with capitals in its domain", EC, also_named, 0, 0, "a01c06082b06010505070809a0100c0ed0b6404558414d504c452e6f7267", NULL},
    {"26", "RFC 9598 3", "names-form", "an rfc822Name with capitals in its domain", EC, also_named, 0, 0, "810d62404558414d504c452e6f7267", NULL},
    {"26", BR "7.1.2.3 h", "names-critical", "critical subjectAltName beside a subject", EC, flip, SAN, 0, NULL, NULL},
    {"26", BR "7.1.2.3 h", "names-critical", "subjectAltName not critical beside an empty subject", NAMELESS, flip, SAN, 0, NULL, NULL},
    {"26", BR "7.1.2.3 h", "names-critical", "the subject taken away", EC, nameless, 0, 0, NULL, NULL},
    {"27", BR "7.1.4.2.3", "subject", "organizationName", EC, attribute, NID_organizationName, UTF8, "Example", NULL},
    {"27", BR "7.1.4.2.3", "subject", "organizationalUnitName", EC, attribute, NID_organizationalUnitName, UTF8, "Mail", NULL},
    {"27", BR "7.1.4.2.3", "subject", "organizationIdentifier", EC, attribute, NID_organizationIdentifier, UTF8, "NTRGB-12345678", NULL},
    {"27", BR "7.1.4.2.3", "subject", "givenName", EC, attribute, NID_givenName, UTF8, "Alice", NULL},
    {"27", BR "7.1.4.2.3", "subject", "surname", EC, attribute, NID_surname, UTF8, "Archer", NULL},
    {"27", BR "7.1.4.2.3", "subject", "pseudonym", EC, attribute, NID_pseudonym, UTF8, "Fox", NULL},
    {"27", BR "7.1.4.2.3", "subject", "title", EC, attribute, NID_title, UTF8, "Dr", NULL},
    {"27", BR "7.1.4.2.3", "subject", "streetAddress", EC, attribute, NID_streetAddress, UTF8, "Main Street", NULL},
    {"27", BR "7.1.4.2.3", "subject", "localityName", EC, attribute, NID_localityName, UTF8, "Oslo", NULL},
    {"27", BR "7.1.4.2.3", "subject", "stateOrProvinceName", EC, attribute, NID_stateOrProvinceName, UTF8, "Oslo", NULL},
    {"27", BR "7.1.4.2.3", "subject", "postalCode", EC, attribute, NID_postalCode, UTF8, "0150", NULL},
    {"27", BR "7.1.4.2.3", "subject", "countryName", EC, attribute, NID_countryName, PRINTABLE, "NO", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: domainComponent", EC, attribute, NID_domainComponent, IA5, "example", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: userId", EC, attribute, NID_userId, UTF8, "alice", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: initials", EC, attribute, NID_initials, UTF8, "AA", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: description", EC, attribute, NID_description, UTF8, "mail", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: dnQualifier", EC, attribute, NID_dnQualifier, PRINTABLE, "1", NULL},
    {"27", BR "7.1.4.2.3", "subject", "another attribute: businessCategory", EC, attribute, NID_businessCategory, UTF8, "x", NULL},
    {"27", BR "7.1.4.2.3", "subject", "commonName twice", EC, attribute, NID_commonName, UTF8, "alice@example.org", NULL},
    {"27", BR "7.1.4.2.3", "subject", "an RDN of two attributes", EC, joined, NID_pkcs9_emailAddress, IA5, "alice@example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "a CN that is not certified", EC, instead, NID_commonName, UTF8, "bob@example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "a CN that is a name", EC, instead, NID_commonName, UTF8, "Alice", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "a CN that is a domain", EC, instead, NID_commonName, UTF8, "example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "a CN in another case", EC, instead, NID_commonName, UTF8, "Alice@example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "a CN that is a URI", EC, instead, NID_commonName, UTF8, "mailto:alice@example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "an emailAddress that is not certified", EC, attribute, NID_pkcs9_emailAddress, IA5, "bob@example.org", NULL},
    {"27", BR "7.1.4.2.2", "subject-mailbox", "an emailAddress of two", EC, attribute, NID_pkcs9_emailAddress, IA5, "alice@example.org, bob@example.org", NULL},
    {"27", BR "7.1.4.2", "subject-meaning", "a CN of \".\"", EC, instead, NID_commonName, UTF8, ".", "subject-mailbox"},
    {"27", BR "7.1.4.2", "subject-meaning", "a CN of \"-\"", EC, instead, NID_commonName, UTF8, "-", "subject-mailbox"},
    {"27", BR "7.1.4.2", "subject-meaning", "a CN of \" \"", EC, instead, NID_commonName, UTF8, " ", "subject-mailbox"},
    {"27", BR "7.1.4.2", "subject-meaning", "a CN of \".-\"", EC, instead, NID_commonName, UTF8, ".-", "subject-mailbox"},
    {"27", BR "7.1.4.2", "subject-meaning", "a serialNumber of \"-\"", EC, attribute, NID_serialNumber, PRINTABLE, "-", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a CN as TeletexString", EC, instead, NID_commonName, V_ASN1_T61STRING, "alice@example.org", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a CN as IA5String", EC, instead, NID_commonName, IA5, "alice@example.org", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "an emailAddress as UTF8String", EC, attribute, NID_pkcs9_emailAddress, UTF8, "alice@example.org", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a serialNumber as UTF8String", EC, attribute, NID_serialNumber, UTF8, "A-1", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a serialNumber with characters that no PrintableString has", EC, attribute, NID_serialNumber, PRINTABLE, "a@b_c*", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a CN of more than 64 characters", EC, long_cn, 0, 0, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff@example.org", NULL},
    {"27", "RFC 5280 A.1", "subject-form", "a serialNumber of 65 characters", EC, long_attribute, NID_serialNumber, 65, NULL, NULL},
    {"27", BR "7.1.2.4", "extension-set", "issuerAltName", EC, add, 0, 0, "2.5.29.18", NULL},
    {"27", BR "7.1.2.4", "extension-set", "subjectDirectoryAttributes", EC, add, 0, 0, "2.5.29.9", NULL},
    {"27", BR "7.1.2.4", "extension-set", "nameConstraints", EC, add, 0, 0, "2.5.29.30", NULL},
    {"27", BR "7.1.2.4", "extension-set", "policyMappings", EC, add, 0, 0, "2.5.29.33", NULL},
    {"27", BR "7.1.2.4", "extension-set", "policyConstraints", EC, add, 0, 0, "2.5.29.36", NULL},
    {"27", BR "7.1.2.4", "extension-set", "inhibitAnyPolicy", EC, add, 0, 0, "2.5.29.54", NULL},
    {"27", BR "7.1.2.4", "extension-set", "freshestCRL", EC, add, 0, 0, "2.5.29.46", NULL},
    {"27", BR "7.1.2.4", "extension-set", "privateKeyUsagePeriod", EC, add, 0, 0, "2.5.29.16", NULL},
    {"27", BR "7.1.2.4", "extension-set", "subjectInfoAccess", EC, add, 0, 0, "1.3.6.1.5.5.7.1.11", NULL},
    {"27", BR "7.1.2.4", "extension-set", "qcStatements", EC, add, 0, 0, "1.3.6.1.5.5.7.1.3", NULL},
    {"27", BR "7.1.2.4", "extension-set", "smimeCapabilities", EC, add, 0, 0, "1.2.840.113549.1.9.15", NULL},
    {"27", BR "7.1.2.4", "extension-set", "a Legal Entity Identifier", EC, add, 0, 0, "1.3.6.1.4.1.52266.1", NULL},
    {"27", BR "7.1.2.4", "extension-set", "the role of a Legal Entity Identifier", EC, add, 0, 0, "1.3.6.1.4.1.52266.2", NULL},
    {"27", BR "7.1.2.4", "extension-set", "the Adobe time-stamp extension", EC, add, 0, 0, "1.2.840.113583.1.1.9.1", NULL},
    {"27", BR "7.1.2.4", "extension-set", "the Adobe ArchiveRevInfo extension", EC, add, 0, 0, "1.2.840.113583.1.1.9.2", NULL},
    {"27", BR "7.1.2.4", "extension-set", "netscape-cert-type", EC, add, 0, 0, "2.16.840.1.113730.1.1", NULL},
    {"27", BR "7.1.2.4", "extension-set", "a Microsoft certificate template", EC, add, 0, 0, "1.3.6.1.4.1.311.21.7", NULL},
    {"27", BR "7.1.2.4", "extension-set", "the poison of Certificate Transparency", EC, add, 0, 0, "1.3.6.1.4.1.11129.2.4.3", NULL},
    {"27", BR "7.1.2.4", "extension-set", "id-pkix-ocsp-nocheck", EC, add, 0, 0, "1.3.6.1.5.5.7.48.1.5", NULL},
    {"27", BR "7.1.2.4", "extension-set", "a TLS feature", EC, add, 0, 0, "1.3.6.1.5.5.7.1.24", NULL},
    {"27", BR "7.1.2.4", "extension-set", "an unknown critical extension", EC, add, 0, 1, "1.3.6.1.4.1.99999.1", NULL},
    {"27", "RFC 5280 4.2", "extension-once", "EKU twice", EC, again, EKU, 0, NULL, NULL},
    {"27", "RFC 5280 4.2", "extension-once", "KU twice", EC, again, KU, 0, NULL, NULL},
    {"27", "RFC 5280 4.2", "extension-once", "SAN twice", EC, again, SAN, 0, NULL, NULL},
    {"27", "RFC 5280 4.2", "extension-once", "CP twice", EC, again, CP, 0, NULL, NULL},
    {"27", "RFC 5280 4.2", "extension-once", "BC twice", EC, again, BC, 0, NULL, NULL},
    {"27", "RFC 5280 4.2", "extension-once", "AKI twice", EC, again, AKI, 0, NULL, NULL},
    {"14", BR "7.1.3.1", "public-key", "RSA of 1024 bit", EC, key, 0, 0, "RSA-1024", NULL},
    {"14", BR "7.1.3.1", "public-key", "RSA of 2052 bit", EC, key, 0, 0, "RSA-2052", NULL},
    {"14", BR "7.1.3.1", "public-key", "exponent 3", EC, key_exponent, 0, 3, NULL, NULL},
    {"14", BR "7.1.3.1", "public-key", "an even exponent", EC, key_exponent, 0, 65536, NULL, NULL},
    {"14", BR "7.1.3.1", "public-key", "a modulus that 3 divides", EC, key_factor, 0, 3, NULL, NULL},
    {"14", BR "7.1.3.1", "public-key", "a modulus that 251 divides", EC, key_factor, 0, 251, NULL, NULL},
    {"14", BR "7.1.3.1", "public-key", "P-521", EC, key, 0, 0, "P-521", NULL},
    {"14", BR "7.1.3.1", "public-key", "P-224", EC, key, 0, 0, "P-224", NULL},
    {"14", BR "7.1.3.1", "public-key", "secp256k1", EC, key, 0, 0, "secp256k1", NULL},
    {"14", BR "7.1.3.1", "public-key", "Ed25519", EC, key, 0, 0, "ED25519", NULL},
    {"14", BR "7.1.3.1", "public-key", "Ed448", EC, key, 0, 0, "ED448", NULL},
    {"15", BR "7.1.3.1", "public-key", "close primes", EC, key_close, 0, 0, NULL, NULL},
    {"15", BR "7.1.3.1", "public-key", "ROCA", EC, key_roca, 0, 0, NULL, NULL},
    {"15", "ca-rules 15", "own-key", "the CA's own key", EC, key_of_ca, 0, 0, NULL, NULL},
    {"16", BR "7.1.3.1", "public-key", "a point in compressed form", EC, key_compressed, 0, 0, NULL, NULL},
    {"16", BR "7.1.3.1", "public-key", "a curve written out", EC, key_explicit, 0, 0, NULL, NULL},
    {"16", BR "7.1.3.1", "public-key", "EC with another curve named", EC, spki_algorithm, NID_secp384r1, V_ASN1_OBJECT, "1.2.840.10045.2.1", NULL},
    {"16", BR "7.1.3.1", "public-key", "EC without a curve", EC, spki_algorithm, 0, V_ASN1_UNDEF, "1.2.840.10045.2.1", NULL},
    {"16", BR "7.1.3.1", "public-key", "id-ecDH", EC, spki_algorithm, NID_X9_62_prime256v1, V_ASN1_OBJECT, "1.3.132.1.12", NULL},
    {"16", BR "7.1.3.1", "public-key", "an RSA key without NULL", RSA_KEY, spki_algorithm, 0, V_ASN1_UNDEF, "1.2.840.113549.1.1.1", NULL},
    {"16", BR "7.1.3.1", "public-key", "id-RSASSA-PSS", RSA_KEY, spki_algorithm, 0, V_ASN1_UNDEF, "1.2.840.113549.1.1.10", NULL},
    {"16", BR "7.1.3.1", "public-key", "id-RSAES-OAEP", RSA_KEY, spki_algorithm, 0, V_ASN1_UNDEF, "1.2.840.113549.1.1.7", NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with SHA-384", EC, signature, NID_ecdsa_with_SHA384, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with SHA-512", EC, signature, NID_ecdsa_with_SHA512, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with SHA-224", EC, signature, NID_ecdsa_with_SHA224, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with SHA-1", EC, signature, NID_ecdsa_with_SHA1, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with parameters", EC, signature, NID_ecdsa_with_SHA256, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with an algorithm of RSA", EC, signature, NID_sha256WithRSAEncryption, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-256 with Ed25519", EC, signature, NID_ED25519, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-384 with SHA-256", BY_P384, signature, NID_ecdsa_with_SHA256, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-384 with SHA-1", BY_P384, signature, NID_ecdsa_with_SHA1, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "P-384 with parameters", BY_P384, signature, NID_ecdsa_with_SHA384, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSA with SHA-1", BY_RSA, signature, NID_sha1WithRSAEncryption, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSA with MD5", BY_RSA, signature, NID_md5WithRSAEncryption, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSA with SHA-224", BY_RSA, signature, NID_sha224WithRSAEncryption, V_ASN1_NULL, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSA without NULL", BY_RSA, signature, NID_sha256WithRSAEncryption, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSASSA-PSS without parameters", BY_RSA, signature, NID_rsassaPss, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.3.2", "signature-algorithm", "RSA with an algorithm of ECDSA", BY_RSA, signature, NID_ecdsa_with_SHA256, V_ASN1_UNDEF, NULL, NULL},
    {"28", BR "7.1.4.1", "issuer-name", "another issuer", EC, issuer_name, 0, 0, "X", NULL},
    {"28", BR "7.1.4.1", "issuer-name", "the issuer in another string type", EC, issuer_type, 0, 0, NULL, NULL},
    {"28", BR "7.1.4.1", "issuer-name", "the issuer in another order", EC, issuer_order, 0, 0, NULL, NULL},
};
/* clang-format on */

/* A copy of issuer's certificate with another key. */
static Issuer *rekeyed(const Issuer *issuer, EVP_PKEY *fresh) {
  Issuer *made = g_new0(Issuer, 1);
  made->certificate = X509_dup(issuer->certificate);
  X509_set_pubkey(made->certificate, fresh);
  made->key = fresh;
  return made;
}

static GBytes *build_for(const Issuer *issuer, Base base) {
  static const char *const longer[] = {
      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff@example.org", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) fresh = fixture_key(base == RSA_KEY ? "RSA" : "P-256");
  g_autoptr(GBytes) spki = fixture_spki(fresh);
  g_autoptr(GBytes) number = fixture_serial(9);
  CertificateFields fields = fixture_fields(number, spki);
  if (base == NAMELESS)
    fields.names = longer;
  if (base == BY_STRICT)
    fields.profile = PROFILE_MULTIPURPOSE;
  GBytes *tbs = certificate_build(issuer, &fields, &error);
  g_assert_no_error(error);
  return tbs;
}

static GBytes *build(Base base) {
  return build_for(issuers[base], base);
}

static void make_issuers(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  for (guint base = 0; base < BASES; base++)
    issuers[base] = rekeyed(issuer, EVP_PKEY_dup(issuer->key));
  issuer_free(issuers[BY_P384]);
  issuers[BY_P384] = rekeyed(issuer, fixture_key("P-384"));
  issuer_free(issuers[BY_RSA]);
  issuers[BY_RSA] = rekeyed(issuer, fixture_key("RSA"));
  mutant_value(issuers[BY_STRICT]->certificate, CP, "300b3009060767810c01050103");
}

/* What the table's mutants are made from has no finding, but for the one that has to. */
static void test_good(void) {
  for (guint base = 0; base < BASES; base++) {
    g_autoptr(GBytes) tbs = build((Base)base);
    g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuers[base]);
    g_autofree char *summary = lint_summary(findings);
    if (base != BY_STRICT)
      g_assert_cmpstr(summary, ==, "");
  }
}

static void run_mutant(const Mutant *mutant, GBytes *tbs, GHashTable *fired) {
  g_autoptr(X509) certificate = mutant_certificate(tbs);
  mutant->change(certificate, mutant);
  g_autoptr(GBytes) changed = mutant_tbs(certificate);
  g_autoptr(GPtrArray) findings = lint_tbs(changed, issuers[mutant->base]);
  g_test_message("ca-rules %s, %s: %s", mutant->point, mutant->section, mutant->what);
  mutant_assert(findings, mutant->rule, mutant->section, mutant->also, mutant->what);
  g_hash_table_add(fired, (gpointer)mutant->rule);
}

static void test_table(void) {
  g_autoptr(GHashTable) fired = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  GBytes *good[BASES];
  for (guint base = 0; base < BASES; base++)
    good[base] = build((Base)base);
  for (gsize i = 0; i < G_N_ELEMENTS(mutants); i++) {
    g_assert_true(g_hash_table_add(seen, (gpointer)mutants[i].what));
    run_mutant(&mutants[i], good[mutants[i].base], fired);
  }
  for (guint base = 0; base < BASES; base++)
    g_bytes_unref(good[base]);
  g_test_message("%" G_GSIZE_FORMAT " mutants", G_N_ELEMENTS(mutants));
  static const char *const elsewhere[] = {"encoding", "unique-identifiers", "issuer-key"};
  for (gsize i = 0; i < G_N_ELEMENTS(elsewhere); i++)
    g_hash_table_add(fired, (gpointer)elsewhere[i]);
  mutant_assert_all(LINT_SUBSCRIBER, fired);
}

static void assert_finds(GBytes *tbs, const Issuer *issuer, const char *rule, const char *section,
                         const char *what) {
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  mutant_assert(findings, rule, section, NULL, what);
}

/* RFC 5280 4.1: what is signed is DER, all of it and nothing more. */
static void test_encoding(void) {
  g_autoptr(GBytes) tbs = build(EC);
  const Issuer *issuer = issuers[EC];
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autofree guint8 *longer = g_malloc0(length + 1);
  memcpy(longer, octets, length);
  g_autoptr(GBytes) cut = g_bytes_new(octets, length - 1);
  g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
  g_autoptr(GBytes) more = g_bytes_new(longer, length + 1);
  g_autoptr(GBytes) true_as_1 = mutant_patch(tbs, "0101ff", "010101");
  g_autoptr(GBytes) padded = mutant_patch(tbs, "02111c09", "02110009");
  g_autoptr(GBytes) set = mutant_patch(tbs, "a0030201020211", "a0030201020411");
  static const char *const what[] = {"cut",
                                     "nothing",
                                     "an octet more",
                                     "TRUE as 01",
                                     "an INTEGER in more octets than needed",
                                     "an OCTET STRING as serial"};
  GBytes *const bad[] = {cut, none, more, true_as_1, padded, set};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    assert_finds(bad[i], issuer, "encoding", "RFC 5280 4.1", what[i]);
}

/* RFC 5280 4.1.2.8: fresh before the extensions, the last field. */
static void test_unique_identifiers(void) {
  static const char *const fields[] = {"810200ff", "820200ff"};
  g_autoptr(GBytes) tbs = build(EC);
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  const guint8 *extensions = memmem(octets, length, "\xa3\x82", 2);
  g_assert_true(octets[0] == 0x30 && octets[1] == 0x82 && extensions != NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
    g_autoptr(GBytes) fresh = fixture_octets(fields[i]);
    GByteArray *made = g_byte_array_new();
    g_byte_array_append(made, octets, (guint)(extensions - octets));
    g_byte_array_append(made, g_bytes_get_data(fresh, NULL), (guint)g_bytes_get_size(fresh));
    g_byte_array_append(made, extensions, (guint)(octets + length - extensions));
    guint inner = made->len - 4;
    made->data[2] = (guint8)(inner >> 8), made->data[3] = (guint8)inner;
    g_autoptr(GBytes) changed = g_byte_array_free_to_bytes(made);
    assert_finds(changed, issuers[EC], "unique-identifiers", "RFC 5280 4.1.2.8", fields[i]);
  }
}

/* From 2027-09-15 on nothing comes from an RSA CA of less than 3072 bit. */
static void test_issuer_key(void) {
  g_autoptr(EVP_PKEY) fresh = fixture_key("P-256");
  g_autoptr(GBytes) spki = fixture_spki(fresh);
  g_autoptr(GBytes) number = fixture_serial(9);
  CertificateFields fields = fixture_fields(number, spki);
  fields.not_before = G_GINT64_CONSTANT(1820966399) * 1000;
  fields.not_after = certificate_not_after(fields.not_before, 365);
  g_autoptr(GBytes) before = certificate_build(issuers[BY_RSA], &fields, NULL);
  g_autoptr(GPtrArray) findings = lint_tbs(before, issuers[BY_RSA]);
  g_assert_cmpuint(findings->len, ==, 0);
  fields.not_before += CLOCK_SECOND;
  g_autoptr(GBytes) after = certificate_build(issuers[BY_RSA], &fields, NULL);
  assert_finds(after, issuers[BY_RSA], "issuer-key", "S/MIME BR 6.1.5 (SMC017v2)", "RSA of 2048");
}

static void test_allowed(void) {
  g_autoptr(GBytes) tbs = build(EC);
  g_autoptr(X509) certificate = mutant_certificate(tbs);
  mutant_attribute(certificate, NID_pkcs9_emailAddress, IA5, "alice@example.org", 0);
  mutant_attribute(certificate, NID_serialNumber, PRINTABLE, "A-1", 0);
  mutant_drop(certificate, BC);
  g_autoptr(GBytes) changed = mutant_tbs(certificate);
  g_autoptr(GPtrArray) findings = lint_tbs(changed, issuers[EC]);
  g_autofree char *summary = lint_summary(findings);
  g_assert_cmpstr(summary, ==, "");
}

/* Every octet changed: a verdict, never a crash. */
static void test_every_octet(void) {
  g_autoptr(GBytes) tbs = build(EC);
  gsize length;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  for (gsize i = 0; i < length; i++) {
    g_autofree guint8 *copy = g_memdup2(octets, length);
    copy[i] ^= 0x20;
    g_autoptr(GBytes) changed = g_bytes_new(copy, length);
    g_autoptr(GPtrArray) findings = lint_tbs(changed, issuers[EC]);
    g_assert_nonnull(findings);
  }
}

/* What was linted is known to the issuer that it was linted for alone, octet for octet, and only
   when nothing was found. */
static void test_known(void) {
  g_autoptr(Issuer) issuer = fixture_issuer("P-256");
  g_autoptr(Issuer) other = fixture_issuer("P-256");
  g_autoptr(GBytes) tbs = build_for(issuer, EC);
  gsize length = 0;
  const guint8 *octets = g_bytes_get_data(tbs, &length);
  g_autofree guint8 *copy = g_memdup2(octets, length);
  copy[length - 1] ^= 1;
  g_autoptr(GBytes) changed = g_bytes_new(copy, length);
  g_assert_false(lint_is_known(tbs, issuer));
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  g_assert_cmpuint(findings->len, ==, 0);
  g_assert_true(lint_is_known(tbs, issuer));
  g_assert_false(lint_is_known(changed, issuer));
  g_assert_false(lint_is_known(tbs, other));
  g_autoptr(GPtrArray) more = lint_tbs(tbs, other);
  g_assert_cmpuint(more->len, >, 0);
  g_assert_false(lint_is_known(tbs, other));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  make_issuers();
  g_test_add_func("/lint/good", test_good);
  g_test_add_func("/lint/mutants", test_table);
  g_test_add_func("/lint/encoding", test_encoding);
  g_test_add_func("/lint/unique-identifiers", test_unique_identifiers);
  g_test_add_func("/lint/issuer-key", test_issuer_key);
  g_test_add_func("/lint/allowed", test_allowed);
  g_test_add_func("/lint/every-octet", test_every_octet);
  g_test_add_func("/lint/known", test_known);
  int failed = g_test_run();
  for (guint base = 0; base < BASES; base++)
    issuer_free(issuers[base]);
  return failed;
}
