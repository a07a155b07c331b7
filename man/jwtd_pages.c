/*
 * Run at build time: jwtd_pages TEMPLATE CONFIGURATION prints jwtd(1) or jwtd.conf(5). What a setting is for is the comment of
 * the configuration file that is installed; its default, bounds and whether SIGHUP changes it are those of the table of settings.
 */
#include "mdoc.h"

#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "src/base/settings.h"
#include "src/cli/subcommand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT_SIZE 4096

static const char *configuration;

/* ---- commands ---- */

static void print_options(unsigned taken) {
    if (taken == 0)
        return;
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < cli_options_count; i++) {
        if ((taken & cli_options[i].flag) == 0)
            continue;
        printf(".It Fl %s", cli_options[i].name + 1);
        if (cli_options[i].value != NULL)
            printf(" Ar %s", cli_options[i].value);
        putchar('\n');
        mdoc_text(cli_options[i].help);
    }
    puts(".El");
}

static void print_subcommands(const struct subcommand_table *table) {
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < table->count; i++) {
        const struct subcommand *row = subcommand_row(table, i);
        fputs(".It Cm", stdout);
        mdoc_argument(row->name);
        if (row->synopsis[0] != '\0') {
            fputs(" No", stdout);
            mdoc_argument(row->synopsis + 1);
        }
        putchar('\n');
        mdoc_text(row->help);
    }
    puts(".El");
}

static void print_paragraph(const char *text) {
    if (text[0] == '\0')
        return;
    puts(".Pp");
    mdoc_text(text);
}

static void print_commands(void) {
    for (size_t i = 0; i < cli_commands_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        printf(".Ss jwtd %s%s\n", command->name, command->subcommands == NULL ? command->synopsis : "");
        if (command->subcommands != NULL)
            print_subcommands(command->subcommands);
        else
            mdoc_text(command->help);
        print_options(command->options);
        print_paragraph(command->notes);
        print_paragraph(command->exit_codes);
    }
}

/* ---- settings ---- */

static void print_number(const struct setting *setting, int64_t number) {
    if (setting->type == &duration_setting) {
        setting->type->print(setting, &number, stdout);
    } else {
        size_t size = (size_t)number;
        unsigned count = (unsigned)number;
        setting->type->print(setting, setting->type == &size_setting ? (const void *)&size : &count, stdout);
    }
}

static void print_bounds(const struct setting *setting) {
    if (setting->type != &duration_setting && setting->type != &size_setting && setting->type != &count_setting)
        return;
    fputs("From ", stdout);
    print_number(setting, setting->min);
    fputs(" to ", stdout);
    print_number(setting, setting->max);
    puts(".");
}

static void print_item(const struct setting *setting) {
    fputs(".It Ic", stdout);
    mdoc_argument(setting->name);
    if (setting->value[0] != '\0') {
        fputs(" No = Li", stdout);
        mdoc_argument(setting->value);
    }
    putchar('\n');
}

/* A line "key = value" or "# key =" of this section; NULL: it is none. */
static const struct setting *setting_of_line(const char *section, const char *line) {
    char name[128];
    const char *key = line + strspn(line, "# ");
    size_t len = strcspn(key, " =");
    if (strncmp(key + len, " =", 2) != 0)
        return NULL;
    snprintf(name, sizeof name, "%s.%.*s", section, (int)len, key);
    return setting_find(name);
}

/* What is read of the file: settings that share a comment are items of one description. */
struct reading {
    char section[64], comment[COMMENT_SIZE];
    const struct setting *group[16];
    size_t group_count, described;
};

static void end_group(struct reading *reading) {
    bool same = true;
    for (size_t i = 0; i < reading->group_count; i++) {
        print_item(reading->group[i]);
        same = same && reading->group[i]->flags == reading->group[0]->flags && reading->group[i]->min == reading->group[0]->min &&
               reading->group[i]->max == reading->group[0]->max;
    }
    if (reading->group_count > 0) {
        mdoc_text(reading->comment);
        if (same)
            print_bounds(reading->group[0]);
        if ((reading->group[0]->flags & RELOADABLE) != 0)
            puts("SIGHUP changes it.");
        reading->comment[0] = '\0';
    }
    reading->described += reading->group_count;
    reading->group_count = 0;
}

static void read_line(struct reading *reading, const char *line) {
    const struct setting *setting = setting_of_line(reading->section, line);
    if (line[0] == '[') {
        snprintf(reading->section, sizeof reading->section, "%.*s", (int)strcspn(line + 1, "]"), line + 1);
    } else if (setting != NULL && reading->group_count < ARRAY_LEN(reading->group)) {
        reading->group[reading->group_count++] = setting;
    } else {
        end_group(reading);
        if (line[0] != '#')
            reading->comment[0] = '\0';
        else
            snprintf(strchr(reading->comment, '\0'), COMMENT_SIZE - strlen(reading->comment), "%s", line + strspn(line, "# "));
    }
}

static void print_settings(void) {
    char line[1024];
    struct reading reading = { .described = 0 };
    FILE *file = fopen(configuration, "re");
    if (file == NULL) {
        perror(configuration);
        exit(EXIT_FAILURE);
    }
    while (fgets(line, sizeof line, file) != NULL)
        read_line(&reading, line);
    end_group(&reading);
    fclose(file);
    if (reading.described != settings_count) {
        fprintf(stderr, "%s has %zu of %zu settings\n", configuration, reading.described, settings_count);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    static const struct mdoc_marker markers[] = { { "@COMMANDS@", print_commands }, { "@SETTINGS@", print_settings } };
    if (argc != 3) {
        fprintf(stderr, "usage: jwtd_pages TEMPLATE CONFIGURATION\n");
        return EXIT_FAILURE;
    }
    configuration = argv[2];
    return mdoc_fill(argv[1], markers, ARRAY_LEN(markers));
}
