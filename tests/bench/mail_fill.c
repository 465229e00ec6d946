/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a store, through its own functions, with challenges of one account to mailboxes of their
   own, while no signetd has it: mail_fill STORE COUNT sends their mails in DISTANT, so that the
   benchmark says when. With a spool (smtp_load.c), a DKIM key and a size the mails have left, and
   the spool is made: the right reply to each, signed, of that many octets at least. */
#include "acme/judge.h"
#include "base/base64url.h"
#include "base/clock.h"
#include "daemon/pem_key.h"
#include "mime/challenge_mail.h"
#include "mime/dkim.h"
#include "store/account.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/job.h"
#include "store/order.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define CA_DOMAIN "ca.test"
#define USER_DOMAIN "user.test"
#define SELECTOR "bench"
#define TOKEN_OCTETS 24
#define TAG_OCTETS 16
#define DISTANT (30 * CLOCK_DAY)
#define LIFETIME CLOCK_DAY
#define IN_ONE_COMMIT 1000

static const char quoted[] = "> The quick brown fox jumps over the lazy dog, as it always has.\r\n";

typedef struct {
  Store *store;
  gint64 now;
  Account account;
  char *thumbprint; /* base64url */
  FILE *spool;      /* NULL: mails are to be sent */
  DkimSigner *signer;
  gsize size;
} Fill;

static Id new_id(gint64 now) {
  guint8 random[10];
  RAND_bytes(random, sizeof(random));
  return id_new(now, random);
}

static GBytes *random_octets(gsize length) {
  guint8 *octets = g_malloc(length);
  RAND_bytes(octets, (int)length);
  return g_bytes_new_take(octets, length);
}

static char *random_text(gsize length) {
  g_autoptr(GBytes) octets = random_octets(length);
  return base64url_encode(g_bytes_get_data(octets, NULL), length);
}

/* For an address, which has no capitals in the store. */
static char *random_tag(void) {
  g_autofree char *text = random_text(TAG_OCTETS);
  return g_ascii_strdown(text, -1);
}

static void must(gboolean good, const GError *error) {
  if (!good)
    g_error("the store cannot be filled: %s", error != NULL ? error->message : strerror(errno));
}

static GBytes *compose(const Fill *fill, const Challenge *challenge, const char *address,
                       GError **error) {
  guint8 digest[REPLY_DIGEST_OCTETS];
  judge_expected_digest(challenge->token1, challenge->token2, fill->thumbprint, digest);
  g_autofree char *text = base64url_encode(digest, sizeof(digest));
  g_autofree char *message_id = g_strconcat("<reply-", challenge->message_id + 1, NULL);
  ReceivedChallenge received = {.reply_to = challenge->mail_from,
                                .token = challenge->token1,
                                .message_id = challenge->message_id};
  return challenge_reply_compose(&received, address, text, message_id, fill->now, NULL, error);
}

/* Padded as by a program that quotes what it answers. */
static GBytes *pad(GBytes *reply, gsize size) {
  GString *text = g_string_new_len(g_bytes_get_data(reply, NULL), (gssize)g_bytes_get_size(reply));
  while (text->len < size)
    g_string_append(text, quoted);
  return g_string_free_to_bytes(text);
}

static void write_reply(Fill *fill, const Challenge *challenge, const char *address) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bare = compose(fill, challenge, address, &error);
  must(bare != NULL, error);
  g_autoptr(GBytes) reply = pad(bare, fill->size);
  g_autofree char *field = dkim_sign(fill->signer, reply, fill->now, &error);
  must(field != NULL, error);
  gsize length = strlen(field) + g_bytes_get_size(reply);
  fprintf(fill->spool, "%s %s %zu\n%s", address, challenge->mail_from, length, field);
  fwrite(g_bytes_get_data(reply, NULL), 1, g_bytes_get_size(reply), fill->spool);
}

static Authorization *add_order(const Fill *fill, const char *address, const char *local) {
  g_autoptr(GError) error = NULL;
  Order order = {.id = new_id(fill->now),
                 .account_id = fill->account.id,
                 .status = (char *)"pending",
                 .created_at = fill->now,
                 .expires_at = fill->now + 2 * LIFETIME};
  must(order_insert(fill->store, &order, &error) == STORE_CHANGED, error);
  Authorization *authorization = g_new0(Authorization, 1);
  *authorization = (Authorization){.id = new_id(fill->now),
                                   .account_id = fill->account.id,
                                   .claimed = TRUE,
                                   .order_id = order.id,
                                   .type = g_strdup("email"),
                                   .identifier = g_strdup(address),
                                   .address = g_strdup(address),
                                   .canonical = g_strdup_printf("%s@" USER_DOMAIN, local),
                                   .domain = g_strdup(USER_DOMAIN),
                                   .status = g_strdup("pending"),
                                   .expires_at = order.expires_at};
  must(authorization_insert(fill->store, authorization, &error), error);
  return authorization;
}

