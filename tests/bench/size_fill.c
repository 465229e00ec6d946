/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a store, through its own functions and while no signetd has it, with certificates and all
   that led to them, as a CA of some months has them:

     size_fill STORE COUNT CA-CERTIFICATE CA-KEY URL REVOKED ACCOUNT-KEY

   URL is where the CA publishes; of 1000 certificates REVOKED are revoked. Certificates are built,
   linted and signed as the signer does it, and stand in its log. Mails, requests and the evidence
   about them have the size of real ones, not their words. The account of ACCOUNT-KEY (P-256, PEM)
   has the first orders; others have 1 to 50 each. Progress goes to standard error. */
#include "base/base64url.h"
#include "base/clock.h"
#include "ca/certificate.h"
#include "ca/certificate_read.h"
#include "ca/signer_frame.h"
#include "daemon/pem_key.h"
#include "store/audit.h"
#include "store/caa_check.h"
#include "store/certificate.h"
#include "store/crl_shard.h"
#include "store/message.h"
#include "store/sql.h"
#include "tests/bench/fill.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define AGE (300 * CLOCK_DAY)
#define IN_ONE_COMMIT 2000
#define BATCH 100 /* certificates that are made by the other thread at once */
#define BATCHES_AHEAD 20
#define ACCOUNTS_AT_A_TIME 1000
#define ORDERS_MAX 50
#define MAIL_OCTETS 4096
#define EVIDENCE_OCTETS 1100
#define FACTS_OCTETS 550
#define CSR_OCTETS 233
#define PROGRESS 10000

/* A certificate on its way from the thread that makes it. */
typedef struct {
  GBytes *serial, *spki, *tbs, *der;
  gint64 shard, not_before, not_after;
} Made;

typedef struct {
  Id account;
  guint left; /* orders until another account takes its place */
} Customer;

typedef struct {
  Store *store;
  Issuer *issuer;
  FILE *log; /* the signer's */
  SignerChain chain;
  GBytes *identifier;
  const char *url, *account_key;
  guint count, revoked;
  gint64 begun; /* the oldest order */
  GArray *customers;
  GAsyncQueue *ready, *room; /* batches, of GPtrArray of Made; a token for each that may be made */
  char *mail, *evidence, *facts;
} Fill;

static void made_free(gpointer data) {
  Made *made = data;
  g_bytes_unref(made->serial);
  g_bytes_unref(made->spki);
  g_bytes_unref(made->tbs);
  g_bytes_unref(made->der);
  g_free(made);
}

/* --- certificates
 * ------------------------------------------------------------------------------------------- */

static GBytes *spki_of(EVP_PKEY *key) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  fill_must(length > 0, NULL);
  GBytes *spki = g_bytes_new(octets, (gsize)length);
  OPENSSL_free(octets);
  return spki;
}

static char *local_part(guint number) {
  return g_strdup_printf("user%07u", number);
}

/* The n-th: 1 to CRL_SHARD_SIZE are in the first shard. */
static Made *make(const Fill *fill, guint number) {
  g_autoptr(GError) error = NULL;
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  EVP_PKEY *key = EVP_EC_gen("P-256");
  g_autoptr(GBytes) octets = fill_octets(sizeof(random));
  memcpy(random, g_bytes_get_data(octets, NULL), sizeof(random));
  Made *made = g_new0(Made, 1);
  made->shard = 1 + number / CRL_SHARD_SIZE;
  made->serial = certificate_serial(random);
  made->spki = spki_of(key);
  made->not_before = issuer_not_before(fill->issuer); /* the CA is new */
  made->not_after = certificate_not_after(made->not_before, 365);
  g_autofree char *local = local_part(number);
  g_autofree char *address = g_strconcat(local, "@" FILL_USER_DOMAIN, NULL);
  g_autofree char *crl = g_strdup_printf("%scrl-%" G_GINT64_FORMAT ".crl", fill->url, made->shard);
  g_autofree char *issuer = g_strconcat(fill->url, "issuing.der", NULL);
  const char *names[] = {address, NULL};
  CertificateFields fields = {.serial = made->serial,
                              .spki = made->spki,
                              .names = names,
                              .not_before = made->not_before,
                              .not_after = made->not_after,
                              .sign = TRUE,
                              .encrypt = TRUE,
                              .profile = PROFILE_STRICT,
                              .crl_url = crl,
                              .issuer_url = issuer};
  made->tbs = certificate_build(fill->issuer, &fields, &error);
  fill_must(made->tbs != NULL, error);
  made->der = certificate_sign(fill->issuer, made->tbs, &error);
  fill_must(made->der != NULL, error);
  EVP_PKEY_free(key);
  return made;
}

