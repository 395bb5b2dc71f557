#!/usr/bin/env python3
"""Build and verify tasks.jsonl, the sample tasks as rows in SWE-Gym's format.

usage:
    python3 make.py             write tasks.jsonl anew
    python3 make.py --check     verify everything; exit with 1 on any finding
    python3 make.py --check --python ~/bin/python3.9
                                the same, with the tests run by that Python
    python3 make.py --base ID DIR
                                write the base tree of a task to a new folder
    python3 make.py --only ID   with --check: just these tasks (repeatable)

Nothing but Python 3.9 or later and git is needed, no network, and nothing
outside of temporary folders is written except tasks.jsonl.

packages/<pkg>/ is the final tree of a package: with all fixes and all tests.
The base tree of a task is that tree with its test.patch and its gold.patch
taken back. base_commit is the id of the root commit made of the base tree, see
commit_id() for what is in it.

What --check verifies of each task:
  - both patches can be taken back on the final tree, touch what they should
    (tests/ or everything but that), and put back give the final tree again;
  - all tests of the base tree pass, and all of the final tree;
  - with test.patch alone each FAIL_TO_PASS test fails and each PASS_TO_PASS
    test passes, with gold.patch all of them pass, three times over (under
    different hash seeds, time zones and locales);
  - the tests print nothing and take less than two seconds a file;
  - a wrong.patch, if there is one, applies but does not resolve the task;
  - its row of tasks.jsonl is what would be written now.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(HERE, "packages")
TASKS = os.path.join(HERE, "tasks")
WRONG = os.path.join(HERE, "wrong")
OUTPUT = os.path.join(HERE, "tasks.jsonl")

DATE = "1767225600 +0000"
TIME_LIMIT = 60
# Seconds that the tests of one file may take.
FILE_LIMIT = 2.0

# Every row's tests run once in each of these.
SURROUNDINGS = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "random", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"},
)

TASK_ID = re.compile(r"^spotter__(?P<package>[a-z][a-z0-9_]*)-(?P<number>[0-9]+)$")
RESULT = re.compile(
    r"^(?P<method>\w+) \((?P<where>[\w.]+)\) \.\.\. (?P<outcome>.*)$", re.MULTILINE
)


class Finding(Exception):
    """Something is wrong with a task."""


# Git


def git(folder, *arguments, text=None):
    """Run git unaffected by anybody's configuration; return what it prints."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("GIT_")
    }
    environment.update(
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_SYSTEM=os.devnull,
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CEILING_DIRECTORIES=os.path.dirname(os.path.abspath(folder)),
        GIT_DEFAULT_HASH="sha1",
        GIT_AUTHOR_NAME="spotter",
        GIT_AUTHOR_EMAIL="spotter@localhost",
        GIT_AUTHOR_DATE=DATE,
        GIT_COMMITTER_NAME="spotter",
        GIT_COMMITTER_EMAIL="spotter@localhost",
        GIT_COMMITTER_DATE=DATE,
        LC_ALL="C",
    )
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "-c", "core.fileMode=true"]
        + list(arguments),
        cwd=folder,
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    if done.returncode:
        raise Finding("git %s: %s" % (" ".join(arguments), done.stderr.strip()))
    return done.stdout


def apply_patch(folder, patch, reverse=False):
    git(folder, "apply", "--whitespace=nowarn", *(["-R"] if reverse else []), patch)


def commit_id(tree, message):
    """The id of the root commit that consists of ``tree``.

    It has no parent, spotter <spotter@localhost> for author and committer and
    2026-01-01T00:00:00Z for both dates; the message is ``<pkg> <version>``
    and a line break. Files are of mode 100644, or 100755 if executable.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "tree")
        copy_tree(tree, copy)
        git(copy, "init", "-q", "--template=")
        git(copy, "add", "-A", "-f", ".")
        written = git(copy, "write-tree").strip()
        return git(copy, "commit-tree", written, text=message).strip()


# Trees


def tree_files(folder):
    """The paths of all files of a tree, sorted, without what Python caches."""
    found = []
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in ("__pycache__", ".git"))
        for name in files:
            if not name.endswith(".pyc"):
                found.append(os.path.relpath(os.path.join(top, name), folder))
    return sorted(found)


def copy_tree(source, target):
    os.makedirs(target)
    for path in tree_files(source):
        into = os.path.join(target, path)
        os.makedirs(os.path.dirname(into), exist_ok=True)
        shutil.copyfile(os.path.join(source, path), into)
        executable = os.access(os.path.join(source, path), os.X_OK)
        os.chmod(into, 0o755 if executable else 0o644)


def contents(folder):
    found = {}
    for path in tree_files(folder):
        with open(os.path.join(folder, path), "rb") as stream:
            found[path] = stream.read()
    return found


def read(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read()


# Tests


def run_tests(python, tree, files, surroundings, discover=False):
    """Run test files; return ({test id: whether it passed}, stray output)."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": tree,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.update(surroundings)
    command = [python, "-m", "unittest", "-v"] + ([] if discover else files)
    done = subprocess.run(
        command,
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=TIME_LIMIT,
        encoding="utf-8",
        errors="replace",
    )
    results = {}
    # Failures are told in full below a line of equal signs, after all results.
    listing = re.split(r"\n\n(?:={70}|-{70})\n", "\n" + done.stderr, maxsplit=1)[0]
    for match in RESULT.finditer(listing):
        where, method = match.group("where"), match.group("method")
        # Since Python 3.11 the method is repeated within the parentheses.
        name = where if where.endswith("." + method) else where + "." + method
        if name.startswith("tests."):
            results[name] = match.group("outcome") == "ok"
    stray = done.stdout + RESULT.sub("", listing).strip()
    return results, stray


