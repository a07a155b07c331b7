#include "jwtd/config.h"

#include "settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_SIZE 128
#define ENVIRONMENT_PREFIX "JWTD_"

/* Where a value came from. */
enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_SET };

struct loading {
    struct config *config;
    const struct config_source *source;
    FILE *out;
    unsigned errors;
    struct {
        enum origin origin;
        unsigned line;
        bool wrong; /* its value was rejected: checks against other settings would mislead */
    } states[SETTINGS_MAX];
};

/* Errors quote the command line or a file: control characters must not reach the terminal. */
static void print_visible(const char *text, size_t len, FILE *out) {
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, out);
    }
}

/* A URL with user information, or a connection string, also where neither belongs: it is not quoted. */
static bool may_hold_password(const char *text) {
    const char *authority = strstr(text, "://");
    return (authority != NULL && strchr(authority, '@') != NULL) || strcasestr(text, "password") != NULL;
}

/* A URL, or the rest of one, in the place of a section or of a name is not quoted. */
static const char *shown_name(const char *name) {
    return strstr(name, "://") != NULL || strchr(name, '@') != NULL ? "***" : name;
}

static void print_environment_name(const char *name, FILE *out) {
    fputs(ENVIRONMENT_PREFIX, out);
    for (; *name != '\0'; name++)
        fputc(*name == '.' ? '_' : toupper((unsigned char)*name), out);
}

static void print_origin(const struct loading *loading, enum origin origin, unsigned line, const char *name) {
    FILE *out = loading->out;
    switch (origin) {
    case FROM_FILE:
        fprintf(out, "%s:%u: ", loading->source->file, line);
        print_visible(name, strlen(name), out);
        break;
    case FROM_ENVIRONMENT:
        fputs("environment ", out);
        print_environment_name(name, out);
        break;
    case FROM_SET:
        fputs("--set ", out);
        print_visible(name, strlen(name), out);
        break;
    case FROM_DEFAULT:
        fprintf(out, "default: %s", name);
        break;
    }
}

static void report_value(struct loading *loading, const struct setting *setting, enum origin origin, unsigned line,
                         const char *value, const char *error) {
    print_origin(loading, origin, line, setting->name);
    if ((setting->flags & SECRET) == 0 && !may_hold_password(value)) {
        fputs(" = \"", loading->out);
        print_visible(value, strlen(value), loading->out);
        fputc('"', loading->out);
    }
    fprintf(loading->out, " %s\n", error);
    loading->errors++;
}

static void report_name(struct loading *loading, enum origin origin, unsigned line, const char *name, const char *error) {
    print_origin(loading, origin, line, name);
    fprintf(loading->out, ": %s\n", error);
    loading->errors++;
}

static void set_value(struct loading *loading, const struct setting *setting, enum origin origin, unsigned line,
                      const char *value) {
    char error[ERROR_SIZE];
    size_t index = (size_t)(setting - settings);
    loading->states[index].origin = origin;
    loading->states[index].line = line;
    loading->states[index].wrong = !setting->type->parse(setting, value, setting_place(setting, loading->config), error);
    if (loading->states[index].wrong)
        report_value(loading, setting, origin, line, value, error);
}

static void load_defaults(struct loading *loading) {
    for (size_t i = 0; i < settings_count; i++)
        set_value(loading, &settings[i], FROM_DEFAULT, 0, settings[i].value);
}

static void assign_from_file(void *context, unsigned line, const char *section, const char *key, const char *value) {
    struct loading *loading = (struct loading *)context;
    char name[NAME_SIZE];
    int len = snprintf(name, sizeof name, "%s%s%s", section, section[0] != '\0' ? "." : "", key);
    const struct setting *setting = len > 0 && (size_t)len < sizeof name ? setting_find(name) : NULL;
    if (setting == NULL) {
        report_name(loading, FROM_FILE, line, shown_name(name), "there is no such setting");
        return;
    }
    size_t index = (size_t)(setting - settings);
    if (loading->states[index].origin == FROM_FILE) {
        char error[ERROR_SIZE];
        snprintf(error, sizeof error, "is set in line %u already", loading->states[index].line);
        report_name(loading, FROM_FILE, line, name, error);
        return;
    }
    set_value(loading, setting, FROM_FILE, line, value);
}

static void report_line(void *context, unsigned line, const char *error) {
    struct loading *loading = (struct loading *)context;
    if (line > 0)
        fprintf(loading->out, "%s:%u: this line %s\n", loading->source->file, line, error);
    else
        fprintf(loading->out, "%s: %s\n", loading->source->file, error);
    loading->errors++;
}

static void load_file(struct loading *loading) {
    const struct ini_visitor visitor = { .assign = assign_from_file, .report = report_line, .context = loading };
    if (loading->source->file != NULL)
        ini_read(loading->source->file, &visitor);
}

/* Whether this is the name of a setting's variable, len bytes: "JWTD_SERVER_LISTEN" for "server.listen". */
static bool is_variable_of(const struct setting *setting, const char *variable, size_t len) {
    size_t prefix = strlen(ENVIRONMENT_PREFIX);
    if (len != prefix + strlen(setting->name))
        return false;
    for (size_t i = prefix; i < len; i++) {
        char expected = setting->name[i - prefix];
        if (variable[i] != (expected == '.' ? '_' : (char)toupper((unsigned char)expected)))
            return false;
    }
    return true;
}

