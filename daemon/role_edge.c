/* SPDX-License-Identifier: Apache-2.0 */
/* edge: TLS, HTTP and framing. Holds the TLS key and a stock of nonces; passes JWS on unverified. A
   second, plain listener serves the published files, also while core, store and signer are down. */
#include "acme/http_front.h"
#include "acme/nonce.h"
#include "acme/problem.h"
#include "acme/route.h"
#include "base/log.h"
#include "base/texts.h"
#include "daemon/pem_key.h"
#include "daemon/published.h"
#include "daemon/role.h"

#include <string.h>

#define STOCK_TARGET 1024
#define STOCK_LOW 600 /* more than the answers that one round trip to core can bring */
#define STOCK_RENEWAL_SECONDS (15 * 60) /* so that a nonce leaves with an hour of life or more */
#define STOCK_AGE_MAX (2 * STOCK_RENEWAL_SECONDS * CLOCK_SECOND)
#define PATIENCE_SECONDS 25 /* with core, then 503 */
#define STOP_SECONDS 8      /* less than the parent has */
#define RETRY_AFTER "2"
#define PREFLIGHT_SECONDS "86400"

typedef struct {
  RoleProcess *process;
  HttpFront *acme;
  HttpFront *files;    /* plain HTTP */
  HttpFront *measures; /* plain HTTP on loopback, in the first edge; for Prometheus */
  Published *published;
  GQueue nonces;  /* of char*; from the cores that are there now */
  gint64 renewed; /* since when there are the oldest of them, milliseconds */
  gboolean asked;
  GQueue pending; /* of Pending, oldest first */
  gboolean stopping;
  struct event *renewal, *patience;
  char *index; /* the Link field to the directory */
} Edge;

/* --- nonces
 * -----------------------------------------------------------------------------------------------
 */

typedef struct {
  Edge *edge;
  gboolean renews; /* the answer replaces the stock */
} StockQuestion;

static void on_nonces(GVariant *body, gpointer user) {
  g_autofree StockQuestion *question = user;
  Edge *edge = question->edge;
  edge->asked = FALSE;
  if (body == NULL)
    return;
  if (question->renews)
    g_queue_clear_full(&edge->nonces, g_free);
  if (g_queue_is_empty(&edge->nonces))
    edge->renewed = clock_now(&clock_system);
  g_autoptr(GPtrArray) nonces = g_ptr_array_new();
  if (!texts_read(normal_form_of(body), nonces))
    role_die_of_nonsense(ROLE_CORE, "nonces that are no texts");
  for (guint i = 0; i < nonces->len; i++)
    g_queue_push_tail(&edge->nonces, g_strdup(nonces->pdata[i]));
}

static void ask_nonces(Edge *edge, gboolean renews) {
  Channel *core = role_least_asked_core(edge->process);
  if (core == NULL || edge->asked)
    return;
  StockQuestion *question = g_new0(StockQuestion, 1);
  *question = (StockQuestion){edge, renews};
  edge->asked = channel_ask(core, MESSAGE_WANT_NONCES, g_variant_new_uint32(STOCK_TARGET),
                            on_nonces, question);
  if (!edge->asked)
    g_free(question);
}

static void refill(Edge *edge) {
  if (g_queue_get_length(&edge->nonces) <= STOCK_LOW)
    ask_nonces(edge, FALSE);
}

/* On a quiet server the stock would grow older than core remembers nonces. */
static void on_renewal(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  ask_nonces(user, TRUE);
}

/* While the machine sleeps no timer runs, and nonces age. */
static void drop_old(Edge *edge) {
  if (clock_now(&clock_system) - edge->renewed > STOCK_AGE_MAX)
    g_queue_clear_full(&edge->nonces, g_free);
}

/* NULL when there is none to give. */
static char *take_nonce(Edge *edge) {
  drop_old(edge);
  char *nonce = g_queue_pop_head(&edge->nonces);
  refill(edge);
  return nonce;
}

/* --- counting
 * --------------------------------------------------------------------------------------------- */

