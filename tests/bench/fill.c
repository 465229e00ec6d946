/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/fill.h"

#include "base/base64url.h"
#include "base/clock.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define TOKEN_OCTETS 24
#define TAG_OCTETS 16

void fill_must(gboolean good, const GError *error) {
  if (!good)
    g_error("the store cannot be filled: %s", error != NULL ? error->message : strerror(errno));
}

Id fill_id(gint64 now) {
  guint8 random[10];
  RAND_bytes(random, sizeof(random));
  return id_new(now, random);
}

GBytes *fill_octets(gsize length) {
  guint8 *octets = g_malloc(length);
  RAND_bytes(octets, (int)length);
  return g_bytes_new_take(octets, length);
}

char *fill_text(gsize octets) {
  g_autoptr(GBytes) random = fill_octets(octets);
  return base64url_encode(g_bytes_get_data(random, NULL), octets);
}

char *fill_tag(void) {
  g_autofree char *text = fill_text(TAG_OCTETS);
  return g_ascii_strdown(text, -1);
}

Account *fill_account(Store *store, gint64 now, char *jwk) {
  g_autoptr(GError) error = NULL;
  guint8 thumbprint[32];
  EVP_Digest(jwk, strlen(jwk), thumbprint, NULL, EVP_sha256(), NULL);
  Account *account = g_rc_box_new0(Account);
  *account = (Account){.id = fill_id(now),
                       .status = g_strdup("valid"),
                       .thumbprint = g_bytes_new(thumbprint, sizeof(thumbprint)),
                       .jwk = jwk,
                       .contact = g_strdup("[]"),
                       .created_at = now};
  fill_must(account_insert(store, account, &error) == STORE_CHANGED, error);
  return account;
}

Authorization *fill_order(Store *store, gint64 now, const Id *account, const char *local) {
  g_autoptr(GError) error = NULL;
  Order order = {.id = fill_id(now),
                 .account_id = *account,
                 .status = (char *)"pending",
                 .created_at = now,
                 .expires_at = now + 2 * FILL_LIFETIME};
  fill_must(order_insert(store, &order, &error) == STORE_CHANGED, error);
  Authorization *authorization = g_rc_box_new0(Authorization);
  *authorization = (Authorization){.id = fill_id(now),
                                   .account_id = *account,
                                   .claimed = TRUE,
                                   .order_id = order.id,
                                   .type = g_strdup("email"),
                                   .identifier = g_strdup_printf("%s@" FILL_USER_DOMAIN, local),
                                   .address = g_strdup_printf("%s@" FILL_USER_DOMAIN, local),
                                   .canonical = g_strdup_printf("%s@" FILL_USER_DOMAIN, local),
                                   .domain = g_strdup(FILL_USER_DOMAIN),
                                   .status = g_strdup("pending"),
                                   .expires_at = order.expires_at};
  fill_must(authorization_insert(store, authorization, &error), error);
  return authorization;
}

Challenge *fill_challenge(Store *store, gint64 now, const Id *authorization) {
  g_autoptr(GError) error = NULL;
  g_autofree char *tag = fill_tag();
  g_autofree char *word = fill_tag();
  Challenge *challenge = g_rc_box_new0(Challenge);
  *challenge = (Challenge){
      .id = fill_id(now),
      .authz_id = *authorization,
      .status = g_strdup("pending"),
      .token2 = fill_text(TOKEN_OCTETS),
      .mail_from = g_strdup_printf("acme-challenge+%s@" FILL_CA_DOMAIN, tag),
      .created_at = now,
      .deadline = now + FILL_LIFETIME,
      .token1 = fill_text(TOKEN_OCTETS),
      .message_id = g_strdup_printf("<%s@" FILL_CA_DOMAIN ">", word),
      .envelope_from = g_strdup_printf("acme-bounce+%s@" FILL_CA_DOMAIN, tag),
  };
  fill_must(challenge_insert(store, challenge, &error) &&
                challenge_set_mail(store, &challenge->id, now, challenge->token1,
                                   challenge->message_id, challenge->envelope_from,
                                   &error) == STORE_CHANGED,
            error);
  return challenge;
}
