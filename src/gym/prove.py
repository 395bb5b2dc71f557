"""Runs calls against versions of small modules: one JSON line in, one out, for each program."""
import json
import signal
import sys
import types


class Late(BaseException):
    pass


def late(*_):
    raise Late()


def load(sources):
    for name, text in sources:
        module = types.ModuleType(name)
        sys.modules[name] = module
        exec(compile(text, name + ".py", "exec"), module.__dict__)


def answer(call, names):
    try:
        value = eval(call, names)
        text = repr(value)
        if not isinstance(value, (int, str, list, tuple, dict, bool, type(None))):
            return ["other", text[:200]]
        return ["value", text if len(text) <= 2000 else text[:2000] + "..."]
    except Late:
        raise
    except Exception as error:
        return ["error", "%s: %s" % (type(error).__name__, str(error)[:200])]


def version(sources, calls):
    answers = []
    signal.setitimer(signal.ITIMER_REAL, 0.25)
    try:
        load(sources)
        names = {name: sys.modules[name] for name, _ in sources}
        for call in calls:
            answers.append(answer(call, names))
    except Late:
        pass
    except Exception as error:
        answers = [["broken", "%s: %s" % (type(error).__name__, error)]]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name, _ in sources:
            sys.modules.pop(name, None)
    return answers


signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    program = json.loads(line)
    out = [version(sources, program["calls"]) for sources in program["versions"]]
    print(json.dumps(out, separators=(",", ":")))
