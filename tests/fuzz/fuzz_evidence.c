/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a file of evidence. Holds: whatever it is, it is read to its end and every check says
   something; and since it is not one that a CA made, a check fails. (The seed has no end.) */
#include "acme/evidence_check.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
  guint good, bad;
} Results;

static void on_result(const char *check, gboolean good, const char *words, gpointer user) {
  Results *results = user;
  g_assert_cmpuint(strlen(check), >, 0);
  g_assert_nonnull(words);
  if (good)
    results->good++;
  else
    results->bad++;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  static const EvidenceTrust nobody = {NULL, NULL};
  g_autoptr(GError) error = NULL;
  Results results = {0, 0};
  FILE *in = size > 0 ? fmemopen((void *)data, size, "r") : fopen("/dev/null", "r");
  g_assert_nonnull(in);
  g_autoptr(Evidence) evidence = evidence_read(in, &error);
  fclose(in);
  g_assert_no_error(error);
  guint failed = evidence_check(evidence, &nobody, on_result, &results);
  g_assert_cmpuint(failed, ==, results.bad);
  g_assert_cmpuint(failed, >, 0);
  g_assert_cmpuint(results.good + results.bad, >, 8);
  return 0;
}
