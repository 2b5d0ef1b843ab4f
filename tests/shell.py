"""The command `postbacks` as a shell runs it: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kafka import free_port
from tests.workers import WorkerProcess

POSTBACKS = str(Path(sys.executable).parent / "postbacks")


@dataclass
class Shell:
    """A working directory and an environment in which commands are run."""

    folder: Path
    environ: dict[str, str]

    def run(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its settings are those of the shell and `more`, in full names."""
        done = subprocess.run(
            [POSTBACKS, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240 if "--rate" in arguments else 50,  # a rate has its time
            env=bare_environ() | self.environ | more,
            cwd=self.folder,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The lines of a listing with `--json`."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def write(self, name: str, content: object) -> str:
        """A file of JSON in the working directory; its name."""
        (self.folder / name).write_text(json.dumps(content))
        return name

    def start(self, *arguments: str, out: Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a command that runs until it is ended; what it says goes to `out`, its errors too."""
        with out.open("wb") as file:
            return subprocess.Popen(
                [POSTBACKS, *arguments],
                stdin=stdin,
                stdout=file,
                stderr=file,
                env=bare_environ() | self.environ,
                cwd=self.folder,
            )

    def worker(self, **more: str) -> WorkerProcess:
        """Start `postbacks worker --role all`."""
        port = free_port()
        environ = bare_environ() | self.environ | {"POSTBACKS_WEB": f"127.0.0.1:{port}"} | more
        log = self.folder / f"worker-{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [POSTBACKS, "worker", "--role", "all"], env=environ, stdout=out, stderr=out, cwd=self.folder
            )
        return WorkerProcess(process, port, log)


def bare_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("POSTBACKS_")}


def one_line(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """The command ended with `status`, and said one line on standard error and nothing else."""
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.startswith("postbacks: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
