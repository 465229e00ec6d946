/* SPDX-License-Identifier: Apache-2.0 */
/* What the cryptography of one issuance costs at least on this machine, with OpenSSL alone: keys
   are decoded, algorithms looked up and contexts made beforehand, except where a key is new each
   time. Nothing is parsed but the request, nothing copied, no system call made.

     crypto_floor ROUNDS TIMES

   Prints one JSON object: for each operation the median over the rounds of the microseconds of
   processor time that one took, and how often it is in an issuance. */
#include <glib.h>
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST_OCTETS 32
#define SIGNATURE_MAX 512
#define JWS_OCTETS 600 /* signing input of a POST */
#define MAIL_OCTETS 4096
#define HEADER_OCTETS 1024 /* what of it a DKIM signature is over */
#define TBS_OCTETS 800     /* a certificate without its signature */
#define REQUESTS 64        /* with keys of their own */

typedef struct {
  EVP_MD *sha256;
  guint8 text[MAIL_OCTETS];
  EVP_PKEY_CTX *ec_sign, *ec_verify, *rsa_sign, *rsa_verify; /* ready */
  guint8 ec_signature[SIGNATURE_MAX], rsa_signature[SIGNATURE_MAX];
  size_t ec_length, rsa_length;
  GBytes *requests[REQUESTS];
  guint next_request;
  SSL_CTX *server, *client;
} Floor;

static void must(gboolean good, const char *what) {
  if (good)
    return;
  fprintf(stderr, "crypto_floor: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static gint64 processor_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (gint64)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- the operations; each answers the nanoseconds that count
 * ---------------------------------------------------------------------------------------------- */

static void digest(Floor *f, gsize octets, guint8 *result) {
  must(EVP_Digest(f->text, octets, result, NULL, f->sha256, NULL) == 1, "digest");
}

static gint64 es256_verify(Floor *f) {
  guint8 hash[DIGEST_OCTETS];
  gint64 begun = processor_nanoseconds();
  digest(f, JWS_OCTETS, hash);
  must(EVP_PKEY_verify(f->ec_verify, f->ec_signature, f->ec_length, hash, sizeof(hash)) == 1,
       "ES256");
  return processor_nanoseconds() - begun;
}

static void digest_mail(Floor *f, guint8 *hash) {
  digest(f, MAIL_OCTETS, hash);
  digest(f, HEADER_OCTETS, hash);
}

static gint64 dkim_sign(Floor *f) {
  guint8 hash[DIGEST_OCTETS], signature[SIGNATURE_MAX];
  size_t length = sizeof(signature);
  gint64 begun = processor_nanoseconds();
  digest_mail(f, hash);
  must(EVP_PKEY_sign(f->rsa_sign, signature, &length, hash, sizeof(hash)) == 1, "RSA signature");
  return processor_nanoseconds() - begun;
}

static gint64 dkim_verify(Floor *f) {
  guint8 hash[DIGEST_OCTETS];
  gint64 begun = processor_nanoseconds();
  digest_mail(f, hash);
  must(EVP_PKEY_verify(f->rsa_verify, f->rsa_signature, f->rsa_length, hash, sizeof(hash)) == 1,
       "RSA verification");
  return processor_nanoseconds() - begun;
}

static gint64 csr_check(Floor *f) {
  GBytes *der = f->requests[f->next_request++ % REQUESTS];
  gint64 begun = processor_nanoseconds();
  const guint8 *octets = g_bytes_get_data(der, NULL);
  X509_REQ *request = d2i_X509_REQ(NULL, &octets, (long)g_bytes_get_size(der));
  must(request != NULL && X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) == 1, "request");
  X509_REQ_free(request);
  return processor_nanoseconds() - begun;
}

static gint64 certificate_sign(Floor *f) {
  guint8 hash[DIGEST_OCTETS], signature[SIGNATURE_MAX];
  size_t length = sizeof(signature);
  gint64 begun = processor_nanoseconds();
  digest(f, TBS_OCTETS, hash);
  must(EVP_PKEY_sign(f->ec_sign, signature, &length, hash, sizeof(hash)) == 1, "ECDSA signature");
  return processor_nanoseconds() - begun;
}

/* TLS 1.3, full, the server's tickets included; only what the server does counts. */
static gint64 tls_handshake(Floor *f) {
  BIO *near = NULL, *far = NULL;
  must(BIO_new_bio_pair(&near, 0, &far, 0) == 1, "BIO");
  SSL *client = SSL_new(f->client);
  SSL_set_bio(client, far, far);
  SSL_set_connect_state(client);
  gint64 counted = 0, begun = processor_nanoseconds();
  SSL *server = SSL_new(f->server);
  SSL_set_bio(server, near, near);
  SSL_set_accept_state(server);
  counted += processor_nanoseconds() - begun;
  for (int turn = 0; turn < 16 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server));
       turn++) {
    SSL_do_handshake(client);
    begun = processor_nanoseconds();
    SSL_do_handshake(server);
    counted += processor_nanoseconds() - begun;
  }
  must(SSL_is_init_finished(client) && SSL_is_init_finished(server) &&
           SSL_version(server) == TLS1_3_VERSION && SSL_session_reused(server) == 0,
       "handshake");
  begun = processor_nanoseconds();
  SSL_free(server);
  counted += processor_nanoseconds() - begun;
  SSL_free(client);
  ERR_clear_error();
  return counted;
}

static const struct {
  const char *name;
  guint times; /* in an issuance */
  gint64 (*run)(Floor *);
} operations[] = {
    {"ES256 verification", 8, es256_verify},        {"DKIM signature, RSA-2048", 1, dkim_sign},
    {"DKIM verification", 1, dkim_verify},          {"CSR check, P-256", 1, csr_check},
    {"certificate signature", 1, certificate_sign}, {"TLS 1.3 handshake", 1, tls_handshake},
};

