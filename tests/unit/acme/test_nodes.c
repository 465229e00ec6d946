/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes on one PostgreSQL do the same at the same moment, many times (RFC 8555
   sections 6.5, 7.1.6, 7.3; ca-rules 34): by chance, and so that one of them has done all but the
   commit while the other one does its part, or waits for it. Without a server there is nothing to
   race for. */
#include "acme/command.h"
#include "acme/issuing_ca.h"
#include "acme/renewal.h"
#include "acme/state.h"
#include "base/hex.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/node.h"
#include "store/purge.h"
#include "tests/unit/acme/harness.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SIDES 2
#define ROUNDS 25
#define HELD_ROUNDS 4 /* of them: the sides by turns are the one that is held up */
#define ANSWERS 16
#define DEADLINE 900 /* seconds, of one race in all its rounds */

/* What both see. */
typedef struct {
  pthread_barrier_t barrier;
  char text[4][600];
  guint status[SIDES][ANSWERS];
  char location[SIDES][200];
  guint8 leaf[3000];
  gsize leaf_size;
  volatile gboolean stopped;
  volatile gint held;        /* the one that is held up has done all but the commit */
  volatile gint done[SIDES]; /* it has nothing more to do at once */
} Board;

typedef struct {
  Lab *lab;
  Board *board;
  guint self;
  LabClient *clients[ROUNDS], *others[ROUNDS]; /* keys, the same on both sides */
  LabClient *client, *other;                   /* of this round */
  LabOrder *order;                             /* of the first side */
  Question question;                           /* the same */
  gint holding;  /* transactions until this side is held up; below 0: it is not */
  gboolean late; /* issuance was stopped before its last commit */
  PGconn *watch;
} World;

static void meet(World *world) {
  g_atomic_int_set(&world->board->done[world->self], TRUE);
  pthread_barrier_wait(&world->board->barrier);
}

static void pause_shortly(void) {
  g_usleep(500);
}

/* Whether somebody waits for what a transaction has locked or written. */
static gboolean is_blocked(World *world) {
  PGresult *result = PQexec(world->watch, "SELECT 1 FROM pg_stat_activity WHERE datname ="
                                          " current_database() AND wait_event_type = 'Lock'");
  g_assert_cmpint(PQresultStatus(result), ==, PGRES_TUPLES_OK);
  gboolean blocked = PQntuples(result) > 0;
  PQclear(result);
  return blocked;
}

/* In the transaction that matters, before its commit: the other side goes as far as it can. */
static void hold_up(gpointer user) {
  World *world = user;
  if (world->holding-- == 0) {
    g_atomic_int_set(&world->board->held, TRUE);
    while (!g_atomic_int_get(&world->board->done[1 - world->self]) && !is_blocked(world))
      pause_shortly();
  }
  world->late = world->board->stopped;
}

static void write_text(World *world, guint place, const char *text) {
  g_assert_cmpuint(g_strlcpy(world->board->text[place], text, sizeof(world->board->text[0])), <,
                   sizeof(world->board->text[0]));
}

static void note(World *world, guint place, const Answer *answer) {
  world->board->status[world->self][place] = answer->status;
  g_strlcpy(world->board->location[world->self], answer->location != NULL ? answer->location : "",
            sizeof(world->board->location[0]));
}

/* How many answers of both sides had a status. */
static guint count(const World *world, guint status) {
  guint found = 0;
  for (guint side = 0; side < SIDES; side++)
    for (guint i = 0; i < ANSWERS; i++)
      found += world->board->status[side][i] == status;
  return found;
}

static void forget_answers(Board *board) {
  memset(board->status, 0, sizeof(board->status));
  memset(board->location, 0, sizeof(board->location));
}

/* prepare and check are the first side's alone; act is what both do at once. */
typedef struct {
  void (*prepare)(World *world);
  void (*act)(World *world);
  void (*check)(World *world);
  const char *const *settings;
  gint before[SIDES]; /* transactions of each side before the one that matters */
} Race;

/* One side is held up in it, and the other one begins then. */
static void act_held(World *world, const Race *race, guint holder) {
  if (world->self != holder)
    while (!g_atomic_int_get(&world->board->held))
      pause_shortly();
  world->holding = world->self == holder ? race->before[holder] : -1;
  race->act(world);
  world->holding = -1;
  g_atomic_int_set(&world->board->held, TRUE);
}

static void run_rounds(World *world, const Race *race) {
  for (guint i = 0; i < ROUNDS; i++) {
    world->client = world->clients[i];
    world->other = world->others[i];
    if (world->self == 0) {
      forget_answers(world->board);
      race->prepare(world);
    }
    meet(world);
    g_atomic_int_set(&world->board->done[world->self], FALSE);
    if (world->self == 0)
      g_atomic_int_set(&world->board->held, FALSE);
    pthread_barrier_wait(&world->board->barrier);
    if (i < HELD_ROUNDS)
      act_held(world, race, i % SIDES);
    else
      race->act(world);
    meet(world);
    if (world->self == 0) {
      race->check(world);
      g_clear_pointer(&world->order, lab_order_free);
    }
    meet(world);
  }
}

