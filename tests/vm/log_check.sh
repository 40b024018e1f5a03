#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Print the lines of a kernel log that mean trouble; exit 1 when there are any.
#
#   log_check.sh FILE
set -u
trouble='WARNING:|BUG:|BUG [a-z]|Oops|general protection|Call Trace'
trouble+='|possible recursive locking|circular locking|inconsistent lock state|suspicious RCU'
trouble+='|sleeping function called from invalid|scheduling while atomic|bad unlock balance'
trouble+='|unregister_netdevice: waiting|page_pool_release_retry|page_pool.*stalled'
trouble+='|blocked for more than|hung_task|soft lockup|hard LOCKUP|detected stall|rcu.*stall'
trouble+='|KASAN|UBSAN|KCSAN|KFENCE|kmemleak: [0-9]+ new|Kernel panic|refcount_t:|list_(add|del) corruption'
trouble+='|Out of memory|invoked oom-killer'
# Harmless lines that contain one of these words.
fine='kfence: initialized|kmemleak: Kernel memory leak detector|rcu: .*stall.*timeout'
! grep -aE "$trouble" "$1" | grep -avE "$fine" | awk '!seen[$0]++' | head -n 40 | grep .