/* Runs beside the thread that writes. */
static gpointer make_all(gpointer data) {
  const Fill *fill = data;
  for (guint number = 0; number < fill->count;) {
    GPtrArray *batch = g_ptr_array_new_with_free_func(made_free);
    while (batch->len < BATCH && number < fill->count)
      g_ptr_array_add(batch, make(fill, number++));
    g_async_queue_pop(fill->room);
    g_async_queue_push(fill->ready, batch);
  }
  return NULL;
}

/* --- accounts
 * -----------------------------------------------------------------------------------------------
 */

static char *jwk_of(const guint8 *point) {
  g_autofree char *x = base64url_encode(point, 32), *y = base64url_encode(point + 32, 32);
  return g_strdup_printf("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
}

static Customer new_customer(const Fill *fill, gint64 now, const guint8 *point) {
  g_autoptr(GBytes) random = fill_octets(64);
  const guint8 *octets = point != NULL ? point : g_bytes_get_data(random, NULL);
  g_autoptr(Account) account = fill_account(fill->store, now, jwk_of(octets));
  return (Customer){account->id, 1 + (guint)g_random_int_range(0, ORDERS_MAX)};
}

/* Whose the next order is. */
static Id next_customer(Fill *fill, gint64 now) {
  if (fill->customers->len < ACCOUNTS_AT_A_TIME) {
    Customer customer = new_customer(fill, now, NULL);
    g_array_append_val(fill->customers, customer);
  }
  guint which = (guint)g_random_int_range(0, (gint32)fill->customers->len);
  Customer *customer = &g_array_index(fill->customers, Customer, which);
  Id account = customer->account;
  if (--customer->left == 0)
    *customer = new_customer(fill, now, NULL);
  return account;
}

/* --- one order from its beginning to its end
 * ------------------------------------------------------------------ */

/* What audit records are about, as acme/record.c writes it. */
typedef struct {
  Fill *fill;
  gint64 now;
  Id account, order;
  char *subject; /* of account and order */
} Story;

static void note(const Story *story, const char *kind, const char *what, const Id *id,
                 const char *detail) {
  g_autoptr(GError) error = NULL;
  char text[ID_TEXT];
  g_autofree char *subject =
      g_strconcat(story->subject, what, id != NULL ? id_text(id, text) : NULL, NULL);
  fill_must(audit_append(story->fill->store, story->now, kind, subject, detail, &error), error);
}

static void move_on(Story *story, gint64 milliseconds) {
  story->now += milliseconds;
}

/* The mail goes out, and is kept. */
static void send_mail(Story *story, const Challenge *challenge, const char *address) {
  g_autoptr(GError) error = NULL;
  static const char relay[] = "2.0.0 Ok: 4312 bytes queued as 53A099AA362";
  Id raw = fill_id(story->now);
  g_autofree char *queued =
      g_strdup_printf("to=\"%s\" message-id=\"%s\"", address, challenge->message_id);
  g_autofree char *sent = g_strdup_printf("to=\"%s\" relay=\"%s\"", address, relay);
  g_autofree char *text = g_strdup_printf("To: %s\r\nMessage-ID: %s\r\n%s", address,
                                          challenge->message_id, story->fill->mail);
  Message message = {.id = fill_id(story->now),
                     .challenge_id = challenge->id,
                     .direction = (char *)"out",
                     .at = story->now + 900,
                     .octets = g_bytes_new_static(text, MAIL_OCTETS)};
  note(story, "mail queued", " challenge/", &challenge->id, queued);
  move_on(story, 900);
  fill_must(message_insert_raw(story->fill->store, &raw, message.octets, &error) &&
                message_insert(story->fill->store, &message, &raw, &error) &&
                challenge_set_sent(story->fill->store, &challenge->id, story->now, relay, &error),
            error);
  note(story, "mail sent", " challenge/", &challenge->id, sent);
  g_bytes_unref(message.octets);
}

/* The reply comes in, and is judged. */
static void take_reply(Story *story, const Challenge *challenge, const char *address) {
  g_autoptr(GError) error = NULL;
  Store *store = story->fill->store;
  Id raw = fill_id(story->now);
  g_autofree char *received = g_strdup_printf("peer=\"192.0.2.1\" from=\"%s\"", address);
  g_autofree char *judged =
      g_strdup_printf("verdict=\"passed\" rule=\"all\" from=\"%s\" message-id=\"<reply-%s\"",
                      address, challenge->message_id + 1);
  g_autofree char *valid =
      g_strdup_printf("address=\"%s\" method=\"3.2.2.4 ACME email-reply-00\" requirements=\"CA/"
                      "Browser Forum S/MIME BR 1.0.14\"",
                      address);
  g_autofree char *text = g_strdup_printf("From: %s\r\nIn-Reply-To: %s\r\n%s", address,
                                          challenge->message_id, story->fill->mail);
  Message message = {.id = fill_id(story->now),
                     .challenge_id = challenge->id,
                     .direction = (char *)"in",
                     .at = story->now,
                     .peer = (char *)"192.0.2.1",
                     .helo = (char *)"mail." FILL_USER_DOMAIN,
                     .reverse_path = (char *)address,
                     .octets = g_bytes_new_static(text, MAIL_OCTETS)};
  note(story, "challenge processing", " challenge/", &challenge->id, "");
  fill_must(challenge_respond(store, &challenge->id, story->now, &error) == STORE_CHANGED &&
                challenge_count_mail(store, &challenge->id, MAIL_OCTETS, &error) == STORE_CHANGED &&
                message_insert_raw(store, &raw, message.octets, &error) &&
                message_insert(store, &message, &raw, &error),
            error);
  note(story, "mail received", " challenge/", &challenge->id, received);
  fill_must(message_judge(store, &message.id, "passed", "all", NULL, story->fill->evidence,
                          "fields=needed case=any", &error) == STORE_CHANGED &&
                challenge_pass(store, &challenge->id, story->now, &error) == STORE_CHANGED &&
                challenge_validate(store, &challenge->id, story->now, &error) == STORE_CHANGED &&
                authorization_move(store, &challenge->authz_id, "pending", "valid", &error) ==
                    STORE_CHANGED &&
                order_move(store, &story->order, "pending", "ready", NULL, &error) == STORE_CHANGED,
            error);
  note(story, "reply judged", " challenge/", &challenge->id, judged);
  note(story, "challenge valid", " challenge/", &challenge->id, valid);
  note(story, "authorization status", " authorization/", &challenge->authz_id, "status=\"valid\"");
  note(story, "order status", "", NULL, "status=\"ready\"");
  g_bytes_unref(message.octets);
}

static void finalize(Story *story, const Made *made) {
  static const char records[] = "0 issuemail \"" FILL_CA_DOMAIN "\"";
  static const char why[] =
      "CAA at " FILL_USER_DOMAIN ": 0 issuemail \"" FILL_CA_DOMAIN "\": permitted";
  g_autoptr(GError) error = NULL;
  Order order = {.id = story->order,
                 .csr = fill_octets(CSR_OCTETS),
                 .spki = made->spki,
                 .usage = ORDER_USAGE_SIGN | ORDER_USAGE_ENCRYPT,
                 .finalized_at = story->now};
  CaaCheck check = {.order_id = story->order,
                    .domain = FILL_USER_DOMAIN,
                    .at = story->now + 2,
                    .verdict = "permitted",
                    .secure = TRUE,
                    .explanation = why,
                    .records = records,
                    .found_at = FILL_USER_DOMAIN,
                    .rdata = "000969737375656D61696C63612E74657374"};
  fill_must(order_finalize(story->fill->store, &order, &error) == STORE_CHANGED &&
                caa_check_insert(story->fill->store, &check, &error),
            error);
  note(story, "order status", "", NULL, "status=\"processing\"");
  move_on(story, 2);
  note(story, "caa checked", "", NULL, "domain=\"" FILL_USER_DOMAIN "\" verdict=\"permitted\"");
  g_bytes_unref(order.csr);
}

/* In a frame of its own, as that of one certificate at a time is. */
static void log_signature(Fill *fill, gint64 now, const Made *made) {
  guint8 digest[EVP_MAX_MD_SIZE];
  gsize length = 0;
  const void *tbs = g_bytes_get_data(made->tbs, &length);
  EVP_Digest(tbs, length, digest, NULL, EVP_sha256(), NULL);
  SignerRecord record = {.time = now, .digest = digest};
  record.certificate = g_bytes_get_data(made->der, &record.length);
  g_autoptr(GByteArray) payload = g_byte_array_new();
  signer_record_append(payload, &record);
  g_autoptr(GByteArray) frame = signer_frame_make(&fill->chain, payload);
  fill_must(fwrite(frame->data, frame->len, 1, fill->log) == 1, NULL);
}

static void issue(Story *story, const Made *made, Id *id) {
  g_autoptr(GError) error = NULL;
  Store *store = story->fill->store;
  gboolean opened = FALSE;
  g_autofree char *tbs = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, made->tbs);
  g_autofree char *der = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, made->der);
  g_autofree char *signing =
      g_strdup_printf("serial=\"AAAAAAAAAAAAAAAAAAAAAAA\" tbs-sha256=\"%s\"", tbs);
  g_autofree char *issued = g_strdup_printf("sha256=\"%s\" evidence-sha256=\"%s\"", der, tbs);
  Certificate certificate = {.id = fill_id(story->now),
                             .order_id = story->order,
                             .account_id = story->account,
                             .serial = made->serial,
                             .not_before = made->not_before,
                             .not_after = made->not_after,
                             .key_digest = key_digest(made->spki),
                             .tbs = made->tbs,
                             .findings = (char *)"",
                             .facts = story->fill->facts,
                             .signing_at = story->now};
  fill_must(crl_shard_take(store, story->fill->identifier, &certificate.shard, &opened, &error) &&
                certificate.shard == made->shard &&
                certificate_insert(store, &certificate, &error) == STORE_CHANGED &&
                certificate_set_der(store, &certificate.id, made->der, story->now + 1, &error) ==
                    STORE_CHANGED &&
                order_move(store, &story->order, "processing", "valid", NULL, &error) ==
                    STORE_CHANGED,
            error);
  note(story, "signing", " certificate/", &certificate.id, signing);
  log_signature(story->fill, story->now, made);
  move_on(story, 1);
  note(story, "issued", " certificate/", &certificate.id, issued);
  note(story, "order status", "", NULL, "status=\"valid\"");
  g_bytes_unref(certificate.key_digest);
  *id = certificate.id;
}