static void begin_side(World *world, guint self) {
  static const char *const owners[SIDES] = {"here/0", "there/0"};
  static const char *const nodes[SIDES] = {"here", "there"};
  alarm(DEADLINE);
  world->self = self;
  world->lab->place.owner = owners[self];
  world->lab->node = nodes[self];
  world->holding = -1;
  if (self == 1)
    meet(world);
  lab_start(world->lab);
  world->watch = PQconnectdb(world->lab->place.postgresql);
  g_assert_cmpint(PQstatus(world->watch), ==, CONNECTION_OK);
  world->lab->before_end = hold_up;
  world->lab->user = world;
  if (self == 0)
    meet(world);
}

static void run_race(gconstpointer data) {
  const Race *race = data;
  World world = {.lab = lab_new_with(race->settings)};
  pthread_barrierattr_t attributes;
  world.board =
      mmap(NULL, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true(world.board != MAP_FAILED);
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&world.board->barrier, &attributes, SIDES);
  for (guint i = 0; i < ROUNDS; i++) {
    world.clients[i] = lab_client_of(lab_key("P-256"));
    world.others[i] = lab_client_of(lab_key("P-256"));
  }
  lab_stop(world.lab);
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  begin_side(&world, child == 0 ? 1 : 0);
  run_rounds(&world, race);
  PQfinish(world.watch);
  if (child == 0) {
    lab_stop(world.lab);
    _exit(EXIT_SUCCESS);
  }
  int status = 0;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
  alarm(0);
  for (guint i = 0; i < ROUNDS; i++) {
    lab_client_free(world.clients[i]);
    lab_client_free(world.others[i]);
  }
  munmap(world.board, sizeof(Board));
  lab_free(world.lab);
}

/* --- accounts
 * ---------------------------------------------------------------------------------------------- */

static void nothing(World *world G_GNUC_UNUSED) {
}

static void make_account(World *world, LabClient *client) {
  g_autoptr(Answer) answer = lab_send(world->lab, client, TRUE, "/new-account", "{}");
  g_assert_cmpuint(answer->status, ==, 201);
  client->kid = g_strdup(answer->location);
  write_text(world, 0, answer->location);
}

/* The side that did not make it learns its URL. */
static void learn_account(World *world) {
  if (world->client->kid == NULL)
    world->client->kid = g_strdup(world->board->text[0]);
}

static void prepare_account(World *world) {
  make_account(world, world->client);
}

static void act_new_account(World *world) {
  g_autoptr(Answer) answer = lab_send(world->lab, world->client, TRUE, "/new-account", "{}");
  note(world, 0, answer);
}

static void check_new_account(World *world) {
  g_assert_cmpuint(count(world, 201), ==, 1);
  g_assert_cmpuint(count(world, 200), ==, 1);
  g_assert_cmpstr(world->board->location[0], ==, world->board->location[1]);
}

/* The payload of a key change: the inner JWS. */
static char *key_change(LabClient *client, LabClient *next) {
  json_t *header = json_pack("{s:s, s:s, s:O}", "alg", next->algorithm, "url",
                             LAB_URL "/key-change", "jwk", next->jwk);
  json_t *change = json_pack("{s:s, s:O}", "account", client->kid, "oldKey", client->jwk);
  g_autofree char *header_text = lab_dump(header);
  g_autofree char *change_text = lab_dump(change);
  g_autofree char *protected = lab_encode(header_text);
  g_autofree char *payload = lab_encode(change_text);
  g_autofree char *input = g_strconcat(protected, ".", payload, NULL);
  g_autoptr(GBytes) signature = lab_sign(next->key, input);
  g_autoptr(GBytes) inner = lab_flattened(protected, payload, signature);
  json_decref(header);
  json_decref(change);
  return g_strndup(g_bytes_get_data(inner, NULL), g_bytes_get_size(inner));
}

/* To a key of each side's own. */
static void act_key_change(World *world) {
  learn_account(world);
  g_autoptr(LabClient) next = lab_client_of(lab_key("P-256"));
  g_autofree char *payload = key_change(world->client, next);
  g_autoptr(Answer) answer = lab_send(world->lab, world->client, FALSE, "/key-change", payload);
  note(world, 0, answer);
}

static void check_key_change(World *world) {
  g_assert_cmpuint(count(world, 200), ==, 1);
  g_assert_cmpint(lab_count(world->lab, "SELECT count(*) FROM former_key GROUP BY account_id"
                                        " ORDER BY 1 DESC LIMIT 1"),
                  ==, 1);
}

/* Each side makes an account of its own with the same external account. */
static void prepare_binding(World *world) {
  char kid[ID_TEXT];
  g_autoptr(GBytes) octets = g_bytes_new_static("a MAC key of thirty-two octets..", 32);
  ExternalAccountKey row = {.id = acme_id(&world->lab->acme, world->lab->clock.now),
                            .mac_key = octets,
                            .note = (char *)"",
                            .identifiers = (char *)"",
                            .profiles = (char *)"",
                            .created_at = world->lab->clock.now};
  lab_begin(world->lab);
  g_assert_true(external_account_key_insert(world->lab->acme.store, &row, NULL));
  lab_commit(world->lab, TRUE);
  write_text(world, 1, id_text(&row.id, kid));
}

