/* SPDX-License-Identifier: Apache-2.0 */
/* Whole issuances by many clients at once, one after the other each: ACME over TLS, the challenge
   mail taken as a relay would take it, the reply signed with DKIM and sent in.

     issue_load HTTPS-PORT[,...] SMTP-PORT[,...] SINK-PORT CLIENTS DKIM-KEY REPLY-OCTETS
       issuance|client

   Several ports: those of nodes, which connections and mails go to in turn. The last word: how
   long a client keeps a TLS connection. Each line of standard input is a number
   of issuances; when they are done one JSON object is printed: issuances, seconds, requests, polls
   that came too early, processor time of this program, and for each step the milliseconds that half
   and 99 of 100 took at most. Ends at the first failure, or with standard input. */
#include "acme/judge.h"
#include "base/base64url.h"
#include "base/clock.h"
#include "client/account_key.h"
#include "client/certificate_request.h"
#include "client/private_key.h"
#include "load_http.h"
#include "load_mail.h"
#include "mime/challenge_mail.h"
#include "mime/dkim.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define USER_DOMAIN "user.test"
#define SELECTOR "bench"
#define MAIL_CONNECTIONS 32
#define PACE_MIN 1.0 /* milliseconds */
#define PACE_MAX 1000.0

static const char quoted[] = "> The quick brown fox jumps over the lazy dog, as it always has.\r\n";

/* What is measured, in the order of an issuance. */
typedef enum {
  STEP_CONNECT,
  STEP_NONCE,
  STEP_ACCOUNT,
  STEP_ORDER,
  STEP_AUTHORIZATION,
  STEP_MAIL, /* from the authorization's answer to the challenge mail */
  STEP_REPLY,
  STEP_CHALLENGE,
  STEP_VALIDATED, /* from the challenge's answer to "valid", polls included */
  STEP_FINALIZE,
  STEP_ISSUED, /* from that answer to "valid" */
  STEP_CERTIFICATE,
  STEP_WHOLE,
  STEPS
} Step;

static const char *const step_names[STEPS] = {
    "connect",   "newNonce",  "newAccount", "newOrder", "authorization", "mail", "reply",
    "challenge", "validated", "finalize",   "issued",   "certificate",   "whole"};

/* When to look whether something is done: rather once too late than too often. Grows when the first
   look was too early, shrinks when it was not. */
typedef struct {
  double milliseconds;
} Pace;

typedef struct {
  struct event_base *base;
  LoadSink *sink;
  SSL_CTX *tls;
  GArray *https;      /* of guint16: of each node */
  GPtrArray *senders; /* one to each node */
  guint connections, mails;
  guint16 port; /* of the URL that all nodes have */
  char *url;    /* https://127.0.0.1:PORT */
  DkimSigner *signer;
  gsize reply_octets;
  gboolean keeps_connections;
  GPtrArray *clients;
  GArray *taken[STEPS]; /* of double, milliseconds */
  Pace validation, issuance;
  guint left, running; /* issuances that are still to begin, and those under way */
  guint issuances, requests, early_polls;
  gint64 begun;
  double processor_begun;
} Load;

typedef struct Client Client;
typedef void (*Then)(Client *client, json_t *document, const LoadAnswer *answer);

struct Client {
  Load *load;
  guint number, count;
  LoadHttp *http;
  AccountKey *key;
  char *account, *nonce;
  struct event *timer;
  Then then; /* after the answer that is awaited */
  gint64 begun, step_begun;
  gint64 since; /* of what is polled for */
  gboolean looked;
  /* of this issuance */
  char *address, *order, *authorization, *challenge, *token2, *finalize;
  GBytes *mail;
  gboolean authorized; /* the authorization was read */
};

static void sample(Load *load, Step step, gint64 begun) {
  double taken = (double)(g_get_monotonic_time() - begun) / 1000;
  g_array_append_val(load->taken[step], taken);
}

static void must(gboolean good, const GError *error) {
  if (!good)
    load_fail("failed", error != NULL ? error->message : "");
}

/* --- requests
 * ---------------------------------------------------------------------------------------------- */

static void on_answer(const LoadAnswer *answer, gpointer user) {
  Client *client = user;
  char *nonce = load_answer_field(answer, "Replay-Nonce");
  if (answer->status < 200 || answer->status > 299)
    load_fail(answer->head, answer->body);
  if (nonce != NULL) {
    g_free(client->nonce);
    client->nonce = nonce;
  }
  g_autoptr(json_t) document = json_loadb(answer->body, answer->length, 0, NULL);
  client->then(client, document, answer);
}

