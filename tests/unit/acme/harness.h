/* SPDX-License-Identifier: Apache-2.0 */
/* The ACME engine in a process of its own: a store (of tests/unit/store/database.h), a clock that
   the test moves, a CA made for the test, clients with keys, and limbs that answer as the test
   says. */
#ifndef SIGNET_TESTS_UNIT_ACME_HARNESS_H
#define SIGNET_TESTS_UNIT_ACME_HARNESS_H

#include "acme/job_run.h"
#include "acme/judge.h"
#include "acme/mail_in.h"
#include "acme/record.h"
#include "base/base64url.h"
#include "ca/ceremony.h"
#include "ca/lint.h"
#include "store/audit_feed.h"
#include "store/external_account_key.h"
#include "store/sql.h"
#include "tests/unit/store/database.h"

#include <glib/gstdio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define LAB_NOW (G_GINT64_CONSTANT(1772323200) * 1000) /* 2026-03-01T00:00:00Z */
#define LAB_URL "https://acme.example.org/base"
#define LAB_PKI "http://pki.example.org/"
#define LAB_DOMAIN "acme.example.org"
#define LAB_NODE "node"
#define LAB_URN "urn:ietf:params:acme:error:"

/* --- the engine --- */

typedef struct {
  Clock clock; /* first: what the engine is given */
  gint64 now;
} LabClock;

/* A certificate authority is made once a test program. */
typedef struct {
  StorePlace place;
  const char *node; /* in place.owner */
  LabClock clock;
  Config *config;
  Issuer *signer; /* with the key */
  Acme acme;
  const char *peer;       /* whose requests the next ones are */
  const char *nonce;      /* of the next requests; NULL: a fresh one each */
  GHashTable *signatures; /* to-be-signed octets -> certificate, as the signer's own log */
  GPtrArray
      *answers; /* of PerspectiveAnswer: what further perspectives say; NULL: there are none */
  void (*before_end)(gpointer user); /* in each transaction, when all is done but the commit */
  gpointer user;
  guint again; /* transactions that other processes were in the way of */
} Lab;

static inline gint64 lab_now(const Clock *clock) {
  return ((const LabClock *)(const void *)clock)->now;
}

static inline void lab_random(void *octets, gsize length) {
  g_assert_cmpint(RAND_bytes(octets, (int)length), ==, 1);
}

/* The keys of the table that core is told, with their defaults in the form that a process is given,
   and overrides: name, value, ..., NULL. */
static inline Config *lab_config(const char *const *overrides) {
  static const char *const always[] = {"acme.url",
                                       LAB_URL,
                                       "publish.url",
                                       LAB_PKI,
                                       "mail.domain",
                                       LAB_DOMAIN,
                                       "ca.caa-identities",
                                       "ca.example.org",
                                       "acme.order-lifetime",
                                       "259200000",
                                       "mail.relay-timeout",
                                       "60000",
                                       "mail.challenge-delay",
                                       "5000",
                                       "mail.challenge-lifetime",
                                       "86400000",
                                       "ca.backdate",
                                       "3600000",
                                       "ca.root-crl-warning",
                                       "2592000000",
                                       "ca.crl-interval",
                                       "21600000",
                                       "ca.crl-lifetime",
                                       "604800000",
                                       "acme.renewal-retry",
                                       "21600000",
                                       "mail.expiry-notice",
                                       "1209600000",
                                       "ca.retention",
                                       "220924800000",
                                       "store.keep-failed",
                                       "2592000000",
                                       NULL};
  g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  GVariantBuilder builder;
  GHashTableIter iter;
  gpointer name = NULL, value = NULL;
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    const char *preset = key->type == CONFIG_RATE ? "off" : key->preset;
    if ((key->roles & ROLE_BIT(ROLE_CORE)) != 0 && !key->named)
      g_hash_table_replace(values, g_strdup_printf("%s.%s", key->group, key->name),
                           g_strdup(preset != NULL ? preset : ""));
  }
  for (const char *const *pair = always; *pair != NULL; pair += 2)
    g_hash_table_replace(values, g_strdup(pair[0]), g_strdup(pair[1]));
  for (const char *const *pair = overrides; pair != NULL && *pair != NULL; pair += 2)
    g_hash_table_replace(values, g_strdup(pair[0]), g_strdup(pair[1]));
  g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
  g_hash_table_iter_init(&iter, values);
  while (g_hash_table_iter_next(&iter, &name, &value))
    g_variant_builder_add(&builder, "{ss}", name, value);
  g_autoptr(GVariant) shared = g_variant_ref_sink(g_variant_builder_end(&builder));
  Config *config = config_receive(shared);
  g_assert_nonnull(config);
  return config;
}

static inline Issuer *lab_issuer(const char *certificate, const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) certificate_pem = g_bytes_new_static(certificate, strlen(certificate));
  g_autoptr(GBytes) key_pem = key != NULL ? g_bytes_new_static(key, strlen(key)) : NULL;
  Issuer *issuer = issuer_new(certificate_pem, key_pem, NULL, &error);
  g_assert_no_error(error);
  return issuer;
}

/* One transaction with one handler in it, as core's turns have; ended by lab_commit. */
static inline void lab_begin(Lab *lab) {
  g_assert_true(store_begin(lab->acme.store, NULL));
  g_assert_true(store_handler_begin(lab->acme.store, NULL));
}

/* FALSE: other processes were in the way, and all is to be done again. */
static inline gboolean lab_end(Lab *lab, gboolean keep) {
  g_autoptr(GError) error = NULL;
  if (lab->before_end != NULL)
    lab->before_end(lab->user);
  gboolean ended =
      store_handler_end(lab->acme.store, keep, &error) && store_commit(lab->acme.store, &error);
  if (!keep || !ended)
    record_settle(&lab->acme, FALSE);
  else if (lab->acme.events != NULL)
    g_ptr_array_set_size(lab->acme.events, 0);
  if (g_error_matches(error, STORE_ERROR, STORE_ERROR_AGAIN)) {
    store_rollback(lab->acme.store);
    lab->again++;
    return FALSE;
  }
  g_assert_no_error(error);
  g_assert_true(ended);
  return TRUE;
}

