#include "display.h"

#include "jwtd/macros.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINES 4
#define COLUMNS_DEFAULT 100U
#define LINE_SIZE 512

#define DECIMALS_MAX 12
#define SECOND_MS 1000.0
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)

static void drop_zeros(char *text) {
    if (strchr(text, '.') == NULL)
        return;
    size_t len = strlen(text);
    while (text[len - 1] == '0')
        len--;
    text[text[len - 1] == '.' ? len - 1 : len] = '\0';
}

const char *display_number(double number, int digits, char text[DISPLAY_NUMBER_SIZE]) {
    double size = fabs(number);
    if (!isfinite(number) || size >= 1e15) {
        snprintf(text, DISPLAY_NUMBER_SIZE, "very many");
        return text;
    }
    int decimals = size > 0 ? digits - 1 - (int)floor(log10(size)) : 0;
    if (decimals < 0) {
        double unit = pow(10, -decimals);
        number = round(number / unit) * unit;
    }
    decimals = decimals < 0 ? 0 : decimals > DECIMALS_MAX ? DECIMALS_MAX : decimals;
    snprintf(text, DISPLAY_NUMBER_SIZE, "%.*f", decimals, number);
    drop_zeros(text);
    if (strcmp(text, "-0") == 0)
        memcpy(text, "0", sizeof "0");
    return text;
}

const char *display_ms_to(double ms, int digits, char text[DISPLAY_NUMBER_SIZE]) {
    static const struct {
        double from, unit; /* ms */
        const char *name;
    } units[] = {
        { 2 * HOUR_MS, HOUR_MS, "h" }, { 2 * MINUTE_MS, MINUTE_MS, "min" }, { 999.5, SECOND_MS, "s" }, { 0.9995, 1, "ms" }
    };
    char number[DISPLAY_NUMBER_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (fabs(ms) < units[i].from)
            continue;
        display_number(ms / units[i].unit, digits, number);
        snprintf(text, DISPLAY_NUMBER_SIZE, "%.24s %s", number, units[i].name);
        return text;
    }
    snprintf(text, DISPLAY_NUMBER_SIZE, "%.*f us", digits - 3, ms * 1000);
    return text;
}

const char *display_ms(double ms, char text[DISPLAY_NUMBER_SIZE]) {
    return display_ms_to(ms, 3, text);
}

const char *display_duration(double seconds, char text[DISPLAY_NUMBER_SIZE]) {
    if (seconds < 90)
        snprintf(text, DISPLAY_NUMBER_SIZE, "%.0f s", fmax(round(seconds / 10), 1) * 10);
    else if (seconds < 2 * 3600)
        snprintf(text, DISPLAY_NUMBER_SIZE, "%.0f min", round(seconds / 60));
    else
        snprintf(text, DISPLAY_NUMBER_SIZE, "%.0f h", round(seconds / 3600));
    return text;
}

const char *display_load(double load, char text[DISPLAY_NUMBER_SIZE]) {
    return display_number(load, 3, text);
}

static unsigned columns_of_terminal(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : COLUMNS_DEFAULT;
}

void display_init(struct display *display, bool quiet) {
    *display = (struct display){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1, .columns = COLUMNS_DEFAULT };
    if (display->terminal)
        display->columns = columns_of_terminal();
}

void display_clear(struct display *display) {
    if (display->drawn)
        fprintf(stderr, "\033[%dA\r\033[J", LINES);
    display->drawn = false;
}

void display_note(struct display *display, const char *format, ...) {
    if (display->quiet)
        return;
    display_clear(display);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static void describe_requests(const struct run_second *second, char *line) {
    const struct run_figures *figures = &second->figures;
    char p50[DISPLAY_NUMBER_SIZE], p99[DISPLAY_NUMBER_SIZE], max[DISPLAY_NUMBER_SIZE];
    snprintf(line, LINE_SIZE, "sent %.0f/s  ok %.0f/s  shed %.0f/s  failed %.0f/s  p50 %s  p99 %s  max %s", figures->offered,
             figures->served, figures->shed / second->seconds, figures->failed / second->seconds, display_ms(figures->p50, p50),
             display_ms(figures->p99, p99), display_ms(figures->max, max));
}

static void describe_server(const struct usage *usage, char *line) {
    int len = snprintf(line, LINE_SIZE, "machine %.2f of %.0f cores", usage->machine_busy, usage->machine_cores);
    if (usage->server_known && len > 0)
        len += snprintf(line + len, LINE_SIZE - (size_t)len, "  server %.2f cores, %.0f MiB, %.0f descriptors",
                        usage->server_cores, usage->rss_mib, usage->descriptors);
    if (usage->database_known && len > 0 && len < LINE_SIZE)
        snprintf(line + len, LINE_SIZE - (size_t)len, "  PostgreSQL %.2f cores, %.0f active", usage->database_cores,
                 usage->database_active);
}

static void describe_generator(const struct run_second *second, char *line) {
    const struct run_figures *figures = &second->figures;
    char wait[DISPLAY_NUMBER_SIZE], lag[DISPLAY_NUMBER_SIZE];
    snprintf(line, LINE_SIZE, "failpoint %.2f cores, up to %s late (p99)  in flight %.0f  connections %.0f, wait for one %s",
             second->usage.generator_cores, display_ms(figures->lag_ms, lag), figures->in_flight, figures->connections,
             display_ms(figures->wait_ms, wait));
}

static void draw(const struct display *display, const char *line) {
    fprintf(stderr, "\r\033[K%.*s\n", (int)display->columns - 1, line);
}

void display_second(struct display *display, const struct run *run, const struct run_second *second) {
    char first[LINE_SIZE * 2], requests[LINE_SIZE], server[LINE_SIZE] = "", generator[LINE_SIZE];
    if (display->quiet)
        return;
    describe_requests(second, requests);
    if (!display->terminal) {
        fprintf(stderr, "%6.1f s  %s: %s  in flight %.0f\n", second->at, display->progress, requests, second->figures.in_flight);
        return;
    }
    describe_server(&second->usage, server);
    describe_generator(second, generator);
    snprintf(first, sizeof first, "%s %s  %.0f s  %s  %s", run->options.command, run->options.scenario, second->at,
             display->progress, display->bracket);
    display_clear(display);
    draw(display, first);
    draw(display, requests);
    draw(display, server);
    draw(display, generator);
    display->drawn = true;
}