static char *encode(const char *text) {
  return base64url_encode(text, strlen(text));
}

/* payload "": POST-as-GET. */
static char *signed_body(const Client *client, const char *url, const char *payload) {
  g_autoptr(GError) error = NULL;
  char *jwk = client->account == NULL ? json_dumps(client->key->jwk, JSON_COMPACT) : NULL;
  g_autofree char *who = jwk != NULL ? g_strdup_printf("\"jwk\":%s", jwk)
                                     : g_strdup_printf("\"kid\":\"%s\"", client->account);
  free(jwk);
  g_autofree char *header = g_strdup_printf(
      "{\"alg\":\"ES256\",%s,\"nonce\":\"%s\",\"url\":\"%s\"}", who, client->nonce, url);
  g_autofree char *protected = encode(header);
  g_autofree char *encoded = encode(payload);
  g_autofree char *input = g_strconcat(protected, ".", encoded, NULL);
  g_autoptr(GBytes) octets = account_key_sign(client->key, input, &error);
  must(octets != NULL, error);
  g_autofree char *signature =
      base64url_encode(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
  return g_strdup_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
                         protected, encoded, signature);
}

static void post(Client *client, const char *url, const char *payload, Then then) {
  g_autofree char *body = signed_body(client, url, payload);
  client->then = then;
  client->step_begun = g_get_monotonic_time();
  client->load->requests++;
  load_http_ask(client->http, "POST", url + strlen(client->load->url), body, on_answer, client);
}

static void keep_text(char **place, const json_t *document, const char *member) {
  const char *text = json_string_value(json_object_get(document, member));
  if (text == NULL)
    load_fail("an answer has no", member);
  g_free(*place);
  *place = g_strdup(text);
}

static gboolean is_valid(const json_t *document) {
  const char *status = json_string_value(json_object_get(document, "status"));
  if (g_strcmp0(status, "invalid") == 0) {
    char *text = json_dumps(document, 0);
    load_fail("refused", text);
  }
  return g_strcmp0(status, "valid") == 0;
}

/* --- polling
 * ---------------------------------------------------------------------------------------------- */

static void look_in(Client *client, double milliseconds) {
  glong microseconds = (glong)(milliseconds * 1000);
  struct timeval wait = {microseconds / 1000000, microseconds % 1000000};
  event_add(client->timer, &wait);
}

static void poll_begin(Client *client, const Pace *pace) {
  client->since = g_get_monotonic_time();
  client->looked = FALSE;
  look_in(client, pace->milliseconds);
}

static void poll_again(Client *client, Pace *pace) {
  if (!client->looked)
    pace->milliseconds = MIN(pace->milliseconds * 1.02, PACE_MAX);
  client->looked = TRUE;
  client->load->early_polls++;
  look_in(client, MAX(pace->milliseconds / 4, PACE_MIN));
}

static void poll_end(Client *client, Pace *pace) {
  if (!client->looked)
    pace->milliseconds = MAX(pace->milliseconds * 0.995, PACE_MIN);
}

/* --- an issuance, from its end to its beginning
 * ---------------------------------------------------------------------------------------------- */

static void client_begin(Client *client);
static void finish(Load *load);

static void on_certificate(Client *client, json_t *document G_GNUC_UNUSED,
                           const LoadAnswer *answer) {
  Load *load = client->load;
  sample(load, STEP_CERTIFICATE, client->step_begun);
  sample(load, STEP_WHOLE, client->begun);
  if (!g_str_has_prefix(answer->body, "-----BEGIN CERTIFICATE-----"))
    load_fail("no certificate", answer->body);
  load->issuances++;
  load->running--;
  if (load->left > 0)
    client_begin(client);
  else if (load->running == 0)
    finish(load);
}

static void on_order_polled(Client *client, json_t *document,
                            const LoadAnswer *answer G_GNUC_UNUSED) {
  g_autofree char *certificate = NULL;
  if (!is_valid(document)) {
    poll_again(client, &client->load->issuance);
    return;
  }
  poll_end(client, &client->load->issuance);
  sample(client->load, STEP_ISSUED, client->since);
  keep_text(&certificate, document, "certificate");
  post(client, certificate, "", on_certificate);
}

static void on_finalized(Client *client, json_t *document G_GNUC_UNUSED,
                         const LoadAnswer *answer G_GNUC_UNUSED) {
  sample(client->load, STEP_FINALIZE, client->step_begun);
  g_clear_pointer(&client->authorization, g_free); /* what is polled now is the order */
  poll_begin(client, &client->load->issuance);
}

