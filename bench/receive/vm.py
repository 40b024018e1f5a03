# SPDX-License-Identifier: MIT
"""The counting VM: what goes into it, one boot, and what devrx bench said in it."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from . import initrd

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUSYBOX = ("cat", "env", "insmod", "ls", "mkdir", "mount", "nsenter", "poweroff", "rm", "rmmod", "sleep",
           "umount")
TIME_LIMIT_S = 1800


class Failed(Exception):
    pass


class Machine:
    """Kernel and programs of one series, as they were built."""

    def __init__(self, series):
        self.directory = os.path.join(TOP, "build/vm", series)
        self.series = series
        with open(os.path.join(self.directory, "kernel")) as file:
            self.kernel = file.read().strip()
        version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True,
                                 text=True, check=True).stdout
        self.qemu = re.search(r"version (\S+)", version)[1]
        self.compiler = subprocess.run(["cc", "-dumpfullversion"], capture_output=True,
                                       text=True, check=True).stdout.strip()

    def make_initrd(self, to, plan):
        root = os.path.join(self.directory, "root")
        programs = {
            "usr/bin/devrx": os.path.join(TOP, "build/dev/tools/devrx"),
            "usr/bin/bash": os.path.join(root, "usr/bin/bash"),
            "usr/sbin/ip": os.path.join(root, "usr/sbin/ip"),
            "usr/bin/ethtool": os.path.join(root, "usr/sbin/ethtool"),
            "usr/bin/chrt": os.path.join(root, "usr/bin/chrt"),
            "bin/busybox": os.path.join(root, "usr/bin/busybox"),
        }
        files = initrd.with_libraries(root, programs)
        files["init"] = os.path.join(TOP, "bench/receive/init")
        files["link.sh"] = os.path.join(TOP, "tests/vm/link.sh")
        files["plan"] = plan.encode()
        for name in ("softnic", "vram"):
            module = f"{name}/devrx_{name}.ko"
            files["modules/" + module] = os.path.join(self.directory, "module", module)
        links = {f"usr/bin/{name}": "/bin/busybox" for name in BUSYBOX}
        links.update({"lib64": "usr/lib64", "lib": "usr/lib64"})
        initrd.make(to, files, links, ("proc", "sys", "dev", "tmp", "run", "var", "etc", "root"))

    def input_hash(self, archive):
        """Of all bytes that the guest is made of."""
        digest = hashlib.sha256()
        for path in (os.path.join(self.directory, "vmlinux"), archive):
            with open(path, "rb") as file:
                shutil.copyfileobj(file, Digest(digest))
        return digest.hexdigest()


class Digest:
    def __init__(self, digest):
        self.write = digest.update


class Boot:
    """One boot, under way from the start. A nanosecond of any clock of the guest is an
    instruction; nothing of the host reaches it but kernel, archive and @seed."""

    def __init__(self, machine, archive, seed):
        self.seed = seed
        self.machine = machine
        self.directory = tempfile.mkdtemp(prefix="bench.", dir=os.path.join(TOP, "build/vm"))
        self.console = os.path.join(self.directory, "console")
        self.results = os.path.join(self.directory, "results")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-name", "devrx-bench",
             "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-accel", "tcg,thread=single", "-smp", "1", "-m", "3G",
             # Each byte of a "rep movsb" would count as an instruction.
             "-cpu", "max,-erms,-fsrm",
             "-icount", "shift=0,sleep=off,align=off", "-seed", str(seed),
             "-rtc", "base=2026-01-01T00:00:00,clock=vm",
             "-kernel", os.path.join(machine.directory, "vmlinux"), "-initrd", archive,
             "-append", "console=ttyS0 loglevel=5 panic=-1 tsc=reliable no_timer_check "
             "mitigations=off hugepages=768 nokaslr norandmaps",
             "-serial", "file:" + self.console, "-serial", "file:" + self.results],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self):
        """[(mtu, stream, what devrx bench --json said)]"""
        try:
            errors = self.process.communicate(timeout=TIME_LIMIT_S)[1]
        except subprocess.TimeoutExpired:
            self.stop()
            raise Failed(f"seed {self.seed}: not done after {TIME_LIMIT_S} s; "
                         f"its console: {self.keep_console()}") from None
        with open(self.results, errors="replace") as file:
            lines = file.read().splitlines()
        if not lines or lines[-1] != "end 0":
            raise Failed(f"seed {self.seed}: the guest did not measure all; its console: "
                         f"{self.keep_console()}\n{errors.decode(errors='replace')}")
        said = []
        for line in lines[:-1]:
            mtu, stream, text = line.split(" ", 2)
            said.append((int(mtu), stream, json.loads(text)))
        return said

    def keep_console(self):
        to = os.path.join(TOP, f"build/log/bench-{self.machine.series}-{self.seed}.log")
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(self.console, to)
        return os.path.relpath(to, TOP)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def clean(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