static void take_back(Story *story, const Id *certificate) {
  g_autoptr(GError) error = NULL;
  fill_must(certificate_revoke(story->fill->store, certificate, story->now, 4, &error) ==
                STORE_CHANGED,
            error);
  note(story, "certificate revoked", " certificate/", certificate, "reason=\"4\" by=\"account\"");
}

static void tell(Fill *fill, guint number, const Id *account, const Made *made) {
  gint64 now = fill->begun + AGE / fill->count * number;
  g_autofree char *local = local_part(number);
  g_autoptr(Authorization) authorization = fill_order(fill->store, now, account, local);
  g_autoptr(Challenge) challenge = fill_challenge(fill->store, now, &authorization->id);
  char texts[2][ID_TEXT];
  Story story = {fill, now, *account, authorization->order_id,
                 g_strdup_printf("account/%s order/%s", id_text(account, texts[0]),
                                 id_text(&authorization->order_id, texts[1]))};
  g_autofree char *address = g_strdup_printf("address=\"%s\"", authorization->address);
  Id certificate;
  note(&story, "order created", "", NULL, "profile=\"smime\"");
  note(&story, "authorization created", " authorization/", &authorization->id, address);
  send_mail(&story, challenge, authorization->address);
  move_on(&story, 5);
  take_reply(&story, challenge, authorization->address);
  move_on(&story, 5);
  finalize(&story, made);
  issue(&story, made, &certificate);
  if (number * fill->revoked / 1000 != (number + 1) * fill->revoked / 1000)
    take_back(&story, &certificate);
  g_free(story.subject);
}

