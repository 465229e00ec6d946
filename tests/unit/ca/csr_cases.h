/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests of every kind, right and wrong: security.md 3 says what must be refused,
   interop.md 30 what must be taken. */
#ifndef SIGNET_TESTS_UNIT_CA_CSR_CASES_H
#define SIGNET_TESTS_UNIT_CA_CSR_CASES_H

#include "ca/csr.h"
#include "tests/unit/ca/fixture.h"

#define NAMES 4
enum {
  DS = 1,
  NR = 2,
  KE = 4,
  DE = 8,
  KA = 16,
  CERT = 32,
  CRL = 64,
  EO = 128,
  DO = 256,
  EMPTY = 512
};
enum {
  CHALLENGE_PASSWORD = 1,
  TWO_LISTS = 2,
  TWO_VALUES = 4,
  MICROSOFT_LIST = 8,
  TWO_SANS = 16,
  BAD_SIGNATURE = 32,
  TRAILING = 64,
  VERSION_2 = 128,
  NO_LIST = 256,
  EMPTY_LIST = 512,
  UNSTRUCTURED_NAME = 1024,
  BAD_KEY_USAGE = 2048,
  HUGE_REQUEST = 4096,
  LIST_AS_STRING = 8192,
  COMPATIBLE = 16384, /* CSR_NAMES_MAIL_AND_DNS */
  EMPTY_ATTRIBUTE = 32768,
  ODD_BOOLEAN = 65536,
  INDEFINITE_VALUE = 131072
};

/* names: "TYPE:value"; EXPECTED: part of the message, NULL when the request is good. */
typedef struct {
  const char *name, *expected;
  const char *names[NAMES];
  const char *cn, *email, *organization;
  guint usage;
  int purposes[3];
  int constraints; /* 1: CA:TRUE, 2: CA:FALSE */
  guint flags;
  const char *key, *digest;
  const char *key_type, *attribute, *extension, *policy; /* OIDs */
  int sign, encrypt, non_repudiation;                    /* of a good one; 0: as with no keyUsage */
} CsrCase;

#define ALICE "email:alice@example.org"
#define YES 1
#define NO 2

