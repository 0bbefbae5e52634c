"""The seccomp filter: the few system calls that computing in Python needs, and no others.

A list of what is allowed, so that a call that nobody thought of (io_uring, whatever comes next) is
refused too. Refused calls fail with EPERM; calls of a foreign architecture, x32 among them, kill
the process, since their numbers mean something else.
"""

from __future__ import annotations

import os
import struct

from stages.synthesize.sandboxed import syscalls

_COMMON = """
 brk mmap mprotect munmap mremap madvise mincore futex set_robust_list get_robust_list rseq
 membarrier exit exit_group restart_syscall set_tid_address sched_yield sched_getaffinity getcpu
 rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack
 kill tkill tgkill wait4 waitid getpid gettid getppid getuid geteuid getgid getegid getresuid
 getresgid getgroups getpgid getsid getpriority getrlimit setrlimit getrusage times sysinfo uname
 umask getrandom clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday getitimer
 setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete
 read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range fstat newfstatat
 statx statfs fstatfs openat dup dup3 fsync fdatasync truncate ftruncate fadvise64 flock getdents64
 getcwd chdir fchdir readlinkat faccessat faccessat2 fchmod fchmodat mkdirat unlinkat renameat
 renameat2 linkat symlinkat utimensat copy_file_range sendfile pipe2 ppoll pselect6 epoll_create1
 epoll_ctl epoll_pwait
"""
"""Computing, own signals and children (clone is checked), and files where the walls let them be."""