/* --- all of them
 * ---------------------------------------------------------------------------------------------- */

static void commit(Fill *fill, gboolean more) {
  g_autoptr(GError) error = NULL;
  fill_must(store_commit(fill->store, &error) && (!more || store_begin(fill->store, &error)),
            error);
}

static void add_batch(Fill *fill, const Id *first, const GPtrArray *batch, guint *number) {
  for (guint i = 0; i < batch->len; i++) {
    gint64 now = fill->begun + AGE / fill->count * *number;
    Id account = *number < ORDERS_MAX ? *first : next_customer(fill, now);
    tell(fill, (*number)++, &account, batch->pdata[i]);
    if (*number % PROGRESS == 0)
      g_printerr("%u of %u certificates\n", *number, fill->count);
    if (*number % IN_ONE_COMMIT == 0)
      commit(fill, TRUE);
  }
}

static Id first_account(const Fill *fill) {
  g_autoptr(GError) error = NULL;
  char *pem = NULL;
  gsize length = 0;
  fill_must(g_file_get_contents(fill->account_key, &pem, &length, &error), error);
  g_autoptr(GBytes) octets = g_bytes_new_take(pem, length);
  EVP_PKEY *key = pem_private_key(octets, &error);
  fill_must(key != NULL, error);
  g_autoptr(GBytes) spki = spki_of(key);
  const guint8 *end = (const guint8 *)g_bytes_get_data(spki, &length) + length;
  EVP_PKEY_free(key);
  return new_customer(fill, fill->begun, end - 64).account;
}