static void act_binding(World *world) {
  LabClient *client = world->self == 0 ? world->client : world->other;
  g_autoptr(GBytes) octets = g_bytes_new_static("a MAC key of thirty-two octets..", 32);
  g_autofree char *jwk = lab_dump(client->jwk);
  json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", world->board->text[1], "url",
                             LAB_URL "/new-account");
  json_t *payload = json_pack("{s:o}", "externalAccountBinding", lab_binding(header, jwk, octets));
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  g_autoptr(Answer) answer = lab_send(world->lab, client, TRUE, "/new-account", text);
  note(world, 0, answer);
}

static void check_binding(World *world) {
  g_assert_cmpuint(count(world, 201), ==, 1);
  g_assert_cmpuint(count(world, 403), ==, 1);
}

/* --- nonces
 * ---------------------------------------------------------------------------------------------- */

static void prepare_nonce(World *world) {
  make_account(world, world->client);
  g_autofree char *nonce = lab_nonce(world->lab);
  write_text(world, 1, nonce);
}

/* One that is refused for what it asks uses its nonce up too. */
static void act_nonce(World *world) {
  learn_account(world);
  world->lab->nonce = world->board->text[1];
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, world->client->kid,
                                      world->self == 0 ? "{\"contact\":[\"tel:1\"]}" : NULL);
  world->lab->nonce = NULL;
  gboolean bad = g_strcmp0(lab_text(answer, "type"), LAB_URN "badNonce") == 0;
  world->board->status[world->self][0] = bad ? 1 : 2;
}

static void check_nonce(World *world) {
  g_assert_cmpuint(count(world, 1), ==, 1);
  g_assert_cmpuint(count(world, 2), ==, 1);
}

static gint64 commits_of(Lab *lab) {
  return lab_count(lab, "SELECT commits FROM writer WHERE owner = '" DATABASE_OWNER "'");
}

/* Which nonces cannot be used again after a crash of the database: all but those of requests that
   read and were answered, whose commit is not waited for. */
static void test_nonce_waited(void) {
  static const struct {
    const char *path, *payload;
    guint status;
    gboolean waited;
  } cases[] = {{NULL, NULL, 200, FALSE}, /* the account, by POST-as-GET */
               {NULL, "{}", 200, TRUE},  /* changes nothing, at that moment */
               {NULL, "{\"contact\":[\"tel:1\"]}", 400, TRUE},
               {"/order/AAAAAAAAAAAAAAAAAAAAAA", NULL, 404, TRUE},
               {"/new-order", NULL, 400, TRUE}};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    gint64 before = commits_of(lab);
    g_autoptr(Answer) answer =
        lab_send(lab, client, FALSE, cases[i].path != NULL ? cases[i].path : lab_path(client->kid),
                 cases[i].payload);
    g_assert_cmpuint(answer->status, ==, cases[i].status);
    g_assert_cmpint(commits_of(lab) - before, ==, cases[i].waited);
  }
}

/* --- limits
 * ---------------------------------------------------------------------------------------------- */

#define LIMIT 5

static void act_limit(World *world) {
  static const char *const alice[] = {"alice@example.org", NULL};
  g_autofree char *payload = lab_identifiers(alice);
  learn_account(world);
  for (guint i = 0; i < LIMIT; i++) {
    g_autoptr(Answer) answer = lab_send(world->lab, world->client, FALSE, "/new-order", payload);
    note(world, i, answer);
  }
}

static void check_limit(World *world) {
  /* Half and one at once, the others evenly over the day. */
  g_assert_cmpuint(count(world, 201), ==, LIMIT / 2 + 1);
  g_assert_cmpuint(count(world, 429), ==, 2 * LIMIT - LIMIT / 2 - 1);
}

/* --- rows that clients name in any order
 * --------------------------------------------------------------------- */

#define MANY 6 /* mailboxes, of two domains */

static void prepare_many(World *world) {
  make_account(world, world->client);
  make_account(world, world->other);
  write_text(world, 1, world->other->kid);
}

static const char *mailbox_of(guint i) {
  static const char *const all[MANY] = {"a@example.org", "b@example.com", "b@example.org",
                                        "a@example.com", "c@example.org", "c@example.com"};
  return all[i];
}

/* Each side for an account of its own, from a network of its own. */
static void act_many(World *world) {
  const char *mailboxes[MANY + 1] = {NULL};
  LabClient *client = world->self == 0 ? world->client : world->other;
  for (guint i = 0; i < MANY; i++)
    mailboxes[i] = mailbox_of(world->self == 0 ? i : MANY - 1 - i);
  g_autofree char *payload = lab_identifiers(mailboxes);
  if (client->kid == NULL)
    client->kid = g_strdup(world->board->text[world->self]);
  world->lab->peer = world->self == 0 ? "192.0.2.1" : "198.51.100.1";
  g_autoptr(Answer) answer = lab_send(world->lab, client, FALSE, "/new-order", payload);
  note(world, 0, answer);
  world->board->status[world->self][1] = world->lab->again;
}

static void check_many(World *world) {
  for (guint side = 0; side < SIDES; side++) {
    g_assert_cmpuint(world->board->status[side][0], ==, 201);
    g_assert_cmpuint(world->board->status[side][1], ==, 0);
  }
}

/* One mail for all challenges of an order. */
static void prepare_many_recipients(World *world) {
  const char *mailboxes[MANY + 1] = {NULL};
  make_account(world, world->client);
  for (guint i = 0; i < MANY; i++)
    mailboxes[i] = mailbox_of(i);
  world->order = lab_order_of(world->lab, world->client, mailboxes);
  lab_send_mails(world->lab);
  GPtrArray *froms = world->order->challenge_froms;
  g_ptr_array_add(froms, NULL);
  g_autofree char *all = g_strjoinv(" ", (char **)froms->pdata);
  g_ptr_array_set_size(froms, MANY);
  write_text(world, 3, all);
}