static inline void lab_commit(Lab *lab, gboolean keep) {
  g_assert_true(lab_end(lab, keep));
}

static inline void lab_start(Lab *lab) {
  g_autoptr(GError) error = NULL;
  guint8 key[NONCE_KEY_OCTETS];
  lab_random(key, sizeof(key));
  lab->acme.keys = jwk_cache_new();
  lab->acme.publications = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  lab->acme.store = store_open(&lab->place, &error);
  g_assert_no_error(error);
  lab->acme.node = store_is_shared(lab->acme.store) ? lab->node : NULL;
  lab_begin(lab);
  lab->acme.nonces = nonces_start(lab->acme.store, key, &error);
  g_assert_no_error(error);
  g_assert_true(jobs_start(&lab->acme, &error));
  g_assert_no_error(error);
  lab_commit(lab, TRUE);
}

static inline void lab_stop(Lab *lab) {
  g_clear_pointer(&lab->acme.store, store_close);
  g_clear_pointer(&lab->acme.nonces, nonces_free);
  g_clear_pointer(&lab->acme.keys, jwk_cache_free);
  g_clear_pointer(&lab->acme.publications, g_ptr_array_unref);
  g_clear_pointer(&lab->acme.events, g_ptr_array_unref);
}

/* What kill -9 and a new start of core do. */
static inline void lab_restart(Lab *lab) {
  lab_stop(lab);
  lab_start(lab);
}

/* What statements of tests use of SQLite's own. */
static const char lab_functions[] =
    "CREATE DOMAIN blob AS bytea;"
    "CREATE FUNCTION hex(bytea) RETURNS text LANGUAGE sql AS"
    " $$ SELECT upper(encode($1, 'hex')) $$;"
    "CREATE FUNCTION zeroblob(int) RETURNS bytea LANGUAGE sql AS"
    " $$ SELECT decode(repeat('00', $1), 'hex') $$;"
    "CREATE FUNCTION printf(text, bigint) RETURNS text LANGUAGE sql AS" /* %016d and the like */
    " $$ SELECT lpad($2::text, substr($1, 3, 2)::int, '0') $$;"
    "CREATE FUNCTION joined(text, text) RETURNS text LANGUAGE sql AS"
    " $$ SELECT coalesce($1 || ',', '') || $2 $$;"
    "CREATE AGGREGATE group_concat(text) (SFUNC = joined, STYPE = text);"
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'disk full'; END $$";

static inline Lab *lab_new_with(const char *const *overrides) {
  g_autoptr(GError) error = NULL;
  Lab *lab = g_new0(Lab, 1);
  const CeremonyPlan plan = {.root_name = "Test Root",
                             .issuing_name = "Test Issuing",
                             .url = LAB_PKI,
                             .now = LAB_NOW - 30 * CLOCK_DAY};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  lab->place = database_new();
  lab->node = LAB_NODE;
  lab->clock.clock.now = lab_now;
  lab->clock.now = LAB_NOW;
  lab->config = lab_config(overrides);
  lab->peer = "192.0.2.1";
  lab->signer = lab_issuer(made->issuing_certificate, made->issuing_key);
  lab->acme.issuer = lab_issuer(made->issuing_certificate, NULL);
  lab->acme.chain = g_strdup(made->issuing_certificate);
  lab->acme.alternates = g_ptr_array_new_with_free_func(g_free);
  lab->acme.clock = &lab->clock.clock;
  lab->acme.random = lab_random;
  lab->acme.config = lab->config;
  lab->signatures = g_hash_table_new_full(
      g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, (GDestroyNotify)g_bytes_unref);
  lab_start(lab);
  if (store_is_shared(lab->acme.store))
    g_assert_true(store_script(lab->acme.store, lab_functions, NULL));
  return lab;
}

static inline Lab *lab_new(void) {
  return lab_new_with(NULL);
}

static inline void lab_audit_fault(const char *sentence, gpointer user G_GNUC_UNUSED) {
  g_error("%s", sentence);
}

static inline const char *lab_audit_signature(GBytes *octets G_GNUC_UNUSED,
                                              GBytes *key G_GNUC_UNUSED,
                                              GBytes *signature G_GNUC_UNUSED,
                                              gpointer user G_GNUC_UNUSED) {
  return NULL; /* they were verified when they were kept */
}

static inline void lab_check_audit(Lab *lab) {
  const AuditWalkHooks hooks = {lab_audit_fault, lab_audit_signature, NULL};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  g_assert_true(audit_verify_store(lab->acme.store, walk, NULL, NULL, NULL));
  g_assert_cmpint(audit_walk_sums(walk)->records, >, 0);
}

/* Every test ends with a whole audit chain. */
static inline void lab_free(Lab *lab) {
  lab_check_audit(lab);
  lab_stop(lab);
  database_clear(&lab->place);
  config_free(lab->config);
  issuer_free(lab->signer);
  issuer_free(lab->acme.issuer);
  g_free(lab->acme.chain);
  g_ptr_array_unref(lab->acme.alternates);
  g_hash_table_unref(lab->signatures);
  g_free(lab);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lab, lab_free)

/* SQL in the form of SQLite, octets as x'00', as the store takes it. */
static inline char *lab_sql_of(Lab *lab, const char *sql) {
  g_autoptr(GRegex) octets = g_regex_new("\\bx'([0-9a-f]*)'", 0, 0, NULL);
  return store_is_shared(lab->acme.store)
             ? g_regex_replace(octets, sql, -1, 0, "'\\\\x\\1'::bytea", 0, NULL)
             : g_strdup(sql);
}

/* The one number that a query gives. */
static inline gint64 lab_count(Lab *lab, const char *sql) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = lab_sql_of(lab, sql);
  SqlQuery query = sql_query(lab->acme.store, text, "");
  gint64 count = sql_row(&query) ? sql_int(&query, 0) : -1;
  sql_end(&query, &error);
  g_assert_no_error(error);
  return count;
}

static inline void lab_sql(Lab *lab, const char *sql) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = lab_sql_of(lab, sql);
  store_script(lab->acme.store, text, &error);
  g_assert_no_error(error);
}