static const CsrCase csr_cases[] = {
    {"plain", NULL, .names = {ALICE}},
    {"rsa", NULL, .names = {ALICE}, .key = "RSA"},
    {"p-384", NULL, .names = {ALICE}, .key = "P-384", .digest = "SHA384"},
    {"two names", NULL, .names = {ALICE, "email:bob@example.org"}},
    {"utf8 mailbox", NULL, .names = {"utf8:ж@example.org"}},
    {"cn and emailAddress", NULL, .names = {ALICE}, .cn = "alice@example.org",
     .email = "alice@example.org"},
    {"cn in other case", NULL, .names = {ALICE}, .cn = "Alice@EXAMPLE.org"},
    {"other attribute", NULL, .names = {ALICE}, .organization = "Ignored Ltd"},
    {"CA:FALSE", NULL, .names = {ALICE}, .constraints = 2},
    {"unstructuredName", NULL, .names = {ALICE}, .flags = UNSTRUCTURED_NAME},
    {"emailProtection", NULL, .names = {ALICE}, .purposes = {NID_email_protect}},
    {"emailProtection and more", NULL, .names = {ALICE},
     .purposes = {NID_client_auth, NID_email_protect}},
    /* RFC 8823 section 3.3 */
    {"sign", NULL, .names = {ALICE}, .usage = DS, .sign = YES, .encrypt = NO},
    {"sign nr", NULL, .names = {ALICE}, .usage = DS | NR, .sign = YES, .encrypt = NO,
     .non_repudiation = YES},
    {"nr", NULL, .names = {ALICE}, .usage = NR, .sign = YES, .encrypt = NO, .non_repudiation = YES},
    {"agree", NULL, .names = {ALICE}, .usage = KA, .sign = NO, .encrypt = YES},
    {"encipher, EC", NULL, .names = {ALICE}, .usage = KE, .sign = NO, .encrypt = YES},
    {"encipher", NULL, .names = {ALICE}, .usage = KE, .key = "RSA", .sign = NO, .encrypt = YES},
    {"both", NULL, .names = {ALICE}, .usage = DS | KE, .sign = YES, .encrypt = YES},
    {"both, agree", NULL, .names = {ALICE}, .usage = DS | KA, .sign = YES, .encrypt = YES},
    {"keyCertSign", "keyUsage", .names = {ALICE}, .usage = DS | CERT},
    {"cRLSign", "keyUsage", .names = {ALICE}, .usage = CRL},
    {"dataEncipherment", "keyUsage", .names = {ALICE}, .usage = DS | DE},
    {"encipherOnly", "keyUsage", .names = {ALICE}, .usage = KA | EO},
    {"decipherOnly", "keyUsage", .names = {ALICE}, .usage = KA | DO},
    {"no usage", "keyUsage", .names = {ALICE}, .usage = EMPTY},
    {"usage not DER", "not DER", .names = {ALICE}, .flags = BAD_KEY_USAGE},
    /* names */
    {"no name", "subjectAltName", .names = {NULL}, .usage = DS},
    {"empty san", "empty", .names = {"empty:"}},
    {"dns", "neither", .names = {ALICE, "dns:example.org"}},
    {"dns alone", "neither", .names = {"dns:alice@example.org"}},
    {"uri", "neither", .names = {ALICE, "uri:mailto:alice@example.org"}},
    {"ip", "neither", .names = {ALICE, "ip:"}},
    {"directory", "neither", .names = {ALICE, "dir:"}},
    {"rid", "neither", .names = {ALICE, "rid:"}},
    {"upn", "neither", .names = {ALICE, "upn:alice@example.org"}},
    {"utf8 as IA5", "neither", .names = {"utf8ia5:ж@example.org"}},
    {"utf8 for ascii", "SmtpUTF8Mailbox", .names = {"utf8:alice@example.org"}},
    {"ia5 for utf8", "rfc822Name", .names = {"email:ж@example.org"}},
    {"ia5 u-label", "rfc822Name", .names = {"email:a@bücher.example"}},
    {"not utf-8", "UTF-8", .names = {"email:\xff@example.org"}},
    {"twice", "twice", .names = {ALICE, ALICE}},
    {"twice in other case", "twice", .names = {ALICE, "email:Alice@EXAMPLE.ORG"}},
    {"a-label and u-label", "twice",
     .names = {"utf8:ж@bücher.example", "utf8:ж@xn--bcher-kva.example"}},
    {"nul", "NUL", .names = {"nul:alice@example.org"}},
    {"quoted", "refused", .names = {"email:\"a b\"@example.org"}},
    {"literal", "refused", .names = {"email:a@[127.0.0.1]"}},
    {"display name", "refused", .names = {"email:A <a@example.org>"}},
    {"no domain", "refused", .names = {"email:alice"}},
    {"empty name", "refused", .names = {"email:"}},
    {"control", "refused", .names = {"email:a\n@example.org"}},
    {"wildcard", "refused", .names = {"email:a@*.example.org"}},
    /* dns-identifier-compat */
    {"dns with its mailbox", NULL, .names = {"dns:Alice@EXAMPLE.org", ALICE}, .flags = COMPATIBLE},
    {"dns for a mailbox", NULL, .names = {"dns:alice@example.org"}, .flags = COMPATIBLE},
    {"dns for two", NULL, .names = {"dns:alice@example.org", "dns:bob@example.org"},
     .cn = "bob@example.org", .flags = COMPATIBLE},
    {"dns of another mailbox", "no rfc822Name", .names = {"dns:bob@example.org", ALICE},
     .flags = COMPATIBLE},
    {"dns twice", "twice", .names = {"dns:alice@example.org", "dns:alice@Example.org"},
     .flags = COMPATIBLE},
    {"dns without @", "refused", .names = {ALICE, "dns:example.org"}, .flags = COMPATIBLE},
    {"dns not ascii", "ASCII", .names = {"dns:a@bücher.example"}, .flags = COMPATIBLE},
    {"dns with uri", "neither", .names = {"dns:alice@example.org", "uri:a@example.org"},
     .flags = COMPATIBLE},
    {"dns, other cn", "CN", .names = {"dns:alice@example.org"}, .cn = "bob@example.org",
     .flags = COMPATIBLE},
    {"other cn", "CN", .names = {ALICE}, .cn = "bob@example.org"},
    {"cn no address", "CN", .names = {ALICE}, .cn = "Alice"},
    {"other emailAddress", "emailAddress", .names = {ALICE}, .email = "bob@example.org"},
    /* shape */
    {"challengePassword", "challengePassword", .names = {ALICE}, .flags = CHALLENGE_PASSWORD},
    {"san twice", "extension twice", .names = {ALICE}, .flags = TWO_SANS},
    {"two lists", "more than one list", .names = {ALICE}, .flags = TWO_LISTS},
    {"attribute without value", "has no value", .names = {ALICE}, .flags = EMPTY_ATTRIBUTE},
    {"attribute of indefinite length", "an attribute of the request is not DER", .names = {ALICE},
     .flags = INDEFINITE_VALUE},
    {"two values", "exactly one value", .names = {ALICE}, .flags = TWO_VALUES},
    {"list as string", "not a list", .names = {ALICE}, .flags = LIST_AS_STRING},
    {"microsoft's list", "more than one list", .names = {ALICE}, .flags = MICROSOFT_LIST},
    {"no list", "no extensionRequest", .names = {ALICE}, .flags = NO_LIST},
    {"TRUE that is not ff", "extension of the request is not DER", .names = {ALICE},
     .flags = ODD_BOOLEAN},
    {"empty list", "empty", .names = {ALICE}, .flags = EMPTY_LIST},
    {"bad signature", "does not verify", .names = {ALICE}, .flags = BAD_SIGNATURE},
    {"trailing octet", "DER", .names = {ALICE}, .flags = TRAILING},
    {"version 2", "version", .names = {ALICE}, .flags = VERSION_2},
    {"too long", "too long", .names = {ALICE}, .flags = HUGE_REQUEST},
    {"ca", "CA certificate", .names = {ALICE}, .constraints = 1},
    /* what is not served */
    {"attestation", "key attestation", .names = {ALICE}, .attribute = "1.2.840.113549.1.9.16.2.59"},
    {"attestation as extension", "key attestation", .names = {ALICE},
     .extension = "1.3.6.1.4.1.41482.3.11"},
    {"archived key", "key escrow", .names = {ALICE}, .attribute = "1.3.6.1.4.1.311.21.13"},
    {"OCSP", "OCSP", .names = {ALICE}, .extension = "1.3.6.1.5.5.7.1.24"},
    {"organization-validated", "organization-validated", .names = {ALICE},
     .policy = "2.23.140.1.5.2.3"},
    {"sponsor-validated", "sponsor-validated", .names = {ALICE}, .policy = "2.23.140.1.5.3.1"},
    {"individual-validated", "individual-validated", .names = {ALICE},
     .policy = "2.23.140.1.5.4.2"},
    {"legacy", "legacy", .names = {ALICE}, .policy = "2.23.140.1.5.1.1"},
    {"mailbox-validated strict", NULL, .names = {ALICE}, .policy = "2.23.140.1.5.1.3"},
    {"another attribute", NULL, .names = {ALICE}, .attribute = "1.3.6.1.4.1.99999.1"},
    {"another extension", NULL, .names = {ALICE}, .extension = "1.3.6.1.4.1.99999.1"},
    {"serverAuth", "emailProtection", .names = {ALICE}, .purposes = {NID_server_auth}},
    {"anyExtendedKeyUsage", "emailProtection", .names = {ALICE},
     .purposes = {NID_anyExtendedKeyUsage}},
    /* keys and signatures */
    {"sha-1", "signature", .names = {ALICE}, .digest = "SHA1"},
    {"md5", "signature", .names = {ALICE}, .key = "RSA", .digest = "MD5"},
    {"sha-224", "signature", .names = {ALICE}, .digest = "SHA224"},
    {"1024", "1024 bits", .names = {ALICE}, .key = "RSA-1024"},
    {"huge key", "4608 bits", .names = {ALICE}, .key = "RSA-4608"},
    {"p-521", "linter", .names = {ALICE}, .key = "P-521"},
    {"ml-dsa-44", "ML-DSA keys are not taken", .names = {ALICE},
     .key_type = "2.16.840.1.101.3.4.3.17"},
    {"ml-kem-1024", "ML-KEM keys are not taken", .names = {ALICE},
     .key_type = "2.16.840.1.101.3.4.4.3"},
    {"unknown key type", "type is not accepted", .names = {ALICE},
     .key_type = "1.3.6.1.4.1.99999.1"},
    {"ed25519", "root programs", .names = {ALICE}, .key = "ED25519", .digest = "none"},
};