/* A status has three digits. */
static void count(Edge *edge, const char *listener, guint status) {
  const char code[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                       (char)('0' + status % 10), '\0'};
  metrics_add(edge->process->metrics, METRIC_HTTP_REQUESTS, 1, listener, code, NULL);
}

/* --- answers
 * ---------------------------------------------------------------------------------------------- */

/* Both live until the answer has been given. */
static void add(GPtrArray *headers, const char *name, const char *value) {
  g_ptr_array_add(headers, (gpointer)name);
  g_ptr_array_add(headers, (gpointer)value);
}

static void add_index(const Edge *edge, GPtrArray *headers) {
  add(headers, "Link", edge->index);
}

/* So that scripts of every web page may be ACME clients (RFC 8555 section 6.1). Nothing here relies
   on who is connected: every request that does anything is signed. */
static void add_origins(GPtrArray *headers) {
  add(headers, "Access-Control-Allow-Origin", "*");
  add(headers, "Access-Control-Expose-Headers", "Link, Location, Replay-Nonce, Retry-After");
}

/* An answer that waits, in test mode. */
typedef struct {
  HttpExchange *exchange;
  guint status;
  GPtrArray *headers;
  GBytes *body;
} Delayed;

static void on_delayed(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Delayed *delayed = user;
  http_exchange_answer(delayed->exchange, delayed->status, delayed->headers, delayed->body);
  g_ptr_array_unref(delayed->headers);
  g_clear_pointer(&delayed->body, g_bytes_unref);
  g_free(delayed);
}

/* At once, or after a random time up to [test] delay. */
static void send_answer(Edge *edge, HttpExchange *exchange, guint status, GPtrArray *headers,
                        GBytes *body) {
  gint64 longest = config_number(edge->process->config, "test.delay");
  if (longest == 0) {
    http_exchange_answer(exchange, status, headers, body);
    return;
  }
  gint64 delay = g_random_int_range(0, (gint32)longest + 1);
  const struct timeval wait = {delay / 1000, delay % 1000 * 1000};
  GPtrArray *copies = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < headers->len; i++)
    g_ptr_array_add(copies, g_strdup(headers->pdata[i]));
  Delayed *delayed = g_new0(Delayed, 1);
  *delayed = (Delayed){exchange, status, copies, body != NULL ? g_bytes_ref(body) : NULL};
  event_base_once(edge->process->base, -1, EV_TIMEOUT, on_delayed, delayed, &wait);
}

/* Every answer of the ACME listener leaves here. One to a POST has a nonce, whatever it says (RFC
   8555 section 6.5): without core a placeholder, so that clients which insist on one find it and
   learn from badNonce. */
static void answer(Edge *edge, HttpExchange *exchange, guint status, GPtrArray *headers,
                   GBytes *body) {
  g_autofree char *nonce = NULL;
  if (strcmp(http_exchange_request(exchange)->method, "POST") == 0) {
    nonce = take_nonce(edge);
    if (nonce == NULL)
      nonce = nonce_placeholder();
    add(headers, "Replay-Nonce", nonce);
  }
  add_origins(headers);
  count(edge, "acme", status);
  send_answer(edge, exchange, status, headers, body);
}

/* A refusal of the edge's own, as a problem document like every other. */
static void answer_problem(Edge *edge, HttpExchange *exchange, const Problem *problem) {
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  g_autofree char *text = problem_text(problem);
  g_autoptr(GBytes) body = g_bytes_new(text, strlen(text));
  const Request *request = http_exchange_request(exchange);
  add(headers, "Content-Type", "application/problem+json");
  add(headers, "Cache-Control", "no-store");
  add_index(edge, headers);
  if (problem->status == 503)
    add(headers, "Retry-After", RETRY_AFTER);
  if (problem->header != NULL)
    add(headers, problem->header, problem->header_value);
  log_info("request refused by the edge", "method", request->method, "path", request->path,
           "reason", problem->detail, "peer", request->peer, NULL);
  answer(edge, exchange, problem->status, headers, body);
}

