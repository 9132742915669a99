// The one program that Shoal brings along: static, without a C library, less than three kilobytes, so that the
// sandbox image and the example's image can be made on any machine without a registry.
//
//     tiny pause                 holds a pod's namespaces: sleeps until SIGTERM or SIGINT
//     tiny hello [PORT]          answers every HTTP request with one line that names the pod (default 8080)
//     tiny dial PORT             carries its input to that port of 127.0.0.1, and what is answered to its output
//
// `hello` listens on $POD_IP if that is set, else on every address; its name is $HOSTNAME, else the kernel's.
// It exits 0 on SIGTERM, 1 with a message when it can't listen, 2 when it is called wrongly.
// `dial` exits 0 when the other side has said all, 1 with a message when nobody listens.
// `build.sh` beside this file compiles it for both architectures into `tiny.ts`.

typedef unsigned long word;
typedef long sword;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, SIGACTION = 13, PAUSE = 34, SOCKET = 41, CONNECT = 42, ACCEPT = 43,
       SHUTDOWN = 48, BIND = 49, LISTEN = 50, SETSOCKOPT = 54, CLONE = 56, UNAME = 63, EXIT_GROUP = 231 };
static sword call(sword n, sword a, sword b, sword c, sword d, sword e) {
  sword result;
  register sword r10 __asm__("r10") = d;
  register sword r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n mov %rsp,%rdi\n and $-16,%rsp\n call start\n");
__asm__("restore:\n mov $15,%eax\n syscall\n");
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, CLOSE = 57, SIGACTION = 134, PAUSE = 73 /* ppoll */, SOCKET = 198, CONNECT = 203,
       ACCEPT = 202, SHUTDOWN = 210, BIND = 200, LISTEN = 201, SETSOCKOPT = 208, CLONE = 220, UNAME = 160,
       EXIT_GROUP = 94 };
