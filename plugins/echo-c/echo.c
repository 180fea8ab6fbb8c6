/* A front-end in C: clients send SQL, one line each, and read the node's answer in JSON, one line
 * each, {"error": ...} if it failed. Everything goes through ha_plugin.h. Build and use it with
 *
 *   cc -shared -fPIC -pthread -O2 -I ../abi/include -o libecho_c.so echo.c
 *   ha --plugin ./libecho_c.so --frontend echo-c --set echo-c.port=7000
 *
 * A thread takes connections, and each connection has a thread. The node is asked without
 * blocking it: a thread sends its request and sleeps until `answered` wakes it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ha_plugin.h"

#define NAME "echo-c"
#define MAX_LINE (1 << 20) /* bytes of a request */
#define MAX_CLIENTS 256    /* at a time; more are hung up on */
#define LIMITS "\"limits\":{\"time_ms\":30000,\"bytes\":67108864}"

struct echo;

struct client {
  struct echo *echo;
  int socket;
  struct client *previous, *next;
};

struct echo {
  int listener;
  unsigned port;
  HaEngine engine;
  HaCompletion served;
  pthread_mutex_t lock; /* for everything below */
  pthread_cond_t left;  /* a client is gone */
  int stopping;
  unsigned count;
  struct client *clients;
};

/* --- Texts ------------------------------------------------------------------------------- */

static HaSlice slice(const char *text) {
  return (HaSlice){(const uint8_t *)text, strlen(text)};
}

/* Gives a text from malloc away, or nothing if there was no memory for it. */
static HaBuf give(char *text) {
  if (!text) return (HaBuf){NULL, 0, NULL, NULL};
  return (HaBuf){(const uint8_t *)text, strlen(text), text, free};
}

/* Takes a HaBuf's bytes back to whom they belong. */
static void release(HaBuf buf) {
  if (buf.free) buf.free(buf.owner);
}

/* An error about a setting, as JSON. Neither text may have quotes in it. */
static HaStatus wrong(HaBuf *error, const char *key, const char *reason) {
  char *json;
  const char *form = "{\"kind\":\"config\",\"detail\":{\"key\":\"" NAME ".%s\",\"reason\":\"%s\"},"
                     "\"message\":\"" NAME ".%s: %s\"}";
  if (asprintf(&json, form, key, reason, key, reason) < 0) json = NULL;
  *error = give(json);
  return HA_ERROR;
}

/* A batch of one statement, as JSON; NULL without memory. */
static char *batch(const char *sql) {
  const char *head = "{" LIMITS ",\"statements\":[\"", *tail = "\"]}";
  char *json = malloc(strlen(head) + 6 * strlen(sql) + strlen(tail) + 1), *to = json;
  if (!json) return NULL;
  to = stpcpy(to, head);
  for (; *sql; sql++) {
    unsigned char byte = (unsigned char)*sql;
    if (byte == '"' || byte == '\\') *to++ = '\\';
    if (byte < 0x20) to += sprintf(to, "\\u%04x", byte);
    else *to++ = (char)byte;
  }
  strcpy(to, tail);
  return json;
}

/* --- One client -------------------------------------------------------------------------- */

struct answer {
  sem_t here;
  HaStatus status;
  HaBuf body;
};

static void answered(void *ctx, HaStatus status, uint64_t a, uint64_t b, HaBuf body) {
  struct answer *answer = ctx;
  (void)a, (void)b;
  answer->status = status;
  answer->body = body;
  sem_post(&answer->here);
}

static int say(int socket, const void *bytes, size_t len) {
  for (const char *at = bytes; len > 0;) {
    ssize_t sent = send(socket, at, len, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return -1;
    at += sent, len -= (size_t)sent;
  }
  return 0;
}

/* Has the node execute a line, and tells what it answered. */
static int execute(struct client *client, const char *sql) {
  HaEngine *engine = &client->echo->engine;
  struct answer answer = {.status = HA_ERROR};
  char *json = batch(sql);
  if (!json) return -1;
  sem_init(&answer.here, 0, 0);
  engine->execute(engine->ctx, slice(json), (HaCompletion){&answer, answered});
  free(json);
  while (sem_wait(&answer.here) < 0 && errno == EINTR) continue;
  sem_destroy(&answer.here);
  int failed = answer.status != HA_OK;
  int told = failed ? say(client->socket, "{\"error\":", 9) : 0;
  if (told == 0) told = say(client->socket, answer.body.ptr, answer.body.len);
  if (told == 0) told = say(client->socket, failed ? "}\n" : "\n", failed ? 2 : 1);
  release(answer.body);
  return told;
}

static void leave(struct client *client) {
  struct echo *echo = client->echo;
  pthread_mutex_lock(&echo->lock);
  if (client->previous) client->previous->next = client->next;
  else echo->clients = client->next;
  if (client->next) client->next->previous = client->previous;
  close(client->socket);
  echo->count--;
  pthread_cond_signal(&echo->left);
  pthread_mutex_unlock(&echo->lock);
  free(client);
}

static void *attend(void *ctx) {
  struct client *client = ctx;
  int copy = dup(client->socket);
  FILE *lines = copy < 0 ? NULL : fdopen(copy, "r");
  if (!lines && copy >= 0) close(copy);
  char *line = malloc(MAX_LINE);
  while (lines && line && fgets(line, MAX_LINE, lines)) {
    size_t len = strcspn(line, "\r\n");
    if (line[len] == 0) break; /* too long, a NUL in it, or no end */
    line[len] = 0;
    if (execute(client, line) < 0) break;
  }
  free(line);
  if (lines) fclose(lines);
  leave(client);
  return NULL;
}

/* --- The front-end ----------------------------------------------------------------------- */

/* Starts a thread that nobody joins. */
static int start(void *(*body)(void *), void *ctx) {
  pthread_t thread;
  int failed = pthread_create(&thread, NULL, body, ctx);
  if (!failed) pthread_detach(thread);
  return failed;
}

static void admit(struct echo *echo, int socket) {
  struct client *client = calloc(1, sizeof *client);
  pthread_mutex_lock(&echo->lock);
  int refused = !client || echo->stopping || echo->count >= MAX_CLIENTS;
  if (!refused) {
    *client = (struct client){echo, socket, NULL, echo->clients};
    if (echo->clients) echo->clients->previous = client;
    echo->clients = client;
    echo->count++;
  }
  pthread_mutex_unlock(&echo->lock);
  if (refused) close(socket), free(client);
  else if (start(attend, client)) leave(client);
}

static int is_stopping(struct echo *echo) {
  pthread_mutex_lock(&echo->lock);
  int stopping = echo->stopping;
  pthread_mutex_unlock(&echo->lock);
  return stopping;
}

/* Takes connections until the stop, waits for the clients, gives the node back. */
static void *take_connections(void *ctx) {
  struct echo *echo = ctx;
  HaCompletion served = echo->served;
  while (!is_stopping(echo)) {
    int socket = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket >= 0) admit(echo, socket);
    else usleep(1000); /* perhaps there is no room for more files */
  }
  pthread_mutex_lock(&echo->lock);
  close(echo->listener);
  echo->listener = -1;
  while (echo->count > 0) pthread_cond_wait(&echo->left, &echo->lock);
  pthread_mutex_unlock(&echo->lock);
  echo->engine.drop(echo->engine.ctx);
  served.done(served.ctx, HA_OK, 0, 0, give(NULL)); /* from here on `echo` may be gone */
  return NULL;
}

