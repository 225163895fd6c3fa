"""What CONTRIBUTING says of the folders: which depends on which, and who knows TensorFlow."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

from dbsl_tf.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dbsl_tf"
WITHOUT_TENSORFLOW = (
    *("authors_files", "config", "operating", "planning", "profiling", "reporting"),
    *("reproducing", "resolved", "results", "schedules", "simulation", "sweeping"),
)


def imports_of(file: Path) -> set[str]:
    """Dotted names of the modules that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def folders() -> dict[str, list[Path]]:
    """The files of each folder."""
    return {
        folder.name: sorted(folder.rglob("*.py"))
        for folder in sorted(PACKAGE.iterdir())
        if (folder / "__init__.py").exists()
    }


class TestStructure:
    def test_folders_depend_on_each_other_one_way(self) -> None:
        names = folders().keys()
        needs = {
            name: {
                parts[1]
                for file in files
                for parts in (module.split(".") for module in imports_of(file))
                if parts[0] == "dbsl_tf" and parts[1] in names and parts[1] != name
            }
            for name, files in folders().items()
        }
        assert {"config", "planning", "schedules"} <= needs["resolved"]
        # Raises CycleError, which names the cycle.
        TopologicalSorter(needs).prepare()

    def test_the_guide_has_them_all(self) -> None:
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        for name in folders():
            assert re.search(rf"^\| .*`{name}/`.* \|", text, re.MULTILINE), name

    def test_what_works_for_a_run_does_not_read_its_configuration(self) -> None:
        """It is worked out once, in `resolved/`."""
        reading = {
            name
            for name, files in folders().items()
            if any("dbsl_tf.config.Config" in imports_of(file) for file in files)
        }
        assert reading - {"config"} == {
            *("cli", "library", "resolved", "results", "running", "simulation", "sweeping")
        }

    def test_one_module_knows_the_cluster_coordinator(self) -> None:
        knowing = {
            file.relative_to(PACKAGE).as_posix()
            for file in PACKAGE.rglob("*.py")
            if "distribute.coordinator." in file.read_text(encoding="utf-8")
        }
        assert knowing == {"engine/engine.py"}

    def test_these_folders_do_without_tensorflow(self, subtests) -> None:
        for name in WITHOUT_TENSORFLOW:
            for file in folders()[name]:
                with subtests.test(file.relative_to(PACKAGE).as_posix()):
                    modules = {module.split(".")[0] for module in imports_of(file)}
                    assert not modules & {"tensorflow", "keras_core", "keras_cv"}


class TestCommands:
    def test_the_list_is_complete(self) -> None:
        """What it names can be run, and a file that could be run is named."""
        beside = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
        assert beside == set(COMMANDS)
        parsing = {
            file.stem
            for file in (PACKAGE / "cli").glob("*.py")
            if "parser(" in file.read_text(encoding="utf-8").lower()
        }
        # A process that other commands start.
        unlisted = {"command_line", "dbsl", "compare_precisions"}
        assert parsing == set(COMMANDS) | unlisted

    def test_they_are_started_by_modules_that_do_nothing_else(self, subtests) -> None:
        for name in COMMANDS:
            with subtests.test(name):
                tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
                kinds = [type(node) for node in tree.body]
                assert kinds == [ast.Expr, ast.ImportFrom, ast.ImportFrom, ast.If]
                assert imports_of(PACKAGE / f"{name}.py") == {
                    f"dbsl_tf.cli.{name}.main",
                    "dbsl_tf.cli.command_line.run",
                }

    def test_only_they_parse_arguments(self) -> None:
        parsing = {
            file.relative_to(PACKAGE).parts[0]
            for file in PACKAGE.rglob("*.py")
            if any(module.split(".")[0] == "argparse" for module in imports_of(file))
        }
        assert parsing == {"cli"}

    def test_the_readme_has_them_all(self) -> None:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        for name in COMMANDS:
            assert f"\n| `{name} " in text, name


class TestHabits:
    def files(self, *folders: str) -> list[Path]:
        return [
            file
            for folder in folders
            for file in sorted((ROOT / folder).rglob("*.py"))
            if file != Path(__file__)
        ]

    def test_no_function_takes_more_than_seven_parameters(self) -> None:
        """What belongs together is a class of its own."""
        wide = []
        for file in self.files("dbsl_tf"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                    given = [arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
                    if len({*given} - {"self", "cls"}) > 7:
                        wide.append((file.relative_to(PACKAGE).as_posix(), node.lineno, given))
        assert wide == []

    def test_nobody_edits_the_path(self) -> None:
        """But where a user's own modules are imported."""
        for file in self.files("dbsl_tf", "scripts", "tests"):
            if file == PACKAGE / "common" / "import_path.py":
                continue
            assert "sys.path" not in file.read_text(encoding="utf-8"), file

    def test_tests_have_one_style(self) -> None:
        """tf.test.TestCase where TensorFlow is used, plain pytest elsewhere."""
        for file in self.files("tests"):
            assert "unittest.TestCase" not in file.read_text(encoding="utf-8"), file

    def test_no_test_waits_for_a_fixed_number_of_seconds(self) -> None:
        """See tests/support/patience.py."""
        fixed = re.compile(
            r"(communicate|run|wait|join|get)\([^()]*\btimeout=\d|\.wait\(\d|\.join\(\d\d"
        )
        for file in self.files("tests"):
            found = fixed.search(file.read_text(encoding="utf-8"))
            assert found is None, (file, found)
