/* SPDX-License-Identifier: Apache-2.0 */
/* Load of requests on an ACME server (RFC 8555), any that is at an IPv4 address:

     acme_load --directory URL --ca FILE [--identifier email|dns] [--connections N] [--rate R]
               [--warm-up S] [--seconds S] [--cycle KIND,...] [--writers N]

   Each connection is an account of its own, made before the load begins, and goes through the
   cycle of requests again and again. Without a rate the next request follows the answer (closed
   loop). With one, requests are due at random times at that rate whatever the server does (open
   loop): the next idle connection takes each, and its latency counts from when it was due.
   writers, for servers that cannot have more: so many newAccount and newOrder are open at a time.
   Prints a line "measuring" when the warm-up is over, and then one JSON object. */
#include "acme_user.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#define TRIES_MAX 10      /* of a request whose nonce is refused */
#define SETTLE_SECONDS 60 /* for what is open at the end */
#define STATUS_MAX 600
#define SETUP_STEPS 3

static const char default_cycle[] = "newNonce,newAccount,newOrder,authorization,order,order";
static const AcmeKind setup[SETUP_STEPS] = {NEW_NONCE, NEW_ACCOUNT, NEW_ORDER};

/* What was measured of one kind of request. */
typedef struct {
  GArray *latencies; /* of gint64, microseconds */
  guint statuses[STATUS_MAX];
} Count;

typedef struct {
  AcmeServer *acme;
  GPtrArray *clients;         /* of Client */
  double rate;                /* 0: closed loop */
  gint64 warm_up, length;     /* microseconds */
  GArray *cycle;              /* of AcmeKind */
  guint missing;              /* clients that are not set up yet */
  GQueue idle;                /* of Client, open loop */
  guint writers_max, writing; /* 0: any number */
  GQueue writers;             /* of Client that wait until fewer write */
  GQueue due;                 /* of gint64 *: times of requests that found none idle */
  gint64 begins, ends;        /* of what counts, monotonic; 0: not known yet */
  gint64 next;                /* open loop: when the next request is due */
  guint open, late_most;      /* requests without answer; most that waited for a connection */
  GArray *lags;               /* of gint64: how late the clock itself was */
  GRand *random;
  struct event *clock, *begin, *end;
  Count counts[ACME_KINDS];
  guint bad_nonces;
  double processor; /* this process's seconds before what counts */
} Load;

typedef struct {
  Load *load;
  AcmeUser *user;
  HttpsConnection *connection;
  guint set_up, place; /* steps done of setup; place in the cycle */
  guint tries;
  AcmeKind kind;
  gint64 since;
} Client;

static double processor_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / G_USEC_PER_SEC;
}

/* --- requests
 * ---------------------------------------------------------------------------------------------- */

static gboolean writes(AcmeKind kind) {
  return kind == NEW_ACCOUNT || kind == NEW_ORDER;
}

static void send_request(Client *client) {
  Load *load = client->load;
  if (writes(client->kind) && load->writers_max != 0 && load->writing >= load->writers_max) {
    g_queue_push_tail(&load->writers, client);
    return;
  }
  load->writing += writes(client->kind) ? 1 : 0;
  acme_user_ask(client->user, client->kind, client->connection);
}

static void written(Load *load) {
  load->writing--;
  Client *next = g_queue_pop_head(&load->writers);
  if (next != NULL)
    send_request(next);
}

static void ask(Client *client, AcmeKind kind, gint64 since) {
  client->kind = kind;
  client->since = since;
  client->tries = 1;
  client->load->open++;
  send_request(client);
}

/* The next of the cycle; what needs an order is left out until there is one. */
static void ask_next(Client *client, gint64 since) {
  GArray *cycle = client->load->cycle;
  AcmeKind kind = NEW_ORDER;
  for (guint i = 0; i < cycle->len; i++) {
    kind = g_array_index(cycle, AcmeKind, client->place);
    client->place = (client->place + 1) % cycle->len;
    if ((kind != AUTHORIZATION && kind != ORDER) || acme_user_has_order(client->user))
      break;
  }
  ask(client, kind, since);
}

