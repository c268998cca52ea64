#ifndef SUPERVISOR_QUERY_H
#define SUPERVISOR_QUERY_H
#include <stdio.h>

/*
 * query - coppiced -Q: what this build can do. One name a line; what is off by default has the reason behind it, so that the first
 * word of each line is always a name. what: cipher, mac, kex, key and the other words of ssh -Q, a keyword that holds a list, or help.
 * 0, or -1 when there is no such question.
 */
int query_answer(const char *what, FILE *to);

#endif