static void on_refuse(HttpExchange *exchange, guint status, const char *detail, gpointer user) {
  g_autoptr(Problem) problem = problem_new(PROBLEM_MALFORMED, status, "%s", detail);
  answer_problem(user, exchange, problem);
}

static void answer_busy(Edge *edge, HttpExchange *exchange) {
  g_autoptr(Problem) problem = problem_new(PROBLEM_SERVER_INTERNAL, 503,
                                           "The server is busy or restarting; try again shortly.");
  answer_problem(edge, exchange, problem);
}

/* --- ACME requests
 * ---------------------------------------------------------------------------------------- */

typedef struct {
  Edge *edge;
  HttpExchange *exchange; /* NULL once it has been answered without core */
  gint64 since;           /* monotonic microseconds */
} Pending;

static void on_stopped(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED,
                       void *user G_GNUC_UNUSED) {
  role_stopped();
}

/* Seconds from now, or when what was answered in this turn has left. */
static void stop_in(Edge *edge, time_t seconds) {
  event_base_once(edge->process->base, -1, EV_TIMEOUT, on_stopped, edge,
                  &(const struct timeval){seconds, 0});
}

static void stop_if_done(Edge *edge) {
  if (edge->stopping && g_queue_is_empty(&edge->pending))
    stop_in(edge, 0);
}

static void take_response(Pending *pending, GVariant *body) {
  if (pending->exchange == NULL)
    return;
  if (body == NULL) {
    answer_busy(pending->edge, pending->exchange);
    return;
  }
  NormalFormPart parts[3]; /* the second: name, value, ... */
  g_autoptr(GPtrArray) headers = g_ptr_array_sized_new(HTTP_USUAL_HEADERS);
  message_split(body, parts);
  if (!texts_read(parts[1], headers) || headers->len % 2 != 0)
    role_die_of_nonsense(ROLE_CORE, "a header field without a value");
  guint32 status = normal_form_to_uint32(&parts[0]);
  if (status < 100 || status > 599)
    role_die_of_nonsense(ROLE_CORE, "a status that is none");
  g_autoptr(GBytes) content = message_part(body, &parts[2]);
  metrics_observe(pending->edge->process->metrics, METRIC_HTTP_SECONDS,
                  (double)(g_get_monotonic_time() - pending->since) / G_USEC_PER_SEC, NULL);
  answer(pending->edge, pending->exchange, status, headers, content);
}

static void on_response(GVariant *body, gpointer user) {
  g_autofree Pending *pending = user;
  g_queue_remove(&pending->edge->pending, pending);
  take_response(pending, body);
  stop_if_done(pending->edge);
}

/* A core that hangs keeps no client waiting for ever; oldest first. */
static void on_patience(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Edge *edge = user;
  gint64 oldest = g_get_monotonic_time() - PATIENCE_SECONDS * G_USEC_PER_SEC;
  for (GList *link = edge->pending.head; link != NULL; link = link->next) {
    Pending *pending = link->data;
    if (pending->since > oldest)
      return;
    if (pending->exchange != NULL)
      answer_busy(edge, g_steal_pointer(&pending->exchange));
  }
}

static void answer_new_nonce(Edge *edge, HttpExchange *exchange, const Route *route) {
  const char *method = http_exchange_request(exchange)->method;
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  gboolean head = strcmp(method, "HEAD") == 0;
  if (!head && strcmp(method, "GET") != 0) {
    g_autoptr(Problem) problem =
        problem_new(PROBLEM_MALFORMED, 405, "newNonce is read with HEAD, GET or POST-as-GET.");
    problem_set_header(problem, "Allow", route_methods(route));
    answer_problem(edge, exchange, problem);
    return;
  }
  g_autofree char *nonce = take_nonce(edge);
  if (nonce == NULL) {
    answer_busy(edge, exchange);
    return;
  }
  add(headers, "Replay-Nonce", nonce);
  add(headers, "Cache-Control", "no-store");
  add_index(edge, headers);
  answer(edge, exchange, head ? 200 : 204, headers, NULL);
}