static void finalize(Client *client) {
  g_autoptr(GError) error = NULL;
  const char *addresses[] = {client->address, NULL};
  EVP_PKEY *key = private_key_make("P-256", &error);
  must(key != NULL, error);
  g_autoptr(GBytes) der = certificate_request_new(key, addresses, CERTIFICATE_USAGE_BOTH, &error);
  must(der != NULL, error);
  EVP_PKEY_free(key);
  g_autofree char *encoded = base64url_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  g_autofree char *payload = g_strdup_printf("{\"csr\":\"%s\"}", encoded);
  post(client, client->finalize, payload, on_finalized);
}

static void on_authorization_polled(Client *client, json_t *document,
                                    const LoadAnswer *answer G_GNUC_UNUSED) {
  if (!is_valid(document)) {
    poll_again(client, &client->load->validation);
    return;
  }
  poll_end(client, &client->load->validation);
  sample(client->load, STEP_VALIDATED, client->since);
  finalize(client);
}

static void on_look(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Client *client = user;
  if (client->authorization != NULL)
    post(client, client->authorization, "", on_authorization_polled);
  else
    post(client, client->order, "", on_order_polled);
}

static void on_challenge(Client *client, json_t *document G_GNUC_UNUSED,
                         const LoadAnswer *answer G_GNUC_UNUSED) {
  sample(client->load, STEP_CHALLENGE, client->step_begun);
  poll_begin(client, &client->load->validation);
}

static void on_replied(gpointer user) {
  Client *client = user;
  sample(client->load, STEP_REPLY, client->step_begun);
  post(client, client->challenge, "{}", on_challenge);
}

/* Padded as by a program that quotes what it answers. */
static GBytes *pad(GBytes *reply, gsize size) {
  GString *text = g_string_new_len(g_bytes_get_data(reply, NULL), (gssize)g_bytes_get_size(reply));
  while (text->len < size)
    g_string_append(text, quoted);
  return g_string_free_to_bytes(text);
}

static void reply(Client *client) {
  g_autoptr(GError) error = NULL;
  Load *load = client->load;
  g_autoptr(ReceivedChallenge) mail = received_challenge_read(client->mail, &error);
  must(mail != NULL, error);
  guint8 digest[REPLY_DIGEST_OCTETS];
  judge_expected_digest(mail->token, client->token2, client->key->thumbprint, digest);
  g_autofree char *text = base64url_encode(digest, sizeof(digest));
  g_autofree char *id = g_strdup_printf("<%u.%u@" USER_DOMAIN ">", client->number, client->count);
  gint64 now = clock_now(&clock_system);
  g_autoptr(GBytes) bare =
      challenge_reply_compose(mail, client->address, text, id, now, NULL, &error);
  must(bare != NULL, error);
  g_autoptr(GBytes) message = pad(bare, load->reply_octets);
  g_autofree char *field = dkim_sign(load->signer, message, now, &error);
  must(field != NULL, error);
  client->step_begun = g_get_monotonic_time();
  LoadSender *sender = load->senders->pdata[load->mails++ % load->senders->len];
  load_sender_send(sender, client->address, mail->reply_to, field, message, on_replied, client);
}

/* The mail may be faster than the answer that triggers it. */
static void reply_if_ready(Client *client) {
  if (client->mail == NULL || !client->authorized)
    return;
  sample(client->load, STEP_MAIL, client->since);
  reply(client);
}

static void on_mail(GBytes *message, gpointer user) {
  const Load *load = user;
  g_autoptr(GError) error = NULL;
  g_autoptr(ReceivedChallenge) mail = received_challenge_read(message, &error);
  must(mail != NULL, error);
  guint number = 0;
  if (sscanf(mail->to, "user%u.", &number) != 1 || number >= load->clients->len)
    load_fail("a mail to nobody", mail->to);
  Client *client = load->clients->pdata[number];
  if (g_strcmp0(mail->to, client->address) != 0 || client->mail != NULL)
    load_fail("a mail that nobody waits for", mail->to);
  client->mail = g_bytes_ref(message);
  reply_if_ready(client);
}

static void on_authorization(Client *client, json_t *document,
                             const LoadAnswer *answer G_GNUC_UNUSED) {
  const json_t *challenge = json_array_get(json_object_get(document, "challenges"), 0);
  sample(client->load, STEP_AUTHORIZATION, client->step_begun);
  keep_text(&client->challenge, challenge, "url");
  keep_text(&client->token2, challenge, "token");
  client->authorized = TRUE;
  client->since = g_get_monotonic_time();
  reply_if_ready(client);
}