static void act_many_recipients(World *world) {
  g_auto(GStrv) given = g_strsplit(world->board->text[3], " ", MANY);
  const char *recipients[MANY + 1] = {NULL};
  for (guint i = 0; i < MANY; i++)
    recipients[i] = given[world->self == 0 ? i : MANY - 1 - i];
  g_autoptr(GBytes) octets = g_bytes_new_static("Subject: x\r\n\r\n", 14);
  const IncomingMail mail = {"192.0.2.2", "mx.example.org", "alice@example.org", recipients, TRUE,
                             octets};
  MailReply reply = {0};
  LAB_TURN(world->lab, mail_in_take(&world->lab->acme, &mail, &reply, NULL));
  world->board->status[world->self][0] = reply.code;
  world->board->status[world->self][1] = world->lab->again;
}

static void check_many_recipients(World *world) {
  for (guint side = 0; side < SIDES; side++) {
    g_assert_cmpuint(world->board->status[side][0], ==, 250);
    g_assert_cmpuint(world->board->status[side][1], ==, 0);
  }
  g_assert_cmpint(lab_count(world->lab, "SELECT count(*) FROM challenge WHERE mails = 2"), ==,
                  MANY);
  lab_sql(world->lab, "UPDATE challenge SET mails = 0");
}

/* --- one order
 * -------------------------------------------------------------------------------------------- */

static const char *const two[] = {"alice@example.org", "bob@example.org", NULL};
static const char *const one[] = {"alice@example.org", NULL};

/* Which side has which challenge stands on the board. */
static void order_of(World *world, const char *const *addresses) {
  make_account(world, world->client);
  world->order = lab_order_of(world->lab, world->client, addresses);
  lab_send_mails(world->lab);
  write_text(world, 1, world->order->order);
  write_text(world, 2, world->order->finalize);
}

/* A reply is in and judged as right; the client has not answered yet. */
static void prepare_two_replies(World *world) {
  order_of(world, two);
  lab_right(world->order, 0);
  lab_right(world->order, 1);
  g_autofree char *both = g_strconcat(world->order->challenges->pdata[0], " ",
                                      world->order->challenges->pdata[1], NULL);
  write_text(world, 3, both);
}

/* The last two steps that make an order ready. */
static void act_two_challenges(World *world) {
  learn_account(world);
  g_auto(GStrv) challenges = g_strsplit(world->board->text[3], " ", 2);
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, challenges[world->self], "{}");
  g_assert_cmpstr(lab_text(answer, "status"), ==, "valid");
}

static void check_ready(World *world) {
  assert_status(world->order, world->order->order, "ready");
}

/* The reply is in and waits for its verdict. */
static void prepare_mail(World *world) {
  order_of(world, one);
  g_assert_cmpuint(lab_mail_in(world->order, 0), ==, 250);
  write_text(world, 3, world->order->challenges->pdata[0]);
}

/* One side has the client, the other one the mail. */
static void act_client_and_mail(World *world) {
  learn_account(world);
  if (world->self == 0) {
    g_auto(Question) question = {0};
    LabReply reply = lab_right_reply(world->order, 0);
    lab_ask(world->lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
    lab_examined(world->lab, &question, &reply);
    lab_reply_clear(&reply);
    return;
  }
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, world->board->text[3], "{}");
  g_assert_cmpuint(answer->status, ==, 200);
}

static void prepare_ready(World *world) {
  order_of(world, one);
  lab_validate(world->order, 0);
}

/* Answers whatever the order asks for, as core's limbs do. FALSE: nothing was due. */
static gboolean answer_issuance(World *world) {
  g_auto(Question) question = {0};
  if (!lab_take(world->lab, JOB_ISSUE, &question))
    return FALSE;
  if (question.kind == QUESTION_CAA)
    lab_caa(world->lab, &question, RESOLVER_NONE, NULL);
  else if (question.kind == QUESTION_BUILD)
    lab_built(world->lab, &question, "");
  else if (question.kind == QUESTION_SIGN)
    lab_signed(world->lab, &question);
  return TRUE;
}

/* Both finalize; then both work on what comes of it until nothing is left. */
static void act_finalize(World *world) {
  learn_account(world);
  EVP_PKEY *key = lab_key("P-256");
  g_autofree char *csr = lab_csr(key, "email:alice@example.org", NULL);
  g_autofree char *payload = g_strdup_printf("{\"csr\":\"%s\"}", csr);
  EVP_PKEY_free(key);
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, world->board->text[2], payload);
  note(world, 0, answer);
  meet(world);
  for (guint idle = 0; idle < 3;)
    idle = answer_issuance(world) ? 0 : idle + 1;
  meet(world);
  while (answer_issuance(world))
    continue;
}

static void check_issued(World *world) {
  g_assert_cmpuint(count(world, 200), ==, 1);
  g_assert_cmpuint(count(world, 403), ==, 1);
  assert_status(world->order, world->order->order, "valid");
  g_assert_cmpint(lab_count(world->lab,
                            "SELECT count(*) FROM orders o LEFT JOIN certificate c ON c.order_id ="
                            " o.id AND c.der IS NOT NULL WHERE c.id IS NULL"),
                  ==, 0);
}

