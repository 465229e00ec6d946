/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/acme.h"
#include "base/base64url.h"

#include <string.h>

Id acme_id(const Acme *acme, gint64 now) {
  guint8 random[10];
  acme->random(random, sizeof(random));
  return id_new(now, random);
}

static const char letters[] = "012345abcdefghijklmnopqrstuvwxyz"; /* 32: no bias */

char *acme_random_word(const Acme *acme, gsize length) {
  g_autofree guint8 *octets = g_malloc(length);
  char *word = g_malloc0(length + 1);
  acme->random(octets, length);
  for (gsize i = 0; i < length; i++)
    word[i] = letters[octets[i] % 32];
  return word;
}

#define TAG_TIME 9 /* 45 bits: enough for a thousand years */
#define TAG_RANDOM 26

char *acme_tag(const Acme *acme, gint64 now) {
  char time[TAG_TIME + 1] = {0};
  g_autofree char *word = acme_random_word(acme, TAG_RANDOM);
  for (int i = 0; i < TAG_TIME; i++)
    time[i] = letters[now >> (5 * (TAG_TIME - 1 - i)) & 31];
  return g_strconcat(time, word, NULL);
}

char *acme_random_token(const Acme *acme, gsize length) {
  g_autofree guint8 *octets = g_malloc(length);
  acme->random(octets, length);
  return base64url_encode(octets, length);
}

char *acme_url(const Acme *acme, const char *collection, const Id *id, const char *suffix) {
  char text[ID_TEXT];
  return g_strconcat(config_text(acme->config, "acme.url"), "/", collection, "/", id_text(id, text),
                     suffix, NULL);
}

void acme_publish(Acme *acme, const char *name, GBytes *octets) {
  g_ptr_array_add(acme->publications, g_bytes_new(name, strlen(name) + 1));
  g_ptr_array_add(acme->publications, g_bytes_ref(octets));
}