static void on_order(Client *client, json_t *document, const LoadAnswer *answer) {
  sample(client->load, STEP_ORDER, client->step_begun);
  g_free(client->order);
  client->order = load_answer_field(answer, "Location");
  const char *authorization =
      json_string_value(json_array_get(json_object_get(document, "authorizations"), 0));
  if (client->order == NULL || authorization == NULL)
    load_fail("no order", answer->body);
  client->authorization = g_strdup(authorization);
  keep_text(&client->finalize, document, "finalize");
  post(client, client->authorization, "", on_authorization);
}

static void order(Client *client) {
  g_free(client->address);
  client->address = g_strdup_printf("user%u.%u@" USER_DOMAIN, client->number, client->count++);
  g_clear_pointer(&client->mail, g_bytes_unref);
  client->authorized = FALSE;
  g_autofree char *payload =
      g_strdup_printf("{\"identifiers\":[{\"type\":\"email\",\"value\":\"%s\"}]}", client->address);
  g_autofree char *url = g_strconcat(client->load->url, "/new-order", NULL);
  post(client, url, payload, on_order);
}

static void on_account(Client *client, json_t *document G_GNUC_UNUSED, const LoadAnswer *answer) {
  sample(client->load, STEP_ACCOUNT, client->step_begun);
  client->account = load_answer_field(answer, "Location");
  order(client);
}

static void on_nonce(Client *client, json_t *document G_GNUC_UNUSED,
                     const LoadAnswer *answer G_GNUC_UNUSED) {
  g_autofree char *url = g_strconcat(client->load->url, "/new-account", NULL);
  sample(client->load, STEP_NONCE, client->step_begun);
  if (client->account == NULL)
    post(client, url, "{}", on_account);
  else
    order(client);
}

static void on_connected(gpointer user) {
  Client *client = user;
  sample(client->load, STEP_CONNECT, client->step_begun);
  client->then = on_nonce;
  client->step_begun = g_get_monotonic_time();
  client->load->requests++;
  load_http_ask(client->http, "HEAD", "/new-nonce", NULL, on_answer, client);
}

/* As a load balancer would, one node after the other. */
static guint16 next_https(Load *load) {
  return g_array_index(load->https, guint16, load->connections++ % load->https->len);
}

static void client_begin(Client *client) {
  Load *load = client->load;
  load->left--;
  load->running++;
  client->begun = client->step_begun = g_get_monotonic_time();
  if (load->keeps_connections && load_http_is_connected(client->http))
    order(client);
  else
    load_http_connect(client->http, next_https(load), on_connected, client);
}

static Client *client_new(Load *load, guint number) {
  g_autoptr(GError) error = NULL;
  Client *client = g_new0(Client, 1);
  EVP_PKEY *key = private_key_make("P-256", &error);
  must(key != NULL, error);
  *client = (Client){.load = load, .number = number};
  client->key = account_key_new(key, &error);
  must(client->key != NULL, error);
  EVP_PKEY_free(key);
  client->http = load_http_new(load->base, load->tls, load->port);
  client->timer = event_new(load->base, -1, 0, on_look, client);
  return client;
}

static void client_free(gpointer data) {
  Client *client = data;
  load_http_free(client->http);
  event_free(client->timer);
  account_key_free(client->key);
  g_clear_pointer(&client->mail, g_bytes_unref);
  g_free(client->account);
  g_free(client->nonce);
  g_free(client->address);
  g_free(client->order);
  g_free(client->authorization);
  g_free(client->challenge);
  g_free(client->token2);
  g_free(client->finalize);
  g_free(client);
}

/* --- a measurement
 * ---------------------------------------------------------------------------------------------- */

