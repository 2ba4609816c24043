/* The ceiling: what the kernel takes for the same connections and bytes, and nothing else. It is no FastCGI server.

   usage: limit WORKERS close|keep REQUEST-BYTES ANSWER-FILE

   N threads block in accept on the socket that is standard input; each reads so many bytes, writes the file's bytes at
   once, and closes the connection, or goes on with it. Nothing is parsed. Called by scripts/bench. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t request_len, answer_len;
static char *answer;
static int keep;

/* Whether a whole request came. */
static int read_request(int fd)
{
    char window[64 << 10];
    size_t left = request_len;
    while (left > 0) {
        ssize_t n = read(fd, window, left < sizeof window ? left : sizeof window);
        if (n <= 0)
            return 0;
        left -= (size_t)n;
    }
    return 1;
}

static int write_answer(int fd)
{
    size_t sent = 0;
    while (sent < answer_len) {
        ssize_t n = send(fd, answer + sent, answer_len - sent, MSG_NOSIGNAL);
        if (n < 0)
            return 0;
        sent += (size_t)n;
    }
    return 1;
}

static void *work(void *unused)
{
    for (;;) {
        int fd = accept(0, NULL, NULL);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            perror("limit: accept");
            exit(1);
        }
        while (read_request(fd) && write_answer(fd) && keep)
            ;
        close(fd);
    }
    return unused;
}

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    answer_len = (size_t)ftell(file);
    answer = malloc(answer_len);
    rewind(file);
    if (answer == NULL || fread(answer, 1, answer_len, file) != answer_len) {
        perror(path);
        exit(1);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: limit WORKERS close|keep REQUEST-BYTES ANSWER-FILE\n");
        return 2;
    }
    keep = strcmp(argv[2], "keep") == 0;
    request_len = strtoul(argv[3], NULL, 10);
    load(argv[4]);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    for (int left = atoi(argv[1]); left > 1; left--) {
        pthread_t thread;
        if (pthread_create(&thread, &small, work, NULL) != 0) {
            fprintf(stderr, "limit: cannot start a thread\n");
            return 1;
        }
    }
    work(NULL);
    return 0;
}