static void load_variable(struct loading *loading, const char *variable) {
    const char *equals = strchr(variable, '=');
    if (strncmp(variable, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0 || equals == NULL)
        return;
    for (size_t i = 0; i < settings_count; i++) {
        if (is_variable_of(&settings[i], variable, (size_t)(equals - variable))) {
            set_value(loading, &settings[i], FROM_ENVIRONMENT, 0, equals + 1);
            return;
        }
    }
    /* Without its value, which may be a secret under a misspelt name. */
    fputs("environment ", loading->out);
    print_visible(variable, (size_t)(equals - variable), loading->out);
    fputs(": there is no such setting\n", loading->out);
    loading->errors++;
}

static void load_environment(struct loading *loading) {
    for (char *const *variable = loading->source->environment; variable != NULL && *variable != NULL; variable++)
        load_variable(loading, *variable);
}

static void load_set(struct loading *loading, const char *pair) {
    char name[NAME_SIZE];
    size_t len = strcspn(pair, "=");
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), pair);
    const struct setting *setting = setting_find(name);
    const char *shown = shown_name(name);
    if (pair[len] != '=')
        report_name(loading, FROM_SET, 0, shown, "must be section.key=value");
    else if (setting == NULL)
        report_name(loading, FROM_SET, 0, shown, "there is no such setting");
    else
        set_value(loading, setting, FROM_SET, 0, pair + len + 1);
}

static bool is_valid(void *context, const struct setting *setting) {
    const struct loading *loading = (const struct loading *)context;
    return !loading->states[setting - settings].wrong;
}

static void report_check(void *context, const struct setting *setting, const char *error) {
    struct loading *loading = (struct loading *)context;
    size_t index = (size_t)(setting - settings);
    assert((setting->flags & SECRET) == 0);
    print_origin(loading, loading->states[index].origin, loading->states[index].line, setting->name);
    fputs(" = \"", loading->out);
    setting->type->print(setting, setting_value(setting, loading->config), loading->out);
    fprintf(loading->out, "\" %s\n", error);
    loading->errors++;
}

/* Whether a value that may hold a password came from the file, and others than its owner and group may read that. */
static bool is_exposed(const struct loading *loading) {
    struct stat file;
    bool from_file = false;
    for (size_t i = 0; i < settings_count; i++)
        from_file = from_file || ((settings[i].flags & SECRET) != 0 && loading->states[i].origin == FROM_FILE);
    return from_file && stat(loading->source->file, &file) == 0 && (file.st_mode & S_IROTH) != 0;
}

bool config_load(struct config *config, const struct config_source *source, FILE *errors) {
    *config = (struct config){ 0 };
    struct loading loading = { .config = config, .source = source, .out = errors };
    load_defaults(&loading);
    load_file(&loading);
    load_environment(&loading);
    for (size_t i = 0; i < source->set_count; i++)
        load_set(&loading, source->set[i]);
    config_check(config, &(struct config_check_visitor){ .report = report_check, .is_valid = is_valid, .context = &loading });
    config->is_exposed = is_exposed(&loading);
    return loading.errors == 0;
}

void config_fini(struct config *config) {
    for (size_t i = 0; i < settings_count; i++)
        if (settings[i].type->release != NULL)
            settings[i].type->release(setting_place(&settings[i], config));
}

/* Writes "[section]" when the setting is the first of its section; the table keeps sections together. */
static void print_section(size_t index, FILE *out) {
    size_t len = strcspn(settings[index].name, ".") + 1;
    if (index == 0 || strncmp(settings[index].name, settings[index - 1].name, len) != 0)
        fprintf(out, "%s[%.*s]\n", index > 0 ? "\n" : "", (int)len - 1, settings[index].name);
}

void config_print(const struct config *config, void (*print_secret)(const char *secret, FILE *out), FILE *out) {
    for (size_t i = 0; i < settings_count; i++) {
        const void *value = setting_value(&settings[i], config);
        print_section(i, out);
        fprintf(out, "%s = ", strchr(settings[i].name, '.') + 1);
        if ((settings[i].flags & SECRET) != 0)
            print_secret(*(char *const *)value, out);
        else
            settings[i].type->print(&settings[i], value, out);
        fputc('\n', out);
    }
}

static const char *shown_default(const struct setting *setting) {
    return setting->value[0] != '\0' ? setting->value : "empty";
}

void config_print_help(FILE *out) {
    int name_width = 0, value_width = 0;
    for (size_t i = 0; i < settings_count; i++) {
        int name_len = (int)strlen(settings[i].name), value_len = (int)strlen(shown_default(&settings[i]));
        name_width = name_len > name_width ? name_len : name_width;
        value_width = value_len > value_width ? value_len : value_width;
    }
    for (size_t i = 0; i < settings_count; i++)
        fprintf(out, "  %-*s  %-*s  %s\n", name_width, settings[i].name, value_width, shown_default(&settings[i]),
                settings[i].help);
}
