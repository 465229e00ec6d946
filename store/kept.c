/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kept.h"
#include "store/account.h"
#include "store/authorization.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/order.h"

#include <string.h>

typedef struct {
  Id id;
  gpointer object; /* NULL: none */
  guint64 age;     /* the age when it came here; 0: it is not so any more */
} Place;

/* One row a kind. An order's certificate is large, and not looked at for long. */
static const struct {
  GDestroyNotify release;
  guint places;
} kinds[KEPT_KINDS] = {
    [KEPT_ACCOUNTS] = {(GDestroyNotify)account_free, 2048},
    [KEPT_ORDERS] = {(GDestroyNotify)order_free, 2048},
    [KEPT_AUTHORIZATIONS] = {(GDestroyNotify)authorization_free, 2048},
    [KEPT_CHALLENGES] = {(GDestroyNotify)challenge_free, 2048},
    [KEPT_CERTIFICATES] = {(GDestroyNotify)certificate_row_free, 512},
    [KEPT_AUTHORIZATIONS_OF_ORDERS] = {g_rc_box_release, 2048},
    [KEPT_CHALLENGES_OF_AUTHORIZATIONS] = {g_rc_box_release, 2048},
    [KEPT_CHALLENGES_OF_RECIPIENTS] = {g_rc_box_release, 2048},
    [KEPT_CERTIFICATES_OF_ORDERS] = {g_rc_box_release, 512},
    [KEPT_RECORDS_OF_ORDERS] = {(GDestroyNotify)g_array_unref, 4096},
};

struct Kept {
  Place *places[KEPT_KINDS];
  guint64 age; /* grows where everything is forgotten: what is of another one waits to be freed */
  GPtrArray *fresh; /* of Place: to which something came in this transaction */
};

/* Ids end in random octets. */
static Place *place_of(Kept *kept, KeptKind kind, const Id *id) {
  guint number = (guint)id->octets[ID_OCTETS - 2] << 8 | id->octets[ID_OCTETS - 1];
  return &kept->places[kind][number % kinds[kind].places];
}

static void clear(KeptKind kind, Place *place) {
  gpointer object = g_steal_pointer(&place->object);
  if (object != NULL)
    kinds[kind].release(object);
}

Kept *kept_new(void) {
  Kept *kept = g_new0(Kept, 1);
  kept->age = 1;
  kept->fresh = g_ptr_array_new();
  for (KeptKind kind = 0; kind < KEPT_KINDS; kind++)
    kept->places[kind] = g_new0(Place, kinds[kind].places);
  return kept;
}

void kept_free(Kept *kept) {
  for (KeptKind kind = 0; kept != NULL && kind < KEPT_KINDS; kind++) {
    for (guint i = 0; i < kinds[kind].places; i++)
      clear(kind, &kept->places[kind][i]);
    g_free(kept->places[kind]);
  }
  if (kept != NULL)
    g_ptr_array_unref(kept->fresh);
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
    kinds[kind].release(object);
    return;
  }
  Place *place = place_of(kept, kind, id);
  Place before = *place;
  *place = (Place){*id, object, kept->age};
  clear(kind, &before);
  g_ptr_array_add(kept->fresh, place);
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

Id kept_id_of(const char *text) {
  Id id = {{0}};
  guint hash = g_str_hash(text);
  memcpy(id.octets + ID_OCTETS - sizeof(hash), &hash, sizeof(hash));
  return id;
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

GBytes *kept_octets(GBytes *octets) {
  return octets != NULL ? g_bytes_ref(octets) : NULL;
}

void kept_forget(Kept *kept, KeptKind kind, const Id *id) {
  if (kept_find(kept, kind, id) != NULL)
    clear(kind, place_of(kept, kind, id));
}

void kept_forget_all(Kept *kept) {
  if (kept != NULL)
    kept->age++;
}

void kept_begin(Kept *kept) {
  if (kept != NULL)
    g_ptr_array_set_size(kept->fresh, 0);
}

void kept_undo(Kept *kept) {
  for (guint i = 0; kept != NULL && i < kept->fresh->len; i++)
    ((Place *)kept->fresh->pdata[i])->age = 0;
  kept_begin(kept);
}