static void prepare_revocation(World *world) {
  prepare_ready(world);
  lab_issue(world->order);
  g_autoptr(GBytes) leaf = lab_leaf(world->order);
  world->board->leaf_size = g_bytes_get_size(leaf);
  g_assert_cmpuint(world->board->leaf_size, <, sizeof(world->board->leaf));
  memcpy(world->board->leaf, g_bytes_get_data(leaf, NULL), world->board->leaf_size);
}

static void act_revocation(World *world) {
  learn_account(world);
  g_autoptr(GBytes) leaf = g_bytes_new(world->board->leaf, world->board->leaf_size);
  g_autoptr(Answer) answer = lab_revoke(world->lab, world->client, FALSE, leaf, "1");
  note(world, 0, answer);
}

static void check_revocation(World *world) {
  g_assert_cmpuint(count(world, 200), ==, 1);
  g_assert_cmpuint(count(world, 400), ==, 1);
}

/* Both replace one certificate. */
static void prepare_replaces(World *world) {
  prepare_ready(world);
  lab_issue(world->order);
  g_autoptr(GBytes) leaf = lab_leaf(world->order), serial = certificate_serial_of(leaf);
  g_autofree char *identifier = renewal_identifier(issuing_ca_current(&world->lab->acme), serial);
  write_text(world, 3, identifier);
}

static void act_replaces(World *world) {
  learn_account(world);
  g_autofree char *payload =
      g_strdup_printf("{\"identifiers\":[{\"type\":\"email\",\"value\":\"%s\"}],"
                      "\"replaces\":\"%s\"}",
                      one[0], world->board->text[3]);
  g_autoptr(Answer) answer = lab_send(world->lab, world->client, FALSE, "/new-order", payload);
  note(world, 0, answer);
}

static void check_replaces(World *world) {
  g_assert_cmpuint(count(world, 201), ==, 1);
  g_assert_cmpuint(count(world, 409), ==, 1);
}

/* --- what a key is for
 * -------------------------------------------------------------------------------- */

/* One side makes an account of the key that the other one has a certificate built for. */
static void prepare_key(World *world) {
  prepare_ready(world);
  g_autoptr(Answer) answer = lab_finalize(world->order);
  g_assert_cmpuint(answer->status, ==, 200);
  lab_answer_caa(world->lab, RESOLVER_NONE, NULL);
}

static void act_key(World *world) {
  if (world->self == 0) {
    g_assert_cmpint(EVP_PKEY_up_ref(world->order->key), ==, 1);
    g_autoptr(LabClient) client = lab_client_of(world->order->key);
    g_autoptr(Answer) answer = lab_send(world->lab, client, TRUE, "/new-account", "{}");
    note(world, 0, answer);
    return;
  }
  g_auto(Question) question = {0};
  lab_ask(world->lab, JOB_ISSUE, QUESTION_BUILD, &question);
  lab_built(world->lab, &question, "");
}

static void check_key(World *world) {
  while (answer_issuance(world))
    continue;
  assert_status(world->order, world->order->order, count(world, 201) == 1 ? "invalid" : "valid");
}

/* --- an authorization made beforehand
 * ---------------------------------------------------------------------- */

/* Its challenge has passed, but for the client's answer. */
static void prepare_beforehand(World *world) {
  make_account(world, world->client);
  world->order = lab_authorize(world->lab, world->client, one[0]);
  lab_send_mails(world->lab);
  lab_right(world->order, 0);
  write_text(world, 3, world->order->challenges->pdata[0]);
}

static void act_claim(World *world) {
  g_autofree char *payload = lab_identifiers(one);
  learn_account(world);
  g_autoptr(Answer) answer = lab_send(world->lab, world->client, FALSE, "/new-order", payload);
  note(world, 0, answer);
}

static void check_claim(World *world) {
  g_assert_cmpuint(count(world, 201), ==, 2);
  g_assert_cmpstr(world->board->location[0], !=, world->board->location[1]);
}

/* One side claims it, for the other one it becomes valid. */
static void act_claim_and_answer(World *world) {
  if (world->self == 0) {
    act_claim(world);
    return;
  }
  learn_account(world);
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, world->board->text[3], "{}");
  g_assert_cmpstr(lab_text(answer, "status"), ==, "valid");
}

/* One side's mail makes it valid while the other one claims it. */
static void prepare_beforehand_mail(World *world) {
  make_account(world, world->client);
  world->order = lab_authorize(world->lab, world->client, one[0]);
  lab_send_mails(world->lab);
  g_autoptr(Answer) answer = lab_challenge(world->order, 0, "{}");
  g_assert_cmpuint(lab_mail_in(world->order, 0), ==, 250);
}

static void act_mail_and_claim(World *world) {
  if (world->self == 0)
    act_client_and_mail(world);
  else
    act_claim(world);
}

static void check_claimed_ready(World *world) {
  const char *made = world->board->location[*world->board->location[0] != '\0' ? 0 : 1];
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, made, NULL);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "ready");
}

/* --- an authorization ends
 * ------------------------------------------------------------------------------------ */

static void prepare_end(World *world) {
  prepare_beforehand(world);
  write_text(world, 2, world->order->authorizations->pdata[0]);
}

