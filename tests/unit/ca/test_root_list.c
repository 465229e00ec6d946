/* SPDX-License-Identifier: Apache-2.0 */
/* The root's revocation list: what it is made of, and the warning before it ends. */
#include "ca/revoked_list.h"
#include "ca/root_list.h"
#include "tests/unit/ca/fixture.h"

#define LINE "01AB 2026-02-01T00:00:00Z superseded\n"

static void assert_unreadable(const char *text, GBytes *crl, const char *words) {
  g_autoptr(GError) error = NULL;
  g_assert_null(revoked_list_read(text, crl, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
  if (strstr(error->message, words) == NULL)
    g_error("%s", error->message);
}

static void test_revoked(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) none = g_bytes_new_static("", 0);
  g_autoptr(GBytes) serial = g_bytes_new_static("\x02\xcd", 2);
  g_autoptr(GPtrArray) entries = revoked_list_read(LINE, none, &error);
  g_assert_no_error(error);
  g_assert_false(revoked_list_add(entries, serial, FIXTURE_NOW, "certificateHold", &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  g_assert_true(revoked_list_add(entries, serial, FIXTURE_NOW, "cACompromise", &error));
  g_assert_false(revoked_list_add(entries, serial, FIXTURE_NOW, "superseded", &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_PROFILE);
  g_clear_error(&error);
  g_autofree char *text = revoked_list_write(entries);
  g_assert_cmpstr(text, ==, LINE "02CD 2026-03-01T00:00:00Z cACompromise\n");
  g_autoptr(GPtrArray) again = revoked_list_read(text, none, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(again->len, ==, 2);
  g_assert_cmpint(((CrlEntry *)again->pdata[1])->reason, ==, 2);
}

static void test_unreadable(void) {
  static const char *const bad[] = {
      "rubbish",
      "01AB 2026-02-01T00:00:00Z",
      "01AB yesterday superseded",
      "01AB 2026-02-01T00:00:00Z unspecified",
      "0g 2026-02-01T00:00:00Z superseded",
      LINE LINE,
  };
  g_autoptr(GBytes) none = g_bytes_new_static("", 0);
  g_autoptr(GBytes) rubbish = g_bytes_new_static("rubbish", 7);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    assert_unreadable(bad[i], none, "line ");
  assert_unreadable(LINE, rubbish, "cannot be read");
}

/* A revocation is never taken back. */
static void test_kept(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  g_autoptr(Issuer) root = fixture_load(made->root_certificate, made->root_key, NULL);
  g_autoptr(GPtrArray) entries = revoked_list_read(LINE, made->root_crl, &error);
  g_assert_no_error(error);
  const CeremonyList list = {.now = FIXTURE_NOW, .days = 30, .entries = entries};
  g_autoptr(GBytes) crl = ceremony_root_crl(root, &list, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) again = revoked_list_read(LINE, crl, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(again->len, ==, 1);
  assert_unreadable("", crl, "01AB is in the root's revocation list");
}

static void test_warning(void) {
  RootList list;
  g_autoptr(GError) error = NULL;
  g_autoptr(CeremonyResult) made = fixture_ceremony(NULL);
  g_autoptr(Issuer) root = fixture_load(made->root_certificate, made->root_key, NULL);
  const CeremonyList wanted = {.now = FIXTURE_NOW, .days = 40};
  g_autoptr(GBytes) crl = ceremony_root_crl(root, &wanted, &error);
  g_autoptr(GBytes) rubbish = g_bytes_new_static("rubbish", 7);
  g_assert_false(root_list_read(rubbish, &list));
  g_assert_true(root_list_read(crl, &list));
  g_assert_cmpint(list.number, ==, FIXTURE_NOW / 1000);
  static const struct {
    gint64 after; /* minutes from its making */
    const char *words;
  } times[] = {
      {0, NULL},
      {10 * 1440, NULL},
      {10 * 1440 + 1, "it ends at 2026-04-10T00:00:00Z, in 29 days"},
      {11 * 1440, NULL},
      {11 * 1440 + 1, "in 28 days"},
      {40 * 1440, "it ended at 2026-04-10T00:00:00Z"},
      {40 * 1440 + 1439, NULL},
      {41 * 1440, "it ended"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(times); i++) {
    gint64 now = FIXTURE_NOW + times[i].after * CLOCK_MINUTE;
    g_autofree char *warning = root_list_warning(&list, now, 30 * CLOCK_DAY);
    if ((warning != NULL) != (times[i].words != NULL) ||
        (warning != NULL && strstr(warning, times[i].words) == NULL))
      g_error("%" G_GSIZE_FORMAT ": %s", i, warning != NULL ? warning : "nothing");
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/root-list/revoked", test_revoked);
  g_test_add_func("/root-list/unreadable", test_unreadable);
  g_test_add_func("/root-list/kept", test_kept);
  g_test_add_func("/root-list/warning", test_warning);
  return g_test_run();
}
