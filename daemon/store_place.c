/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store_place.h"

#include <sys/stat.h>

#define CORES_ON_POSTGRESQL 2

StorePlace store_place_read(const Config *config) {
  return (StorePlace){.folder = config_text(config, "store.directory"),
                      .postgresql = config_text(config, "store.postgresql"),
                      .password_file = config_text(config, "store.password-file")};
}

const char *store_place_name(const StorePlace *place) {
  return place->postgresql != NULL && *place->postgresql != '\0' ? "postgresql" : place->folder;
}

const char *store_place_node(const Config *config) {
  const char *given = config_text(config, "store.node");
  return *given != '\0' ? given : g_get_host_name();
}

char *store_place_owner(const Config *config, guint index) {
  return g_strdup_printf("%s/%u", store_place_node(config), index);
}

guint store_place_cores(const Config *config) {
  gint64 cores = config_number(config, "store.cores");
  if (cores > 0)
    return (guint)cores;
  return config_given(config, "store.postgresql") ? CORES_ON_POSTGRESQL : 1;
}

const char *const store_place_files[] = {"signet.db", "signet.db-wal", "signer.log", NULL};

gint64 store_place_octets(const char *folder, const char *file) {
  struct stat status;
  g_autofree char *path = g_build_filename(folder, file, NULL);
  return stat(path, &status) == 0 ? (gint64)status.st_size : 0;
}