static void act_end(World *world) {
  g_autoptr(Answer) answer =
      lab_post(world->lab, world->client, world->board->text[2], "{\"status\":\"deactivated\"}");
  note(world, 0, answer);
}

/* One side's client ends it while for the other one it becomes valid. */
static void act_end_and_answer(World *world) {
  learn_account(world);
  if (world->self == 0) {
    act_end(world);
    return;
  }
  g_autoptr(Answer) answer = lab_post(world->lab, world->client, world->board->text[3], "{}");
  note(world, 0, answer);
}

static void check_ended(World *world) {
  g_assert_cmpuint(count(world, 200), ==, 2);
  assert_status(world->order, world->board->text[2], "deactivated");
}

/* Whoever comes first: what is ordered hangs on no authorization that is over. */
static void act_end_and_claim(World *world) {
  learn_account(world);
  if (world->self == 0)
    act_end(world);
  else
    act_claim(world);
}

static void check_end_and_claim(World *world) {
  g_assert_cmpuint(count(world, 200), ==, 1);
  g_assert_cmpuint(count(world, 201), ==, 1);
  g_assert_cmpint(lab_count(world->lab,
                            "SELECT count(*) FROM orders o JOIN authz a ON a.order_id = o.id"
                            " WHERE a.status = 'deactivated' AND o.status <> 'invalid'"),
                  ==, 0);
}

/* --- the last mail
 * ---------------------------------------------------------------------------------------- */

#define LATER (LAB_NOW + 48 * CLOCK_HOUR) /* all challenges are overdue */

static void prepare_last_mail(World *world) {
  order_of(world, one);
}

/* One side takes a mail in time, for the other one time is over. Which one was held up is noted. */
static void act_last_mail(World *world) {
  world->board->status[world->self][0] = world->holding >= 0;
  if (world->self == 0)
    g_assert_cmpuint(lab_mail_in(world->order, 0), ==, 250);
  else
    LAB_TURN(world->lab, state_sweep(&world->lab->acme, LATER, 100, NULL));
}

static void check_last_mail(World *world) {
  g_autofree char *status = lab_status(world->order, world->order->challenges->pdata[0]);
  if (world->board->status[0][0])
    g_assert_cmpstr(status, ==, "pending");
  if (world->board->status[1][0])
    g_assert_cmpstr(status, ==, "invalid");
}

/* --- what is removed while somebody uses it
 * --------------------------------------------------------------- */

/* An order that failed long ago. */
static void prepare_removal(World *world) {
  order_of(world, one);
  lab_sql(world->lab, "UPDATE orders SET status = 'invalid', expires_at = 1;"
                      "UPDATE authz SET status = 'expired', expires_at = 1");
}

static void act_removal(World *world) {
  guint removed = 0;
  LAB_TURN(world->lab, purge_failed(world->lab->acme.store, LAB_NOW, 100, &removed, NULL));
}

static void check_removed(World *world) {
  static const char *const tables[] = {"orders", "authz", "challenge", "message"};
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
    g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM %s", tables[i]);
    g_assert_cmpint(lab_count(world->lab, sql), ==, 0);
  }
}

/* A message that came in before goes with it, one that comes in after is refused. */
static void act_removal_and_mail(World *world) {
  if (world->self == 0) {
    guint code = lab_mail_in(world->order, 0);
    g_assert_true(code == 250 || code == 452);
  } else {
    act_removal(world);
  }
}

/* --- a key is blocked
 * ------------------------------------------------------------------------------------- */

/* The signer has signed, and its answer is there. */
static void prepare_signed(World *world) {
  guint8 *der = NULL;
  prepare_ready(world);
  g_autoptr(Answer) answer = lab_finalize(world->order);
  g_assert_cmpuint(answer->status, ==, 200);
  lab_answer_caa(world->lab, RESOLVER_NONE, NULL);
  lab_answer_build(world->lab);
  lab_ask(world->lab, JOB_ISSUE, QUESTION_SIGN, &world->question);
  int length = i2d_PUBKEY(world->order->key, &der);
  g_assert_cmpint(length, >, 0);
  g_autoptr(GBytes) spki = g_bytes_new(der, (gsize)length), digest = key_digest(spki);
  g_autofree char *text = hex_encode(digest);
  OPENSSL_free(der);
  write_text(world, 3, text);
}

/* What the operator is told: how many certificates the key has. */
static void act_block(World *world) {
  g_autofree char *asked =
      g_strdup_printf("{\"key\":\"%s\",\"why\":\"found\"}", world->board->text[3]);
  g_autofree char *text = NULL;
  gboolean done = FALSE;
  do {
    g_clear_pointer(&text, g_free);
    lab_begin(world->lab);
    done = command_run(&world->lab->acme, 0, "key block", asked, &text, NULL) == COMMAND_DONE;
  } while (!lab_end(world->lab, done));
  json_t *result = json_loads(text, 0, NULL);
  world->board->status[1][0] = (guint)json_integer_value(json_object_get(result, "certificates"));
  json_decref(result);
}

static void act_block_and_sign(World *world) {
  if (world->self == 0)
    lab_signed(world->lab, &world->question);
  else
    act_block(world);
}

