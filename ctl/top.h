#ifndef CTL_TOP_H
#define CTL_TOP_H

/* top - the daemon live in the terminal. */

/* coppicectl top with its arguments; the exit status. */
int top_main(const char *socket, int json, int argc, char **argv);

#endif