/* From now on no row can be added to a table; and again. */
static inline void lab_close_table(Lab *lab, const char *table) {
  g_autofree char *sql = g_strdup_printf("CREATE TRIGGER closed BEFORE INSERT ON %s %s", table,
                                         store_is_shared(lab->acme.store)
                                             ? "FOR EACH ROW EXECUTE FUNCTION refuse()"
                                             : "BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  lab_sql(lab, sql);
}

static inline void lab_reopen_table(Lab *lab, const char *table) {
  g_autofree char *sql =
      g_strdup_printf("DROP TRIGGER closed%s%s", store_is_shared(lab->acme.store) ? " ON " : "",
                      store_is_shared(lab->acme.store) ? table : "");
  lab_sql(lab, sql);
}

/* --- clients --- */

typedef struct {
  EVP_PKEY *key;
  const char *algorithm;
  json_t *jwk;
  char *kid; /* NULL until it has an account */
} LabClient;

static inline void lab_client_free(LabClient *client) {
  EVP_PKEY_free(client->key);
  json_decref(client->jwk);
  g_free(client->kid);
  g_free(client);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LabClient, lab_client_free)

static inline char *lab_number(EVP_PKEY *key, const char *name, gsize length) {
  BIGNUM *number = NULL;
  g_assert_cmpint(EVP_PKEY_get_bn_param(key, name, &number), ==, 1);
  gsize size = length != 0 ? length : (gsize)BN_num_bytes(number);
  g_autofree guint8 *octets = g_malloc(size);
  BN_bn2binpad(number, octets, (int)size);
  BN_free(number);
  return base64url_encode(octets, size);
}

/* What each type of key is called here, by JWK and by JWS. */
typedef struct {
  const char *type, *algorithm, *curve, *digest;
  gsize octets; /* of a coordinate */
} LabKeyType;

static const LabKeyType lab_key_types[] = {{"P-256", "ES256", "P-256", "SHA256", 32},
                                           {"P-384", "ES384", "P-384", "SHA384", 48},
                                           {"P-521", "ES512", "P-521", "SHA512", 66},
                                           {"ED25519", "EdDSA", "Ed25519", NULL, 0},
                                           {"RSA", "RS256", NULL, "SHA256", 0}};

static inline const LabKeyType *lab_key_type(EVP_PKEY *key) {
  for (gsize i = 0; i < G_N_ELEMENTS(lab_key_types); i++)
    if (lab_key_types[i].octets == 0
            ? EVP_PKEY_is_a(key, lab_key_types[i].type)
            : EVP_PKEY_is_a(key, "EC") &&
                  (gsize)(EVP_PKEY_get_bits(key) + 7) / 8 == lab_key_types[i].octets)
      return &lab_key_types[i];
  g_assert_not_reached();
}

static inline json_t *lab_jwk(EVP_PKEY *key) {
  const LabKeyType *type = lab_key_type(key);
  if (EVP_PKEY_is_a(key, "RSA")) {
    g_autofree char *n = lab_number(key, OSSL_PKEY_PARAM_RSA_N, 0);
    g_autofree char *e = lab_number(key, OSSL_PKEY_PARAM_RSA_E, 0);
    return json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", n, "e", e);
  }
  if (type->octets == 0) {
    guint8 raw[32];
    size_t length = sizeof(raw);
    g_assert_cmpint(EVP_PKEY_get_raw_public_key(key, raw, &length), ==, 1);
    g_autofree char *point = base64url_encode(raw, length);
    return json_pack("{s:s, s:s, s:s}", "kty", "OKP", "crv", type->curve, "x", point);
  }
  g_autofree char *x = lab_number(key, OSSL_PKEY_PARAM_EC_PUB_X, type->octets);
  g_autofree char *y = lab_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, type->octets);
  return json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", type->curve, "x", x, "y", y);
}

/* type: of lab_key_types. */
static inline EVP_PKEY *lab_key(const char *type) {
  EVP_PKEY *key = strcmp(type, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                  : strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type)
                                                 : EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
  g_assert_nonnull(key);
  return key;
}

/* key is taken. */
static inline LabClient *lab_client_of(EVP_PKEY *key) {
  LabClient *client = g_new0(LabClient, 1);
  client->key = key;
  client->algorithm = lab_key_type(key)->algorithm;
  client->jwk = lab_jwk(key);
  return client;
}

/* DER ECDSA signature -> r||s of octets each. */
static inline GBytes *lab_pair(const guint8 *der, gsize length, gsize octets) {
  guint8 pair[2 * 66];
  ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
  g_assert_cmpint(BN_bn2binpad(ECDSA_SIG_get0_r(signature), pair, (int)octets), >, 0);
  g_assert_cmpint(BN_bn2binpad(ECDSA_SIG_get0_s(signature), pair + octets, (int)octets), >, 0);
  ECDSA_SIG_free(signature);
  return g_bytes_new(pair, 2 * octets);
}

/* The signature in OpenSSL's form: DER for EC. */
static inline GBytes *lab_sign_raw(EVP_PKEY *key, const char *input) {
  guint8 octets[1024];
  size_t length = sizeof(octets);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  g_assert_cmpint(
      EVP_DigestSignInit_ex(context, NULL, lab_key_type(key)->digest, NULL, NULL, key, NULL), ==,
      1);
  g_assert_cmpint(EVP_DigestSign(context, octets, &length, (const guint8 *)input, strlen(input)),
                  ==, 1);
  EVP_MD_CTX_free(context);
  return g_bytes_new(octets, length);
}

static inline GBytes *lab_sign(EVP_PKEY *key, const char *input) {
  g_autoptr(GBytes) raw = lab_sign_raw(key, input);
  if (!EVP_PKEY_is_a(key, "EC"))
    return g_steal_pointer(&raw);
  return lab_pair(g_bytes_get_data(raw, NULL), g_bytes_get_size(raw), lab_key_type(key)->octets);
}

static inline char *lab_encode(const char *text) {
  return base64url_encode(text, strlen(text));
}

static inline char *lab_nonce(Lab *lab) {
  return nonces_issue(lab->acme.nonces, lab->clock.now);
}

