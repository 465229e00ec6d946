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
#include "store/job.h"
#include "tests/bench/fill.h"

#include <stdlib.h>
#include <string.h>

#define SELECTOR "bench"
#define DISTANT (30 * CLOCK_DAY)
#define IN_ONE_COMMIT 1000

static const char quoted[] = "> The quick brown fox jumps over the lazy dog, as it always has.\r\n";

typedef struct {
  Store *store;
  gint64 now;
  Account *account;
  char *thumbprint; /* base64url */
  FILE *spool;      /* NULL: mails are to be sent */
  DkimSigner *signer;
  gsize size;
} Fill;

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
  fill_must(bare != NULL, error);
  g_autoptr(GBytes) reply = pad(bare, fill->size);
  g_autofree char *field = dkim_sign(fill->signer, reply, fill->now, &error);
  fill_must(field != NULL, error);
  gsize length = strlen(field) + g_bytes_get_size(reply);
  fprintf(fill->spool, "%s %s %zu\n%s", address, challenge->mail_from, length, field);
  fwrite(g_bytes_get_data(reply, NULL), 1, g_bytes_get_size(reply), fill->spool);
}

static void add_challenge(Fill *fill, guint number) {
  g_autoptr(GError) error = NULL;
  g_autofree char *local = g_strdup_printf("user%u", number);
  g_autoptr(Authorization) authorization =
      fill_order(fill->store, fill->now, &fill->account->id, local);
  g_autoptr(Challenge) challenge = fill_challenge(fill->store, fill->now, &authorization->id);
  if (fill->spool == NULL) {
    fill_must(job_add(fill->store, JOB_MAIL, &challenge->id, fill->now + DISTANT, &error), error);
    return;
  }
  fill_must(challenge_set_sent(fill->store, &challenge->id, fill->now, "250 taken", &error), error);
  write_reply(fill, challenge, authorization->address);
}

static void add_all(Fill *fill, guint count) {
  g_autoptr(GError) error = NULL;
  fill_must(store_begin(fill->store, &error), error);
  fill->account = fill_account(fill->store, fill->now, g_strdup("{}"));
  fill->thumbprint = base64url_encode(g_bytes_get_data(fill->account->thumbprint, NULL), 32);
  for (guint i = 0; i < count; i++) {
    add_challenge(fill, i);
    if (i % IN_ONE_COMMIT == IN_ONE_COMMIT - 1)
      fill_must(store_commit(fill->store, &error) && store_begin(fill->store, &error), error);
  }
  fill_must(store_commit(fill->store, &error), error);
}

static void open_spool(Fill *fill, const char *path, const char *key_file) {
  g_autoptr(GError) error = NULL;
  char *pem = NULL;
  gsize length = 0;
  fill_must(g_file_get_contents(key_file, &pem, &length, &error), error);
  g_autoptr(GBytes) octets = g_bytes_new_take(pem, length);
  EVP_PKEY *key = pem_private_key(octets, &error);
  fill_must(key != NULL, error);
  fill->signer = dkim_signer_new(FILL_USER_DOMAIN, SELECTOR, key, &error);
  EVP_PKEY_free(key);
  fill_must(fill->signer != NULL, error);
  fill->spool = fopen(path, "wb");
  fill_must(fill->spool != NULL, NULL);
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
  fill_must(fill.store != NULL, error);
  add_all(&fill, (guint)strtoul(argv[2], NULL, 10));
  store_close(fill.store);
  account_free(fill.account);
  g_free(fill.thumbprint);
  if (fill.signer != NULL)
    dkim_signer_free(fill.signer);
  fill_must(fill.spool == NULL || fclose(fill.spool) == 0, NULL);
  return 0;
}
