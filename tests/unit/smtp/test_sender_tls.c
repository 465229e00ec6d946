/* SPDX-License-Identifier: Apache-2.0 */
/* The sender over TLS, with good and bad certificates, AUTH, and relays that lie about either. */
#include "relay.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>

#define DAY (24 * 3600)

/* --- certificates --- */

typedef struct {
  EVP_PKEY *key;
  X509 *certificate;
} Identity;

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  g_assert_cmpint(X509_add_ext(certificate, extension, -1), ==, 1);
  X509_EXTENSION_free(extension);
}

/* issuer NULL: itself. until: seconds from now. */
static Identity make_identity(const Identity *issuer, const char *name, const char *names,
                              long until) {
  Identity new = {EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), X509_new()};
  X509 *certificate = new.certificate;
  X509_NAME *subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const guint8 *)name, -1, -1, 0);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), g_random_int());
  X509_set_issuer_name(certificate,
                       issuer != NULL ? X509_get_subject_name(issuer->certificate) : subject);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -30 * DAY);
  X509_gmtime_adj(X509_getm_notAfter(certificate), until);
  X509_set_pubkey(certificate, new.key);
  add_extension(certificate, NID_basic_constraints, issuer == NULL ? "CA:TRUE" : "CA:FALSE");
  add_extension(certificate, NID_subject_alt_name, names);
  g_assert_cmpint(X509_sign(certificate, issuer != NULL ? issuer->key : new.key, EVP_sha256()), >,
                  0);
  return new;
}

static GBytes *pem_of(const Identity *identity) {
  BIO *memory = BIO_new(BIO_s_mem());
  char *text = NULL;
  PEM_write_bio_X509(memory, identity->certificate);
  long size = BIO_get_mem_data(memory, &text);
  GBytes *pem = g_bytes_new(text, (gsize)size);
  BIO_free(memory);
  return pem;
}

static SSL_CTX *context_of(const Identity *identity) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  g_assert_cmpint(SSL_CTX_use_certificate(context, identity->certificate), ==, 1);
  g_assert_cmpint(SSL_CTX_use_PrivateKey(context, identity->key), ==, 1);
  return context;
}

/* Made once: what relays show. */
typedef enum { RIGHT, STRANGER, WRONG_NAME, EXPIRED, OLD_TLS, SHOWN } Shown;

static GBytes *ca;
static SSL_CTX *contexts[SHOWN];

