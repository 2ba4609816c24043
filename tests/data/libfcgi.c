/* An application of libfcgi, the C library of the guides: tests/it/get.rs asks it. Its status is the query, as a number. */
#include <fcgiapp.h>
#include <stdlib.h>

int main(void)
{
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray envp;
    while (FCGX_Accept(&in, &out, &err, &envp) >= 0) {
        const char *query = FCGX_GetParam("QUERY_STRING", envp);
        int c;
        FCGX_FPrintF(err, "asked for %s\n", FCGX_GetParam("REQUEST_URI", envp));
        FCGX_FPrintF(out, "Content-Type: text/plain\r\n\r\n%s:", FCGX_GetParam("REQUEST_METHOD", envp));
        while ((c = FCGX_GetChar(in)) >= 0)
            FCGX_PutChar(c, out);
        FCGX_SetExitStatus(query ? atoi(query) : 0, out);
    }
    return 0;
}
