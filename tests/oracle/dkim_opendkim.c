/* SPDX-License-Identifier: Apache-2.0 */
/* An oracle in a program of its own: libopendkim's verdict on the topmost signature of a message.
     dkim_opendkim QUESTION=RECORD < message      writes "pass", "fail" or the library's words
     dkim_opendkim --ed25519                      exit status 0 when the library knows ed25519
   Its verdict counts only as signature good, body hash matching, no error (its verifier has known
   bugs). */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#define MAX_MESSAGE (1024 * 1024)

static const char *question, *record;

/* Answers from the command line instead of DNS. */
static DKIM_CBSTAT lookup(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t length) {
  char name[1024];
  (void)dkim;
  snprintf(name, sizeof name, "%s._domainkey.%s", (const char *)dkim_sig_getselector(signature),
           (const char *)dkim_sig_getdomain(signature));
  if (strlen(question) != strlen(name) || strcasecmp(question, name) != 0)
    return DKIM_CBSTAT_NOTFOUND;
  snprintf((char *)buffer, length, "%s", record);
  return DKIM_CBSTAT_CONTINUE;
}

static const char *verify(DKIM_LIB *library, char *message, size_t length) {
  DKIM_STAT status = DKIM_STAT_OK;
  DKIM *dkim = dkim_verify(library, (const unsigned char *)"id", NULL, &status);
  if (dkim == NULL)
    return "no handle";
  status = dkim_chunk(dkim, (u_char *)message, length);
  if (status == DKIM_STAT_OK)
    status = dkim_chunk(dkim, NULL, 0);
  if (status == DKIM_STAT_OK)
    status = dkim_eom(dkim, NULL);
  DKIM_SIGINFO *signature = dkim_getsignature(dkim);
  if (status != DKIM_STAT_OK)
    return status == DKIM_STAT_BADSIG ? "fail" : dkim_getresultstr(status);
  if (signature == NULL || (dkim_sig_getflags(signature) & DKIM_SIGFLAG_PASSED) == 0 ||
      dkim_sig_getbh(signature) != DKIM_SIGBH_MATCH ||
      dkim_sig_geterror(signature) != DKIM_SIGERROR_OK)
    return "fail";
  return "pass";
}

int main(int argc, char **argv) {
  static char message[MAX_MESSAGE];
  DKIM_LIB *library = dkim_init(NULL, NULL);
  if (library == NULL || argc != 2)
    return 2;
  if (strcmp(argv[1], "--ed25519") == 0)
    return dkim_libfeature(library, DKIM_FEATURE_ED25519) ? 0 : 1;
  char *equals = strchr(argv[1], '=');
  if (equals == NULL)
    return 2;
  *equals = '\0';
  question = argv[1];
  record = equals + 1;
  dkim_set_key_lookup(library, lookup);
  size_t length = fread(message, 1, sizeof message, stdin);
  puts(verify(library, message, length));
  return 0;
}
