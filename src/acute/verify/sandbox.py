"""A place where a program can do nothing but compute: bubblewrap, a filter of system calls, limits.

Every program gets a sandbox of its own: no network, no process but its own, a root folder that holds Python's
standard library and C libraries alone and cannot be written to, 16 MiB of scratch space in memory, and limits
on CPU time, memory, file size and threads. When the sandbox is closed, all that ran in it is dead; when the
process that started it ends, the warden ends it.
"""

import contextlib
import fcntl
import functools
import importlib.util
import marshal
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from acute.verify.process import Process, SandboxError, prove_handles
from acute.verify.seccomp import call_filter

Kind = Literal["bubblewrap", "none-unsafe"]
INSIDE = Path(__file__).parent / "inside"
MODULES = ("codec", "limits", "candidate", "judge")
SCRATCH = 16 << 20  # bytes
# users that no system gives to anybody; a new one for each sandbox, so that each has its own count of tasks
FIRST_UID, UIDS = 1_900_000_000, 200_000_000
UNSAFE = 'verify.sandbox = "none-unsafe"'


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    seconds: float = 5.0  # of CPU time
    memory: int = 512 << 20  # bytes of address space
    file_size: int = 8 << 20
    tasks: int = 32  # threads
    output: int = 1 << 20  # bytes that it may write to its output

    @property
    def deadline(self) -> float:
        """Seconds of the clock after which it is killed: a busy machine gives it less than a core."""
        return 3 * self.seconds + 2


USUAL = Limits()


class Variant(NamedTuple):
    """How bubblewrap is started here."""

    user_namespace: bool
    uid: int  # that the program becomes by itself; 0: it stays as it is


@functools.cache
def _compiled(module: str) -> bytes:
    """A module of `inside` as the bytes of a .pyc file."""
    source = (INSIDE / f"{module}.py").read_text(encoding="utf-8")
    code = compile(source, f"<{module}>", "exec")
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def sealed(content: bytes, name: str = "acute") -> int:
    """A file descriptor that reads `content` from memory, and that nobody can write to."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(file, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


def _folders() -> list[str]:
    """bubblewrap's options for what Python needs, read-only, and for the scratch space."""
    python = Path(sys.executable).resolve()
    options = ["--dir", "/py", "--dir", "/py/bin", "--dir", "/usr", "--dir", "/dev"]
    for folder in ("/lib", "/lib64", "/usr/lib", "/usr/lib64"):
        path = Path(folder)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), folder]
        elif path.exists():
            options += ["--ro-bind", folder, folder]
    for folder in ("lib", "lib64"):
        options += ["--ro-bind-try", f"{sys.base_prefix}/{folder}", f"/py/{folder}"]
    options += ["--ro-bind", str(python), "/py/bin/python"]
    for device in ("null", "zero", "urandom"):
        options += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    return [*options, "--size", str(SCRATCH), "--perms", "1777", "--tmpfs", "/tmp"]


def _environment(libraries: str, modules: str) -> dict[str, str]:
    # a fixed hash seed: the same response has the same verdict each time
    return {
        "PATH": "/py/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "LD_LIBRARY_PATH": libraries,
        "PYTHONPATH": modules,
    }


def _python(role: str, arguments: Sequence[str]) -> list[str]:
    code = f"from acute.verify.inside.{role} import main; main()"
    return ["-s", "-S", "-P", "-B", "-c", code, *arguments]


class Sandbox:
    """Starts programs. `kind` "none-unsafe" has limits and no walls: for machines without namespaces."""

    def __init__(self, kind: Kind = "bubblewrap", limits: Limits = USUAL) -> None:
        """Raises SandboxError, saying what to do, where none can be had here."""
        self.kind, self.limits = kind, limits
        prove_handles()
        self.variant = _variant() if kind == "bubblewrap" else Variant(False, 0)

    def start(
        self, role: str, mode: Sequence[str], stdin: int, stdout: int, program: bytes | None = None
    ) -> Process:
        """Start `role` (candidate or judge) with these ends of pipes. Raises SandboxError if it cannot be."""
        try:
            return self._started(role, mode, stdin, stdout, program)
        except OSError as error:
            raise SandboxError(f"could not start the sandbox, or have it watched over: {error}") from error

    def _started(
        self, role: str, mode: Sequence[str], stdin: int, stdout: int, program: bytes | None
    ) -> Process:
        uid = random.SystemRandom().randrange(FIRST_UID, FIRST_UID + UIDS) if self.variant.uid else 0
        most = self.limits
        numbers = () if role == "judge" else (most.seconds, most.memory, most.file_size, most.tasks)
        with contextlib.ExitStack() as gates:
            gate, opens = os.pipe2(os.O_CLOEXEC)
            gates.callback(os.close, gate)
            gates.callback(os.close, opens)
            start = Start(role, [str(gate), *mode, *map(str, (uid, *numbers))], stdin, stdout, gate, program)
            process = _start_unsafe(start) if self.kind == "none-unsafe" else _start(self.variant, start)
            try:
                process.open_gate(opens)
            except OSError:
                process.close()
                raise
        return process


