"""The pages of the documentation as programs: blocks of commands, files and outputs, in the order of the page.

A page is run from top to bottom in one folder with the sample data:

- `sh`: commands. A command that does not end with 0 has a comment: `# exit code 1`.
- `text` right after `sh` or `python`: what it prints. A line `...` stands for any lines, `…` for any text in a line.
- `yaml`, `ini` and others whose first line is a comment with a file name: the file is written.
- `python`: statements, in one namespace a page.
- `console`: not run; `test_documentation.py` names each with the reason.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from pipeline.cli import run
from tests.conftest import REPOSITORY, environment_of_ours

DOCS = REPOSITORY / "docs"
README = REPOSITORY / "README.md"
#: Pages of the site and the README; what is built is no page.
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)(:.*)?$")
ADDRESS = "http://127.0.0.1:8765"  #: of the sandbox in the pages; the tests take any free port
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[\w-]+?-[0-9a-f]{6}\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file that the block shows in full, if its first line names one."""
        named = re.match(r"# ([\w./@-]+\.\w+)\n", self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Commands:
    """Commands of one block, and what the page shows of their output."""

    text: str
    shown: str | None


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(page: Path) -> list[Block]:
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["kind"].strip(), match["text"]) for match in found]


def steps_of(page: Path) -> list[Block | Commands]:
    """The blocks that are run or written, each with the output after it; the README's first block sets the project up."""
    blocks = blocks_of(page)[1 if page == README else 0 :]
    steps: list[Block | Commands] = []
    for at, block in enumerate(blocks):
        follower = blocks[at + 1] if at + 1 < len(blocks) else None
        shown = follower.text if follower and follower.kind == "text" else None
        if block.kind == "sh":
            steps.append(Commands(block.text, shown))
        elif block.kind == "python" and block.file_name is None:
            steps.append(Block("python", block.text))
            steps.append(Commands("", shown))
        elif block.file_name:
            steps.append(block)
    return steps


def matches(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows."""
    lines = [_pattern(line) for line in shown.splitlines() if line.strip()]
    pattern = "".join(r"(?:[^\n]*\n)*?" if line == r"\.\.\." else f"{line}\n" for line in lines)
    given = [_plain(line) for line in printed.splitlines() if line.strip()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in given)) is not None


def _plain(line: str) -> str:
    return " ".join(RUN_ID.sub("RUN_ID", line).split())


def _pattern(line: str) -> str:
    return re.escape(_plain(line)).replace("…", ".*")


@dataclass
class Reader:
    """Somebody who follows a page, in a folder of their own."""

    folder: Path
    address: str = field(default_factory=lambda: f"http://127.0.0.1:{_free_port()}")
    sandboxes: list[subprocess.Popen[str]] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=dict)

    def follow(self, page: Path) -> Iterator[tuple[str, str]]:
        """Do each step; gives the faults, each with its place."""
        printed = ""
        for step in steps_of(page):
            if isinstance(step, Block):
                if step.kind == "python":
                    printed = self._python(step.text)
                else:
                    (self.folder / step.file_name).write_text(step.text, encoding="utf-8")
                continue
            if step.text:
                printed = ""
            for line in step.text.replace("\\\n", " ").splitlines():
                output, fault = self._line(line)
                printed += output
                if fault:
                    yield line, f"{fault}\n{output}"
            if step.shown is not None and not matches(step.shown, printed):
                yield step.text or "python", f"shown:\n{step.shown}\nprinted:\n{printed}"

    def close(self) -> None:
        for process in self.sandboxes:
            _end(process)

    def _line(self, line: str) -> tuple[str, str | None]:
        """What a line prints, and what is wrong with how it ends."""
        stated = EXIT_CODE.search(line)
        command = re.sub(r"\s+# .*$", "", line).strip()
        if not command or command.startswith("#"):
            return "", None
        code, output = self._do(command)
        wanted = int(stated[1]) if stated else 0
        return output, None if code == wanted else f"exit code {code}, not {wanted}"

    def _do(self, command: str) -> tuple[int, str]:
        if command.startswith("pipeline sandbox ") and command.endswith(" &"):
            return self._start_sandbox(command.removesuffix(" &"))
        if command == "kill %1":
            _end(self.sandboxes.pop())
            return 0, ""
        command = command.replace(ADDRESS, self.address)
        inside = _arguments_of(command)
        code, output = self._inside(*inside) if inside else self._shell(command)
        return code, output.replace(self.address, ADDRESS)

    def _inside(self, variables: dict[str, str], arguments: list[str]) -> tuple[int, str]:
        """A command of ours within this process, which saves the start of another."""
        out, before = io.StringIO(), os.umask(0o077)
        try:
            with (
                contextlib.chdir(self.folder),
                patch.dict(os.environ, self._environment(variables), clear=True),
                patch.object(sys, "argv", ["pipeline", *arguments]),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
            ):
                code = run()
        finally:
            os.umask(before)
        return code, out.getvalue()

    def _shell(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            check=False,
            cwd=self.folder,
            env=self._environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode % 256 if done.returncode >= 0 else 128 - done.returncode, done.stdout

    def _python(self, text: str) -> str:
        out = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            patch.dict(os.environ, self._environment({}), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            exec(compile(text, "python block", "exec"), self.names)
        return out.getvalue()

    def _start_sandbox(self, command: str) -> tuple[int, str]:
        _, *arguments = shlex.split(command)
        arguments[arguments.index("--port") + 1] = self.address.rpartition(":")[2]
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=self.folder,
            env=self._environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = process.stdout.readline()
        self.sandboxes.append(process)
        return 0, ready.replace(self.address, ADDRESS)

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        """What the pages suppose: the venv's commands, a terminal of 100 columns."""
        kept = environment_of_ours(variables)
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        return {**kept, "PATH": path, "COLUMNS": "100"}


def reader_in(folder: Path) -> Reader:
    """A reader with a copy of the sample data and the configs."""
    for name in ("sample_data", "configs"):
        shutil.copytree(REPOSITORY / name, folder / name)
    return Reader(folder)


def _arguments_of(command: str) -> tuple[dict[str, str], list[str]] | None:
    """Variables and arguments of a plain command of ours; nothing where it needs a shell."""
    if re.search(r"[|<>;&$*]", command):
        return None
    words = shlex.split(command)
    variables = {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    return (variables, words[1:]) if words[:1] == ["pipeline"] else None


def _free_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