static sword call(sword n, sword a, sword b, sword c, sword d, sword e) {
  register sword x8 __asm__("x8") = n;
  register sword x0 __asm__("x0") = a;
  register sword x1 __asm__("x1") = b;
  register sword x2 __asm__("x2") = c;
  register sword x3 __asm__("x3") = d;
  register sword x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n mov x0,sp\n b start\n");
__asm__("restore:\n mov x8,#139\n svc 0\n");
#endif

extern char restore[] __attribute__((visibility("hidden")));
struct action { void (*handler)(int); word flags; void *restorer; word mask; };

static void leave(int signal) {
  (void)signal;
  for (;;) call(EXIT_GROUP, 0, 0, 0, 0, 0);
}

static word length(const char *text) {
  word n = 0;
  while (text[n]) n++;
  return n;
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static char *append(char *to, const char *text) {
  while (*text) *to++ = *text++;
  return to;
}

static void say(int to, const char *text) { call(WRITE, to, (sword)text, length(text), 0, 0); }

static void on(int signal) {
  struct action action = { leave, 0x04000000, restore, 0 };
  call(SIGACTION, signal, (sword)&action, 0, 8, 0);
}

static const char *environment(char **env, const char *name) {
  word n = length(name);
  for (; *env; env++) {
    word i = 0;
    while (i < n && (*env)[i] == name[i]) i++;
    if (i == n && (*env)[i] == '=') return *env + n + 1;
  }
  return 0;
}

// Four decimal numbers to an address in network order; 0 for what is no address.
static unsigned address(const char *text) {
  unsigned char parts[4] = { 0, 0, 0, 0 };
  unsigned part = 0, value = 0, digits = 0;
  for (;; text++) {
    if (*text >= '0' && *text <= '9') { value = value * 10 + (*text - '0'); digits++; continue; }
    if (!digits || value > 255 || part > 3) return 0;
    parts[part++] = value;
    value = digits = 0;
    if (*text != '.') break;
  }
  if (*text || part != 4) return 0;
  return parts[0] | parts[1] << 8 | parts[2] << 16 | (unsigned)parts[3] << 24;
}

static unsigned number(const char *text) {
  unsigned value = 0;
  for (; *text >= '0' && *text <= '9' && value < 65536; text++) value = value * 10 + (*text - '0');
  return *text || value > 65535 ? 0 : value;
}

static char nodename[6 * 65];

static void answer(int client, const char *name) {
  static char request[4096], reply[1024];
  sword timeout[2] = { 2, 0 };
  call(SETSOCKOPT, client, 1, 20, (sword)timeout, sizeof timeout);
  sword got = call(READ, client, (sword)request, sizeof request - 1, 0, 0);
  if (got <= 0) return;
  for (sword i = 0; i < got; i++) if (request[i] == '\r' || request[i] == '\n') { got = i; break; }
  request[got] = '\n';
  call(WRITE, 1, (sword)request, got + 1, 0, 0);
  char body[512], *end = append(append(body, "Hello from "), name), digits[8];
  end = append(end, "\n");
  word size = end - body, d = 0;
  for (word n = size; n; n /= 10) digits[d++] = '0' + n % 10;
  char *at = append(reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ");
  while (d) *at++ = digits[--d];
  at = append(at, "\r\n\r\n");
  for (word i = 0; i < size; i++) *at++ = body[i];
  call(WRITE, client, (sword)reply, at - reply, 0, 0);
}

static int hello(const char *port, char **env) {
  const char *ip = environment(env, "POD_IP"), *name = environment(env, "HOSTNAME");
  unsigned p = number(port);
  if (!p) { say(2, "hello: not a port: "); say(2, port); say(2, "\n"); return 2; }
  struct { unsigned short family, port; unsigned address; char zero[8]; } to =
    { 2, (unsigned short)(p >> 8 | p << 8), ip ? address(ip) : 0, { 0 } };
  if (!name) { call(UNAME, (sword)nodename, 0, 0, 0, 0); name = nodename + 65; }
  char *cut = (char *)name;
  if (length(name) > 253) cut[253] = 0;
  int one = 1, s = call(SOCKET, 2, 1, 0, 0, 0);
  call(SETSOCKOPT, s, 1, 2, (sword)&one, sizeof one);
  if (s < 0 || call(BIND, s, (sword)&to, sizeof to, 0, 0) < 0 || call(LISTEN, s, 128, 0, 0, 0) < 0) {
    say(2, "hello: cannot listen on port ");
    say(2, port);
    say(2, "\n");
    return 1;
  }
  say(1, "hello: listening on port ");
  say(1, port);
  say(1, "\n");
  for (;;) {
    int client = call(ACCEPT, s, 0, 0, 0, 0);
    if (client < 0) continue;
    answer(client, name);
    call(CLOSE, client, 0, 0, 0, 0);
  }
}

// True when all was carried, false when nobody takes it any more.
static int carry(int from, int to) {
  static char bytes[65536];
  for (;;) {
    sword got = call(READ, from, (sword)bytes, sizeof bytes, 0, 0);
    if (got <= 0) return got == 0;
    for (sword at = 0; at < got;) {
      sword put = call(WRITE, to, (sword)bytes + at, got - at, 0, 0);
      if (put <= 0) return 0;
      at += put;
    }
  }
}

// A child carries what is answered; when it has, or nobody takes it, its end ends its parent (SIGCHLD).
static int dial(const char *port) {
  unsigned p = number(port);
  if (!p) { say(2, "dial: not a port: "); say(2, port); say(2, "\n"); return 2; }
  struct { unsigned short family, port; unsigned address; char zero[8]; } to =
    { 2, (unsigned short)(p >> 8 | p << 8), address("127.0.0.1"), { 0 } };
  int s = call(SOCKET, 2, 1, 0, 0, 0);
  if (s < 0 || call(CONNECT, s, (sword)&to, sizeof to, 0, 0) < 0) {
    say(2, "dial: connection refused\n");
    return 1;
  }
  on(17);
  sword child = call(CLONE, 17, 0, 0, 0, 0);
  if (child == 0) {
    carry(s, 1);
    return 0;
  }
  if (child > 0 && carry(0, s)) {
    call(SHUTDOWN, s, 1, 0, 0, 0);
    for (;;) call(PAUSE, 0, 0, 0, 0, 0);
  }
  return child < 0;
}

__attribute__((used)) void start(word *stack) {
  word count = stack[0];
  char **arguments = (char **)(stack + 1), **env = arguments + count + 1;
  int code = 2;
  on(15);
  on(2);
  if (count > 1 && same(arguments[1], "pause")) for (;;) call(PAUSE, 0, 0, 0, 0, 0);
  else if (count > 1 && same(arguments[1], "hello")) code = hello(count > 2 ? arguments[2] : "8080", env);
  else if (count > 2 && same(arguments[1], "dial")) code = dial(arguments[2]);
  else say(2, "usage: tiny pause | hello [PORT] | dial PORT\n");
  for (;;) call(EXIT_GROUP, code, 0, 0, 0, 0);
}
