/* What members of glibc's libc.a call in scripts/small-libc's copy of it: `fcgi_NAME` stands for `NAME`. A weak name is null
 * unless something else in the program has brought in the member that defines it; then that is called. */
#include <stdarg.h>
#include <stddef.h>

#define IF_THERE __attribute__((weak))

#define CALL_IF_THERE(type, name, parameters, arguments, without) \
    IF_THERE type name parameters;                                \
    type fcgi_##name parameters                                   \
    {                                                             \
        return name ? name arguments : without;                   \
    }

/* pthread_create tells all files that there are threads now, and fork locks their list and walks it. One member defines all
 * of this, without which there is no file. */
CALL_IF_THERE(void, _IO_enable_locks, (void), (), (void)0)
CALL_IF_THERE(void, _IO_list_lock, (void), (), (void)0)
CALL_IF_THERE(void, _IO_list_unlock, (void), (), (void)0)
CALL_IF_THERE(void, _IO_list_resetlock, (void), (), (void)0)
CALL_IF_THERE(void *, _IO_iter_begin, (void), (), NULL)
CALL_IF_THERE(void *, _IO_iter_end, (void), (), NULL)
CALL_IF_THERE(void *, _IO_iter_next, (void *at), (at), NULL)
CALL_IF_THERE(void *, _IO_iter_file, (void *at), (at), NULL)

/* Where a thread has the tables of isalpha and its like, which are read through functions of the same member. */
CALL_IF_THERE(void, __ctype_init, (void), (), (void)0)

/* The folders of shared files, of the member that loads them. Older versions take fewer arguments. */
CALL_IF_THERE(void, _dl_init_paths, (void *a, void *b, void *c, void *d), (a, b, c, d), (void)0)

/* Rust's std asks for names that a static program has no table of: the answer is null. A program that calls dlopen has __dlsym.
 * Weak, since older versions have another dlsym in an archive of its own. */
IF_THERE void *__dlsym(void *handle, const char *name, void *caller);
IF_THERE void *dlsym(void *handle, const char *name)
{
    return __dlsym ? __dlsym(handle, name, __builtin_return_address(0)) : NULL;
}

/* Untranslated, unless the program has set where its translations are: textdomain and bindtextdomain bring this in. */
IF_THERE char *__dcigettext(const char *, const char *, const char *, int, unsigned long, int);
char *fcgi___dcgettext(const char *domain, const char *text, int category)
{
    return __dcigettext ? __dcigettext(domain, text, NULL, 0, 0, category) : (char *)text;
}

/* sysconf reads numbers of /proc and /sys: decimal ones. */
static unsigned long decimal(const char *text, char **end)
{
    unsigned long number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (unsigned long)(*text - '0');
    if (end)
        *end = (char *)text;
    return number;
}

IF_THERE long strtol(const char *, char **, int);
long fcgi_strtol(const char *text, char **end, int base)
{
    return strtol ? strtol(text, end, base) : (long)decimal(text, end);
}

IF_THERE unsigned long strtoul(const char *, char **, int);
unsigned long fcgi_strtoul(const char *text, char **end, int base)
{
    return strtoul ? strtoul(text, end, base) : decimal(text, end);
}

/* The formats that are left: "/proc/self/task/%u/comm" of a thread's name, "%s%d" of an error without a name, and "%zu" of an
 * index out of bounds. */
IF_THERE int vsnprintf(char *, size_t, const char *, va_list);

static void put(char *to, size_t room, size_t *length, char byte)
{
    if (*length + 1 < room)
        to[*length] = byte;
    ++*length;
}

static int format(char *to, size_t room, const char *text, va_list values)
{
    if (vsnprintf)
        return vsnprintf(to, room, text, values);
    size_t length = 0;
    for (; *text; text++) {
        if (*text != '%') {
            put(to, room, &length, *text);
            continue;
        }
        text++;
        if (*text == 's') {
            for (const char *string = va_arg(values, const char *); *string; string++)
                put(to, room, &length, *string);
            continue;
        }
        size_t number;
        if (*text == 'z') {
            text++;
            number = va_arg(values, size_t);
        } else {
            int value = va_arg(values, int);
            if (*text == 'd' && value < 0) {
                put(to, room, &length, '-');
                number = -(size_t)value;
            } else {
                number = (unsigned)value;
            }
        }
        char digits[20];
        int count = 0;
        do {
            digits[count++] = (char)('0' + number % 10);
        } while (number /= 10);
        while (count)
            put(to, room, &length, digits[--count]);
    }
    if (room)
        to[length < room ? length : room - 1] = 0;
    return (int)length;
}

int fcgi___snprintf(char *to, size_t room, const char *text, ...)
{
    va_list values;
    va_start(values, text);
    int length = format(to, room, text, values);
    va_end(values);
    return length;
}

int fcgi_sprintf(char *to, const char *text, ...)
{
    va_list values;
    va_start(values, text);
    int length = format(to, (size_t)1 << 20, text, values);
    va_end(values);
    return length;
}
