/* The least that a closed HTTP/1.1 client on Linux can do: one thread, one receive and one send per answer, no parsing
 * beyond counting bytes, no record of anything. What it costs is what the kernel costs; a load generator that measures
 * comes on top of it.
 *
 *   floor read|recvmsg|gather|uring|uring-recvmsg PORT SECONDS CONNECTIONS
 *
 * read: epoll, read, write. recvmsg: the same with the kernel's stamps of arrival (SO_TIMESTAMPNS). gather: as recvmsg, and
 * asleep for 20 us before each look, so that answers gather. uring: io_uring with multishot receives into provided buffers
 * and registered files. uring-recvmsg: the same with the kernel's stamps. Prints JSON: requests, and those per second. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, BUFFERS = 2048, BUFFER = 4096, CONTROL = 64, SENT = 1 << 20, GATHER_NANOS = 20000 };

static char request[128];
static int request_size, port, connections;
static int sockets[MOST];
static size_t got[MOST], answer_size;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int connected(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* All answers are alike: the first one's bytes are counted once. */
static void learn(void) {
    char bytes[65536];
    int fd = connected();
    if (send(fd, request, request_size, 0) < 0) fail("send");
    usleep(50000);
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) fail("recv");
    answer_size = n;
    close(fd);
}

/* Whether the answer is whole after n more bytes. */
static bool whole(int i, ssize_t n) {
    if (n <= 0) fail("receive");
    got[i] += n;
    if (got[i] < answer_size) return false;
    got[i] = 0;
    return true;
}

static ssize_t receive(int fd, char *bytes, size_t size, bool stamped) {
    if (!stamped) return read(fd, bytes, size);
    char control[CONTROL];
    struct iovec piece = {bytes, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    return recvmsg(fd, &message, 0);
}

static void ask_for_stamps(int fd) {
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0) fail("SO_TIMESTAMPNS");
}

static long by_epoll(double seconds, bool stamped, bool gather) {
    struct epoll_event events[MOST];
    char bytes[65536];
    long done = 0;
    int epoll = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < connections; i++) {
        sockets[i] = connected();
        if (stamped) ask_for_stamps(sockets[i]);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
        if (send(sockets[i], request, request_size, 0) < 0) fail("send");
    }
    for (double end = now() + seconds; now() < end;) {
        if (gather) nanosleep(&(struct timespec){.tv_nsec = GATHER_NANOS}, NULL);
        int n = epoll_wait(epoll, events, MOST, 100);
        for (int k = 0; k < n; k++) {
            int i = events[k].data.u32;
            if (!whole(i, receive(sockets[i], bytes, sizeof bytes, stamped))) continue;
            done++;
            if (write(sockets[i], request, request_size) < 0) fail("write");
        }
    }
    return done;
}

static struct io_uring_sqe *entry(struct io_uring *ring) {
    struct io_uring_sqe *e = io_uring_get_sqe(ring);
    if (!e) fail("io_uring_get_sqe");
    return e;
}

static void ask(struct io_uring *ring, int i) {
    struct io_uring_sqe *e = entry(ring);
    io_uring_prep_send(e, i, request, request_size, 0);
    e->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    e->user_data = SENT + i;
}

/* With `shape` (room for names and control messages) the answer comes with its stamp. */
static void listen_to(struct io_uring *ring, int i, struct msghdr *shape) {
    struct io_uring_sqe *e = entry(ring);
    if (shape) io_uring_prep_recvmsg_multishot(e, i, shape, 0);
    else io_uring_prep_recv_multishot(e, i, NULL, 0, 0);
    e->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    e->ioprio |= IORING_RECVSEND_POLL_FIRST;
    e->user_data = i;
}

static unsigned long stamp;

/* Bytes of an answer in what a multishot `recvmsg` put into a buffer, behind its header and the stamp. The first answers may
 * have none: the kernel begins to stamp a moment after it was asked to. */
