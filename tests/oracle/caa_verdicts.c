/* SPDX-License-Identifier: Apache-2.0 */
/* What Signet makes of the CAA records of domains, for test_caa_cases.py.
     caa_verdicts TIMEOUT ANCHORS IDENTITY STUB...
   reads "DOMAIN ACCOUNT-URL" lines, asks for all at once by the wrapper of libunbound, climbs and
   judges as lookup and core do, and writes for each a line of what came of it, in any order:
     DOMAIN permitted|forbidden|again secure|insecure bogus|temporary|none|found FOUND-AT|- TEXT */
#include "ca/caa_climb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Resolver *resolver;
  int timeout;
  const char *identities[2];
  struct event_base *base;
  guint open;
} Program;

typedef struct {
  Program *program;
  char *domain, *account;
} Case;

static void ask(gpointer source, const char *name, ResolverAnswered answered, gpointer user) {
  Program *program = source;
  resolver_ask(program->resolver, name, RESOLVER_CAA, program->timeout, answered, user);
}

static void climbed(CaaRecordSet *found, gpointer user) {
  static const char *const verdicts[] = {"permitted", "forbidden", "again"};
  static const char *const outcomes[] = {"temporary", "bogus", "none", "found"};
  g_autoptr(CaaRecordSet) set = found;
  Case *one = user;
  Program *program = one->program;
  CaaRequest request = {program->identities, one->account, "email-reply-00"};
  g_autofree char *text = NULL;
  CaaVerdict verdict = caa_judge(set, &request, &text);
  printf("%s %s %s %s %s %s\n", one->domain, verdicts[verdict], set->secure ? "secure" : "insecure",
         outcomes[set->outcome], set->found_at != NULL ? set->found_at : "-", text);
  g_free(one->domain);
  g_free(one->account);
  g_free(one);
  if (--program->open == 0)
    event_base_loopbreak(program->base);
}

int main(int argc, char **argv) {
  char line[1024];
  g_autoptr(GError) error = NULL;
  if (argc < 4)
    return 2;
  Program program = {.timeout = atoi(argv[1]), .identities = {argv[3], NULL}};
  ResolverOptions options = {.trust_anchor_file = argv[2], .stubs = (const char *const *)argv + 4};
  program.base = event_base_new();
  program.resolver = resolver_new(program.base, &options, &error);
  if (program.resolver == NULL) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", 2);
    Case *one = g_new0(Case, 1);
    *one = (Case){&program, g_strdup(words[0]), g_strdup(words[1])};
    program.open++;
    caa_climb(one->domain, ask, &program, climbed, one);
  }
  if (program.open > 0)
    event_base_dispatch(program.base);
  resolver_free(program.resolver);
  event_base_free(program.base);
  return 0;
}
