/* SPDX-License-Identifier: Apache-2.0 */
/* What resolvers answer over HTTPS, for test_perspectives.py.
     doh_answers TIMEOUT CA-FILE
   reads "URL NAME TYPE" lines up to an empty one, asks for all at once, and writes for each a line,
   in any order, then an empty one; and so on: URL NAME TYPE temporary|bogus|none|found
   secure|insecure TTL RDATA-IN-HEX,...|- TEXT */
#include "base/doh.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
  struct event_base *base;
  char *line;
  guint *open;
} Case;

static void answered(const ResolverAnswer *answer, gpointer user) {
  static const char *const outcomes[] = {"temporary", "bogus", "none", "found"};
  Case *one = user;
  printf("%s %s %s %" G_GINT64_FORMAT " ", one->line, outcomes[answer->outcome],
         answer->secure ? "secure" : "insecure", answer->ttl);
  for (guint i = 0; i < answer->rdata->len; i++) {
    gsize length = 0;
    const guint8 *octets = g_bytes_get_data(answer->rdata->pdata[i], &length);
    printf("%s", i > 0 ? "," : "");
    for (gsize j = 0; j < length; j++)
      printf("%02x", octets[j]);
  }
  printf("%s %s\n", answer->rdata->len == 0 ? "-" : "", answer->text);
  if (--*one->open == 0)
    event_base_loopbreak(one->base);
  g_free(one->line);
  g_free(one);
}

static void finish(struct event_base *base, const guint *open) {
  if (*open > 0)
    event_base_dispatch(base);
  printf("\n");
  fflush(stdout);
}

int main(int argc, char **argv) {
  char line[2048];
  char *pem = NULL;
  gsize length = 0;
  guint open = 0;
  if (argc != 3 || !g_file_get_contents(argv[2], &pem, &length, NULL))
    return 2;
  g_autoptr(GBytes) ca = g_bytes_new_take(pem, length);
  struct event_base *base = event_base_new();
  Doh *doh = doh_new(base, ca);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (*line == '\n') {
      finish(base, &open);
      continue;
    }
    g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", 3);
    Case *one = g_new0(Case, 1);
    *one = (Case){base, g_strdup(line), &open};
    open++;
    doh_ask(doh, words[0], words[1], atoi(words[2]), atoi(argv[1]), answered, one);
  }
  finish(base, &open);
  doh_free(doh);
  event_base_free(base);
  return 0;
}