static ssize_t stamped_bytes(void *buffer, ssize_t n, struct msghdr *shape) {
    struct io_uring_recvmsg_out *out = n > 0 ? io_uring_recvmsg_validate(buffer, n, shape) : NULL;
    if (!out) fail("io_uring recvmsg");
    struct cmsghdr *control = io_uring_recvmsg_cmsg_firsthdr(out, shape);
    struct timespec at = {0};
    if (control && control->cmsg_type == SCM_TIMESTAMPNS) memcpy(&at, CMSG_DATA(control), sizeof at);
    stamp = at.tv_nsec;
    return io_uring_recvmsg_payload_length(out, n, shape);
}

static long by_uring(double seconds, struct msghdr *shape) {
    static char buffers[BUFFERS][BUFFER];
    struct io_uring ring;
    struct io_uring_params setup = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    if (io_uring_queue_init_params(4096, &ring, &setup) < 0) fail("io_uring_queue_init_params");
    struct io_uring_buf_ring *free_ones;
    if (posix_memalign((void **)&free_ones, 4096, BUFFERS * sizeof(struct io_uring_buf))) fail("posix_memalign");
    struct io_uring_buf_reg registered = {.ring_addr = (unsigned long)free_ones, .ring_entries = BUFFERS};
    if (io_uring_register_buf_ring(&ring, &registered, 0) < 0) fail("io_uring_register_buf_ring");
    io_uring_buf_ring_init(free_ones);
    int mask = io_uring_buf_ring_mask(BUFFERS);
    for (int i = 0; i < BUFFERS; i++) io_uring_buf_ring_add(free_ones, buffers[i], BUFFER, i, mask, i);
    io_uring_buf_ring_advance(free_ones, BUFFERS);
    for (int i = 0; i < connections; i++) {
        sockets[i] = connected();
        if (shape) ask_for_stamps(sockets[i]);
    }
    io_uring_register_files(&ring, sockets, connections);
    for (int i = 0; i < connections; i++) {
        listen_to(&ring, i, shape);
        ask(&ring, i);
    }
    long done = 0;
    for (double end = now() + seconds; now() < end;) {
        io_uring_submit_and_wait(&ring, 1);
        struct io_uring_cqe *event;
        unsigned head, seen = 0, back = 0;
        io_uring_for_each_cqe(&ring, head, event) {
            seen++;
            if (event->user_data >= SENT) continue;
            int i = event->user_data, buffer = event->flags >> IORING_CQE_BUFFER_SHIFT;
            bool answered = whole(i, shape ? stamped_bytes(buffers[buffer], event->res, shape) : event->res);
            io_uring_buf_ring_add(free_ones, buffers[buffer], BUFFER, buffer, mask, back++);
            if (answered) {
                done++;
                ask(&ring, i);
            }
            if (!(event->flags & IORING_CQE_F_MORE)) listen_to(&ring, i, shape);
        }
        io_uring_buf_ring_advance(free_ones, back);
        io_uring_cq_advance(&ring, seen);
    }
    return done;
}

int main(int count, char **words) {
    if (count != 5 || (connections = atoi(words[4])) < 1 || connections > MOST) {
        fprintf(stderr, "floor read|recvmsg|gather|uring|uring-recvmsg PORT SECONDS CONNECTIONS\n");
        return 2;
    }
    port = atoi(words[2]);
    double seconds = atof(words[3]);
    request_size = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port);
    learn();
    const char *way = words[1];
    struct msghdr shape = {.msg_controllen = CONTROL};
    bool gather = !strcmp(way, "gather"), stamped = gather || !strcmp(way, "recvmsg");
    long done = !strcmp(way, "uring")           ? by_uring(seconds, NULL)
                : !strcmp(way, "uring-recvmsg") ? by_uring(seconds, &shape)
                                                : by_epoll(seconds, stamped, gather);
    printf("{\"count\": %ld, \"rate\": %.0f}\n", done, done / seconds);
    return 0;
}