static void make_all(void) {
  static const char here[] = "DNS:localhost,IP:127.0.0.1";
  Identity authority = make_identity(NULL, "authority", "DNS:ca.example", DAY);
  Identity made[SHOWN] = {
      [RIGHT] = make_identity(&authority, "right", here, DAY),
      [STRANGER] = make_identity(NULL, "stranger", here, DAY),
      [WRONG_NAME] = make_identity(&authority, "wrong", "DNS:elsewhere.example", DAY),
      [EXPIRED] = make_identity(&authority, "expired", here, -DAY),
      [OLD_TLS] = make_identity(&authority, "old", here, DAY),
  };
  ca = pem_of(&authority);
  for (guint i = 0; i < SHOWN; i++) {
    contexts[i] = context_of(&made[i]);
    EVP_PKEY_free(made[i].key);
    X509_free(made[i].certificate);
  }
  SSL_CTX_set_cipher_list(contexts[OLD_TLS], "DEFAULT@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(contexts[OLD_TLS], TLS1_VERSION);
  SSL_CTX_set_max_proto_version(contexts[OLD_TLS], TLS1_1_VERSION);
  EVP_PKEY_free(authority.key);
  X509_free(authority.certificate);
}

static void free_all(void) {
  g_bytes_unref(ca);
  for (guint i = 0; i < SHOWN; i++)
    SSL_CTX_free(contexts[i]);
}

/* --- sessions --- */

static SenderRelay tls_relay(guint16 port, SenderTls tls, gboolean auth) {
  SenderRelay relay = relay_at(port, 60);
  relay.tls = tls;
  relay.ca = tls >= SENDER_TLS_STARTTLS ? ca : NULL;
  relay.user = auth ? "signet" : NULL;
  relay.password = auth ? "open sesame" : NULL;
  return relay;
}

typedef struct {
  const char *name;
  SenderTls tls;
  Shown shown;
  gboolean auth;
  const char *to;
  Script script;
  SenderOutcome outcome;
  int code;
  const char *text;
  const char *heard, *unheard; /* by the relay; NULL: anything, nothing */
} Case;

#define TAKES .mail = "250 ok", .rcpt = "250 ok", .data = "354 go", .end = "250 2.0.0 queued"
#define STARTTLS .greeting = "220 relay", .ehlo = "250-relay\r\n250 STARTTLS", .starttls = "220 go"
#define STARTTLS_REFUSED                                                                           \
  .greeting = "220 relay", .ehlo = "250-relay\r\n250 STARTTLS", .starttls = "454 4.7.0 not now"
#define IMPLICIT .greeting = "220 relay", .implicit = TRUE
#define AUTH_TLS .ehlo_tls = "250-relay\r\n250 AUTH CRAM-MD5 LOGIN PLAIN"
#define UTF8_TLS .ehlo_tls = "250-relay\r\n250-8BITMIME\r\n250 SMTPUTF8"
#define SENT SENDER_ACCEPTED, 250, "2.0.0 queued"
#define NO_TLS SENDER_NO_TLS, 0

static const Case cases[] = {
    {"starttls",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     GOOD,
     {STARTTLS, TAKES},
     SENT,
     "tls MAIL FROM:<bounce+1@example.net>",
     NULL},
    {"implicit",
     SENDER_TLS_IMPLICIT,
     RIGHT,
     FALSE,
     GOOD,
     {IMPLICIT, TAKES},
     SENT,
     "tls MAIL FROM:<bounce+1@example.net>",
     NULL},
    {"starttls, stranger",
     SENDER_TLS_STARTTLS,
     STRANGER,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES},
     NO_TLS,
     "self-signed certificate",
     NULL,
     "tls "},
    {"starttls, wrong name",
     SENDER_TLS_STARTTLS,
     WRONG_NAME,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES},
     NO_TLS,
     "'127.0.0.1'",
     NULL,
     "tls "},
    {"starttls, expired",
     SENDER_TLS_STARTTLS,
     EXPIRED,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES},
     NO_TLS,
     "certificate has expired",
     NULL,
     "tls "},
    {"starttls, TLS 1.1",
     SENDER_TLS_STARTTLS,
     OLD_TLS,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES},
     NO_TLS,
     "version",
     NULL,
     "tls "},
    {"implicit, stranger",
     SENDER_TLS_IMPLICIT,
     STRANGER,
     FALSE,
     GOOD,
     {IMPLICIT, TAKES},
     NO_TLS,
     "self-signed certificate",
     NULL,
     "EHLO"},
    {"implicit, wrong name",
     SENDER_TLS_IMPLICIT,
     WRONG_NAME,
     FALSE,
     GOOD,
     {IMPLICIT, TAKES},
     NO_TLS,
     "'127.0.0.1'",
     NULL,
     "EHLO"},
    {"implicit, expired",
     SENDER_TLS_IMPLICIT,
     EXPIRED,
     FALSE,
     GOOD,
     {IMPLICIT, TAKES},
     NO_TLS,
     "certificate has expired",
     NULL,
     "EHLO"},
    {"implicit, a plain relay",
     SENDER_TLS_IMPLICIT,
     RIGHT,
     FALSE,
     GOOD,
     {.greeting = "220 relay", TAKES},
     NO_TLS,
     "no TLS with the relay",
     NULL,
     "MAIL"},
    {"starttls not offered",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     GOOD,
     {.greeting = "220 relay", TAKES},
     NO_TLS,
     "does not offer STARTTLS",
     NULL,
     "MAIL"},
    {"starttls 454",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     GOOD,
     {STARTTLS_REFUSED, TAKES},
     SENDER_NO_TLS,
     454,
     "4.7.0 not now",
     NULL,
     "MAIL"},
    {"answers in the segment of the 220",
     SENDER_TLS_STARTTLS,
     RIGHT,
     TRUE,
     GOOD,
     {.greeting = "220 relay",
      .ehlo = "250-relay\r\n250 STARTTLS",
      .starttls = "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n235 in\r\n250 ok",
      TAKES},
     NO_TLS,
     "no TLS with the relay",
     NULL,
     "MAIL"},
    {"opportunistic, stranger",
     SENDER_TLS_OPPORTUNISTIC,
     STRANGER,
     FALSE,
     GOOD,
     {STARTTLS, TAKES},
     SENT,
     "tls MAIL",
     NULL},
    {"opportunistic, not offered",
     SENDER_TLS_OPPORTUNISTIC,
     RIGHT,
     FALSE,
     GOOD,
     {.greeting = "220 relay", TAKES},
     SENT,
     "\nMAIL",
     NULL},
    {"opportunistic, 454",
     SENDER_TLS_OPPORTUNISTIC,
     RIGHT,
     FALSE,
     GOOD,
     {STARTTLS_REFUSED, TAKES},
     SENT,
     "\nMAIL",
     NULL},
    {"opportunistic, 454, and no SMTPUTF8",
     SENDER_TLS_OPPORTUNISTIC,
     RIGHT,
     FALSE,
     ANNA,
     {STARTTLS_REFUSED, TAKES},
     SENDER_PERMANENT,
     0,
     "SMTPUTF8",
     NULL,
     "MAIL"},
    {"opportunistic, no handshake",
     SENDER_TLS_OPPORTUNISTIC,
     OLD_TLS,
     FALSE,
     GOOD,
     {STARTTLS, TAKES},
     SENT,
     "\nMAIL",
     NULL},
    {"AUTH",
     SENDER_TLS_STARTTLS,
     RIGHT,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES},
     SENT,
     "tls AUTH PLAIN\r\ntls AHNpZ25ldABvcGVuIHNlc2FtZQ==\r\ntls MAIL",
     NULL},
    {"AUTH, implicit",
     SENDER_TLS_IMPLICIT,
     RIGHT,
     TRUE,
     GOOD,
     {IMPLICIT, AUTH_TLS, TAKES},
     SENT,
     "tls AHNpZ25ldABvcGVuIHNlc2FtZQ==\r\ntls MAIL",
     NULL},
    {"AUTH refused",
     SENDER_TLS_STARTTLS,
     RIGHT,
     TRUE,
     GOOD,
     {STARTTLS, AUTH_TLS, TAKES, .auth = "535 5.7.8 bad password"},
     SENDER_UNREACHED,
     535,
     "5.7.8 bad password",
     NULL,
     "MAIL"},
    {"AUTH before TLS only",
     SENDER_TLS_STARTTLS,
     RIGHT,
     TRUE,
     GOOD,
     {.greeting = "220 relay",
      .ehlo = "250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS",
      .starttls = "220 go",
      .ehlo_tls = "250 relay",
      TAKES},
     SENDER_UNREACHED,
     0,
     "does not offer AUTH",
     "tls EHLO",
     "MAIL"},
    {"AUTH by other ways only",
     SENDER_TLS_STARTTLS,
     RIGHT,
     TRUE,
     GOOD,
     {STARTTLS, .ehlo_tls = "250-relay\r\n250 AUTH CRAM-MD5 NTLM", TAKES},
     SENDER_UNREACHED,
     0,
     "AUTH PLAIN or LOGIN",
     "tls EHLO",
     "MAIL"},
    {"SMTPUTF8",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     ANNA,
     {STARTTLS, UTF8_TLS, TAKES},
     SENT,
     "tls RCPT TO:<" ANNA ">",
     NULL},
    {"SMTPUTF8 before TLS only",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     ANNA,
     {.greeting = "220 relay",
      .ehlo = "250-relay\r\n250-SMTPUTF8\r\n250 STARTTLS",
      .starttls = "220 go",
      .ehlo_tls = "250 relay",
      TAKES},
     SENDER_PERMANENT,
     0,
     "does not offer SMTPUTF8",
     "tls EHLO",
     "MAIL"},
    {"RCPT 4xx",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     GOOD,
     {STARTTLS, .mail = "250 ok", .rcpt = "450 4.2.0 greylisted"},
     SENDER_TEMPORARY,
     450,
     "4.2.0 greylisted",
     NULL,
     "DATA"},
    {"MAIL 530",
     SENDER_TLS_STARTTLS,
     RIGHT,
     FALSE,
     GOOD,
     {STARTTLS, .mail = "530 5.7.0 authenticate first"},
     SENDER_PERMANENT,
     530,
     "authenticate first",
     NULL,
     "RCPT"},
};