/* --- requests --- */

typedef struct {
  guint status;
  json_t *json;       /* NULL when the body is not JSON */
  char *text;         /* the body */
  char *location;     /* NULL: none */
  char *type;         /* Content-Type */
  int retry_after;    /* -1: none */
  char *link;         /* the first Link */
  GPtrArray *headers; /* of char*: name, value, ... */
} Answer;

static inline void answer_free(Answer *answer) {
  json_decref(answer->json);
  g_free(answer->text);
  g_free(answer->location);
  g_free(answer->type);
  g_free(answer->link);
  g_ptr_array_unref(answer->headers);
  g_free(answer);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)

/* A line for every problem document in value, so that oracle/test_problems.py can hold what the
   tests produce against what the sources can. */
static inline void lab_note_problems(FILE *file, const Answer *answer, json_t *value,
                                     const char *place) {
  const char *type = json_string_value(json_object_get(value, "type"));
  const char *key = NULL;
  json_t *member = NULL;
  size_t i = 0;
  if (type != NULL && g_str_has_prefix(type, LAB_URN)) {
    json_t *line = json_pack("{s:s, s:s, s:b, s:i, s:s?, s:O}", "test", g_test_get_path(), "place",
                             place, "whole", value == answer->json, "http", (int)answer->status,
                             "content", answer->type, "problem", value);
    json_dumpf(line, file, JSON_COMPACT);
    fputc('\n', file);
    json_decref(line);
  }
  json_object_foreach(value, key, member) {
    lab_note_problems(file, answer, member, place);
  }
  json_array_foreach(value, i, member) {
    lab_note_problems(file, answer, member, place);
  }
}

/* Appends them to the file that SIGNET_PROBLEMS names. */
static inline void lab_keep_problems(const Answer *answer) {
  const char *path = g_getenv("SIGNET_PROBLEMS");
  FILE *file = path != NULL ? fopen(path, "a") : NULL;
  if (file == NULL)
    return;
  lab_note_problems(file, answer, answer->json, answer->status >= 400 ? "answer" : "object");
  fclose(file);
}

static inline Answer *lab_read_answer(const Response *response) {
  Answer *answer = g_new0(Answer, 1);
  gsize size = 0;
  const char *body = response->body != NULL ? g_bytes_get_data(response->body, &size) : "";
  const char *retry = response_find_header(response, "Retry-After");
  answer->status = response->status;
  answer->text = g_strndup(body, size);
  answer->json = json_loads(answer->text, 0, NULL);
  answer->location = g_strdup(response_find_header(response, "Location"));
  answer->type = g_strdup(response_find_header(response, "Content-Type"));
  answer->link = g_strdup(response_find_header(response, "Link"));
  answer->retry_after = retry != NULL ? atoi(retry) : -1;
  answer->headers = g_ptr_array_ref(response->headers);
  lab_keep_problems(answer);
  return answer;
}

/* NULL: there is none. */
static inline const char *lab_header(const Answer *answer, const char *name) {
  for (guint i = 0; i < answer->headers->len; i += 2)
    if (strcmp(answer->headers->pdata[i], name) == 0)
      return answer->headers->pdata[i + 1];
  return NULL;
}

/* The URLs of a relation, in the order of the Link fields (RFC 8288). */
static inline GPtrArray *lab_links(const Answer *answer, const char *relation) {
  GPtrArray *urls = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *end = g_strdup_printf(">;rel=\"%s\"", relation);
  for (guint i = 0; i < answer->headers->len; i += 2) {
    const char *value = answer->headers->pdata[i + 1];
    if (strcmp(answer->headers->pdata[i], "Link") == 0 && g_str_has_suffix(value, end))
      g_ptr_array_add(urls, g_strndup(value + 1, strlen(value) - 1 - strlen(end)));
  }
  return urls;
}

/* Hands a request to the engine in a transaction of its own. */
static inline Answer *lab_handle(Lab *lab, const char *method, const char *path,
                                 const char *content_type, GBytes *body) {
  g_autoptr(Response) response = NULL;
  Request request = {method, path, content_type, body, lab->peer};
  gboolean keep = FALSE;
  do {
    g_clear_pointer(&response, response_free);
    response = response_new();
    lab_begin(lab);
    keep = acme_handle(&lab->acme, &request, response);
  } while (!lab_end(lab, keep));
  g_assert_true(keep || response->status >= 400); /* a refusal may keep what it did */
  return lab_read_answer(response);
}

/* As anybody asks. */
static inline Answer *lab_get(Lab *lab, const char *path) {
  g_autoptr(GBytes) nothing = g_bytes_new_static("", 0);
  return lab_handle(lab, "GET", path, "", nothing);
}

static inline char *lab_dump(const json_t *value) {
  char *dumped = json_dumps(value, JSON_COMPACT);
  char *text = g_strdup(dumped);
  free(dumped);
  return text;
}

static inline GBytes *lab_flattened(const char *protected, const char *payload, GBytes *signature) {
  g_autofree char *encoded =
      base64url_encode(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
  char *text = g_strdup_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
                               protected, payload, encoded);
  return g_bytes_new_take(text, strlen(text));
}

/* An external account binding (RFC 8555 section 7.3.4): payload under a MAC; header is taken. */
static inline json_t *lab_binding(json_t *header, const char *payload, GBytes *mac_key) {
  const char *algorithm = json_string_value(json_object_get(header, "alg"));
  const EVP_MD *digest = g_strcmp0(algorithm, "HS384") == 0   ? EVP_sha384()
                         : g_strcmp0(algorithm, "HS512") == 0 ? EVP_sha512()
                                                              : EVP_sha256();
  guint8 mac[EVP_MAX_MD_SIZE];
  guint length = 0;
  g_autofree char *header_text = lab_dump(header);
  g_autofree char *protected = lab_encode(header_text);
  g_autofree char *encoded = lab_encode(payload);
  g_autofree char *input = g_strconcat(protected, ".", encoded, NULL);
  HMAC(digest, g_bytes_get_data(mac_key, NULL), (int)g_bytes_get_size(mac_key),
       (const guint8 *)input, strlen(input), mac, &length);
  g_autofree char *signature = base64url_encode(mac, length);
  json_decref(header);
  return json_pack("{s:s, s:s, s:s}", "protected", protected, "payload", encoded, "signature",
                   signature);
}