static void count(Load *load, const Client *client, const HttpsAnswer *answer) {
  gint64 now = g_get_monotonic_time();
  gint64 placed = load->rate > 0 ? client->since : now; /* in time, for whether it counts */
  if (load->begins == 0 || placed < load->begins || placed >= load->ends)
    return;
  Count *kind = &load->counts[client->kind];
  gint64 latency = now - client->since;
  g_array_append_val(kind->latencies, latency);
  kind->statuses[MIN(answer->status, STATUS_MAX - 1)]++;
}

static void finish_if_done(Load *load) {
  if (load->ends != 0 && g_get_monotonic_time() >= load->ends && load->open == 0 &&
      g_queue_is_empty(&load->due))
    event_base_loopbreak(load->acme->server->base);
}

/* Open loop: what waits longest, or nothing. */
static void serve(Client *client) {
  g_autofree gint64 *due = g_queue_pop_head(&client->load->due);
  if (due != NULL)
    ask_next(client, *due);
  else
    g_queue_push_tail(&client->load->idle, client);
}

static void start_load(Load *load);

static void go_on_setting_up(Client *client, const HttpsAnswer *answer) {
  if (answer->status < 200 || answer->status >= 300)
    https_fail("an account cannot be set up", answer->status != 0 ? answer->body : "no connection");
  if (++client->set_up < SETUP_STEPS)
    ask(client, setup[client->set_up], 0);
  else if (--client->load->missing == 0)
    start_load(client->load);
}

static void on_answered(const HttpsAnswer *answer, gpointer user) {
  Client *client = user;
  Load *load = client->load;
  if (!acme_user_take(client->user, client->kind, answer) && client->tries++ < TRIES_MAX) {
    load->bad_nonces++;
    acme_user_ask(client->user, client->kind, client->connection);
    return;
  }
  load->open--;
  if (writes(client->kind))
    written(load);
  if (client->set_up < SETUP_STEPS) {
    go_on_setting_up(client, answer);
    return;
  }
  count(load, client, answer);
  if (load->rate > 0)
    serve(client);
  else if (load->ends == 0 || g_get_monotonic_time() < load->ends)
    ask_next(client, g_get_monotonic_time());
  finish_if_done(load);
}

/* --- time
 * ---------------------------------------------------------------------------------------------- */

static void add_timer(struct event *event, gint64 wait) {
  const struct timeval time = {wait / G_USEC_PER_SEC, wait % G_USEC_PER_SEC};
  event_add(event, &time);
}

static void on_begin(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Load *load = user;
  load->begins = g_get_monotonic_time();
  load->ends = load->begins + load->length;
  load->processor = processor_seconds();
  load->bad_nonces = load->late_most = 0;
  g_array_set_size(load->lags, 0);
  add_timer(load->end, load->length);
  puts("measuring");
  fflush(stdout);
}

/* The second time it is over for what is still open. */
static void on_end(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Load *load = user;
  if (g_get_monotonic_time() >= load->ends + SETTLE_SECONDS * G_USEC_PER_SEC)
    event_base_loopbreak(load->acme->server->base);
  add_timer(load->end, SETTLE_SECONDS * G_USEC_PER_SEC);
  finish_if_done(load);
}

/* Everything that is due now. */
static void on_clock(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Load *load = user;
  gint64 now = g_get_monotonic_time();
  for (; load->next <= now;
       load->next += (gint64)(-log1p(-g_rand_double(load->random)) * G_USEC_PER_SEC / load->rate)) {
    if (load->ends != 0 && load->next >= load->ends)
      return;
    gint64 lag = now - load->next;
    g_array_append_val(load->lags, lag);
    Client *client = g_queue_pop_head(&load->idle);
    if (client != NULL)
      ask_next(client, load->next);
    else
      g_queue_push_tail(&load->due, g_memdup2(&load->next, sizeof(load->next)));
    load->late_most = MAX(load->late_most, g_queue_get_length(&load->due));
  }
  add_timer(load->clock, MAX(1, load->next - g_get_monotonic_time()));
}