static void fill_store(Fill *fill) {
  g_autoptr(GError) error = NULL;
  gint64 first_shard = 0;
  guint number = 0;
  Id chain = fill_id(fill->begun);
  GThread *maker = g_thread_new("certificates", make_all, fill);
  fill_must(store_begin(fill->store, &error) &&
                audit_begin(fill->store, fill->begun, &chain, &error) &&
                crl_shard_ensure(fill->store, fill->identifier, &first_shard, &error),
            error);
  Id first = first_account(fill);
  while (number < fill->count) {
    GPtrArray *batch = g_async_queue_pop(fill->ready);
    g_async_queue_push(fill->room, fill);
    add_batch(fill, &first, batch, &number);
    g_ptr_array_unref(batch);
  }
  fill_must(audit_append(fill->store, fill->begun + AGE, AUDIT_STOPPED, "", "", &error), error);
  commit(fill, FALSE);
  g_thread_join(maker);
}

static GBytes *read_file(const char *path) {
  g_autoptr(GError) error = NULL;
  char *text = NULL;
  gsize length = 0;
  fill_must(g_file_get_contents(path, &text, &length, &error), error);
  return g_bytes_new_take(text, length);
}

static void open_issuer(Fill *fill, const char *certificate_file, const char *key_file) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) certificate = read_file(certificate_file), key = read_file(key_file);
  fill->issuer = issuer_new(certificate, key, NULL, &error);
  fill_must(fill->issuer != NULL, error);
  fill->identifier = issuer_identifier(fill->issuer);
}

/* Whoever loses power fills anew: pages that are changed again and again are written once. */
static const char in_haste[] = "PRAGMA synchronous=OFF; PRAGMA cache_size=-524288;"
                               "PRAGMA wal_autocheckpoint=500000;";

static void open_store(Fill *fill, const char *folder) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, "signer.log", NULL);
  fill->log = fopen(path, "wb");
  fill_must(fill->log != NULL, NULL);
  fill->store = store_open(&(StorePlace){.folder = folder}, &error);
  fill_must(fill->store != NULL, error);
  fill_must(store_script(fill->store, in_haste, &error), error);
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fputs("usage: size_fill STORE COUNT CA-CERTIFICATE CA-KEY URL REVOKED ACCOUNT-KEY\n", stderr);
    return 2;
  }
  Fill fill = {.url = argv[5],
               .account_key = argv[7],
               .count = (guint)strtoul(argv[2], NULL, 10),
               .revoked = (guint)strtoul(argv[6], NULL, 10),
               .begun = clock_now(&clock_system) - AGE - CLOCK_MINUTE,
               .customers = g_array_new(FALSE, FALSE, sizeof(Customer)),
               .ready = g_async_queue_new(),
               .room = g_async_queue_new(),
               .mail = g_strnfill(MAIL_OCTETS, 'x'),
               .evidence = g_strnfill(EVIDENCE_OCTETS, 'x'),
               .facts = g_strnfill(FACTS_OCTETS, 'x')};
  for (guint i = 0; i < BATCHES_AHEAD; i++)
    g_async_queue_push(fill.room, &fill);
  open_issuer(&fill, argv[3], argv[4]);
  open_store(&fill, argv[1]);
  fill_store(&fill);
  store_close(fill.store);
  fill_must(fclose(fill.log) == 0, NULL);
  issuer_free(fill.issuer);
  g_bytes_unref(fill.identifier);
  g_array_unref(fill.customers);
  g_async_queue_unref(fill.ready);
  g_async_queue_unref(fill.room);
  g_free(fill.mail);
  g_free(fill.evidence);
  g_free(fill.facts);
  return 0;
}
