/*
 * cgroup: how much processor time the control groups of a process allow it (cgroups(7)): the smallest CPU quota on the path from
 * its group up to the root, in version 1 (cpu.cfs_quota_us), in version 2 (cpu.max), and with both mounted side by side.
 *
 * /proc/PID/cgroup names the group, /proc/PID/mountinfo the directories where groups are mounted. A container may see a part of
 * the tree only, and its group may be named as the host names it or relative to the container's own ("/../x"). When the group
 * itself cannot be found below what is mounted, the mount's own directory is read. Limits above the mount cannot be seen from
 * inside.
 *
 * Safe from every thread; reads files. What cannot be read counts as no limit.
 */
#ifndef JWTD_CGROUP_H
#define JWTD_CGROUP_H

#define CGROUP_PATH_SIZE 512

struct cgroup_quota {
    double cores;                /* processor time per time, 1.5 for one and a half processors; 0: no limit is visible */
    char path[CGROUP_PATH_SIZE]; /* the directory of the group that sets it, cut to fit; "" without a limit */
};

/* `process` is "self" or a process id in decimal. `root` is a prefix of every path that is read: "" except in tests. */
void cgroup_read_quota(const char *root, const char *process, struct cgroup_quota *quota);

#endif
