"""Count what is long, wide, repeated or in a circle: python -m benchmarks.house [--root FOLDER].

Sources are read, not imported, so that any two checkouts can be compared.
"""

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

FILE_LINES, FUNCTION_LINES, PARAMETERS, RUN = 400, 60, 8, 6
PACKAGE, *_ = PARTS = ("dask_horn", "tests", "benchmarks")
COMPILED = re.compile(r"\b(kernel|inlined|compiled|intrinsic|n?jit|cfunc)\b")
IMPORTS, FUNCTIONS = (ast.Import, ast.ImportFrom), (ast.FunctionDef, ast.AsyncFunctionDef)
Sources = dict[Path, ast.Module]  # by path in the checkout; each has its lines beside its tree
Graph = dict[str, set[str]]
IS_COUNTED = re.compile(r"(?!#).*\w")  # neither blank, nor a comment or lone bracket


def read(root: Path, part: str) -> Sources:
    sources = {}
    for path in sorted((root / part).rglob("*.py")):
        sources[path.relative_to(root)] = tree = ast.parse(path.read_text())
        tree.lines = path.read_text().splitlines()
    return sources


def functions(sources: Sources) -> tuple[list[str], list[str]]:
    """Return the long functions and the wide ones; of those, kernels' inner ones are left out."""
    long, wide = [], []
    for path, tree in sources.items():
        pending: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
        while pending:
            node, name, inside = pending.pop()
            name = f"{name}.{node.name}" if isinstance(node, (*FUNCTIONS, ast.ClassDef)) else name
            if isinstance(node, FUNCTIONS):
                length, a = node.end_lineno - node.lineno + 1, node.args
                taken = [*a.posonlyargs, *a.args, *a.kwonlyargs]
                width = sum(arg.arg not in ("self", "cls") for arg in taken)
                compiled = COMPILED.search(" ".join(map(ast.unparse, node.decorator_list)))
                if length > FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno} {name[1:]}: {length}")
                if width > PARAMETERS and not ((inside or compiled) and "kernels" in path.parts):
                    wide.append(f"{path}:{node.lineno} {name[1:]}: {width}")
                inside = True
            pending += [(child, name, inside) for child in ast.iter_child_nodes(node)]
    return sorted(long), sorted(wide)


def lines_of(nodes: Iterable[ast.stmt]) -> set[int]:
    return {line for node in nodes for line in range(node.lineno, node.end_lineno + 1)}


def code_lines(tree: ast.Module) -> int:
    """Count lines that hold code: no blank, comment or docstring."""
    alone = [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    docs = lines_of(n for n in alone if isinstance(getattr(n.value, "value", None), str))
    numbered = enumerate(tree.lines, 1)
    return sum(n not in docs and line.lstrip()[:1] not in ("", "#") for n, line in numbered)


def duplicates(sources: Sources) -> tuple[float, list[str]]:
    """Return the percentage of lines in runs that stand elsewhere too, and in which files."""
    runs, total = defaultdict(list), 0
    for path, tree in sources.items():
        passed = lines_of(n for n in ast.walk(tree) if isinstance(n, IMPORTS))
        numbered = [(n, " ".join(line.split())) for n, line in enumerate(tree.lines, 1)]
        counted = [(n, s) for n, s in numbered if n not in passed and IS_COUNTED.match(s)]
        total += len(counted)
        for start in range(len(counted) - RUN + 1):
            numbers, lines = zip(*counted[start : start + RUN], strict=True)
            runs[lines].append((path, numbers))
    repeated = defaultdict(set)
    for path, numbers in (place for places in runs.values() if len(places) > 1 for place in places):
        repeated[path].update(numbers)
    said = [f"{path}:{min(lines)} and on: {len(lines)}" for path, lines in repeated.items()]
    return 100 * sum(map(len, repeated.values())) / max(total, 1), said


def is_drawing(path: Path, node: ast.stmt, tree: ast.Module) -> bool:
    """Whether it is the one import that may run upwards: `.plot()` and what it draws."""
    is_listener, line = "diagnostics" in path.parts, node.lineno
    if not is_listener and "diagnostics" not in ast.unparse(node):
        return False
    wanted = (lambda n: "TYPE_CHECKING" in ast.unparse(n.test)) if is_listener else bool
    outer = [n for n in ast.walk(tree) if isinstance(n, ast.If if is_listener else FUNCTIONS)]
    return line in lines_of(n for n in outer if wanted(n))


def imports(sources: Sources) -> Graph:
    """Return which modules each module names in an import, wherever in the file it stands."""
    name_of = {p: ".".join(p.with_suffix("").parts).removesuffix(".__init__") for p in sources}
    graph: Graph = {name: set() for name in name_of.values() if name != PACKAGE}  # the lazy door
    for path, tree in sources.items():
        for node in ast.walk(tree):
            # The project has no relative ones.
            if isinstance(node, IMPORTS) and not is_drawing(path, node, tree):
                home = getattr(node, "module", "")
                inner = {f"{home}.{alias.name}".lstrip(".") for alias in node.names}
                names = {name if name in graph else home for name in inner} & graph.keys()
                graph.get(name_of[path], set()).update(names - {name_of[path]})
    return graph


def rooms(graph: Graph, sources: Sources) -> Graph:
    """Return which folders each folder names; a file at the root of the package is its own."""
    folders = {".".join(path.parent.parts) for path in sources} - {PACKAGE}
    home = {n: n if n in folders or n.count(".") == 1 else n.rpartition(".")[0] for n in graph}
    found: Graph = defaultdict(set)
    for name, targets in graph.items():
        found[home[name]] |= {home[target] for target in targets} - {home[name]}
    return found


def circles(graph: Graph) -> list[str]:
    reached = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:  # Warshall's closure
        for targets in (targets for targets in reached.values() if middle in targets):
            targets |= reached[middle]
    found = {frozenset(m for m in reached[n] if n in reached[m]) for n in graph if n in reached[n]}
    return sorted(" ".join(sorted(circle)) for circle in found)


def count(root: Path, part: str) -> dict[str, tuple[object, list[str]]]:
    """Return what the table says of one part, each with the names behind it."""
    sources = read(root, part)
    lengths = {path: len(tree.lines) for path, tree in sources.items()}
    (long, wide), (share, repeated) = functions(sources), duplicates(sources)
    files = [f"{path}: {length}" for path, length in lengths.items() if length > FILE_LINES]
    graph = imports(sources)
    said = {
        "lines": (sum(lengths.values()), []),
        "lines of code": (sum(map(code_lines, sources.values())), []),
        f"files over {FILE_LINES} lines": (len(files), files),
        f"functions over {FUNCTION_LINES} lines": (len(long), long),
        f"functions over {PARAMETERS} parameters": (len(wide), wide),
        "duplicated lines": (f"{share:.1f} %", repeated),
    }
    for title, among in (("modules", graph), ("folders", rooms(graph, sources))):
        sizes = " + ".join(str(len(circle.split())) for circle in circles(among))
        said[f"{title} in circles"] = (sizes or 0, circles(among))
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    counts = {part: count(parser.parse_args().root, part) for part in PARTS}
    print(" " * 28 + "".join(f"{part:>12}" for part in PARTS))
    for title in counts[PACKAGE]:
        print(f"{title:<28}" + "".join(f"{counts[part][title][0]:>12}" for part in PARTS))
    for part, said in counts.items():
        for title, (_, names) in said.items():
            if names:
                print(f"\n{title} in {part}:", *names, sep="\n    ")


if __name__ == "__main__":
    main()
