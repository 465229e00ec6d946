/* SPDX-License-Identifier: Apache-2.0 */
/* A writer on a PostgreSQL store, for scenario/test_postgres_store.py: commits one number after the
   other and says what became of each, a line on standard output:
     done N    committed      again N   to be run again, which it does
     away N    not known, it goes on with the next number; not begun, it begins again
   Numbers that were committed twice cannot be: they are nonces. Usage: store_writer CONNECTION
   OWNER FROM TO PASSWORD-FILE. */
#include "store/nonce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_PAUSE 20000 /* microseconds */

static gboolean commit_number(Store *store, guint64 number, gboolean *begun, GError **error) {
  g_autofree char *text = g_strdup_printf("number %" G_GUINT64_FORMAT, number);
  g_autoptr(GBytes) nonce = g_bytes_new(text, strlen(text));
  *begun = store_begin(store, error);
  if (!*begun)
    return FALSE;
  StoreChange used = nonce_use(store, nonce, 1, FALSE, error);
  if (used == STORE_UNCHANGED) {
    printf("twice %" G_GUINT64_FORMAT "\n", number);
    exit(3);
  }
  if (used == STORE_CHANGED && store_commit(store, error))
    return TRUE;
  store_rollback(store);
  return FALSE;
}

/* FALSE: it is to be run again. */
static gboolean settle(Store *store, guint64 number) {
  g_autoptr(GError) error = NULL;
  gboolean begun = FALSE;
  if (commit_number(store, number, &begun, &error)) {
    printf("done %" G_GUINT64_FORMAT "\n", number);
    return TRUE;
  }
  gboolean again = g_error_matches(error, STORE_ERROR, STORE_ERROR_AGAIN);
  printf("%s %" G_GUINT64_FORMAT " %s\n", again ? "again" : "away", number, error->message);
  if (!again && !g_error_matches(error, STORE_ERROR, STORE_ERROR_AWAY))
    exit(4);
  g_usleep(AGAIN_PAUSE);
  return begun && !again;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  if (argc < 5)
    return 2;
  StorePlace place = {.postgresql = argv[1], .owner = argv[2], .password_file = argv[5]};
  setvbuf(stdout, NULL, _IOLBF, 0);
  g_autoptr(Store) store = store_open(&place, &error);
  if (store == NULL) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  printf("open\n");
  guint64 to = g_ascii_strtoull(argv[4], NULL, 10);
  for (guint64 number = g_ascii_strtoull(argv[3], NULL, 10); number < to; number++)
    while (!settle(store, number))
      ;
  return 0;
}
