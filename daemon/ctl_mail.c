/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl mail: hands a message from standard input to a running server, as the pipe of a mail
   server does. Its exit status is of sysexits.h, which says whether to try again. */
#include "daemon/ctl_ask.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define MESSAGE_MAX (384 * 1024) /* octets read; above what any server takes */

/* The message, as it goes over SMTP: CRLF line ends, and without the line that mboxes begin with.
   NULL when it is too large or cannot be read, which has been printed. */
static GString *read_message(void) {
  g_autoptr(GString) text = g_string_new(NULL);
  char octets[8192];
  for (gsize length = fread(octets, 1, sizeof(octets), stdin);
       length > 0 && text->len <= MESSAGE_MAX; length = fread(octets, 1, sizeof(octets), stdin))
    g_string_append_len(text, octets, (gssize)length);
  if (ferror(stdin) != 0 || text->len > MESSAGE_MAX) {
    fprintf(stderr, "%s: %s\n", g_get_prgname(),
            ferror(stdin) != 0 ? "the message cannot be read" : "552 5.3.4 message too large");
    return NULL;
  }
  const char *first_end = memchr(text->str, '\n', text->len);
  if (g_str_has_prefix(text->str, "From ") && first_end != NULL)
    g_string_erase(text, 0, first_end + 1 - text->str);
  return g_steal_pointer(&text);
}

static char *encode(const GString *text) {
  g_autoptr(GString) wire = g_string_sized_new(text->len + text->len / 32);
  for (gsize i = 0; i < text->len; i++) {
    if (text->str[i] == '\n' && (i == 0 || text->str[i - 1] != '\r'))
      g_string_append_c(wire, '\r');
    g_string_append_c(wire, text->str[i]);
  }
  return g_base64_encode((const guchar *)wire->str, wire->len);
}

/* Mail systems know these (sysexits.h). */
static int status_of(int code) {
  if (code / 100 == 2)
    return EX_OK;
  if (code / 100 == 4)
    return EX_TEMPFAIL;
  return code == 550 ? EX_NOUSER : EX_DATAERR;
}

static int hand_over(const CtlServer *server, const char *recipient, const char *from) {
  g_autoptr(GString) text = read_message();
  if (text == NULL)
    return EX_DATAERR;
  g_autofree char *base64 = encode(text);
  json_t *reply = ctl_ask(server, "mail ingest",
                          json_pack("{s:s, s:s, s:s}", "recipient", recipient, "from",
                                    from != NULL ? from : "", "message", base64));
  if (reply == NULL)
    return EX_TEMPFAIL;
  int code = (int)json_integer_value(json_object_get(reply, "code"));
  if (server->json)
    ctl_print_json(reply);
  else
    fprintf(code == 250 ? stdout : stderr, "%d %s %s\n", code, ctl_member(reply, "enhanced"),
            ctl_member(reply, "text"));
  json_decref(reply);
  return status_of(code);
}

int ctl_mail_ingest(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) recipients = NULL;
  g_autofree char *from = NULL;
  const GOptionEntry options[] = {
      {"from", 'f', 0, G_OPTION_ARG_STRING, &from, "The envelope's sender", "ADDRESS"},
      CTL_SERVER_OPTIONS(server),
      CTL_WORDS(recipients, "RECIPIENT"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("mail ingest",
                   "Hands a message from standard input to the server, for a mail server's pipe. "
                   "The exit status is of sysexits.h: 0 committed, 75 try again, 67 no such "
                   "recipient, 65 the message is refused, 64 wrong use.",
                   options, argc, argv) ||
      !ctl_count_words(recipients, 1, "RECIPIENT"))
    return EX_USAGE;
  return hand_over(&server, recipients[0], from);
}