/* --- what they need
 * ---------------------------------------------------------------------------------------------- */

static EVP_PKEY_CTX *ready(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), const EVP_MD *md) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
  must(context != NULL && init(context) == 1 && EVP_PKEY_CTX_set_signature_md(context, md) == 1 &&
           (EVP_PKEY_is_a(key, "RSA") != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1),
       "key");
  return context;
}

static GBytes *make_request(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509_REQ *request = X509_REQ_new();
  STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
  X509_EXTENSION *names =
      X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "email:user@user.test");
  guint8 *der = NULL;
  must(key != NULL && names != NULL, "request");
  sk_X509_EXTENSION_push(extensions, names);
  must(X509_REQ_set_pubkey(request, key) == 1 &&
           X509_REQ_add_extensions(request, extensions) == 1 &&
           X509_REQ_sign(request, key, EVP_sha256()) > 0,
       "request");
  int length = i2d_X509_REQ(request, &der);
  GBytes *octets = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return octets;
}

static X509 *make_certificate(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  X509_NAME *name = X509_get_subject_name(certificate);
  must(X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guint8 *)"localhost", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0,
       "certificate");
  return certificate;
}

/* As daemon/pem_key.c makes it for the edges, with a P-256 key. */
static void make_tls(Floor *f) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = make_certificate(key);
  f->server = SSL_CTX_new(TLS_server_method());
  f->client = SSL_CTX_new(TLS_client_method());
  must(SSL_CTX_use_certificate(f->server, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(f->server, key) == 1 &&
           SSL_CTX_set_min_proto_version(f->client, TLS1_3_VERSION) == 1,
       "TLS");
  SSL_CTX_set_mode(f->server, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(f->server, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(f->client, SSL_SESS_CACHE_OFF);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static void make_signatures(Floor *f) {
  guint8 hash[DIGEST_OCTETS];
  f->ec_length = sizeof(f->ec_signature);
  f->rsa_length = sizeof(f->rsa_signature);
  digest(f, JWS_OCTETS, hash);
  must(EVP_PKEY_sign(f->ec_sign, f->ec_signature, &f->ec_length, hash, sizeof(hash)) == 1, "ECDSA");
  digest_mail(f, hash);
  must(EVP_PKEY_sign(f->rsa_sign, f->rsa_signature, &f->rsa_length, hash, sizeof(hash)) == 1,
       "RSA");
}

static void floor_init(Floor *f) {
  EVP_PKEY *ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
  f->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  must(ec != NULL && rsa != NULL && f->sha256 != NULL, "keys");
  memset(f->text, 'x', sizeof(f->text));
  f->ec_sign = ready(ec, EVP_PKEY_sign_init, f->sha256);
  f->ec_verify = ready(ec, EVP_PKEY_verify_init, f->sha256);
  f->rsa_sign = ready(rsa, EVP_PKEY_sign_init, f->sha256);
  f->rsa_verify = ready(rsa, EVP_PKEY_verify_init, f->sha256);
  EVP_PKEY_free(ec);
  EVP_PKEY_free(rsa);
  make_signatures(f);
  for (guint i = 0; i < REQUESTS; i++)
    f->requests[i] = make_request();
  make_tls(f);
}

static void floor_clear(Floor *f) {
  EVP_PKEY_CTX_free(f->ec_sign);
  EVP_PKEY_CTX_free(f->ec_verify);
  EVP_PKEY_CTX_free(f->rsa_sign);
  EVP_PKEY_CTX_free(f->rsa_verify);
  EVP_MD_free(f->sha256);
  for (guint i = 0; i < REQUESTS; i++)
    g_bytes_unref(f->requests[i]);
  SSL_CTX_free(f->server);
  SSL_CTX_free(f->client);
}

/* --- measuring
 * ---------------------------------------------------------------------------------------------- */

static int compare(gconstpointer a, gconstpointer b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

static double median(GArray *values) {
  g_array_sort(values, compare);
  return g_array_index(values, double, (values->len - 1) / 2);
}

/* All operations in turn in each round, so that what else happens meets all of them. */
static void measure(Floor *f, guint rounds, guint times, GArray **taken) {
  for (guint round = 0; round <= rounds; round++)
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
      gint64 spent = 0;
      for (guint j = 0; j < times; j++)
        spent += operations[i].run(f);
      double each = (double)spent / times / 1000;
      if (round > 0) /* the first warms up */
        g_array_append_val(taken[i], each);
    }
}

int main(int argc, char **argv) {
  if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1) {
    fputs("usage: crypto_floor ROUNDS TIMES\n", stderr);
    return 2;
  }
  g_autofree Floor *f = g_new0(Floor, 1);
  GArray *taken[G_N_ELEMENTS(operations)];
  for (gsize i = 0; i < G_N_ELEMENTS(operations); i++)
    taken[i] = g_array_new(FALSE, FALSE, sizeof(double));
  floor_init(f);
  measure(f, (guint)atoi(argv[1]), (guint)atoi(argv[2]), taken);
  json_t *rows = json_array();
  double sum = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
    double each = median(taken[i]);
    sum += each * operations[i].times;
    json_array_append_new(rows, json_pack("{s:s, s:i, s:f}", "operation", operations[i].name,
                                          "times", (int)operations[i].times, "us", each));
    g_array_unref(taken[i]);
  }
  json_t *document = json_pack("{s:o, s:f, s:s}", "operations", rows, "floor_us", sum, "openssl",
                               OpenSSL_version(OPENSSL_VERSION));
  json_dumpf(document, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  putchar('\n');
  json_decref(document);
  floor_clear(f);
  return 0;
}