# Tasks


class Task:
    def __init__(self, instance_id):
        match = TASK_ID.match(instance_id)
        if not match:
            raise Finding("bad task id")
        self.id = instance_id
        self.package = match.group("package")
        self.folder = os.path.join(TASKS, instance_id)
        self.final = os.path.join(PACKAGES, self.package)
        self.gold = os.path.join(self.folder, "gold.patch")
        self.test = os.path.join(self.folder, "test.patch")
        self.wrong = os.path.join(WRONG, instance_id, "wrong.patch")

    def touched(self, patch):
        text = read(patch)
        if not text.endswith("\n") or "\r" in text:
            raise Finding("%s is not a proper text file" % patch)
        paths = re.findall(r"^diff --git a/(\S+) b/\1$", text, re.MULTILINE)
        if not paths or len(paths) != len(re.findall("^diff ", text, re.MULTILINE)):
            raise Finding("%s is not a git patch" % patch)
        return paths

    def test_files(self):
        files = self.touched(self.test)
        if not all(re.match(r"tests/test_\w+\.py$", path) for path in files):
            raise Finding("test.patch touches %s" % ", ".join(files))
        return files

    def gold_files(self):
        files = self.touched(self.gold)
        if any(path.startswith("tests/") for path in files):
            raise Finding("gold.patch touches tests")
        return files

    def difficulty(self):
        files = [path for path in self.gold_files() if path.endswith(".py")]
        if len(files) > 1:
            return "several files"
        lines = read(self.gold).splitlines()
        added = sum(line[:1] == "+" and line[:3] != "+++" for line in lines)
        removed = sum(line[:1] == "-" and line[:3] != "---" for line in lines)
        return "one line" if max(added, removed) == 1 else "one file"

    def make_base(self, folder):
        copy_tree(self.final, folder)
        apply_patch(folder, self.test, reverse=True)
        apply_patch(folder, self.gold, reverse=True)

    def version(self, tree):
        text = read(os.path.join(tree, "pyproject.toml"))
        return re.search(r'^version = "([^"]+)"$', text, re.MULTILINE).group(1)

    def outcomes(self, python, base, patches, runs=1):
        """What each test gives with ``patches`` applied to the base tree."""
        files = self.test_files()
        with tempfile.TemporaryDirectory() as folder:
            tree = os.path.join(folder, "tree")
            copy_tree(base, tree)
            for patch in patches:
                apply_patch(tree, patch)
            first = None
            for surroundings in SURROUNDINGS[:runs]:
                results, stray = run_tests(python, tree, files, surroundings)
                if stray:
                    raise Finding("unexpected output of the tests: %r" % stray[:200])
                if first is None:
                    first = results
                elif results != first:
                    raise Finding("the tests are flaky")
            if runs > 1:
                for path in files:
                    start = time.monotonic()
                    run_tests(python, tree, [path], SURROUNDINGS[0])
                    if time.monotonic() - start > FILE_LIMIT:
                        raise Finding("%s takes too long" % path)
        return first

    def row(self, python, base, runs=1):
        before = self.outcomes(python, base, [self.test], runs)
        after = self.outcomes(python, base, [self.test, self.gold], runs)
        failing = sorted(name for name in after if not after[name])
        if failing:
            raise Finding("fails with gold.patch: %s" % ", ".join(failing))
        lost = sorted(set(before) - set(after))
        if lost:
            raise Finding("only there without gold.patch: %s" % ", ".join(lost))
        fail_to_pass = sorted(name for name in after if not before.get(name))
        pass_to_pass = sorted(name for name in after if before.get(name))
        if not fail_to_pass or len(pass_to_pass) < 3:
            raise Finding("too few tests")
        version = self.version(base)
        meta = json.loads(read(os.path.join(self.folder, "meta.json")))
        created = meta["created_at"]
        datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ")
        return {
            "instance_id": self.id,
            "repo": "spotter/" + self.package,
            "base_commit": commit_id(base, "%s %s\n" % (self.package, version)),
            "version": version,
            "problem_statement": read(os.path.join(self.folder, "issue.md")),
            "hints_text": "",
            "created_at": created,
            "patch": read(self.gold),
            "test_patch": read(self.test),
            "FAIL_TO_PASS": fail_to_pass,
            "PASS_TO_PASS": pass_to_pass,
            "difficulty": self.difficulty(),
        }

    def check(self, python, expected):
        """Verify the task; return its row."""
        words = len(read(os.path.join(self.folder, "issue.md")).split())
        if not 80 <= words <= 300:
            raise Finding("issue.md has %d words" % words)
        with tempfile.TemporaryDirectory() as folder:
            base = os.path.join(folder, "base")
            self.make_base(base)
            self.gold_files()

            again = os.path.join(folder, "again")
            copy_tree(base, again)
            apply_patch(again, self.gold)
            apply_patch(again, self.test)
            if contents(again) != contents(self.final):
                raise Finding("the patches do not lead back to the final tree")

            results, stray = run_tests(
                python, base, [], SURROUNDINGS[0], discover=True
            )
            if stray or not results or not all(results.values()):
                raise Finding("the base tree does not pass its own tests")

            row = self.row(python, base, len(SURROUNDINGS))
            if os.path.exists(self.wrong):
                wrong = self.outcomes(python, base, [self.wrong, self.test])
                if all(wrong.get(n) for n in row["FAIL_TO_PASS"] + row["PASS_TO_PASS"]):
                    raise Finding("wrong.patch resolves the task")
        if row != expected:
            raise Finding("tasks.jsonl is out of date; run make.py")
        return row