/* A signed request; payload NULL is POST-as-GET; by kid when the client has one and by_key is
 * FALSE. */
static inline Answer *lab_send(Lab *lab, LabClient *client, gboolean by_key, const char *path,
                               const char *payload) {
  g_autofree char *nonce = lab->nonce != NULL ? g_strdup(lab->nonce) : lab_nonce(lab);
  g_autofree char *url = g_strconcat(LAB_URL, path, NULL);
  json_t *header =
      json_pack("{s:s, s:s, s:s}", "alg", client->algorithm, "nonce", nonce, "url", url);
  if (by_key)
    json_object_set(header, "jwk", client->jwk);
  else
    json_object_set_new(header, "kid", json_string(client->kid));
  char *header_text = json_dumps(header, JSON_COMPACT);
  json_decref(header);
  g_autofree char *protected = lab_encode(header_text);
  free(header_text);
  g_autofree char *encoded = lab_encode(payload != NULL ? payload : "");
  g_autofree char *input = g_strconcat(protected, ".", encoded, NULL);
  g_autoptr(GBytes) signature = lab_sign(client->key, input);
  g_autoptr(GBytes) body = lab_flattened(protected, encoded, signature);
  return lab_handle(lab, "POST", path, "application/jose+json", body);
}

/* The path of one of our URLs. */
static inline const char *lab_path(const char *url) {
  g_assert_true(g_str_has_prefix(url, LAB_URL));
  return url + strlen(LAB_URL);
}

static inline Answer *lab_post(Lab *lab, LabClient *client, const char *url, const char *payload) {
  return lab_send(lab, client, FALSE, lab_path(url), payload);
}

static inline const char *lab_text(const Answer *answer, const char *member) {
  return json_string_value(json_object_get(answer->json, member));
}

#define assert_problem(answer, code, name)                                                         \
  do {                                                                                             \
    g_assert_cmpstr(lab_text(answer, "type"), ==, LAB_URN name);                                   \
    g_assert_cmpuint((answer)->status, ==, code);                                                  \
    g_assert_cmpint(json_integer_value(json_object_get((answer)->json, "status")), ==, code);      \
    g_assert_cmpstr((answer)->type, ==, "application/problem+json");                               \
    g_assert_nonnull(lab_text(answer, "detail"));                                                  \
  } while (0)

/* A client with an account. */
static inline LabClient *lab_account_with(Lab *lab, EVP_PKEY *key) {
  LabClient *client = lab_client_of(key);
  g_autoptr(Answer) answer =
      lab_send(lab, client, TRUE, "/new-account", "{\"contact\":[\"mailto:admin@example.org\"]}");
  g_assert_cmpuint(answer->status, ==, 201);
  client->kid = g_strdup(answer->location);
  return client;
}

static inline LabClient *lab_account(Lab *lab) {
  return lab_account_with(lab, lab_key("P-256"));
}

/* The same, bound to an external account that covers identifiers and profiles: JSON arrays. */
static inline LabClient *lab_account_bound(Lab *lab, const char *identifiers,
                                           const char *profiles) {
  static const char mac_key[] = "a MAC key of thirty-two octets..";
  char kid[ID_TEXT];
  g_autoptr(GBytes) octets = g_bytes_new_static(mac_key, sizeof(mac_key) - 1);
  ExternalAccountKey row = {.id = acme_id(&lab->acme, lab->clock.now),
                            .mac_key = octets,
                            .note = (char *)"",
                            .identifiers = (char *)identifiers,
                            .profiles = (char *)profiles,
                            .created_at = lab->clock.now};
  lab_begin(lab);
  g_assert_true(external_account_key_insert(lab->acme.store, &row, NULL));
  lab_commit(lab, TRUE);
  LabClient *client = lab_client_of(lab_key("P-256"));
  g_autofree char *jwk = lab_dump(client->jwk);
  json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", id_text(&row.id, kid), "url",
                             LAB_URL "/new-account");
  json_t *payload = json_pack("{s:o}", "externalAccountBinding", lab_binding(header, jwk, octets));
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  g_autoptr(Answer) answer = lab_send(lab, client, TRUE, "/new-account", text);
  g_assert_cmpuint(answer->status, ==, 201);
  client->kid = g_strdup(answer->location);
  return client;
}

/* --- one order of one client --- */

typedef struct {
  Lab *lab;
  LabClient *client;
  char *order, *finalize;     /* URLs */
  GPtrArray *authorizations;  /* of char*: URLs */
  GPtrArray *challenges;      /* of char*: URLs */
  GPtrArray *challenge_froms; /* of char* */
  EVP_PKEY *key;              /* of the certificate */
} LabOrder;

static inline void lab_order_free(LabOrder *order) {
  g_free(order->order);
  g_free(order->finalize);
  g_ptr_array_unref(order->authorizations);
  g_ptr_array_unref(order->challenges);
  g_ptr_array_unref(order->challenge_froms);
  EVP_PKEY_free(order->key);
  g_free(order);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LabOrder, lab_order_free)

static inline char *lab_identifiers(const char *const *addresses) {
  json_t *list = json_array();
  for (; *addresses != NULL; addresses++)
    json_array_append_new(list, json_pack("{s:s, s:s}", "type", "email", "value", *addresses));
  json_t *payload = json_pack("{s:o}", "identifiers", list);
  char *text = json_dumps(payload, JSON_COMPACT);
  char *copy = g_strdup(text);
  free(text);
  json_decref(payload);
  return copy;
}

