"""A filter of system calls for the sandbox, as the program that the kernel takes (classic BPF).

Refused is what a program that computes has no use for and an attack has: new processes (memory limits hold
for one process), sockets, other processes' memory, memory outside the address space, namespaces, mounts,
kernel interfaces. Threads are allowed.
"""

import errno
import platform
import struct

# name: number on x86_64, on aarch64 (None: it has no such call)
REFUSED: dict[str, tuple[int, int | None]] = {
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
}
PROCESSES: dict[str, tuple[int, int | None]] = {"fork": (57, None), "vfork": (58, None)}
CLONE = (56, 220)
CLONE3 = (435, 435)
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # the kernel's name of each, AUDIT_ARCH_*

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000


def _do(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _refuse(number: int, error: int) -> bytes:
    return _do(_EQUAL, number, 0, 1) + _do(_RETURN, _ERROR | error)


def call_filter(processes: bool, machine: str | None = None) -> bytes | None:
    """The filter for this machine (or `machine`); None where its calls are not known here.

    `processes`: whether new processes are allowed.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return None
    column = list(MACHINES).index(machine)
    program = _do(_LOAD, _MACHINE_AT) + _do(_EQUAL, MACHINES[machine], 1, 0) + _do(_RETURN, _KILL)
    program += _do(_LOAD, _NUMBER_AT)
    if machine == "x86_64":  # the second set of numbers, x32
        program += _do(_AT_LEAST, 0x40000000, 0, 1) + _do(_RETURN, _ERROR | errno.EPERM)
    refused = REFUSED if processes else REFUSED | PROCESSES
    for numbers in refused.values():
        if (number := numbers[column]) is not None:
            program += _refuse(number, errno.EPERM)
    if not processes:
        # clone3 hides its flags from a filter; the C library then falls back on clone
        program += _refuse(CLONE3[column], errno.ENOSYS)
        program += _do(_EQUAL, CLONE[column], 0, 3) + _do(_LOAD, _FIRST_ARGUMENT_AT)
        program += _do(_ANY_BIT, _CLONE_THREAD, 1, 0) + _do(_RETURN, _ERROR | errno.EPERM)
    return program + _do(_RETURN, _ALLOW)
