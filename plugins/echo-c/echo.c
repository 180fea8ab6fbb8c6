/* A front-end in C: clients send SQL, one line each, and read the node's answer in JSON, one line
 * each, {"error": ...} if it failed. Everything goes through ha_plugin.h. Build and use it with
 *   cc -shared -fPIC -pthread -O2 -I ../abi/include -o libecho_c.so echo.c
 *   ha --plugin ./libecho_c.so --frontend echo-c --set echo-c.port=7000
 * Each connection has a thread, which sends its request and sleeps until `answered` wakes it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ha_plugin.h"

#define NAME "echo-c"
#define MAX_LINE (1 << 20) /* bytes of a request */
#define MAX_CLIENTS 256    /* at a time; more are hung up on */

struct echo {
  int listener;
  unsigned port;
  HaEngine engine;
  HaCompletion served;
  atomic_int stopping;
  pthread_mutex_t lock; /* for everything below */
  pthread_cond_t left;  /* a client is gone */
  struct client {
    struct echo *echo; /* NULL if the place is free */
    int socket;
  } clients[MAX_CLIENTS];
};

static HaSlice slice(const char *text) { return (HaSlice){(const uint8_t *)text, strlen(text)}; }

/* Gives a text from malloc away, or nothing if there was no memory for it. */
static HaBuf give(char *text) {
  return (HaBuf){(const uint8_t *)text, text ? strlen(text) : 0, text, free};
}

/* An error about a setting, as JSON. Neither text may have quotes in it. */
static HaStatus wrong(HaBuf *error, const char *key, const char *reason) {
  const char *form = "{\"kind\":\"config\",\"detail\":{\"key\":\"" NAME ".%s\",\"reason\":\"%s\"}}";
  char *json;
  *error = give(asprintf(&json, form, key, reason) < 0 ? NULL : json);
  return HA_ERROR;
}

/* A batch of one statement, as JSON; NULL without memory. */
static char *batch(const char *sql) {
  const char *head = "{\"limits\":{\"time_ms\":30000,\"bytes\":67108864},\"statements\":[\"";
  const char *tail = "\"]}";
  char *json = malloc(strlen(head) + 6 * strlen(sql) + strlen(tail) + 1), *to = json;
  if (!json) return NULL;
  for (to = stpcpy(to, head); *sql; sql++) {
    unsigned char byte = (unsigned char)*sql;
    if (byte < 0x20 || byte == '"' || byte == '\\') to += sprintf(to, "\\u%04x", byte);
    else *to++ = (char)byte;
  }
  strcpy(to, tail);
  return json;
}

struct answer {
  sem_t here;
  HaStatus status;
  HaBuf body;
};

static void answered(void *ctx, HaStatus status, uint64_t a, uint64_t b, HaBuf body) {
  struct answer *answer = ctx;
  (void)a, (void)b; /* numbers that other calls answer with */
  answer->status = status;
  answer->body = body;
  sem_post(&answer->here);
}

static int say(int socket, const void *bytes, size_t len) {
  for (const char *at = bytes, *end = at + len; at < end;) {
    ssize_t sent = send(socket, at, (size_t)(end - at), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) return -1;
    if (sent > 0) at += sent;
  }
  return 0;
}

/* Has the node execute a line, and tells what it answered; not 0 if nobody is there any more. */
static int execute(HaEngine *engine, int to, const char *sql) {
  struct answer answer = {.status = HA_ERROR};
  char *json = batch(sql);
  if (!json) return 1;
  sem_init(&answer.here, 0, 0);
  engine->execute(engine->ctx, slice(json), (HaCompletion){&answer, answered});
  free(json);
  while (sem_wait(&answer.here) < 0 && errno == EINTR) continue;
  sem_destroy(&answer.here);
  int ok = answer.status == HA_OK;
  int lost = say(to, "{\"error\":", ok ? 0 : 9) ||
             say(to, answer.body.ptr, answer.body.len) || say(to, "}\n" + ok, 2 - (size_t)ok);
  if (answer.body.free) answer.body.free(answer.body.owner);
  return lost;
}

/* Hangs up; `lines` reads from the socket, if anything does. */
static void leave(struct client *client, FILE *lines) {
  struct echo *echo = client->echo;
  pthread_mutex_lock(&echo->lock);
  lines ? fclose(lines) : close(client->socket);
  client->echo = NULL;
  pthread_cond_signal(&echo->left);
  pthread_mutex_unlock(&echo->lock);
}

static void *attend(void *ctx) {
  struct client *client = ctx;
  FILE *lines = fdopen(client->socket, "r");
  char *line = malloc(MAX_LINE);
  while (lines && line && fgets(line, MAX_LINE, lines)) {
    size_t len = strcspn(line, "\r\n");
    if (!line[len]) break; /* too long, a NUL in it, or no end */
    line[len] = 0;
    if (execute(&client->echo->engine, client->socket, line)) break;
  }
  free(line);
  leave(client, lines);
  return NULL;
}