class Start(NamedTuple):
    """What is started: a role, its arguments, its ends of pipes, and the program that it has as a file."""

    role: str
    arguments: list[str]
    stdin: int
    stdout: int
    gate: int
    program: bytes | None


def _start(variant: Variant, start: Start) -> Process:
    files = {f"/code/acute/verify/inside/{name}.pyc": _compiled(name) for name in MODULES}
    arguments = start.arguments
    if start.role == "candidate":
        del files["/code/acute/verify/inside/judge.pyc"]
    if start.program is not None:
        files["/code/program.py"] = start.program
        arguments = [*arguments, "/code/program.py"]
    with contextlib.ExitStack() as stack:

        def kept(file: int) -> str:
            stack.callback(os.close, file)
            passed.append(file)
            return str(file)

        passed = [start.gate]
        options = ["bwrap", *_walls(variant), *_folders()]
        for folder in ("/code", "/code/acute", "/code/acute/verify", "/code/acute/verify/inside"):
            options += ["--dir", folder]
        for path, content in files.items():
            options += ["--perms", "0444", "--ro-bind-data", kept(sealed(content)), path]
        if (rules := call_filter(processes=start.role == "judge")) is not None:
            options += ["--seccomp", kept(sealed(rules))]
        status, told = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(status, False)
        # open for reading too: were nobody left who reads, telling would end bubblewrap amid its set-up
        both = os.open(f"/proc/self/fd/{told}", os.O_RDWR | os.O_CLOEXEC)
        os.close(told)
        options += ["--json-status-fd", kept(both), "--remount-ro", "/", "--clearenv"]
        for key, value in _environment("/py/lib", "/code").items():
            options += ["--setenv", key, value]
        command = [*options, "--", "/py/bin/python", *_python(start.role, arguments)]
        process = _popen(command, start, passed, None, status)
    return Process(process, status)


def _walls(variant: Variant) -> list[str]:
    walls = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    walls += ["--hostname", "sandbox", "--new-session", "--cap-drop", "ALL"]
    if variant.user_namespace:
        walls += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    else:
        walls += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return walls


def _start_unsafe(start: Start) -> Process:
    folder = INSIDE.parent.parent.parent
    environment = _environment(os.environ.get("LD_LIBRARY_PATH", ""), str(folder))
    passed, arguments = [start.gate], start.arguments
    with contextlib.ExitStack() as stack:
        if start.program is not None:
            passed.append(sealed(start.program))
            stack.callback(os.close, passed[-1])
            arguments = [*arguments, f"/dev/fd/{passed[-1]}"]
        command = [str(Path(sys.executable).resolve()), *_python(start.role, arguments)]
        process = _popen(command, start, passed, environment, None)
    return Process(process, None)


def _popen(
    command: list[str],
    start: Start,
    passed: list[int],
    environment: dict[str, str] | None,
    status: int | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=start.stdin,
            stdout=start.stdout,
            stderr=subprocess.DEVNULL,
            pass_fds=passed,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        if status is not None:
            os.close(status)
        raise SandboxError(f"could not start {command[0]}: {error.strerror}") from error


@functools.cache
def _variant() -> Variant:
    """How bubblewrap works here. Raises SandboxError, saying what to do, if it does not."""
    advice = (
        f"code is run in a sandbox only: install bubblewrap 0.8 or later (Debian, Ubuntu: apt-get install "
        f"bubblewrap) where namespaces are allowed, see `acute doctor`; or, for programs that you trust with "
        f"this machine, {UNSAFE}"
    )
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        raise SandboxError(f"wanted bubblewrap, found no bwrap on the path; {advice}")
    said = ""
    # root needs no user namespace, and without one the program can become a user whom limits bind
    for variant in [Variant(False, FIRST_UID)] * (os.getuid() == 0) + [Variant(True, 0)]:
        said = _tried(variant)
        if not said:
            return variant
    raise SandboxError(f"bubblewrap does not work here ({said}); {advice}")


def _tried(variant: Variant) -> str:
    """What bubblewrap says against a variant; nothing if it works."""
    command = ["bwrap", *_walls(variant), *_folders(), "--remount-ro", "/", "--clearenv"]
    command += ["--setenv", "LD_LIBRARY_PATH", "/py/lib", "--", "/py/bin/python", "-S", "-c", "print(7)"]
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, timeout=60, cwd="/"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        errors.seek(0)
        if done.returncode == 0 and done.stdout == b"7\n":
            return ""
        return " ".join(errors.read(500).decode(errors="replace").split()) or f"status {done.returncode}"


def facts(sandbox: Sandbox) -> dict[str, Any]:
    """How the sandbox is made here: for people, and for the record of a run."""
    if sandbox.kind != "bubblewrap":
        return {"kind": sandbox.kind, "walls": "none: programs can read, write and call what acute can"}
    done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    return {
        "kind": sandbox.kind,
        "version": done.stdout.strip().removeprefix("bubblewrap "),
        "user namespace": "used" if sandbox.variant.user_namespace else "not needed by root",
        "system calls": "filtered" if call_filter(False) else "not filtered: processor unknown to the filter",
    }