static inline GENERAL_NAME *other_name(int nid, int type, const char *value) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_TYPE *any = ASN1_TYPE_new();
  ASN1_STRING *string = ASN1_STRING_type_new(type);
  ASN1_STRING_set(string, value, -1);
  ASN1_TYPE_set(any, type, string);
  GENERAL_NAME_set0_othername(name, OBJ_nid2obj(nid), any);
  return name;
}

static inline GENERAL_NAME *ia5_name(int type, const char *value, int length) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_STRING *string = ASN1_IA5STRING_new();
  ASN1_STRING_set(string, value, length);
  GENERAL_NAME_set0_value(name, type, string);
  return name;
}

static inline GENERAL_NAME *special_name(const char *kind) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  if (strcmp(kind, "ip") == 0) {
    ASN1_OCTET_STRING *address = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(address, (const guint8 *)"\x7f\0\0\1", 4);
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
  } else if (strcmp(kind, "dir") == 0) {
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_new());
  } else {
    GENERAL_NAME_set0_value(name, GEN_RID, OBJ_nid2obj(NID_email_protect));
  }
  return name;
}

static inline GENERAL_NAME *make_name(const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, ":", 2);
  if (strcmp(parts[0], "email") == 0)
    return ia5_name(GEN_EMAIL, parts[1], -1);
  if (strcmp(parts[0], "nul") == 0)
    return ia5_name(GEN_EMAIL, parts[1], (int)strlen(parts[1]) + 1);
  if (strcmp(parts[0], "dns") == 0)
    return ia5_name(GEN_DNS, parts[1], -1);
  if (strcmp(parts[0], "uri") == 0)
    return ia5_name(GEN_URI, parts[1], -1);
  if (strcmp(parts[0], "utf8") == 0)
    return other_name(NID_id_on_SmtpUTF8Mailbox, V_ASN1_UTF8STRING, parts[1]);
  if (strcmp(parts[0], "utf8ia5") == 0)
    return other_name(NID_id_on_SmtpUTF8Mailbox, V_ASN1_IA5STRING, parts[1]);
  if (strcmp(parts[0], "upn") == 0)
    return other_name(NID_ms_upn, V_ASN1_UTF8STRING, parts[1]);
  return special_name(parts[0]);
}

