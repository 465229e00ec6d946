/* SPDX-License-Identifier: Apache-2.0 */
#include "base/network.h"
#include "daemon/check_parts.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* Where a process of ours listens. */
typedef struct {
  const char *key;
  gboolean shares; /* the key's own sockets may have one place: each edge has them all */
  const char *text;
  gboolean at_path;
  Network address;
  guint16 port;
} Place;

static const struct {
  const char *key;
  gboolean shares;
} keys[] = {{"acme.listen", TRUE},
            {"publish.listen", TRUE},
            {"mail.listen", FALSE},
            {"mail.lmtp", FALSE},
            {"metrics.listen", FALSE}};

static void add_place(GArray *places, const char *key, gboolean shares, const char *text) {
  Place place = {.key = key, .shares = shares, .text = text, .at_path = *text == '/'};
  g_autofree char *host = NULL;
  const char *why = NULL;
  if (place.at_path ||
      (config_split_peer(text, &host, &place.port) && network_parse(host, &place.address, &why)))
    g_array_append_val(places, place);
}

/* Whether [::] is every IPv4 address too, as is usual. */
static gboolean six_takes_four(void) {
  int alone = 0;
  socklen_t size = sizeof(alone);
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return FALSE;
  gboolean known = getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, &size) == 0;
  close(fd);
  return known && !alone;
}

static gboolean is_every_address(const Place *place) {
  static const guint8 none[sizeof(place->address.address)];
  return memcmp(place->address.address, none, sizeof(none)) == 0;
}

/* Whether who listens at place has connections to the other one's address too. */
static gboolean covers(const Place *place, const Place *other) {
  if (place->address.family == other->address.family)
    return is_every_address(place) || memcmp(place->address.address, other->address.address,
                                             sizeof(place->address.address)) == 0;
  return place->address.family == AF_INET6 && is_every_address(place) && six_takes_four();
}

static gboolean collide(const Place *one, const Place *other) {
  if (one->key == other->key && one->shares)
    return FALSE;
  if (one->at_path || other->at_path)
    return strcmp(one->text, other->text) == 0;
  return one->port == other->port && (covers(one, other) || covers(other, one));
}

static void say(Check *check, const Place *place, const Place *before) {
  g_autofree char *where = config_where(check->config, before->key);
  const char *dot = strchr(before->key, '.');
  check_mistake(check, place->key, "%s is taken by [%.*s] %s = %s (%s)", place->text,
                (int)(dot - before->key), before->key, dot + 1, before->text, where);
}

void check_listen(Check *check) {
  g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
    for (const char *const *text = config_list(check->config, keys[i].key); *text != NULL; text++)
      add_place(places, keys[i].key, keys[i].shares, *text);
  for (guint i = 0; i < places->len; i++)
    for (guint before = 0; before < i; before++) {
      const Place *one = &g_array_index(places, Place, i);
      const Place *other = &g_array_index(places, Place, before);
      if (collide(one, other))
        say(check, one, other);
    }
}