/* What newOrder answered; the authorizations have not been read. */
static inline LabOrder *lab_order_from(Lab *lab, LabClient *client, const Answer *answer) {
  LabOrder *order = g_new0(LabOrder, 1);
  json_t *url = NULL;
  size_t i = 0;
  g_assert_cmpuint(answer->status, ==, 201);
  order->lab = lab;
  order->client = client;
  order->order = g_strdup(answer->location);
  order->finalize = g_strdup(lab_text(answer, "finalize"));
  order->authorizations = g_ptr_array_new_with_free_func(g_free);
  order->challenges = g_ptr_array_new_with_free_func(g_free);
  order->challenge_froms = g_ptr_array_new_with_free_func(g_free);
  order->key = lab_key("P-256");
  json_array_foreach(json_object_get(answer->json, "authorizations"), i, url) {
    g_ptr_array_add(order->authorizations, g_strdup(json_string_value(url)));
  }
  return order;
}

/* newOrder with any payload. */
static inline LabOrder *lab_order_with(Lab *lab, LabClient *client, const char *payload) {
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-order", payload);
  return lab_order_from(lab, client, answer);
}

static inline LabOrder *lab_order_unread(Lab *lab, LabClient *client,
                                         const char *const *addresses) {
  g_autofree char *payload = lab_identifiers(addresses);
  return lab_order_with(lab, client, payload);
}

/* Reads every authorization, which starts the mails. */
static inline void lab_order_read(LabOrder *order) {
  for (guint i = 0; i < order->authorizations->len; i++) {
    g_autoptr(Answer) answer =
        lab_post(order->lab, order->client, order->authorizations->pdata[i], NULL);
    json_t *challenges = json_object_get(answer->json, "challenges");
    json_t *challenge = json_array_get(challenges, 0);
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpuint(json_array_size(challenges), ==, 1);
    g_ptr_array_add(order->challenges,
                    g_strdup(json_string_value(json_object_get(challenge, "url"))));
    g_ptr_array_add(order->challenge_froms,
                    g_strdup(json_string_value(json_object_get(challenge, "from"))));
  }
}

/* newAuthz: an authorization of no order; order and finalize are NULL. */
static inline LabOrder *lab_authorize(Lab *lab, LabClient *client, const char *address) {
  g_autofree char *payload =
      g_strdup_printf("{\"identifier\":{\"type\":\"email\",\"value\":\"%s\"}}", address);
  g_autoptr(Answer) answer = lab_send(lab, client, FALSE, "/new-authz", payload);
  LabOrder *order = g_new0(LabOrder, 1);
  g_assert_cmpuint(answer->status, ==, 201);
  order->lab = lab;
  order->client = client;
  order->authorizations = g_ptr_array_new_with_free_func(g_free);
  order->challenges = g_ptr_array_new_with_free_func(g_free);
  order->challenge_froms = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(order->authorizations, g_strdup(answer->location));
  lab_order_read(order);
  return order;
}

static inline LabOrder *lab_order_of(Lab *lab, LabClient *client, const char *const *addresses) {
  LabOrder *order = lab_order_unread(lab, client, addresses);
  lab_order_read(order);
  return order;
}

static inline LabOrder *lab_order(Lab *lab, LabClient *client) {
  static const char *const alice[] = {"Alice@example.org", NULL};
  return lab_order_of(lab, client, alice);
}

static inline Answer *lab_challenge(LabOrder *order, guint i, const char *payload) {
  return lab_post(order->lab, order->client, order->challenges->pdata[i], payload);
}

/* The status of an object as its owner reads it. */
static inline char *lab_status(LabOrder *order, const char *url) {
  g_autoptr(Answer) answer = lab_post(order->lab, order->client, url, NULL);
  g_assert_cmpuint(answer->status, ==, 200);
  return g_strdup(lab_text(answer, "status"));
}

#define assert_status(order_of, url, expected)                                                     \
  do {                                                                                             \
    g_autofree char *status_of_url = lab_status(order_of, url);                                    \
    g_assert_cmpstr(status_of_url, ==, expected);                                                  \
  } while (0)

/* Status of order, first authorization and first challenge at once. */
#define assert_statuses(of, order_status, authorization_status, challenge_status)                  \
  do {                                                                                             \
    assert_status(of, (of)->challenges->pdata[0], challenge_status);                               \
    assert_status(of, (of)->authorizations->pdata[0], authorization_status);                       \
    assert_status(of, (of)->order, order_status);                                                  \
  } while (0)

/* --- limbs --- */

/* Takes the job of kind that is due, as core does; FALSE when none is. question->kind is
   QUESTION_NONE when the job needed nothing. A job that fails is put off. */
static inline gboolean lab_take(Lab *lab, JobKind kind, Question *question) {
  Job job;
  StoreFind taken = STORE_MISSING;
  gboolean begun = FALSE;
  for (;;) {
    *question = (Question){0};
    lab_begin(lab);
    taken = job_take_one(lab->acme.store, kind, lab->clock.now, lab->clock.now + 10 * CLOCK_MINUTE,
                         &job, NULL);
    begun = taken == STORE_FOUND && job_begin(&lab->acme, &job, question, NULL);
    if (lab_end(lab, TRUE))
      break;
    question_clear(question);
  }
  g_assert_cmpint(taken, >=, 0);
  g_assert_cmpint(begun, ==, taken == STORE_FOUND);
  return taken == STORE_FOUND;
}

/* The same where a question must come. */
static inline void lab_ask(Lab *lab, JobKind kind, QuestionKind expected, Question *question) {
  g_assert_true(lab_take(lab, kind, question));
  g_assert_cmpint(question->kind, ==, expected);
}

/* Runs what an answer does in a transaction of its own. */
#define LAB_TURN(lab, handler)                                                                     \
  do {                                                                                             \
    gboolean turn_done = FALSE;                                                                    \
    do {                                                                                           \
      lab_begin(lab);                                                                              \
      turn_done = handler;                                                                         \
    } while (!lab_end(lab, turn_done));                                                            \
    g_assert_true(turn_done);                                                                      \
  } while (0)

static inline void lab_delivered(Lab *lab, const Question *question, SenderOutcome outcome,
                                 guint code, const char *text) {
  g_autoptr(GBytes) message = g_bytes_new_static("Subject: x\r\n\r\n", 14);
  const Delivery delivery = {outcome, code, text, message};
  LAB_TURN(lab, job_delivered(&lab->acme, question, &delivery, NULL));
}