static Challenge *make_challenge(const Fill *fill, const Id *authorization) {
  g_autofree char *tag = random_tag();
  g_autofree char *word = random_tag();
  Challenge *challenge = g_new0(Challenge, 1);
  *challenge = (Challenge){
      .id = new_id(fill->now),
      .authz_id = *authorization,
      .status = g_strdup("pending"),
      .token2 = random_text(TOKEN_OCTETS),
      .mail_from = g_strdup_printf("acme-challenge+%s@" CA_DOMAIN, tag),
      .created_at = fill->now,
      .deadline = fill->now + LIFETIME,
      .token1 = random_text(TOKEN_OCTETS),
      .message_id = g_strdup_printf("<%s@" CA_DOMAIN ">", word),
      .envelope_from = g_strdup_printf("acme-bounce+%s@" CA_DOMAIN, tag),
  };
  return challenge;
}

static void add_challenge(Fill *fill, guint number) {
  g_autoptr(GError) error = NULL;
  g_autofree char *local = g_strdup_printf("user%u", number);
  g_autofree char *address = g_strdup_printf("%s@" USER_DOMAIN, local);
  g_autoptr(Authorization) authorization = add_order(fill, address, local);
  g_autoptr(Challenge) challenge = make_challenge(fill, &authorization->id);
  must(challenge_insert(fill->store, challenge, &error) &&
           challenge_set_mail(fill->store, &challenge->id, fill->now, challenge->token1,
                              challenge->message_id, challenge->envelope_from,
                              &error) == STORE_CHANGED,
       error);
  if (fill->spool == NULL) {
    must(job_add(fill->store, JOB_MAIL, &challenge->id, fill->now + DISTANT, &error), error);
    return;
  }
  must(challenge_set_sent(fill->store, &challenge->id, fill->now, "250 taken", &error), error);
  write_reply(fill, challenge, address);
}

static void add_account(Fill *fill) {
  g_autoptr(GError) error = NULL;
  fill->account = (Account){.id = new_id(fill->now),
                            .status = (char *)"valid",
                            .thumbprint = random_octets(32),
                            .jwk = (char *)"{}",
                            .contact = (char *)"[]",
                            .created_at = fill->now};
  fill->thumbprint = base64url_encode(g_bytes_get_data(fill->account.thumbprint, NULL), 32);
  must(account_insert(fill->store, &fill->account, &error) == STORE_CHANGED, error);
}

static void add_all(Fill *fill, guint count) {
  g_autoptr(GError) error = NULL;
  must(store_begin(fill->store, &error), error);
  add_account(fill);
  for (guint i = 0; i < count; i++) {
    add_challenge(fill, i);
    if (i % IN_ONE_COMMIT == IN_ONE_COMMIT - 1)
      must(store_commit(fill->store, &error) && store_begin(fill->store, &error), error);
  }
  must(store_commit(fill->store, &error), error);
}

static void open_spool(Fill *fill, const char *path, const char *key_file) {
  g_autoptr(GError) error = NULL;
  char *pem = NULL;
  gsize length = 0;
  must(g_file_get_contents(key_file, &pem, &length, &error), error);
  g_autoptr(GBytes) octets = g_bytes_new_take(pem, length);
  EVP_PKEY *key = pem_private_key(octets, &error);
  must(key != NULL, error);
  fill->signer = dkim_signer_new(USER_DOMAIN, SELECTOR, key, &error);
  EVP_PKEY_free(key);
  must(fill->signer != NULL, error);
  fill->spool = fopen(path, "wb");
  must(fill->spool != NULL, NULL);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 6) {
    fputs("usage: mail_fill STORE COUNT [SPOOL DKIM-KEY SIZE]\n", stderr);
    return 2;
  }
  g_autoptr(GError) error = NULL;
  Fill fill = {.now = clock_now(&clock_system)};
  if (argc == 6) {
    open_spool(&fill, argv[3], argv[4]);
    fill.size = strtoul(argv[5], NULL, 10);
  }
  fill.store = store_open(&(StorePlace){.folder = argv[1]}, &error);
  must(fill.store != NULL, error);
  add_all(&fill, (guint)strtoul(argv[2], NULL, 10));
  store_close(fill.store);
  g_bytes_unref(fill.account.thumbprint);
  g_free(fill.thumbprint);
  if (fill.signer != NULL)
    dkim_signer_free(fill.signer);
  must(fill.spool == NULL || fclose(fill.spool) == 0, NULL);
  return 0;
}
