/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a message. Holds: what is trusted with a mail server's word is trusted without, too; and
   nobody's word is there for a server that the message does not name. */
#include "mime/challenge_trust.h"
#include "tests/fuzz/fuzz.h"

#define NOW G_GINT64_CONSTANT(1700000000000)
#define FROM "acme@ca.example"

static gboolean names(const guint8 *data, gsize size, const char *name) {
  g_autofree char *text = g_ascii_strdown((const char *)data, (gssize)size);
  return memmem(text, size, name, strlen(name)) != NULL;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autoptr(GBytes) message = g_bytes_new(data, size);
  const char *alone = challenge_distrust(message, FROM, NULL, NOW);
  const char *checked = challenge_distrust(message, FROM, "mx.example", NOW);
  g_assert_true(checked != NULL || alone == NULL);
  if (checked == NULL)
    g_assert_true(names(data, size, "mx.example") && names(data, size, "pass"));
  return 0;
}