static inline void push(X509_EXTENSIONS *list, int nid, void *value) {
  sk_X509_EXTENSION_push(list, X509V3_EXT_i2d(nid, 0, value));
}

static inline void push_names(X509_EXTENSIONS *list, const CsrCase *c) {
  g_autoptr(GENERAL_NAMES) names = sk_GENERAL_NAME_new_null();
  for (gsize i = 0; i < NAMES && c->names[i] != NULL; i++)
    if (strcmp(c->names[i], "empty:") != 0)
      sk_GENERAL_NAME_push(names, make_name(c->names[i]));
  if (c->names[0] != NULL)
    push(list, NID_subject_alt_name, names);
  if (c->flags & TWO_SANS)
    push(list, NID_subject_alt_name, names);
}

static inline void push_usage(X509_EXTENSIONS *list, const CsrCase *c) {
  g_autoptr(ASN1_BIT_STRING) usage = ASN1_BIT_STRING_new();
  for (int bit = 0; bit < 9; bit++)
    if (c->usage & (1u << bit))
      ASN1_BIT_STRING_set_bit(usage, bit, 1);
  if (c->usage != 0)
    push(list, NID_key_usage, usage);
  if (c->flags & BAD_KEY_USAGE) {
    g_autoptr(ASN1_OCTET_STRING) junk = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(junk, (const guint8 *)"\x03\x02\x07", 3);
    sk_X509_EXTENSION_push(list, X509_EXTENSION_create_by_NID(NULL, NID_key_usage, 1, junk));
  }
}