/* It is among those, or revoked at once. */
static void check_blocked(World *world) {
  g_autofree char *sql =
      g_strdup_printf("SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"
                      " AND upper(encode(key_digest, 'hex')) = '%s'",
                      world->board->text[3]);
  gint64 revoked = lab_count(world->lab, sql);
  g_assert_cmpint(revoked + world->board->status[1][0], ==, 1);
  assert_status(world->order, world->order->order, "valid");
  question_clear(&world->question);
}

/* --- an account ends
 * ---------------------------------------------------------------------------------- */

/* What one side orders, the end of the account by the other one ends too. */
static void act_deactivation(World *world) {
  learn_account(world);
  if (world->self == 1) {
    act_claim(world);
    return;
  }
  g_autoptr(Answer) answer =
      lab_post(world->lab, world->client, world->client->kid, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(answer->status, ==, 200);
  lab_run(world->lab, JOB_CLOSE);
}

static void check_deactivation(World *world) {
  g_assert_cmpuint(count(world, 201) + count(world, 401), ==, 1);
  g_assert_cmpint(lab_count(world->lab, "SELECT count(*) FROM orders WHERE status = 'pending'"), ==,
                  0);
}

/* --- the stop switch
 * -------------------------------------------------------------------------------------- */

static void act_stop(World *world) {
  if (world->self == 0) {
    g_autofree char *text = NULL;
    gboolean done = FALSE;
    do {
      g_clear_pointer(&text, g_free);
      lab_begin(world->lab);
      done = command_run(&world->lab->acme, 0, "issuance stop", "{\"reason\":\"drill\"}", &text,
                         NULL) == COMMAND_DONE;
    } while (!lab_end(world->lab, done));
    g_assert_true(done);
    world->board->stopped = TRUE;
    return;
  }
  /* What is asked is committed before the stop is. */
  g_auto(Question) question = {0};
  gboolean taken = lab_take(world->lab, JOB_ISSUE, &question);
  g_assert_false(world->late && taken && question.kind != QUESTION_NONE);
}

static void prepare_stop(World *world) {
  prepare_ready(world);
  world->board->stopped = FALSE;
  g_autoptr(Answer) answer = lab_finalize(world->order);
  g_assert_cmpuint(answer->status, ==, 200);
}

static void check_stop(World *world) {
  g_autofree char *text = NULL;
  lab_begin(world->lab);
  g_assert_cmpint(command_run(&world->lab->acme, 0, "issuance start", "{}", &text, NULL), ==,
                  COMMAND_DONE);
  lab_commit(world->lab, TRUE);
  lab_sql(world->lab, "DELETE FROM job WHERE kind = 'issue'");
}

/* --- a node that is lost
 * ------------------------------------------------------------------------------ */

/* Another core beside it, on a node of its own. */
static Lab *lab_beside(const Lab *lab, const char *owner, const char *node) {
  Lab *beside = g_memdup2(lab, sizeof(*lab));
  beside->acme.clock = &beside->clock.clock;
  beside->acme.store = NULL;
  beside->acme.nonces = NULL;
  beside->acme.keys = NULL;
  beside->acme.publications = NULL;
  beside->acme.events = NULL;
  beside->place.owner = owner;
  beside->node = node;
  beside->signatures = g_hash_table_new_full(
      g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, (GDestroyNotify)g_bytes_unref);
  lab_start(beside);
  return beside;
}

static void lab_beside_free(Lab *beside) {
  lab_stop(beside);
  g_hash_table_unref(beside->signatures);
  g_free(beside);
}

static StoreFind held(Lab *lab, const Job *job) {
  lab_begin(lab);
  StoreFind found = job_held(lab->acme.store, job, NULL);
  lab_commit(lab, TRUE);
  return found;
}

static void seen(Lab *lab) {
  lab_begin(lab);
  g_assert_true(node_seen(lab->acme.store, lab->node, lab->clock.now, NULL));
  lab_commit(lab, TRUE);
}

/* A node's signer has signed and logged, and the node is heard of no more. */
static void test_take_over(void) {
  g_autoptr(Lab) lab = lab_new();
  Lab *other = lab_beside(lab, "there/0", "there");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) lost = {0}, left = {0}, again = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &lost);
  GBytes *first = lab_certificate(lab, &lost);
  seen(lab);

  /* Its job is free again before the node is taken for dead: it is left to it. */
  other->clock.now = lab->clock.now + 10 * CLOCK_MINUTE + 1;
  lab->clock.now = other->clock.now - CLOCK_MINUTE + 2;
  seen(lab);
  g_assert_true(lab_take(other, JOB_ISSUE, &left));
  g_assert_cmpint(left.kind, ==, QUESTION_NONE);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE asked = 'node'"), ==, 1);

  /* Then the same octets are signed there. */
  other->clock.now += CLOCK_MINUTE;
  lab_ask(other, JOB_ISSUE, QUESTION_SIGN, &again);
  g_assert_true(g_bytes_equal(again.octets, lost.octets));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind ="
                                 " 'signing at another node'"),
                  ==, 1);
  GBytes *second = lab_certificate(other, &again);
  g_assert_false(g_bytes_equal(first, second)); /* ECDSA */
  g_assert_cmpint(held(lab, &lost.job), ==, STORE_MISSING);
  g_assert_cmpint(held(other, &again.job), ==, STORE_FOUND);
  lab_signed(other, &again);
  assert_status(order, order->order, "valid");

  /* The answer that comes late after all is dropped, and would change nothing. */
  g_assert_cmpint(held(lab, &lost.job), ==, STORE_MISSING);
  lab_signed(lab, &lost);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_assert_true(g_bytes_equal(leaf, second));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE asked = 'there'"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind = 'issued'"), ==, 1);
  lab_beside_free(other);
}