_X86_64 = """
 read 0 write 1 open 2 close 3 stat 4 fstat 5 lstat 6 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11
 brk 12 rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 pread64 17 pwrite64 18 readv 19
 writev 20 access 21 pipe 22 select 23 sched_yield 24 mremap 25 mincore 27 madvise 28 dup 32
 dup2 33 pause 34 nanosleep 35 getitimer 36 alarm 37 setitimer 38 getpid 39 sendfile 40 clone 56
 fork 57 exit 60 wait4 61 kill 62 uname 63 fcntl 72 flock 73 fsync 74 fdatasync 75 truncate 76
 ftruncate 77 getdents 78 getcwd 79 chdir 80 fchdir 81 rename 82 mkdir 83 rmdir 84 creat 85 link 86
 unlink 87 symlink 88 readlink 89 chmod 90 fchmod 91 umask 95 gettimeofday 96 getrlimit 97
 getrusage 98 sysinfo 99 times 100 getuid 102 getgid 104 geteuid 107 getegid 108 getppid 110
 getpgrp 111 getgroups 115 getresuid 118 getresgid 120 getpgid 121 getsid 124 rt_sigpending 127
 rt_sigtimedwait 128 rt_sigsuspend 130 sigaltstack 131 statfs 137 fstatfs 138 getpriority 140
 prctl 157 arch_prctl 158 setrlimit 160 gettid 186 tkill 200 time 201 futex 202
 sched_getaffinity 204 getdents64 217 set_tid_address 218 restart_syscall 219 fadvise64 221
 timer_create 222 timer_settime 223 timer_gettime 224 timer_getoverrun 225 timer_delete 226
 clock_gettime 228 clock_getres 229 clock_nanosleep 230 exit_group 231 epoll_wait 232 epoll_ctl 233
 tgkill 234 waitid 247 openat 257 mkdirat 258 newfstatat 262 unlinkat 263 renameat 264 linkat 265
 symlinkat 266 readlinkat 267 fchmodat 268 faccessat 269 pselect6 270 ppoll 271 set_robust_list 273
 get_robust_list 274 utimensat 280 epoll_pwait 281 epoll_create1 291 dup3 292 pipe2 293 preadv 295
 pwritev 296 prlimit64 302 getcpu 309 renameat2 316 getrandom 318 membarrier 324
 copy_file_range 326 statx 332 rseq 334 clone3 435 close_range 436 faccessat2 439
"""
_X86_64_ALSO = """
 open stat lstat poll access pipe select dup2 pause alarm fork getdents rename mkdir rmdir creat
 link unlink symlink readlink chmod getpgrp arch_prctl time epoll_wait
"""
_AARCH64 = """
 getcwd 17 epoll_create1 20 epoll_ctl 21 epoll_pwait 22 dup 23 dup3 24 fcntl 25 ioctl 29 flock 32
 mkdirat 34 unlinkat 35 symlinkat 36 linkat 37 renameat 38 statfs 43 fstatfs 44 truncate 45
 ftruncate 46 faccessat 48 chdir 49 fchdir 50 fchmod 52 fchmodat 53 openat 56 close 57 pipe2 59
 getdents64 61 lseek 62 read 63 write 64 readv 65 writev 66 pread64 67 pwrite64 68 preadv 69
 pwritev 70 sendfile 71 pselect6 72 ppoll 73 readlinkat 78 newfstatat 79 fstat 80 fsync 82
 fdatasync 83 utimensat 88 exit 93 exit_group 94 waitid 95 set_tid_address 96 futex 98
 set_robust_list 99 get_robust_list 100 nanosleep 101 getitimer 102 setitimer 103 timer_create 107
 timer_gettime 108 timer_getoverrun 109 timer_settime 110 timer_delete 111 clock_gettime 113
 clock_getres 114 clock_nanosleep 115 sched_getaffinity 123 sched_yield 124 restart_syscall 128
 kill 129 tkill 130 tgkill 131 sigaltstack 132 rt_sigsuspend 133 rt_sigaction 134
 rt_sigprocmask 135 rt_sigpending 136 rt_sigtimedwait 137 rt_sigreturn 139 getpriority 141
 getresuid 148 getresgid 150 times 153 getpgid 155 getsid 156 getgroups 158 uname 160 getrlimit 163
 setrlimit 164 getrusage 165 umask 166 prctl 167 getcpu 168 gettimeofday 169 getpid 172 getppid 173
 getuid 174 geteuid 175 getgid 176 getegid 177 gettid 178 sysinfo 179 brk 214 munmap 215 mremap 216
 clone 220 mmap 222 fadvise64 223 mprotect 226 mincore 232 madvise 233 wait4 260 prlimit64 261
 renameat2 276 getrandom 278 membarrier 283 copy_file_range 285 statx 291 rseq 293 clone3 435
 close_range 436 faccessat2 439
"""
"""Numbers from the kernel's asm/unistd_64.h and asm-generic/unistd.h."""

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONCLEX, FIOCLEX: is it a terminal, how much is there to read."""
_PRCTLS = (3, 15, 16, 23, 0x53564D41)
"""Get dumpable, set and get the thread's name, read the bounding set, name memory (malloc does)."""
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
"""Duplicate, flags, locks, size of a pipe (reading it), seals (reading them)."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM, _ENOSYS = 1, 38
_X32 = 0x40000000
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def build_filter(machine: str | None = None) -> bytes:
    """The filter as BPF for a machine (``x86_64``, ``aarch64``; default: this one).

    Raises KeyError for other machines: their call numbers are not known here.
    """
    machine = machine or os.uname().machine
    architecture = _AUDIT[machine]
    numbers = _numbers(_X86_64 if machine == "x86_64" else _AARCH64)
    allowed = _COMMON.split() + (_X86_64_ALSO.split() if machine == "x86_64" else [])
    code = [_op(_LOAD, _ARCHITECTURE), _op(_EQUAL, architecture, 1, 0), _op(_RETURN, _KILL)]
    code += [_op(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_op(_AT_LEAST, _X32, 0, 1), _op(_RETURN, _KILL)]
    for name in allowed:
        code += _where(numbers[name], [_op(_RETURN, _ALLOW)])
    # Without clone3 libc falls back to clone, whose flags a filter can see.
    code += _where(numbers["clone3"], [_op(_RETURN, _ERRNO | _ENOSYS)])
    code += _where(
        numbers["clone"],
        [
            _op(_LOAD, _ARGUMENT),
            _op(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
            _op(_RETURN, _ERRNO | _EPERM),
            _op(_RETURN, _ALLOW),
        ],
    )
    code += _where(numbers["ioctl"], _one_of(1, _IOCTLS))
    code += _where(numbers["prctl"], _one_of(0, _PRCTLS))
    code += _where(numbers["fcntl"], _one_of(1, _FCNTLS))
    code += _where(numbers["prlimit64"], _one_of(0, (0,)))
    code += [_op(_RETURN, _ERRNO | _EPERM)]
    return b"".join(code)


def _numbers(table: str) -> dict[str, int]:
    words = table.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


def _op(operation: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, operand)


def _where(number: int, then: list[bytes]) -> list[bytes]:
    """``then``, which must return, where the number of the call is ``number``."""
    return [_op(_EQUAL, number, 0, len(then)), *then]


def _one_of(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allowed where the low half of an argument is one of ``values``."""
    code = [_op(_LOAD, _ARGUMENT + 8 * argument)]
    for value in values:
        code += _where(value, [_op(_RETURN, _ALLOW)])
    return [*code, _op(_RETURN, _ERRNO | _EPERM)]
