/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/acme.h"
#include "base/base64url.h"

#include <string.h>

Id acme_id(const Acme *acme, gint64 now) {
  guint8 random[10];
  acme->random(random, sizeof(random));
  return id_new(now, random);
}

char *acme_random_word(const Acme *acme, gsize length) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345"; /* 32: no bias */
  g_autofree guint8 *octets = g_malloc(length);
  char *word = g_malloc0(length + 1);
  acme->random(octets, length);
  for (gsize i = 0; i < length; i++)
    word[i] = letters[octets[i] % 32];
  return word;
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