static inline void push_unserved(X509_EXTENSIONS *list, const CsrCase *c) {
  if (c->extension != NULL) {
    g_autoptr(ASN1_OCTET_STRING) null = ASN1_OCTET_STRING_new();
    g_autoptr(ASN1_OBJECT) type = OBJ_txt2obj(c->extension, 1);
    ASN1_OCTET_STRING_set(null, (const guint8 *)"\x05", 2);
    sk_X509_EXTENSION_push(list, X509_EXTENSION_create_by_OBJ(NULL, type, 0, null));
  }
  if (c->policy != NULL) {
    g_autoptr(CERTIFICATEPOLICIES) policies = sk_POLICYINFO_new_null();
    POLICYINFO *policy = POLICYINFO_new();
    policy->policyid = OBJ_txt2obj(c->policy, 1);
    sk_POLICYINFO_push(policies, policy);
    push(list, NID_certificate_policies, policies);
  }
}

static inline X509_EXTENSIONS *make_extensions(const CsrCase *c) {
  X509_EXTENSIONS *list = sk_X509_EXTENSION_new_null();
  if (c->flags & EMPTY_LIST)
    return list;
  push_names(list, c);
  push_usage(list, c);
  if (c->purposes[0] != 0) {
    g_autoptr(EXTENDED_KEY_USAGE) purposes = sk_ASN1_OBJECT_new_null();
    for (gsize i = 0; i < 3 && c->purposes[i] != 0; i++)
      sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(c->purposes[i]));
    push(list, NID_ext_key_usage, purposes);
  }
  if (c->constraints != 0) {
    g_autoptr(BASIC_CONSTRAINTS) constraints = BASIC_CONSTRAINTS_new();
    constraints->ca = c->constraints == 1 ? 0xff : 0;
    push(list, NID_basic_constraints, constraints);
  }
  push_unserved(list, c);
  if (c->flags & ODD_BOOLEAN)
    X509_EXTENSION_set_critical(sk_X509_EXTENSION_value(list, 0), 1);
  return list;
}

/* TRUE is ff in DER; here the critical of the first extension is 01. */
static inline GBytes *with_odd_boolean(GBytes *list) {
  static const guint8 critical[] = {0x01, 0x01, 0xff};
  GByteArray *octets = g_bytes_unref_to_array(list);
  guint8 *found = memmem(octets->data, octets->len, critical, sizeof(critical));
  g_assert_nonnull(found);
  found[2] = 0x01;
  return g_byte_array_free_to_bytes(octets);
}

static inline void add_list(X509_REQ *request, const CsrCase *c) {
  g_autoptr(X509_EXTENSIONS) list = make_extensions(c);
  g_autoptr(GBytes) octets = der_encode(list, ASN1_ITEM_rptr(X509_EXTENSIONS));
  if (c->flags & ODD_BOOLEAN)
    octets = with_odd_boolean(octets);
  const guint8 *data = g_bytes_get_data(octets, NULL);
  int length = (int)g_bytes_get_size(octets);
  int type = c->flags & LIST_AS_STRING ? V_ASN1_OCTET_STRING : V_ASN1_SEQUENCE;
  if (c->flags & NO_LIST)
    return;
  if (c->flags & TWO_VALUES) {
    X509_ATTRIBUTE *attribute = X509_ATTRIBUTE_create_by_NID(NULL, NID_ext_req, type, data, length);
    X509_ATTRIBUTE_set1_data(attribute, type, data, length);
    X509_REQ_add1_attr(request, attribute);
    X509_ATTRIBUTE_free(attribute);
    return;
  }
  X509_REQ_add1_attr_by_NID(request, NID_ext_req, type, data, length);
  if (c->flags & TWO_LISTS) {
    /* The API refuses a second attribute of one type. */
    X509_ATTRIBUTE *attribute =
        X509_ATTRIBUTE_create_by_NID(NULL, NID_ms_ext_req, type, data, length);
    X509_REQ_add1_attr(request, attribute);
    X509_ATTRIBUTE_free(attribute);
    X509_ATTRIBUTE_set1_object(X509_REQ_get_attr(request, 1), OBJ_nid2obj(NID_ext_req));
  }
  if (c->flags & MICROSOFT_LIST)
    X509_REQ_add1_attr_by_NID(request, NID_ms_ext_req, type, data, length);
}