static HaBuf display(void *ctx) {
  char *text;
  return give(asprintf(&text, NAME " on 127.0.0.1:%u", ((struct echo *)ctx)->port) < 0 ? NULL : text);
}

static void serve(void *ctx, const HaEngine *engine, HaCompletion done) {
  struct echo *echo = ctx;
  echo->engine = *engine;
  echo->served = done;
  if (start(take_connections, echo) == 0) return;
  engine->drop(engine->ctx);
  done.done(done.ctx, HA_ERROR, 0, 0, give(strdup("{\"message\":\"no thread\"}")));
}

/* Wakes everybody who waits for a connection or for a request; answers are still sent. */
static void stop(void *ctx) {
  struct echo *echo = ctx;
  pthread_mutex_lock(&echo->lock);
  echo->stopping = 1;
  if (echo->listener >= 0) shutdown(echo->listener, SHUT_RDWR);
  for (struct client *client = echo->clients; client; client = client->next)
    shutdown(client->socket, SHUT_RD);
  pthread_mutex_unlock(&echo->lock);
}

static void drop(void *ctx) {
  struct echo *echo = ctx;
  if (echo->listener >= 0) close(echo->listener);
  free(echo);
}

/* --- Opening ----------------------------------------------------------------------------- */

/* Reads {"port":"7000"}, where everything may be left out; NULL or the name of a wrong setting. */
static const char *read_port(HaSlice settings, unsigned *port, char key[64]) {
  char json[256] = "", value[64], end, *at = json;
  if (settings.len >= sizeof json) return "settings";
  if (settings.len) memcpy(json, settings.ptr, settings.len);
  if (sscanf(json, " { %1[}]", value) == 1 || !*json) return NULL;
  int fields = sscanf(at, " { \"%63[^\"]\" : \"%63[^\"]\" %c", key, value, &end);
  if (fields < 1 || strcmp(key, "port") != 0) return fields < 1 ? "settings" : key;
  if (fields == 3 && end == ',') return "settings";
  char *rest;
  unsigned long number = strtoul(value, &rest, 10);
  if (fields != 3 || *rest || number > 65535) return "port";
  *port = (unsigned)number;
  return NULL;
}

static int listen_on(unsigned *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t len = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  if (listener < 0) return -1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 128) ||
      getsockname(listener, (struct sockaddr *)&address, &len))
    return close(listener), -1;
  *port = ntohs(address.sin_port);
  return listener;
}

static HaStatus open_frontend(HaSlice settings, HaFrontend *out, HaBuf *error) {
  char key[64] = "";
  unsigned port = 7000;
  const char *mistake = read_port(settings, &port, key);
  if (mistake) return wrong(error, mistake, "there is only port, a number from 0 to 65535");
  int listener = listen_on(&port);
  if (listener < 0) return wrong(error, "port", strerror(errno));
  struct echo *echo = calloc(1, sizeof *echo);
  if (!echo) return close(listener), wrong(error, "port", "no memory");
  echo->listener = listener;
  echo->port = port;
  pthread_mutex_init(&echo->lock, NULL);
  pthread_cond_init(&echo->left, NULL);
  *out = (HaFrontend){sizeof *out, echo, display, serve, stop, drop};
  return HA_OK;
}

HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out) {
  if (host->major != HA_MAJOR) return HA_ABI;
  HaPlugin plugin = {sizeof plugin, HA_MAJOR, HA_MINOR, slice(NAME), slice("1.0.0"), NULL, open_frontend};
  plugin.size = out->size < sizeof plugin ? out->size : sizeof plugin;
  memcpy(out, &plugin, plugin.size);
  return HA_OK;
}
