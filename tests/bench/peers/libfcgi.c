/* libfcgi, as its manual has it for threads: N of them, each with one FCGX_Request, which has one connection.

   usage: libfcgi WORKERS

   It serves the socket that is standard input: /hello, /count of a body and /bytes?n=N, as the project's testbed has them. */

#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define BINARY "Content-Type: application/octet-stream\r\n\r\n"

/* Read-only, so that it is no memory of the process's own. */
#define LEN (384 << 10)
static const char bytes[LEN] = {[0 ... LEN - 1] = 'x'};

static void count(FCGX_Request *request)
{
    unsigned char piece[64 << 10];
    unsigned long len = 0;
    uint32_t sum = 0;
    int n;
    while ((n = FCGX_GetStr((char *)piece, sizeof piece, request->in)) > 0) {
        for (int i = 0; i < n; i++)
            sum += piece[i];
        len += (unsigned long)n;
    }
    FCGX_FPrintF(request->out, TEXT "%lu %lu", len, (unsigned long)sum);
}

static void write_bytes(FCGX_Request *request, const char *query)
{
    const char *number = query == NULL ? NULL : strstr(query, "n=");
    unsigned long left = number == NULL ? 0 : strtoul(number + 2, NULL, 10);
    FCGX_PutS(BINARY, request->out);
    while (left > 0) {
        int n = left < LEN ? (int)left : LEN;
        if (FCGX_PutStr(bytes, n, request->out) < 0)
            return;
        left -= (unsigned long)n;
    }
}

static void *work(void *unused)
{
    FCGX_Request request;
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        const char *path = FCGX_GetParam("PATH_INFO", request.envp);
        if (path != NULL && strcmp(path, "/count") == 0)
            count(&request);
        else if (path != NULL && strcmp(path, "/bytes") == 0)
            write_bytes(&request, FCGX_GetParam("QUERY_STRING", request.envp));
        else
            FCGX_PutS(TEXT "Hello, world!", request.out);
        FCGX_Finish_r(&request);
    }
    return unused;
}

int main(int argc, char **argv)
{
    FCGX_Init();
    /* Its own handler ends FCGX_Accept_r in one thread, and leaves the others where they are. */
    signal(SIGTERM, SIG_DFL);
    for (int left = argc > 1 ? atoi(argv[1]) : 1; left > 1; left--) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 1;
    }
    work(NULL);
    return 0;
}