static void start_load(Load *load) {
  add_timer(load->begin, load->warm_up);
  for (guint i = 0; i < load->clients->len; i++)
    if (load->rate > 0)
      g_queue_push_tail(&load->idle, load->clients->pdata[i]);
    else
      ask_next(load->clients->pdata[i], g_get_monotonic_time());
  load->next = g_get_monotonic_time();
  if (load->rate > 0)
    add_timer(load->clock, 1);
}

/* --- what is printed
 * ---------------------------------------------------------------------------------------------- */

static int compare(gconstpointer a, gconstpointer b) {
  gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;
  return left < right ? -1 : left > right;
}

/* {"p50_ms": ...}; sorts. */
static json_t *percentiles(GArray *times) {
  static const struct {
    const char *name;
    double share;
  } wanted[] = {{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"max_ms", 1}};
  json_t *result = json_object();
  g_array_sort(times, compare);
  for (gsize i = 0; i < G_N_ELEMENTS(wanted) && times->len > 0; i++) {
    guint place = (guint)ceil(wanted[i].share * times->len) - 1;
    json_object_set_new(result, wanted[i].name,
                        json_real((double)g_array_index(times, gint64, place) / 1000));
  }
  return result;
}

static json_t *count_json(Count *count) {
  json_t *result = percentiles(count->latencies), *statuses = json_object();
  for (guint i = 0; i < STATUS_MAX; i++) {
    g_autofree char *status = g_strdup_printf("%u", i);
    if (count->statuses[i] > 0)
      json_object_set_new(statuses, status, json_integer(count->statuses[i]));
  }
  json_object_set_new(result, "requests", json_integer(count->latencies->len));
  json_object_set_new(result, "statuses", statuses);
  return result;
}

static void print(Load *load) {
  double processor = processor_seconds() - load->processor;
  double passed = (double)(g_get_monotonic_time() - load->begins) / G_USEC_PER_SEC;
  double seconds = (double)load->length / G_USEC_PER_SEC;
  gint64 requests = 0;
  json_t *kinds = json_object();
  for (guint i = 0; i < ACME_KINDS; i++)
    if (load->counts[i].latencies->len > 0) {
      requests += load->counts[i].latencies->len;
      json_object_set_new(kinds, acme_kind_names[i], count_json(&load->counts[i]));
    }
  json_t *result = json_pack(
      "{s:i, s:f, s:f, s:I, s:f, s:i, s:i, s:f, s:o}", "connections", (int)load->clients->len,
      "wanted_rate", load->rate, "seconds", seconds, "requests", (json_int_t)requests, "rate",
      (double)requests / seconds, "bad_nonces", (int)load->bad_nonces, "unanswered",
      (int)(load->rate > 0 ? load->open + g_queue_get_length(&load->due) : 0), "processor_share",
      processor / passed, "kinds", kinds);
  if (load->rate > 0) {
    json_object_set_new(result, "clock", percentiles(load->lags));
    json_object_set_new(result, "most_waiting", json_integer(load->late_most));
  }
  json_dumpf(result, stdout, JSON_REAL_PRECISION(6));
  puts("");
  json_decref(result);
}

/* --- life
 * ---------------------------------------------------------------------------------------------- */

static Client *client_new(Load *load) {
  Client *client = g_new0(Client, 1);
  client->load = load;
  client->user = acme_user_new(load->acme);
  client->connection = https_connection_new(load->acme->server, INADDR_ANY, on_answered, client);
  /* So that not all ask for the same at the same time. */
  client->place = load->clients->len % load->cycle->len;
  return client;
}

static void client_free(gpointer data) {
  Client *client = data;
  https_connection_free(client->connection);
  acme_user_free(client->user);
  g_free(client);
}

static GArray *read_cycle(const char *text) {
  GArray *cycle = g_array_new(FALSE, FALSE, sizeof(AcmeKind));
  g_auto(GStrv) words = g_strsplit(text, ",", 0);
  for (char **word = words; *word != NULL; word++) {
    AcmeKind kind = 0;
    while (kind < ACME_KINDS && strcmp(acme_kind_names[kind], *word) != 0)
      kind++;
    if (kind == ACME_KINDS)
      https_fail("no such request", *word);
    g_array_append_val(cycle, kind);
  }
  return cycle;
}