/* The clock of the node that has CAA's answer is behind the one that took finalize: it is asked
   once all the same. */
static void test_caa_clock(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &question);
  lab->clock.now -= CLOCK_MINUTE;
  lab_caa(lab, &question, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check"), ==, 1);
}

/* A core that is slow beyond its lease: what another one has taken is not its any more. */
static void test_lease(void) {
  g_autoptr(Lab) lab = lab_new();
  Lab *other = lab_beside(lab, "there/0", "there");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) slow = {0}, none = {0}, next = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &slow);
  g_assert_false(lab_take(other, JOB_ISSUE, &none));
  lab_begin(lab);
  g_assert_true(job_renew(lab->acme.store, lab->clock.now + 20 * CLOCK_MINUTE, NULL));
  lab_commit(lab, TRUE);
  other->clock.now += 19 * CLOCK_MINUTE;
  g_assert_false(lab_take(other, JOB_ISSUE, &none));
  other->clock.now += 2 * CLOCK_MINUTE;
  g_assert_cmpint(held(lab, &slow.job), ==, STORE_FOUND);
  lab_ask(other, JOB_ISSUE, QUESTION_CAA, &next);
  g_assert_cmpint(held(lab, &slow.job), ==, STORE_MISSING);
  lab_caa(other, &next, RESOLVER_NONE, NULL);
  lab_answer_build(other);
  lab_answer_sign(other);
  assert_status(order, order->order, "valid");
  lab_beside_free(other);
}

int main(int argc, char **argv) {
  static const char *const limited[] = {"limits.orders-per-account", "5/86400000", NULL};
  static const char *const much[] = {"limits.mails-per-mailbox-hour", "1000/3600000",
                                     "limits.mails-per-mailbox-day", "1000/86400000", NULL};
  static const struct {
    const char *name;
    Race race;
  } all[] = {
      {"/nodes/new-account", {nothing, act_new_account, check_new_account, NULL, {0, 0}}},
      {"/nodes/key-change", {prepare_account, act_key_change, check_key_change, NULL, {0, 0}}},
      {"/nodes/external-account", {prepare_binding, act_binding, check_binding, NULL, {0, 0}}},
      {"/nodes/nonce", {prepare_nonce, act_nonce, check_nonce, NULL, {0, 0}}},
      {"/nodes/limit", {prepare_account, act_limit, check_limit, limited, {0, 0}}},
      {"/nodes/many-mailboxes", {prepare_many, act_many, check_many, much, {0, 0}}},
      {"/nodes/many-recipients",
       {prepare_many_recipients, act_many_recipients, check_many_recipients, much, {0, 0}}},
      {"/nodes/two-challenges",
       {prepare_two_replies, act_two_challenges, check_ready, NULL, {0, 0}}},
      {"/nodes/client-and-mail", {prepare_mail, act_client_and_mail, check_ready, NULL, {1, 0}}},
      {"/nodes/finalize", {prepare_ready, act_finalize, check_issued, NULL, {0, 0}}},
      {"/nodes/revocation", {prepare_revocation, act_revocation, check_revocation, NULL, {0, 0}}},
      {"/nodes/replaces", {prepare_replaces, act_replaces, check_replaces, NULL, {0, 0}}},
      {"/nodes/key", {prepare_key, act_key, check_key, NULL, {0, 1}}},
      {"/nodes/deactivation",
       {prepare_account, act_deactivation, check_deactivation, NULL, {0, 0}}},
      {"/nodes/claim", {prepare_beforehand, act_claim, check_claim, NULL, {0, 0}}},
      {"/nodes/mail-and-claim",
       {prepare_beforehand_mail, act_mail_and_claim, check_claimed_ready, NULL, {1, 0}}},
      {"/nodes/claim-and-answer",
       {prepare_beforehand, act_claim_and_answer, check_claimed_ready, NULL, {0, 0}}},
      {"/nodes/end-and-answer", {prepare_end, act_end_and_answer, check_ended, NULL, {0, 0}}},
      {"/nodes/end-and-claim", {prepare_end, act_end_and_claim, check_end_and_claim, NULL, {0, 0}}},
      {"/nodes/last-mail", {prepare_last_mail, act_last_mail, check_last_mail, NULL, {0, 0}}},
      {"/nodes/removal-and-mail",
       {prepare_removal, act_removal_and_mail, check_removed, NULL, {0, 0}}},
      {"/nodes/block-and-sign", {prepare_signed, act_block_and_sign, check_blocked, NULL, {0, 0}}},
      {"/nodes/stop", {prepare_stop, act_stop, check_stop, NULL, {0, 0}}},
  };
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; database_server() != NULL && i < G_N_ELEMENTS(all); i++)
    g_test_add_data_func(all[i].name, &all[i].race, run_race);
  if (database_server() != NULL) {
    g_test_add_func("/nodes/nonce-waited", test_nonce_waited);
    g_test_add_func("/nodes/take-over", test_take_over);
    g_test_add_func("/nodes/lease", test_lease);
    g_test_add_func("/nodes/caa-clock", test_caa_clock);
  }
  return g_test_run();
}
