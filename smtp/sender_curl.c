/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl says MAIL with SMTPUTF8 when an address is beyond ASCII and the relay offers it; where
   the relay does not, libcurl sends the raw address all the same. So the answers are read here, and
   one to EHLO without SMTPUTF8 ends the session before MAIL. */
#include "smtp/sender_curl.h"

#include <curl/curl.h>
#include <string.h>

#define STEPS                                                                                      \
  10 /* connecting with greeting and EHLO, MAIL, RCPT, DATA, the message, its answer ... */
#define REPLY_MAX 512 /* octets kept of a line of the relay */

/* What the relay's next answer is to. */
typedef enum { TO_CONNECT, TO_EHLO, TO_MAIL, TO_RCPT, TO_DATA, TO_MESSAGE, TO_QUIT } Step;

/* The first digit of the answer with which each step goes on. */
static const char good[] = {[TO_CONNECT] = '2', [TO_EHLO] = '2', [TO_MAIL] = '2',
                            [TO_RCPT] = '2',    [TO_DATA] = '3', [TO_MESSAGE] = '2'};

/* One message in its session. Invariant: words is the answer that settles the message, NULL while
   there is none. */
typedef struct {
  SenderMessage *message;
  gsize offset;
  Step step;
  gboolean offered; /* SMTPUTF8 */
  int code;
  char *words;
} Transfer;

static size_t give_message(char *buffer, size_t size, size_t count, void *user) {
  Transfer *transfer = user;
  gsize whole = 0;
  const char *text = g_bytes_get_data(transfer->message->message, &whole);
  gsize length = MIN(size * count, whole - transfer->offset);
  if (length > 0)
    memcpy(buffer, text + transfer->offset, length);
  transfer->offset += length;
  return length;
}

/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF */
static gboolean is_reply(const char *line) {
  return strspn(line, "0123456789") == 3 && (line[3] == '\0' || line[3] == ' ' || line[3] == '-');
}

static void read_keyword(Transfer *transfer, const char *line) {
  static const char keyword[] = "SMTPUTF8";
  const gsize length = sizeof keyword - 1;
  if (transfer->step == TO_EHLO && strlen(line) >= 4 + length &&
      g_ascii_strncasecmp(line + 4, keyword, length) == 0 &&
      (line[4 + length] == '\0' || line[4 + length] == ' '))
    transfer->offered = TRUE;
}

/* The last line of an answer. FALSE: the session is to end here. */
static gboolean take_answer(Transfer *transfer, const char *line) {
  Step step = transfer->step;
  if (transfer->words != NULL)
    return TRUE;
  if (line[0] != good[step] || step == TO_MESSAGE) {
    transfer->code = (int)g_ascii_strtoll(line, NULL, 10);
    transfer->words = g_strdup(line + MIN(strlen(line), 4));
  }
  if (line[0] != good[step])
    return step > TO_EHLO; /* libcurl would go on with HELO */
  transfer->step++;
  return step != TO_EHLO || transfer->offered;
}

/* libcurl gives each line of the relay before it acts on it. */
static size_t take_line(char *data, size_t size, size_t count, void *user) {
  Transfer *transfer = user;
  gsize length = size * count;
  g_autofree char *line = g_strndup(data, MIN(length, (gsize)REPLY_MAX));
  g_strchomp(line);
  if (transfer->step == TO_QUIT)
    return length;
  if (!is_reply(line)) /* libcurl would wait for one */
    return 0;
  read_keyword(transfer, line);
  return line[3] == '-' || take_answer(transfer, line) ? length : 0;
}

static void set_relay(CURL *curl, const SenderRelay *relay) {
  g_autofree char *name = g_uri_escape_string(relay->ehlo, NULL, FALSE);
  g_autofree char *url = g_strdup_printf("smtp://%s:%u/%s", relay->host, relay->port, name);
  long seconds = (long)relay->timeout_seconds;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp");
  curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, seconds);
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, seconds);
  /* Its limits start anew with each answer, and an answer may have lines without end. */
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, seconds * STEPS);
}

static void set_message(CURL *curl, Transfer *transfer, struct curl_slist *recipients) {
  gsize size = g_bytes_get_size(transfer->message->message);
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, transfer->message->from);
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
  curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_line);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
}

/* Why there was no answer that settles the message. */
static char *broken(CURL *curl, CURLcode result) {
  long number = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
  switch (result) {
  case CURLE_OPERATION_TIMEDOUT:
    return g_strdup("the relay did not answer in time");
  case CURLE_COULDNT_RESOLVE_HOST:
    return g_strdup("no address of the relay");
  case CURLE_COULDNT_CONNECT:
    return g_strdup_printf("no connection to the relay: %s", g_strerror((int)number));
  case CURLE_WRITE_ERROR:
    return g_strdup("the session with the relay broke: its answer is no SMTP");
  default:
    return g_strdup_printf("the session with the relay broke: %s", curl_easy_strerror(result));
  }
}

/* What a relay says before MAIL is about the session and not about the message. */
static SenderOutcome outcome_of_refusal(const Transfer *transfer) {
  return transfer->code / 100 == 5 && transfer->step > TO_EHLO ? SENDER_PERMANENT
                                                               : SENDER_TEMPORARY;
}

static void settle(const Transfer *transfer, CURL *curl, CURLcode result) {
  SenderMessage *message = transfer->message;
  if (transfer->step == TO_QUIT && result == CURLE_OK) {
    sender_message_settle(message, SENDER_ACCEPTED, transfer->code, transfer->words);
  } else if (transfer->code / 100 == 4 || transfer->code / 100 == 5) {
    sender_message_settle(message, outcome_of_refusal(transfer), transfer->code, transfer->words);
  } else if (transfer->step == TO_MAIL && !transfer->offered) {
    sender_message_settle(message, SENDER_PERMANENT, 0,
                          "the relay does not offer SMTPUTF8 (RFC 6531), which an address beyond "
                          "ASCII needs");
  } else {
    g_autofree char *text = broken(curl, result);
    sender_message_settle(message, SENDER_TEMPORARY, 0, text);
  }
}

/* One session. FALSE when it ended before MAIL. */
static gboolean send_one(const SenderRelay *relay, SenderMessage *message) {
  CURL *curl = curl_easy_init();
  if (curl == NULL)
    g_error("libcurl gives no handle");
  Transfer transfer = {.message = message};
  struct curl_slist *recipients = curl_slist_append(NULL, message->to);
  set_relay(curl, relay);
  set_message(curl, &transfer, recipients);
  settle(&transfer, curl, curl_easy_perform(curl));
  curl_easy_cleanup(curl); /* says QUIT, whose answer take_line hears */
  curl_slist_free_all(recipients);
  g_free(transfer.words);
  return transfer.step > TO_EHLO && transfer.offered;
}

void sender_curl_send(const SenderRelay *relay, GPtrArray *messages) {
  gboolean begun = TRUE;
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    const SenderMessage *before = i > 0 ? messages->pdata[i - 1] : NULL;
    if (begun)
      begun = send_one(relay, message);
    else
      sender_message_settle(message, before->outcome, before->code, before->text);
  }
}