/* A browser asks before it sends what a form could not (fetch.spec.whatwg.org, CORS-preflight). */
static void answer_options(Edge *edge, HttpExchange *exchange, const Route *route) {
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  add(headers, "Allow", route_methods(route));
  add(headers, "Access-Control-Allow-Methods", route_methods(route));
  add(headers, "Access-Control-Allow-Headers", "Content-Type");
  add(headers, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
  add_index(edge, headers);
  answer(edge, exchange, 204, headers, NULL);
}

static GVariant *request_body(const Request *request) {
  const char *const texts[] = {request->method, request->path, request->content_type,
                               request->peer};
  g_autoptr(GBytes) joined = texts_join(texts, G_N_ELEMENTS(texts));
  const NormalFormPart parts[] = {normal_form_octets(joined), normal_form_octets(request->body)};
  return message_join(MESSAGE_REQUEST, parts);
}

static void on_request(HttpExchange *exchange, const Request *request, gpointer user) {
  Edge *edge = user;
  Id id;
  const char *tail = NULL;
  const Route *route = route_find(request->path, &id, &tail);
  if (route != NULL && strcmp(request->method, "OPTIONS") == 0) {
    answer_options(edge, exchange, route);
    return;
  }
  if (route != NULL && route->access == ROUTE_EDGE && strcmp(request->method, "POST") != 0) {
    answer_new_nonce(edge, exchange, route);
    return;
  }
  Channel *core = role_least_asked_core(edge->process);
  if (core == NULL) {
    answer_busy(edge, exchange);
    return;
  }
  Pending *pending = g_new0(Pending, 1);
  *pending = (Pending){edge, exchange, g_get_monotonic_time()};
  if (!channel_ask(core, MESSAGE_REQUEST, request_body(request), on_response, pending)) {
    g_free(pending);
    answer_busy(edge, exchange);
    return;
  }
  g_queue_push_tail(&edge->pending, pending);
}

/* --- published files
 * -------------------------------------------------------------------------------------- */

static void answer_text(HttpExchange *exchange, guint status, const char *text) {
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  g_autoptr(GBytes) body = g_bytes_new(text, strlen(text));
  add(headers, "Content-Type", "text/plain; charset=us-ascii");
  if (status == 405)
    add(headers, "Allow", "GET, HEAD");
  http_exchange_answer(exchange, status, headers, body);
}

static void on_file_refuse(HttpExchange *exchange, guint status, const char *detail,
                           gpointer user) {
  count(user, "files", status);
  g_autofree char *line = g_strconcat(detail, "\n", NULL);
  answer_text(exchange, status, line);
}

static void on_file_request(HttpExchange *exchange, const Request *request, gpointer user) {
  Edge *edge = user;
  PublishedFile file;
  if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
    count(edge, "files", 405);
    answer_text(exchange, 405, "Files are read with GET or HEAD.\n");
    return;
  }
  if (!published_read(edge->published, request->path + 1, &file)) {
    count(edge, "files", 404);
    answer_text(exchange, 404, "There is no such file.\n");
    return;
  }
  g_autoptr(GBytes) content = file.content;
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  gboolean known = published_is_known(http_exchange_field(exchange, "If-None-Match"), file.etag);
  /* Short, so that a revocation is known within minutes wherever a cache stands between. */
  add(headers, "Cache-Control", "public, max-age=300");
  add(headers, "ETag", file.etag);
  if (!known)
    add(headers, "Content-Type", file.type);
  count(edge, "files", known ? 304 : 200);
  http_exchange_answer(exchange, known ? 304 : 200, headers, known ? NULL : content);
}

/* --- Prometheus
 * ------------------------------------------------------------------------------------------- */

static void on_measure_refuse(HttpExchange *exchange, guint status, const char *detail,
                              gpointer user G_GNUC_UNUSED) {
  g_autofree char *line = g_strconcat(detail, "\n", NULL);
  answer_text(exchange, status, line);
}