/* Runs every job of a kind that is due and asks nobody; how many runs that were. */
static inline guint lab_run(Lab *lab, JobKind kind) {
  for (guint runs = 0;; runs++) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, kind, &question))
      return runs;
    g_assert_cmpint(question.kind, ==, QUESTION_NONE);
  }
}

/* Signs the list that is due; how many entries it has. */
static inline guint lab_sign_crl(Lab *lab) {
  g_auto(Question) question = {0};
  g_autoptr(GError) error = NULL;
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  g_autoptr(GBytes) crl = crl_sign(lab->signer, &question.crl, &error);
  g_assert_no_error(error);
  LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
  return question.crl.entries->len;
}

/* Sends every mail that is due now. */
static inline guint lab_send_mails(Lab *lab) {
  guint sent = 0;
  for (;; sent++) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, JOB_MAIL, &question))
      return sent;
    if (question.kind == QUESTION_DELIVER)
      lab_delivered(lab, &question, SENDER_ACCEPTED, 250, "2.0.0 ok");
  }
}

/* --- replies --- */

/* A reply as inbound would report it. */
typedef struct {
  ReplyFacts facts;
  DkimSignature signature;
  gboolean is_unsigned;
  char *fields[3];
} LabReply;

static inline char *lab_column(Lab *lab, const char *sql, const char *parameter) {
  SqlQuery query = sql_query(lab->acme.store, sql, "t", parameter);
  g_autoptr(GError) error = NULL;
  char *text = sql_row(&query) ? sql_text(&query, 0) : NULL;
  sql_end(&query, &error);
  g_assert_no_error(error);
  return text;
}

static inline char *lab_token1(Lab *lab, const char *mail_from) {
  return lab_column(lab, "SELECT token1 FROM challenge WHERE mail_from = ?1", mail_from);
}

/* What the mailbox owner answers by every rule; freed by lab_reply_clear. */
static inline LabReply lab_right_reply(LabOrder *order, guint i) {
  const char *from = order->challenge_froms->pdata[i];
  LabReply reply = {0};
  g_autofree char *why = NULL;
  g_autoptr(Jwk) jwk = jwk_parse(order->client->jwk, &why);
  g_autofree char *token2 =
      lab_column(order->lab, "SELECT token2 FROM challenge WHERE mail_from = ?1", from);
  reply.facts.from_fields = reply.facts.from_mailboxes = reply.facts.subject_fields = 1;
  reply.facts.from = lab_column(order->lab,
                                "SELECT a.address FROM authz a JOIN challenge c ON c.authz_id ="
                                " a.id WHERE c.mail_from = ?1",
                                from);
  reply.facts.token = lab_token1(order->lab, from);
  if (reply.facts.token == NULL)
    reply.facts.token = g_strdup("");
  reply.facts.block = REPLY_BLOCK_ONE;
  judge_expected_digest(reply.facts.token, token2, jwk->thumbprint_text, reply.facts.digest);
  reply.signature.result = DKIM_PASS;
  reply.signature.domain = g_strdup(strchr(reply.facts.from, '@') + 1);
  return reply;
}

static inline void lab_reply_clear(LabReply *reply) {
  g_free(reply->facts.from);
  g_free(reply->facts.token);
  g_free(reply->signature.domain);
}

/* The message of a reply comes in at its reply address and is committed; the SMTP code. */
static inline guint lab_mail_in(LabOrder *order, guint i) {
  static const char raw[] = "From: alice@example.org\r\n\r\nreply\r\n";
  const char *recipients[] = {order->challenge_froms->pdata[i], NULL};
  g_autoptr(GBytes) octets = g_bytes_new_static(raw, sizeof(raw) - 1);
  const IncomingMail mail = {"192.0.2.2", "mx.example.org", "alice@example.org", recipients, TRUE,
                             octets};
  MailReply smtp = {0};
  LAB_TURN(order->lab, mail_in_take(&order->lab->acme, &mail, &smtp, NULL));
  return smtp.code;
}

static inline void lab_examined(Lab *lab, const Question *question, LabReply *reply) {
  g_autoptr(GPtrArray) signatures = g_ptr_array_new();
  char *covered[] = {(char *)"from", (char *)"subject", NULL};
  if (reply->signature.fields == NULL)
    reply->signature.fields = covered;
  if (!reply->is_unsigned)
    g_ptr_array_add(signatures, &reply->signature);
  LAB_TURN(lab, job_examined(&lab->acme, question, &reply->facts, signatures, lab->answers,
                             "evidence", NULL));
  if (reply->signature.fields == covered)
    reply->signature.fields = NULL;
}