static void test_cases(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const Case *test = &cases[i];
    g_test_message("%s", test->name);
    g_autoptr(Relay) relay = relay_new_tls(&test->script, contexts[test->shown]);
    g_autoptr(GPtrArray) messages = messages_new();
    const SenderRelay way = tls_relay(relay->port, test->tls, test->auth);
    g_ptr_array_add(messages, letter(test->to, "x\r\n"));
    send_by(&way, NULL, messages);
    relay_stop(relay);
    g_autofree char *heard = g_strescape(relay->heard->str, NULL);
    g_test_message("%s", heard);
    check(messages, 0, test->outcome, test->code, test->text);
    if (test->heard != NULL)
      g_assert_nonnull(strstr(relay->heard->str, test->heard));
    if (test->unheard != NULL)
      g_assert_null(strstr(relay->heard->str, test->unheard));
  }
}

/* Nothing that could be a password was said before or without TLS. */
static void test_password(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    if (!cases[i].auth)
      continue;
    g_autoptr(Relay) relay = relay_new_tls(&cases[i].script, contexts[cases[i].shown]);
    g_autoptr(GPtrArray) messages = messages_new();
    const SenderRelay way = tls_relay(relay->port, cases[i].tls, TRUE);
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
    send_by(&way, NULL, messages);
    relay_stop(relay);
    g_auto(GStrv) lines = g_strsplit(relay->heard->str, "\r\n", -1);
    for (char **line = lines; *line != NULL; line++)
      g_assert_true(**line == '\0' || g_str_has_prefix(*line, "tls ") ||
                    g_str_has_prefix(*line, "EHLO ") || strcmp(*line, "STARTTLS") == 0 ||
                    strcmp(*line, "QUIT") == 0);
  }
}

