/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/revoked_list.h"

#include "base/clock.h"
#include "base/hex.h"
#include "ca/certificate_check.h"
#include "ca/openssl_auto.h"

#include <string.h>

/* RFC 5280 section 5.3.1; S/MIME BR 7.2.2 wants one of a CA certificate, and never
 * certificateHold. */
static const struct {
  const char *name;
  int reason;
} reasons[] = {
    {"keyCompromise", 1}, {"cACompromise", 2},         {"affiliationChanged", 3},
    {"superseded", 4},    {"cessationOfOperation", 5}, {"privilegeWithdrawn", 9},
};

static int reason_of(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (g_strcmp0(reasons[i].name, name) == 0)
      return reasons[i].reason;
  return 0;
}

static const char *reason_name(int reason) {
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (reasons[i].reason == reason)
      return reasons[i].name;
  return "unspecified";
}

static gboolean has(GPtrArray *entries, GBytes *serial) {
  for (guint i = 0; i < entries->len; i++)
    if (g_bytes_equal(((CrlEntry *)entries->pdata[i])->serial, serial))
      return TRUE;
  return FALSE;
}

static gboolean add(GPtrArray *entries, GBytes *serial, gint64 at, int reason) {
  if (reason == 0 || has(entries, serial))
    return FALSE;
  CrlEntry *entry = g_new0(CrlEntry, 1);
  entry->serial = g_bytes_ref(serial);
  entry->revoked_at = at;
  entry->reason = reason;
  g_ptr_array_add(entries, entry);
  return TRUE;
}

static gboolean read_line(const char *line, GPtrArray *entries) {
  gint64 at = 0;
  g_auto(GStrv) words = g_strsplit(line, " ", -1);
  g_autoptr(GBytes) serial = g_strv_length(words) == 3 ? hex_decode(words[0], 20) : NULL;
  return serial != NULL && clock_read_rfc3339(words[1], &at) &&
         add(entries, serial, at, reason_of(words[2]));
}

static gboolean check_all_kept(GPtrArray *entries, GBytes *crl, GError **error) {
  g_autoptr(GPtrArray) published = crl_entries(crl);
  if (published == NULL)
    return openssl_fail(error, CA_ERROR_FILE, "the root's revocation list cannot be read");
  for (guint i = 0; i < published->len; i++) {
    const CrlEntry *entry = published->pdata[i];
    g_autofree char *digits = hex_encode(entry->serial);
    if (has(entries, entry->serial))
      continue;
    g_set_error(error, CA_ERROR, CA_ERROR_FILE,
                "%s is in the root's revocation list, but not in the list of what it revoked",
                digits);
    return FALSE;
  }
  return TRUE;
}

GPtrArray *revoked_list_read(const char *text, GBytes *crl, GError **error) {
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (*lines[i] != '\0' && !read_line(lines[i], entries)) {
      g_set_error(error, CA_ERROR, CA_ERROR_FILE,
                  "line %u of the list of what the root revoked is not a serial number, a time and "
                  "a reason, or is there twice",
                  i + 1);
      return NULL;
    }
  return g_bytes_get_size(crl) == 0 || check_all_kept(entries, crl, error)
             ? g_steal_pointer(&entries)
             : NULL;
}

gboolean revoked_list_add(GPtrArray *entries, GBytes *serial, gint64 now, const char *reason,
                          GError **error) {
  g_autofree char *digits = hex_encode(serial);
  if (reason_of(reason) == 0)
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE,
                "\"%s\" is no reason for a CA certificate (S/MIME BR 7.2.2)", reason);
  else if (!add(entries, serial, now, reason_of(reason)))
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE, "%s is revoked already", digits);
  else
    return TRUE;
  return FALSE;
}

char *revoked_list_write(GPtrArray *entries) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < entries->len; i++) {
    const CrlEntry *entry = entries->pdata[i];
    g_autofree char *digits = hex_encode(entry->serial), *at = clock_rfc3339(entry->revoked_at);
    g_string_append_printf(text, "%s %s %s\n", digits, at, reason_name(entry->reason));
  }
  return g_strdup(text->str);
}