static double processor_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare(gconstpointer a, gconstpointer b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

static double percentile(GArray *sorted, guint percent) {
  return g_array_index(sorted, double, (sorted->len - 1) * percent / 100);
}

static json_t *steps_json(Load *load) {
  json_t *steps = json_object();
  for (guint step = 0; step < STEPS; step++) {
    GArray *taken = load->taken[step];
    if (taken->len == 0)
      continue;
    g_array_sort(taken, compare);
    json_object_set_new(steps, step_names[step],
                        json_pack("{s:i, s:f, s:f}", "count", (int)taken->len, "p50_ms",
                                  percentile(taken, 50), "p99_ms", percentile(taken, 99)));
  }
  return steps;
}

static void finish(Load *load) {
  double seconds = (double)(g_get_monotonic_time() - load->begun) / G_USEC_PER_SEC;
  json_t *document = json_pack(
      "{s:i, s:f, s:i, s:i, s:f, s:o}", "issuances", (int)load->issuances, "seconds", seconds,
      "requests", (int)load->requests, "early_polls", (int)load->early_polls, "processor_seconds",
      processor_seconds() - load->processor_begun, "steps", steps_json(load));
  json_dumpf(document, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  putchar('\n');
  fflush(stdout);
  json_decref(document);
}

static void begin(Load *load, guint count) {
  for (guint step = 0; step < STEPS; step++)
    g_array_set_size(load->taken[step], 0);
  load->issuances = load->requests = load->early_polls = 0;
  load->left = count;
  load->begun = g_get_monotonic_time();
  load->processor_begun = processor_seconds();
  for (guint i = 0; i < load->clients->len && load->left > 0; i++)
    client_begin(load->clients->pdata[i]);
}

static void on_command(struct bufferevent *input, void *user) {
  g_autofree char *line = evbuffer_readln(bufferevent_get_input(input), NULL, EVBUFFER_EOL_LF);
  if (line != NULL)
    begin(user, (guint)MAX(1, atoi(line)));
}

static void on_commands_end(struct bufferevent *input, short what G_GNUC_UNUSED,
                            void *user G_GNUC_UNUSED) {
  event_base_loopbreak(bufferevent_get_base(input));
}

static GArray *read_ports(const char *list) {
  g_auto(GStrv) words = g_strsplit(list, ",", -1);
  GArray *ports = g_array_new(FALSE, FALSE, sizeof(guint16));
  for (guint i = 0; words[i] != NULL; i++) {
    guint16 port = (guint16)atoi(words[i]);
    g_array_append_val(ports, port);
  }
  return ports;
}

static void load_init(Load *load, char **argv) {
  g_autoptr(GError) error = NULL;
  load->base = event_base_new();
  load->tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(load->tls, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(load->tls, SSL_SESS_CACHE_OFF);
  load->https = read_ports(argv[1]);
  load->port = g_array_index(load->https, guint16, 0);
  load->url = g_strdup_printf("https://127.0.0.1:%u", load->port);
  g_autoptr(GArray) smtp = read_ports(argv[2]);
  load->senders = g_ptr_array_new_with_free_func((GDestroyNotify)load_sender_free);
  for (guint i = 0; i < smtp->len; i++)
    g_ptr_array_add(load->senders, load_sender_new(load->base, g_array_index(smtp, guint16, i),
                                                   MAIL_CONNECTIONS / smtp->len));
  EVP_PKEY *key = private_key_load(argv[5], &error);
  must(key != NULL, error);
  load->signer = dkim_signer_new(USER_DOMAIN, SELECTOR, key, &error);
  must(load->signer != NULL, error);
  EVP_PKEY_free(key);
  load->reply_octets = strtoul(argv[6], NULL, 10);
  load->keeps_connections = strcmp(argv[7], "client") == 0;
  load->validation.milliseconds = load->issuance.milliseconds = 4 * PACE_MIN;
  for (guint step = 0; step < STEPS; step++)
    load->taken[step] = g_array_new(FALSE, FALSE, sizeof(double));
  load->clients = g_ptr_array_new_with_free_func(client_free);
  for (guint i = 0; i < (guint)atoi(argv[4]); i++)
    g_ptr_array_add(load->clients, client_new(load, i));
  load->sink = load_sink_new(load->base, (guint16)atoi(argv[3]), on_mail, load);
}

static void load_clear(Load *load) {
  g_ptr_array_unref(load->clients);
  for (guint step = 0; step < STEPS; step++)
    g_array_unref(load->taken[step]);
  load_sink_free(load->sink);
  g_ptr_array_unref(load->senders);
  g_array_unref(load->https);
  dkim_signer_free(load->signer);
  SSL_CTX_free(load->tls);
  g_free(load->url);
}

int main(int argc, char **argv) {
  if (argc != 8 || atoi(argv[4]) < 1) {
    fputs("usage: issue_load HTTPS-PORT[,...] SMTP-PORT[,...] SINK-PORT CLIENTS DKIM-KEY "
          "REPLY-OCTETS issuance|client\n",
          stderr);
    return 2;
  }
  g_set_prgname("issue_load");
  Load load = {0};
  load_init(&load, argv);
  struct bufferevent *input = bufferevent_socket_new(load.base, 0, 0);
  bufferevent_setcb(input, on_command, NULL, on_commands_end, &load);
  bufferevent_enable(input, EV_READ);
  event_base_dispatch(load.base);
  bufferevent_free(input);
  load_clear(&load);
  event_base_free(load.base);
  return 0;
}
