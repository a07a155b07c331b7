/* html: text and numbers as a page shows them. Everything that is not ours is escaped, so that no server can write into a report.
 */
#ifndef FAILPOINT_HTML_H
#define FAILPOINT_HTML_H

#include <stdio.h>

#define HTML_NUMBER_SIZE 32

/* Escapes the five characters that mean something in HTML; control characters but LF become spaces. */
void html_text(FILE *out, const char *text);

/* "231", "1,250", "12.5", "0.42": three significant digits and no fewer than all before the point. Returns `text`. */
const char *html_number(double number, char text[HTML_NUMBER_SIZE]);

#endif