/* The answers of all cores of this node. */
typedef struct {
  HttpExchange *exchange;
  guint open;          /* questions */
  GPtrArray *measured; /* of Metrics; and of the cores' names */
  GPtrArray *cores;
} Scrape;

static void finish_scrape(Scrape *scrape) {
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  if (scrape->measured->len == 0) {
    answer_text(scrape->exchange, 503, "The server is busy or restarting.\n");
  } else {
    g_ptr_array_add(scrape->measured, NULL);
    g_ptr_array_add(scrape->cores, NULL);
    char *text = metrics_text((const Metrics *const *)scrape->measured->pdata,
                              (const char *const *)scrape->cores->pdata);
    g_autoptr(GBytes) content = g_bytes_new_take(text, strlen(text));
    add(headers, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    http_exchange_answer(scrape->exchange, 200, headers, content);
  }
  g_ptr_array_unref(scrape->measured);
  g_ptr_array_unref(scrape->cores);
  g_free(scrape);
}

static void free_metrics(gpointer metrics) {
  if (metrics != NULL)
    metrics_free(metrics);
}

static void on_measured(GVariant *body, gpointer user) {
  Scrape *scrape = user;
  const char *core = NULL;
  g_autoptr(GVariant) numbers = NULL;
  if (body != NULL) {
    Metrics *metrics = metrics_new(NULL, NULL);
    g_variant_get(body, "(&s@" METRICS_TYPE ")", &core, &numbers);
    if (!metrics_merge(metrics, numbers, ROLE_CORE))
      role_die_of_nonsense(ROLE_CORE, "numbers that cannot be");
    g_ptr_array_add(scrape->measured, metrics);
    g_ptr_array_add(scrape->cores, g_strdup(core));
  }
  if (--scrape->open == 0)
    finish_scrape(scrape);
}

/* open is one more while they are asked. */
static void scrape_cores(Edge *edge, HttpExchange *exchange) {
  Scrape *scrape = g_new0(Scrape, 1);
  *scrape = (Scrape){exchange, 1, g_ptr_array_new_with_free_func(free_metrics),
                     g_ptr_array_new_with_free_func(g_free)};
  for (guint i = 0; i < edge->process->cores->len; i++) {
    const RoleCore *core = edge->process->cores->pdata[i];
    scrape->open++;
    if (!channel_ask(core->channel, MESSAGE_MEASURE, g_variant_new("()"), on_measured, scrape))
      scrape->open--;
  }
  if (--scrape->open == 0)
    finish_scrape(scrape);
}

static void on_measure(HttpExchange *exchange, const Request *request, gpointer user) {
  Edge *edge = user;
  if (strcmp(request->method, "GET") != 0) {
    answer_text(exchange, 405, "Metrics are read with GET.\n");
    return;
  }
  if (strcmp(request->path, "/metrics") != 0) {
    answer_text(exchange, 404, "There are /metrics alone.\n");
    return;
  }
  role_tell_counted(edge->process);
  scrape_cores(edge, exchange);
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

/* RFC 7525 section 4.2, for RFC 8555 section 6.1: of TLS 1.2 what has forward secrecy and AEAD. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

static SSL_CTX *read_tls(RoleProcess *process, GError **error) {
  g_autoptr(GBytes) chain = role_read_file(process, "tls-certificate", error);
  g_autoptr(GBytes) key = chain != NULL ? role_read_file(process, "tls-key", error) : NULL;
  SSL_CTX *context = key != NULL ? pem_tls_context(chain, key, error) : NULL;
  if (context == NULL)
    return NULL;
  SSL_CTX_set_cipher_list(context, CIPHERS);
  SSL_CTX_set_num_tickets(context, 1); /* a client has one connection at a time, mostly */
  return context;
}

static void listen_on(RoleProcess *process, const char *name, HttpFront *front) {
  g_autoptr(GArray) sockets = role_take_descriptors(process, name);
  for (guint i = 0; i < sockets->len; i++)
    if (!http_front_listen(front, g_array_index(sockets, int, i)))
      log_error("cannot listen", "socket", name, NULL);
}

static gboolean start(RoleProcess *process, GError **error) {
  Edge *edge = process->state = g_new0(Edge, 1);
  SSL_CTX *tls = read_tls(process, error);
  if (tls == NULL)
    return FALSE;
  edge->process = process;
  g_queue_init(&edge->nonces);
  g_queue_init(&edge->pending);
  edge->index =
      g_strdup_printf("<%s/directory>;rel=\"index\"", config_text(process->config, "acme.url"));
  edge->patience = event_new(process->base, -1, EV_PERSIST, on_patience, edge);
  event_add(edge->patience, &(const struct timeval){1, 0});
  edge->renewal = event_new(process->base, -1, EV_PERSIST, on_renewal, edge);
  event_add(edge->renewal, &(const struct timeval){STOCK_RENEWAL_SECONDS, 0});
  g_autoptr(GArray) folder = role_take_descriptors(process, "published");
  edge->published = published_new(folder->len > 0 ? g_array_index(folder, int, 0) : -1);
  g_autoptr(GUri) url =
      g_uri_parse(config_text(process->config, "acme.url"), G_URI_FLAGS_NONE, NULL);
  g_autoptr(GUri) files_url =
      g_uri_parse(config_text(process->config, "publish.url"), G_URI_FLAGS_NONE, NULL);
  g_autofree char *files_path =
      g_strndup(g_uri_get_path(files_url), strlen(g_uri_get_path(files_url)) - 1);
  const char *const *proxies = config_list(process->config, "acme.proxy-addresses");
  HttpFrontOptions acme = {tls, g_uri_get_path(url), proxies, on_request, on_refuse, edge};
  HttpFrontOptions files = {NULL, files_path, proxies, on_file_request, on_file_refuse, edge};
  edge->acme = http_front_new(process->base, &acme);
  edge->files = http_front_new(process->base, &files);
  HttpFrontOptions measures = {NULL, "", NULL, on_measure, on_measure_refuse, edge};
  edge->measures = http_front_new(process->base, &measures);
  SSL_CTX_free(tls);
  listen_on(process, "listen-https", edge->acme);
  listen_on(process, "listen-http", edge->files);
  listen_on(process, "listen-metrics", edge->measures);
  return TRUE;
}

/* Nonces of a core that was alone are worth nothing to the next one; several take each other's. */
static void core_down(RoleProcess *process) {
  if (process->cores->len == 0)
    g_queue_clear_full(&((Edge *)process->state)->nonces, g_free);
}

static void core_up(RoleProcess *process) {
  refill(process->state);
}

static void reload(RoleProcess *process, const Config *config G_GNUC_UNUSED) {
  g_autoptr(GError) error = NULL;
  SSL_CTX *tls = read_tls(process, &error);
  if (tls == NULL)
    log_error("TLS key not reloaded, the old one stays", "reason",
              error != NULL ? error->message : "not given", NULL);
  else
    http_front_set_tls(((Edge *)process->state)->acme, tls);
  SSL_CTX_free(tls);
}

/* Requests that core has are answered before. */
static gboolean stop(RoleProcess *process) {
  Edge *edge = process->state;
  edge->stopping = TRUE;
  http_front_stop(edge->acme);
  http_front_stop(edge->files);
  http_front_stop(edge->measures);
  stop_in(edge, STOP_SECONDS);
  stop_if_done(edge);
  return FALSE;
}

/* Core tells edges nothing unasked. */
static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED,
                         guint64 id G_GNUC_UNUSED, GVariant *body G_GNUC_UNUSED,
                         int fd G_GNUC_UNUSED, gpointer user G_GNUC_UNUSED) {
  role_die_of_nonsense(ROLE_CORE, "a message that is no answer");
}

const RoleTable role_edge = {.role = ROLE_EDGE,
                             .joins_changes = TRUE,
                             .start = start,
                             .received = on_core_says,
                             .core_up = core_up,
                             .core_down = core_down,
                             .reload = reload,
                             .stop = stop};