/* Mail in, examined, judged. */
static inline void lab_give_reply(LabOrder *order, guint i, LabReply *reply) {
  g_auto(Question) question = {0};
  g_assert_cmpuint(lab_mail_in(order, i), ==, 250);
  lab_ask(order->lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(order->lab, &question, reply);
}

static inline void lab_right(LabOrder *order, guint i) {
  LabReply reply = lab_right_reply(order, i);
  lab_give_reply(order, i, &reply);
  lab_reply_clear(&reply);
}

/* --- finalize and issuance --- */

static inline void lab_push_extension(STACK_OF(X509_EXTENSION) * extensions, int nid,
                                      const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  g_assert_nonnull(extension);
  sk_X509_EXTENSION_push(extensions, extension);
}

/* names and usage in the words of OpenSSL's configuration; usage NULL: none. */
static inline char *lab_csr(EVP_PKEY *key, const char *names, const char *usage) {
  X509_REQ *request = X509_REQ_new();
  STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
  guint8 *der = NULL;
  lab_push_extension(extensions, NID_subject_alt_name, names);
  if (usage != NULL)
    lab_push_extension(extensions, NID_key_usage, usage);
  X509_REQ_set_version(request, 0);
  X509_REQ_set_pubkey(request, key);
  g_assert_cmpint(X509_REQ_add_extensions(request, extensions), ==, 1);
  g_assert_cmpint(X509_REQ_sign(request, key, EVP_sha256()), >, 0);
  int length = i2d_X509_REQ(request, &der);
  char *text = base64url_encode(der, (gsize)length);
  OPENSSL_free(der);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_free(request);
  return text;
}

static inline Answer *lab_finalize_for(LabOrder *order, EVP_PKEY *key, const char *names,
                                       const char *usage) {
  g_autofree char *csr = lab_csr(key, names, usage);
  g_autofree char *payload = g_strdup_printf("{\"csr\":\"%s\"}", csr);
  return lab_post(order->lab, order->client, order->finalize, payload);
}

static inline Answer *lab_finalize_with(LabOrder *order, EVP_PKEY *key, const char *names) {
  return lab_finalize_for(order, key, names, NULL);
}

static inline Answer *lab_finalize(LabOrder *order) {
  return lab_finalize_with(order, order->key, "email:alice@example.org");
}

/* A CAA answer: record "issuemail VALUE", or none when value is NULL. */
static inline void lab_caa(Lab *lab, Question *question, ResolverOutcome outcome,
                           const char *value) {
  g_autoptr(CaaRecordSet) set = g_new0(CaaRecordSet, 1);
  set->outcome = outcome;
  set->secure = outcome >= RESOLVER_NONE;
  set->ttl = 300;
  set->text = g_strdup(outcome >= RESOLVER_NONE ? "" : "the servers do not answer");
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if (value != NULL) {
    g_autoptr(GByteArray) record = g_byte_array_new();
    g_byte_array_append(record, (const guint8 *)"\0\011issuemail", 11);
    g_byte_array_append(record, (const guint8 *)value, (guint)strlen(value));
    set->found_at = g_strdup(question->domain);
    g_ptr_array_add(set->records, g_bytes_new(record->data, record->len));
  }
  LAB_TURN(lab, job_caa_answered(&lab->acme, question, set, lab->answers, NULL));
}

/* What the signer builds and finds. */
static inline void lab_built(Lab *lab, Question *question, const char *findings) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) tbs = certificate_build(lab->signer, &question->fields, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) found = lint_tbs(tbs, lab->signer);
  g_assert_cmpuint(found->len, ==, 0);
  LAB_TURN(lab, job_built(&lab->acme, question, tbs, findings, "", NULL));
}

/* The signer's answer: signs once, then answers from its log. */
static inline GBytes *lab_certificate(Lab *lab, const Question *question) {
  g_autoptr(GError) error = NULL;
  GBytes *certificate = g_hash_table_lookup(lab->signatures, question->octets);
  if (certificate == NULL) {
    certificate = certificate_sign(lab->signer, question->octets, &error);
    g_assert_no_error(error);
    g_hash_table_insert(lab->signatures, g_bytes_ref(question->octets), certificate);
  }
  return certificate;
}

static inline void lab_signed(Lab *lab, const Question *question) {
  GBytes *certificate = lab_certificate(lab, question);
  LAB_TURN(lab, job_signed(&lab->acme, question, certificate, "", NULL));
}

/* The question what a failed order left at the signer: answered from its log. */
static inline void lab_answer_logged(Lab *lab) {
  g_auto(Question) question = {0};
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  g_assert_true(question.only_if_logged);
  GBytes *logged = g_hash_table_lookup(lab->signatures, question.octets);
  LAB_TURN(lab, job_signed(&lab->acme, &question, logged != NULL ? logged : nothing, "", NULL));
}

static inline void lab_answer_caa(Lab *lab, ResolverOutcome outcome, const char *value) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &question);
  lab_caa(lab, &question, outcome, value);
}

static inline void lab_answer_build(Lab *lab) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &question);
  lab_built(lab, &question, "");
}

static inline void lab_answer_sign(Lab *lab) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  lab_signed(lab, &question);
}

/* Reply and POST of a challenge come. */
static inline void lab_validate(LabOrder *order, guint i) {
  g_autoptr(Answer) answer = lab_challenge(order, i, "{}");
  g_assert_cmpuint(answer->status, ==, 200);
  lab_right(order, i);
  assert_status(order, order->authorizations->pdata[i], "valid");
}

/* An order that is ready: reply and POST have come. */
static inline LabOrder *lab_ready(Lab *lab, LabClient *client) {
  LabOrder *order = lab_order(lab, client);
  lab_validate(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
  return order;
}

/* From ready to valid. */
static inline void lab_issue(LabOrder *order) {
  g_autoptr(Answer) answer = lab_finalize(order);
  g_assert_cmpuint(answer->status, ==, 200);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  lab_answer_caa(order->lab, RESOLVER_NONE, NULL);
  lab_answer_build(order->lab);
  lab_answer_sign(order->lab);
  assert_status(order, order->order, "valid");
}

/* The leaf of a valid order, DER. */
static inline GBytes *lab_leaf(LabOrder *order) {
  g_autoptr(Answer) shown = lab_post(order->lab, order->client, order->order, NULL);
  g_assert_nonnull(lab_text(shown, "certificate"));
  g_autoptr(Answer) answer =
      lab_post(order->lab, order->client, lab_text(shown, "certificate"), NULL);
  g_assert_cmpuint(answer->status, ==, 200);
  g_assert_cmpstr(answer->type, ==, "application/pem-certificate-chain");
  g_auto(GStrv) parts = g_strsplit(answer->text, "-----BEGIN CERTIFICATE-----", -1);
  g_assert_cmpuint(g_strv_length(parts), ==, 3); /* leaf and issuer */
  gsize length = 0;
  *strstr(parts[1], "-----END") = '\0';
  guchar *der = g_base64_decode(parts[1], &length);
  return g_bytes_new_take(der, length);
}

/* revokeCert of a leaf, DER; reason as JSON text, or NULL. */
static inline Answer *lab_revoke(Lab *lab, LabClient *client, gboolean by_key, GBytes *leaf,
                                 const char *reason) {
  g_autofree char *encoded = base64url_encode(g_bytes_get_data(leaf, NULL), g_bytes_get_size(leaf));
  g_autofree char *payload =
      g_strdup_printf("{\"certificate\":\"%s\"%s%s}", encoded, reason != NULL ? ",\"reason\":" : "",
                      reason != NULL ? reason : "");
  return lab_send(lab, client, by_key, "/revoke-cert", payload);
}

#endif
