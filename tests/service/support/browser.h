/*
 * browser: tests that drive Chromium, against a server that the test has started. Each is a script of tests/browser;
 * tools/browser.sh puts it into build/browser, with what it uses. The pictures that it takes are there, too.
 */
#ifndef JWTD_TEST_BROWSER_H
#define JWTD_TEST_BROWSER_H

/* Runs `node SCRIPT WORDS...` (NULL after the last word) in build/browser. Fails the test, with all that was printed, unless the
 * last line is "N passed, 0 failed". */
void browser_run(const char *script, const char *const *words);

#endif