/* Starts a thread that nobody joins; not 0 if it cannot. */
static int start(void *(*body)(void *), void *ctx) {
  pthread_t thread;
  return pthread_create(&thread, NULL, body, ctx) || pthread_detach(thread);
}

/* Finds a place for a client, or hangs up. */
static void admit(struct echo *echo, int socket) {
  struct client *place = NULL;
  pthread_mutex_lock(&echo->lock);
  for (int n = 0; n < MAX_CLIENTS && !echo->stopping && !place; n++)
    if (!echo->clients[n].echo) place = &echo->clients[n];
  if (place) *place = (struct client){echo, socket};
  pthread_mutex_unlock(&echo->lock);
  if (!place) close(socket);
  else if (start(attend, place)) leave(place, NULL);
}

/* Takes connections until the stop, waits for the clients, gives the node back. */
static void *take_connections(void *ctx) {
  struct echo *echo = ctx;
  HaCompletion served = echo->served;
  while (!echo->stopping) {
    int socket = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket >= 0) admit(echo, socket);
    else usleep(1000); /* perhaps there is no room for more files */
  }
  pthread_mutex_lock(&echo->lock);
  close(echo->listener);
  echo->listener = -1;
  for (int place = 0; place < MAX_CLIENTS; place++)
    while (echo->clients[place].echo) pthread_cond_wait(&echo->left, &echo->lock);
  pthread_mutex_unlock(&echo->lock);
  echo->engine.drop(echo->engine.ctx);
  served.done(served.ctx, HA_OK, 0, 0, give(NULL)); /* from here on `echo` may be gone */
  return NULL;
}

static HaBuf display(void *ctx) {
  char *text;
  struct echo *echo = ctx;
  return give(asprintf(&text, NAME " on 127.0.0.1:%u", echo->port) < 0 ? NULL : text);
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
  for (int place = 0; place < MAX_CLIENTS; place++)
    if (echo->clients[place].echo) shutdown(echo->clients[place].socket, SHUT_RD);
  pthread_mutex_unlock(&echo->lock);
}

static void drop(void *ctx) {
  struct echo *echo = ctx;
  if (echo->listener >= 0) close(echo->listener);
  free(echo);
}

/* Reads {"port":"7000"} or {}; the name of a setting that is wrong, or NULL. */
static const char *read_port(HaSlice settings, unsigned *port, char key[64]) {
  char json[256] = "", value[64] = "", end = 0, *rest = value;
  if (settings.len >= sizeof json) return "settings";
  if (settings.len) memcpy(json, settings.ptr, settings.len);
  int fields = sscanf(json, " { \"%63[^\"]\" : \"%63[^\"]\" %c", key, value, &end);
  if (fields < 1) return strchr(json, '"') ? "settings" : NULL;
  if (strcmp(key, "port") != 0) return key;
  *port = (unsigned)strtoul(value, &rest, 10);
  return !*value || *rest || *port > 65535 ? "port" : end == '}' ? NULL : "settings";
}

/* A socket that listens on the port, which is told if it was 0; -1 if it cannot. */
static int listen_on(unsigned *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct sockaddr *address = (struct sockaddr *)&at;
  socklen_t len = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  int failed = bind(fd, address, len) || listen(fd, 128) || getsockname(fd, address, &len);
  *port = ntohs(at.sin_port);
  return failed && fd >= 0 ? close(fd), -1 : fd;
}

static HaStatus open_frontend(HaSlice settings, HaFrontend *out, HaBuf *error) {
  char key[64] = "";
  unsigned port = 7000;
  const char *mistake = read_port(settings, &port, key);
  if (mistake) return wrong(error, mistake, "there is only port, a number from 0 to 65535");
  int listener = listen_on(&port);
  if (listener < 0) return wrong(error, "port", "it cannot be listened on");
  struct echo *echo = malloc(sizeof *echo);
  if (!echo) return close(listener), wrong(error, "port", "no memory");
  *echo = (struct echo){.listener = listener, .port = port};
  pthread_mutex_init(&echo->lock, NULL);
  pthread_cond_init(&echo->left, NULL);
  *out = (HaFrontend){sizeof *out, echo, display, serve, stop, drop};
  return HA_OK;
}

HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out) {
  if (host->major != HA_MAJOR) return HA_ABI;
  HaPlugin plugin = {sizeof plugin,  HA_MAJOR, HA_MINOR,     slice(NAME),
                     slice("1.0.0"), NULL,     open_frontend};
  plugin.size = out->size < sizeof plugin ? out->size : sizeof plugin;
  memcpy(out, &plugin, plugin.size);
  return HA_OK;
}
