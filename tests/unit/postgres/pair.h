/* SPDX-License-Identifier: Apache-2.0 */
/* Two writers on one PostgreSQL database: that of the fixture, and another with a name of its own.
 */
#ifndef SIGNET_TESTS_POSTGRES_PAIR_H
#define SIGNET_TESTS_POSTGRES_PAIR_H

#include "tests/unit/store/fixture.h"

static inline Store *open_as(const Fixture *fixture, const char *owner) {
  g_autoptr(GError) error = NULL;
  StorePlace place = fixture->place;
  place.owner = owner;
  Store *store = store_open(&place, &error);
  g_assert_no_error(error);
  return store;
}

/* Something that a store does in a thread of its own, while this one goes on. */
typedef struct {
  Store *store;
  GError *error;
  int result;
  gint started;
  int (*run)(Store *store, GError **error);
} Meanwhile;

static inline gpointer meanwhile_run(gpointer data) {
  Meanwhile *meanwhile = data;
  g_atomic_int_set(&meanwhile->started, 1);
  meanwhile->result = meanwhile->run(meanwhile->store, &meanwhile->error);
  return NULL;
}

static inline GThread *meanwhile_start(Meanwhile *meanwhile) {
  return g_thread_new("meanwhile", meanwhile_run, meanwhile);
}

/* Until one of the database's connections waits for a lock. */
static inline void wait_until_blocked(Fixture *fixture) {
  static const char waiting[] = "SELECT count(*) FROM pg_stat_activity WHERE datname ="
                                " current_database() AND wait_event_type = 'Lock'";
  gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
  g_autoptr(Store) reader = NULL;
  GError *error = NULL;
  reader = store_open_reader(&fixture->place, &error);
  good(reader != NULL, error);
  while (number_of(reader, waiting) == 0) {
    g_assert_cmpint(g_get_monotonic_time(), <, until);
    g_usleep(2000);
  }
}

#endif
