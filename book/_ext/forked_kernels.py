"""Kernels that find the large libraries imported: a process imports them once and is forked for each page.

To import PyTorch, SciPy and SymPy takes seconds, and each page has a kernel of its own. Run as a script, this file is
the process that is forked; `Manager` starts it and asks it for kernels, in the place of nbclient's own.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

IMPORTED = ("ipykernel.ipkernel", "matplotlib.figure", "scipy.stats", "sympy", "torch")


def fork_on_request() -> None:
    """Read requests, a line of JSON each, fork a kernel for each, and print its process number."""
    del sys.path[0]  # this file's folder: a kernel looks in its page's instead
    for name in IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets a kernel that ended, so that its number is free
    for line in sys.stdin:
        number = os.fork()
        if not number:
            become_kernel(**json.loads(line))
        print(number, flush=True)


def become_kernel(arguments: list[str], env: dict[str, str], cwd: str) -> None:
    """Be an IPython kernel to the end of this process, as if it had been started anew."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # the server's output tells process numbers and nothing else
        os.environ.clear()
        os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))  # the kernel ends when the server does
        os.chdir(cwd)
        sys.argv = ["ipykernel_launcher.py", *arguments]
        from ipykernel.kernelapp import launch_new_instance  # it reads the environment when it is imported

        launch_new_instance(argv=arguments)
    finally:
        os._exit(1)


class Server:
    """The process that is forked, started at the first request of this one."""

    process: subprocess.Popen[str] | None = None

    @classmethod
    def fork(cls, arguments: list[str], env: dict[str, str], cwd: str) -> int:
        """The process number of a new kernel."""
        if cls.process and cls.process.poll() is not None:
            cls.stop()
        if cls.process is None:
            pipe = subprocess.PIPE
            cls.process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True, env=env)
        assert cls.process.stdin is not None
        assert cls.process.stdout is not None
        try:
            print(json.dumps({"arguments": arguments, "env": env, "cwd": cwd}), file=cls.process.stdin, flush=True)
            return int(cls.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            raise RuntimeError("the process that kernels are forked from has died; its message stands above") from None

    @classmethod
    def stop(cls) -> None:
        """End the process; the next request starts another."""
        if cls.process:
            with cls.process:  # closes its pipes and waits
                cls.process.kill()
            cls.process = None


class Forked:
    """A kernel's process, with as much of Popen's interface as jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, number: int):
        self.pid = number

    def poll(self) -> int | None:
        """None while it runs, else 1: how it ended is not known."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1
        return None

    def wait(self) -> int:
        """Wait for its end."""
        while (code := self.poll()) is None:
            time.sleep(0.05)
        return code

    def send_signal(self, number: int) -> None:
        """Signal the kernel and what it started."""
        os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask for its end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Provisioner(LocalProvisioner):
    """What starts a kernel, by a request to the server."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Fork a kernel with the arguments that follow ``python -m ipykernel_launcher``."""
        arguments, env = cmd[cmd.index("ipykernel_launcher") + 1 :], dict(options["env"])
        number = await asyncio.to_thread(Server.fork, arguments, env, str(options["cwd"]))
        self.process = Forked(number)  # type: ignore[assignment]
        self.pid, self.cwd = number, options["cwd"]
        return self.connection_info


class Manager(AsyncKernelManager):
    """A kernel manager whose kernels are forked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.provisioner = Provisioner(kernel_id="", kernel_spec=self.kernel_spec, parent=self)


if __name__ == "__main__":
    fork_on_request()