static void load_init(Load *load, guint connections) {
  struct event_base *base = load->acme->server->base;
  load->clock = event_new(base, -1, 0, on_clock, load);
  load->begin = event_new(base, -1, 0, on_begin, load);
  load->end = event_new(base, -1, 0, on_end, load);
  load->lags = g_array_new(FALSE, FALSE, sizeof(gint64));
  load->random = g_rand_new();
  g_queue_init(&load->idle);
  g_queue_init(&load->due);
  g_queue_init(&load->writers);
  for (guint i = 0; i < ACME_KINDS; i++)
    load->counts[i].latencies = g_array_new(FALSE, FALSE, sizeof(gint64));
  load->clients = g_ptr_array_new_with_free_func(client_free);
  for (guint i = 0; i < connections; i++)
    g_ptr_array_add(load->clients, client_new(load));
}

static void load_clear(Load *load) {
  g_ptr_array_unref(load->clients);
  for (guint i = 0; i < ACME_KINDS; i++)
    g_array_unref(load->counts[i].latencies);
  g_queue_clear_full(&load->due, g_free);
  g_queue_clear(&load->idle);
  g_queue_clear(&load->writers);
  g_rand_free(load->random);
  g_array_unref(load->lags);
  g_array_unref(load->cycle);
  event_free(load->clock);
  event_free(load->begin);
  event_free(load->end);
}

static void run(Load *load) {
  load->missing = load->clients->len;
  for (guint i = 0; i < load->clients->len; i++)
    ask(load->clients->pdata[i], setup[0], 0);
  event_base_dispatch(load->acme->server->base);
}

int main(int argc, char **argv) {
  g_autofree char *directory = NULL, *ca = NULL, *identifier = NULL, *cycle = NULL;
  int connections = 32, writers = 0;
  double rate = 0, warm_up = 1, seconds = 10;
  const GOptionEntry entries[] = {
      {"directory", 0, 0, G_OPTION_ARG_STRING, &directory, "Its directory", "URL"},
      {"ca", 0, 0, G_OPTION_ARG_FILENAME, &ca, "Who issued its TLS certificate", "FILE"},
      {"identifier", 0, 0, G_OPTION_ARG_STRING, &identifier, "Of orders: email or dns", "TYPE"},
      {"connections", 0, 0, G_OPTION_ARG_INT, &connections, "Kept alive", "N"},
      {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate, "Requests a second; 0: closed loop", "R"},
      {"warm-up", 0, 0, G_OPTION_ARG_DOUBLE, &warm_up, "Seconds before it counts", "S"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "For how long it counts", "S"},
      {"writers", 0, 0, G_OPTION_ARG_INT, &writers, "That write at a time; 0: any number", "N"},
      {"cycle", 0, 0, G_OPTION_ARG_STRING, &cycle, "Requests of each connection", "KIND,..."},
      {NULL, 0, 0, 0, NULL, NULL, NULL}};
  g_autoptr(GOptionContext) context = g_option_context_new("- load on an ACME server");
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error))
    https_fail("options", error->message);
  if (directory == NULL || ca == NULL || argc > 1 || connections < 1 || writers < 0)
    https_fail("options", "--directory and --ca are needed; see --help");
  HttpsServer *server = https_server_new(directory, ca);
  Load load = {.acme =
                   acme_server_new(server, directory, identifier != NULL ? identifier : "email"),
               .rate = rate,
               .writers_max = (guint)writers,
               .warm_up = (gint64)(warm_up * G_USEC_PER_SEC),
               .length = (gint64)(seconds * G_USEC_PER_SEC),
               .cycle = read_cycle(cycle != NULL ? cycle : default_cycle)};
  load_init(&load, (guint)connections);
  run(&load);
  print(&load);
  load_clear(&load);
  acme_server_free(load.acme);
  https_server_free(server);
  return 0;
}
