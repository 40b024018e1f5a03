/* SPDX-License-Identifier: MIT */
/* What this process may do. */
#ifndef DEVRX_TOOLS_PRIVILEGE_H
#define DEVRX_TOOLS_PRIVILEGE_H

#define CAP_NET_ADMIN_BIT 12
#define CAP_IPC_LOCK_BIT 14

enum cap_state { CAP_NO, CAP_ONLY_IN_USER_NAMESPACE, CAP_YES };

/* zcrx wants capabilities in the initial user namespace. */
enum cap_state look_for_cap(unsigned int bit);

#endif /* DEVRX_TOOLS_PRIVILEGE_H */
