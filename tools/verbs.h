/* SPDX-License-Identifier: MIT */
/* The verbs of the command: argv[0] is the verb; each returns an exit code. */
#ifndef DEVRX_TOOLS_VERBS_H
#define DEVRX_TOOLS_VERBS_H

int cmd_bench(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_recv(int argc, char **argv);
int cmd_reserve(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_send(int argc, char **argv);

#endif /* DEVRX_TOOLS_VERBS_H */