def task_ids():
    names = os.listdir(TASKS)
    return sorted(names, key=lambda name: (name.rpartition("-")[0], len(name), name))


def check_package(python, name):
    tree = os.path.join(PACKAGES, name)
    wanted = {"README.md", ".gitignore", "pyproject.toml", "tests/__init__.py"}
    missing = wanted - set(tree_files(tree))
    if missing:
        raise Finding("lacks %s" % ", ".join(sorted(missing)))
    for surroundings in SURROUNDINGS:
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "tree")
            copy_tree(tree, copy)
            results, stray = run_tests(python, copy, [], surroundings, discover=True)
            if stray or not results or not all(results.values()):
                raise Finding("tests of the final tree fail or print")
            if tree_files(copy) != tree_files(tree):
                raise Finding("tests leave files behind")


def read_rows():
    if not os.path.exists(OUTPUT):
        return []
    with open(OUTPUT, encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def write(python):
    lines = []
    for instance_id in task_ids():
        task = Task(instance_id)
        try:
            with tempfile.TemporaryDirectory() as folder:
                base = os.path.join(folder, "base")
                task.make_base(base)
                lines.append(json.dumps(task.row(python, base)))
        except Finding as finding:
            sys.exit("%s: %s" % (instance_id, finding))
    with open(OUTPUT, "w", encoding="utf-8", newline="\n") as stream:
        stream.write("".join(line + "\n" for line in lines))
    print("%d tasks written" % len(lines))


def check(python, only):
    start = time.monotonic()
    findings = 0
    rows = read_rows()
    ids = [row["instance_id"] for row in rows]
    by_id = dict(zip(ids, rows))
    if len(by_id) != len(ids):
        print("tasks.jsonl: ids are not unique")
        findings += 1
    if ids != task_ids():
        print("tasks.jsonl: tasks are missing, left over or out of order")
        findings += 1
    for name in sorted(os.listdir(WRONG)):
        if name not in ids:
            print("wrong/%s: there is no such task" % name)
            findings += 1

    def one(job):
        kind, name = job
        try:
            if kind == "package":
                check_package(python, name)
                return None, "%-24s ok" % name
            row = Task(name).check(python, by_id.get(name))
            return None, "%-24s ok  %-13s  %2d to fix, %3d to keep" % (
                name,
                row["difficulty"],
                len(row["FAIL_TO_PASS"]),
                len(row["PASS_TO_PASS"]),
            )
        except (Finding, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            return error, "%-24s %s" % (name, error)

    jobs = [("package", name) for name in sorted(os.listdir(PACKAGES))]
    jobs += [("task", name) for name in task_ids()]
    if only:
        jobs = [job for job in jobs if job[1] in only]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for error, line in pool.map(one, jobs):
            findings += error is not None
            print(line, flush=True)
    print(
        "%d checked in %.1f s, %s"
        % (
            len(jobs),
            time.monotonic() - start,
            "%d findings" % findings if findings else "all is well",
        )
    )
    return 1 if findings else 0


def main():
    parser = argparse.ArgumentParser(
        description="Build and verify tasks.jsonl; see the top of this file."
    )
    parser.add_argument("--check", action="store_true", help="verify, write nothing")
    parser.add_argument("--only", action="append", metavar="ID", help="with --check")
    parser.add_argument("--python", default=sys.executable, help="runs the tests")
    parser.add_argument(
        "--base", nargs=2, metavar=("ID", "DIR"), help="write a base tree to DIR"
    )
    options = parser.parse_args()
    if options.base:
        Task(options.base[0]).make_base(options.base[1])
    elif options.check:
        sys.exit(check(options.python, options.only))
    else:
        write(options.python)


if __name__ == "__main__":
    main()