static inline void add_subject(X509_REQ *request, const CsrCase *c) {
  X509_NAME *subject = X509_REQ_get_subject_name(request);
  const struct {
    int nid;
    const char *text;
  } attributes[] = {{NID_commonName, c->cn},
                    {NID_pkcs9_emailAddress, c->email},
                    {NID_organizationName, c->organization}};
  for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
    if (attributes[i].text != NULL)
      X509_NAME_add_entry_by_NID(subject, attributes[i].nid, MBSTRING_UTF8,
                                 (const guint8 *)attributes[i].text, -1, -1, 0);
}

static inline GBytes *with_flags(GBytes *der, guint flags) {
  GByteArray *octets = g_bytes_unref_to_array(der);
  if (flags & BAD_SIGNATURE)
    octets->data[octets->len - 1] ^= 1;
  if (flags & TRAILING)
    g_byte_array_append(octets, (const guint8 *)"", 1);
  return g_byte_array_free_to_bytes(octets);
}

static inline GBytes *csr_case_make(const CsrCase *c) {
  g_autoptr(EVP_PKEY) key = fixture_key(c->key != NULL ? c->key : "P-256");
  g_autoptr(X509_REQ) request = X509_REQ_new();
  const EVP_MD *digest = EVP_get_digestbyname(c->digest != NULL ? c->digest : "SHA256");
  X509_REQ_set_version(request, c->flags & VERSION_2 ? 1 : 0);
  X509_REQ_set_pubkey(request, key);
  if (c->key_type != NULL) {
    guint8 *octets = OPENSSL_zalloc(1312);
    X509_PUBKEY_set0_param(X509_REQ_get_X509_PUBKEY(request), OBJ_txt2obj(c->key_type, 1),
                           V_ASN1_UNDEF, NULL, octets, 1312);
  }
  add_subject(request, c);
  add_list(request, c);
  if (c->flags & CHALLENGE_PASSWORD)
    X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, MBSTRING_ASC,
                              (const guint8 *)"secret", -1);
  if (c->flags & UNSTRUCTURED_NAME)
    X509_REQ_add1_attr_by_NID(request, NID_pkcs9_unstructuredName, MBSTRING_ASC,
                              (const guint8 *)"name", -1);
  if (c->flags & EMPTY_ATTRIBUTE) {
    X509_ATTRIBUTE *attribute = X509_ATTRIBUTE_new();
    X509_ATTRIBUTE_set1_object(attribute, OBJ_nid2obj(NID_pkcs9_unstructuredName));
    X509_REQ_add1_attr(request, attribute);
    X509_ATTRIBUTE_free(attribute);
  }
  if (c->flags & INDEFINITE_VALUE)
    X509_REQ_add1_attr_by_NID(request, NID_pkcs9_unstructuredName, V_ASN1_SEQUENCE,
                              (const guint8 *)"\x30\x80\x02\x01\x00\x00", 7);
  if (c->attribute != NULL)
    X509_REQ_add1_attr_by_txt(request, c->attribute, MBSTRING_ASC, (const guint8 *)"x", -1);
  if (c->flags & HUGE_REQUEST) {
    g_autofree guint8 *blanks = g_malloc0(CSR_MAX_OCTETS);
    X509_REQ_add1_attr_by_NID(request, NID_pkcs9_unstructuredName, V_ASN1_OCTET_STRING, blanks,
                              CSR_MAX_OCTETS);
  }
  g_assert_cmpint(X509_REQ_sign(request, key, digest), >, 0);
  return with_flags(der_encode(request, ASN1_ITEM_rptr(X509_REQ)), c->flags);
}

#endif