static void test_version(void) {
  static const Script script = {STARTTLS, TAKES};
  g_autoptr(Relay) relay = relay_new_tls(&script, contexts[RIGHT]);
  g_autoptr(GPtrArray) messages = messages_new();
  const SenderRelay way = tls_relay(relay->port, SENDER_TLS_STARTTLS, FALSE);
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_by(&way, NULL, messages);
  relay_stop(relay);
  g_assert_cmpint(relay->tls_version, ==, TLS1_3_VERSION);
}

/* Sends so many messages and counts the sessions that it took. */
static guint sessions_for(const Script *script, guint count, SenderOutcome outcome, int code) {
  g_autoptr(Relay) relay = relay_new_tls(script, contexts[RIGHT]);
  g_autoptr(GPtrArray) messages = messages_new();
  const SenderRelay way = tls_relay(relay->port, SENDER_TLS_STARTTLS, TRUE);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_by(&way, NULL, messages);
  for (guint i = 0; i < count; i++)
    check(messages, i, outcome, code, "");
  relay_stop(relay);
  return relay->sessions;
}

static void test_several(void) {
  static const Script good = {STARTTLS, AUTH_TLS, TAKES};
  static const Script one = {STARTTLS, AUTH_TLS, TAKES, .one_message = TRUE};
  static const Script tired = {STARTTLS, AUTH_TLS, TAKES, .one_mail = TRUE};
  static const Script refusing = {STARTTLS, AUTH_TLS, .mail = "250 ok", .rcpt = "550 5.1.1 no"};
  static const Script closed = {.greeting = "554 5.7.1 go away"};
  g_assert_cmpuint(sessions_for(&good, 5, SENDER_ACCEPTED, 250), ==, 1);
  g_assert_cmpuint(sessions_for(&one, 3, SENDER_ACCEPTED, 250), ==, 3);
  g_assert_cmpuint(sessions_for(&tired, 3, SENDER_ACCEPTED, 250), ==, 3);
  g_assert_cmpuint(sessions_for(&refusing, 3, SENDER_PERMANENT, 550), ==, 3);
  g_assert_cmpuint(sessions_for(&closed, 3, SENDER_UNREACHED, 554), ==, 1); /* the rest unasked */
}

/* libcurl cannot say BODY=8BITMIME. */
static void test_eight_bit(void) {
  static const Script script = {STARTTLS, TAKES};
  g_autoptr(Relay) relay = relay_new_tls(&script, contexts[RIGHT]);
  g_autoptr(GPtrArray) messages = messages_new();
  const SenderRelay way = tls_relay(relay->port, SENDER_TLS_STARTTLS, FALSE);
  g_ptr_array_add(messages, letter(GOOD, "gr\xC3\xBC\xC3\x9F\x65\r\n"));
  g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
  send_by(&way, NULL, messages);
  check(messages, 0, SENDER_PERMANENT, 0, "not 7-bit");
  check(messages, 1, SENDER_ACCEPTED, 250, "queued");
}

/* A relay that takes the connection and never shakes hands costs the time-out, no more. */
static void test_slow_handshake(void) {
  static const Script script = {.silent = TRUE};
  static const SenderTls ways[] = {SENDER_TLS_STARTTLS, SENDER_TLS_IMPLICIT};
  for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
    g_autoptr(Relay) relay = relay_new_tls(&script, contexts[RIGHT]);
    g_autoptr(GPtrArray) messages = messages_new();
    SenderRelay way = tls_relay(relay->port, ways[i], FALSE);
    way.timeout_seconds = 1;
    g_ptr_array_add(messages, letter(GOOD, "x\r\n"));
    send_by(&way, NULL, messages);
    check(messages, 0, SENDER_UNREACHED, 0, "did not answer in time");
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  make_all();
  g_test_add_func("/sender-tls/cases", test_cases);
  g_test_add_func("/sender-tls/password", test_password);
  g_test_add_func("/sender-tls/version", test_version);
  g_test_add_func("/sender-tls/several", test_several);
  g_test_add_func("/sender-tls/eight-bit", test_eight_bit);
  g_test_add_func("/sender-tls/slow-handshake", test_slow_handshake);
  int failed = g_test_run();
  free_all();
  return failed;
}
