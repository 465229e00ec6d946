/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kept.h"
#include "store/account.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/order.h"

#include <string.h>

#define PLACES 2048 /* of a kind */

typedef struct {
  Id id;
  gpointer object; /* NULL: none */
  guint64 age;     /* the age when it came here */
} Place;

struct Kept {
  Place places[KEPT_KINDS][PLACES];
  guint64
      age; /* how often everything was forgotten: what is of another age is only not freed yet */
};

static void release(KeptKind kind, gpointer object) {
  static const GDestroyNotify releases[KEPT_KINDS] = {
      [KEPT_ACCOUNTS] = (GDestroyNotify)account_free,
      [KEPT_ORDERS] = (GDestroyNotify)order_free,
      [KEPT_AUTHORIZATIONS] = (GDestroyNotify)authorization_free,
      [KEPT_CHALLENGES] = (GDestroyNotify)challenge_free,
      [KEPT_AUTHORIZATIONS_OF_ORDERS] = g_rc_box_release,
      [KEPT_CHALLENGES_OF_AUTHORIZATIONS] = g_rc_box_release,
  };
  releases[kind](object);
}

/* Ids end in random octets. */
static Place *place_of(Kept *kept, KeptKind kind, const Id *id) {
  guint number = (guint)id->octets[ID_OCTETS - 2] << 8 | id->octets[ID_OCTETS - 1];
  return &kept->places[kind][number % PLACES];
}

static void clear(KeptKind kind, Place *place) {
  gpointer object = g_steal_pointer(&place->object);
  if (object != NULL)
    release(kind, object);
}

Kept *kept_new(void) {
  return g_new0(Kept, 1);
}

void kept_free(Kept *kept) {
  for (KeptKind kind = 0; kept != NULL && kind < KEPT_KINDS; kind++)
    for (guint i = 0; i < PLACES; i++)
      clear(kind, &kept->places[kind][i]);
  g_free(kept);
}

gpointer kept_find(Kept *kept, KeptKind kind, const Id *id) {
  if (kept == NULL)
    return NULL;
  Place *place = place_of(kept, kind, id);
  return place->age == kept->age && id_equal(&place->id, id) ? place->object : NULL;
}

void kept_put(Kept *kept, KeptKind kind, const Id *id, gpointer object) {
  if (kept == NULL) {
    release(kind, object);
    return;
  }
  Place *place = place_of(kept, kind, id);
  Place before = *place;
  *place = (Place){*id, object, kept->age};
  clear(kind, &before);
}

void kept_put_ids(Kept *kept, KeptKind kind, const Id *id, const Id *ids, guint count) {
  if (kept == NULL)
    return;
  KeptIds *list = g_rc_box_alloc(sizeof(KeptIds) + count * sizeof(Id));
  list->count = count;
  if (count > 0)
    memcpy(list->ids, ids, count * sizeof(Id));
  kept_put(kept, kind, id, list);
}

gpointer kept_change(Kept *kept, KeptKind kind, const Id *id, gpointer (*copy)(gconstpointer)) {
  gpointer before = kept_find(kept, kind, id);
  gpointer after = before != NULL ? copy(before) : NULL;
  if (after != NULL)
    kept_put(kept, kind, id, after);
  return after;
}

void kept_set_text(char **text, const char *value) {
  g_free(*text);
  *text = g_strdup(value);
}

void kept_forget(Kept *kept, KeptKind kind, const Id *id) {
  if (kept_find(kept, kind, id) != NULL)
    clear(kind, place_of(kept, kind, id));
}

void kept_forget_all(Kept *kept) {
  if (kept != NULL)
    kept->age++;
}
