#ifndef CONNECTION_WARM_H
#define CONNECTION_WARM_H

/* warm - one whole login in memory before the first fork, so that workers share what it touched. */

struct ssh_policy;

/* Client and server talk once with each default cipher; failures do not matter, only the pages do. */
void warm_up(const struct ssh_policy *);

#endif
