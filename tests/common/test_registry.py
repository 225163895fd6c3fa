"""Registries: names and import paths, and one line for what leads nowhere."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.common import import_path, registry
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.import_path import import_attribute, is_import_path
from dbsl_tf.common.registry import OWN, Registry


class Square:
    def __init__(self, side: float = 1.0) -> None:
        if side <= 0:
            raise ValueError(f"side must be above 0, got {side}")
        self.side = side

    def area(self) -> float:
        return self.side**2


NOT_CALLABLE = 3


def shapes() -> Registry:
    return Registry("drawing.shape", {"square": f"{__name__}:Square", "dict": dict})


class TestNames:
    def test_builtins_and_what_is_registered(self):
        known = shapes()
        known.register("mine", Square)

        @known.register("decorated")
        def decorated():
            return Square(2)

        known.register("lazy", "no_such_module:attribute")
        assert known.names() == ("square", "dict", "mine", "decorated", "lazy")
        assert known.get("mine") is Square
        assert known.make("decorated").area() == 4
        assert decorated().area() == 4
        assert known.is_builtin("square") and not known.is_builtin("mine")

    def test_a_builtin_is_imported_when_it_is_asked_for(self):
        assert Registry("a.name", {"one": "no_such_module:one"}).names() == ("one",)
        assert shapes().get("square").__qualname__ == "Square"

    def test_a_name_of_another_is_replaced_but_no_builtin(self):
        known = shapes()
        known.register("mine", dict)
        known.register("mine", Square)
        assert known.get("mine") is Square
        for name in ("square", "", "a:b"):
            with pytest.raises(ValueError, match="name"):
                known.register(name, Square)

    def test_an_unknown_name_is_one_line(self):
        with pytest.raises(UserError) as error:
            shapes().get("sqare")
        assert str(error.value) == (
            "drawing.shape is 'sqare'; give one of square, dict, or an import path "
            "package.module:attribute; did you mean square?"
        )
        assert shapes().problem("square") is None
        assert shapes().problem("anywhere.there:it") is None
        assert shapes().problem("anywhere.there:it()") is not None

    def test_what_a_program_gave_is_always_a_name_but_known_only_with_the_program(self):
        known = shapes()
        assert known.problem(OWN) is None and OWN not in known.names()
        with pytest.raises(UserError, match="drawing.shape is 'own'; .* dbsl_tf.Trainer"):
            known.get(OWN)
        known.register(OWN, Square)
        assert known.get(OWN) is Square


class TestImportPaths:
    def test_form(self):
        for path in ("a:b", "a.b_1:c", "a.b:C.d"):
            assert is_import_path(path), path
        for text in ("", "a", "a.b", "a:", ":b", "a:b:c", "1a:b", "a b:c", "a.:b", "a:b()"):
            assert not is_import_path(text), text
        with pytest.raises(ValueError, match="form"):
            import_attribute("a.b")

    def test_what_leads_nowhere_is_one_line(self, tmp_path, monkeypatch, subtests):
        (tmp_path / "broken_shapes.py").write_text("raise OSError('no\\nluck')", encoding="utf-8")
        (tmp_path / "wrong_shapes.py").write_text("def f(:", encoding="utf-8")
        (tmp_path / "needy_shapes.py").write_text("import no_such_library", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        here = __name__
        for path, expected in {
            "no_such_shapes:Square": "there is no module no_such_shapes; start from its folder",
            "json.no_such:loads": "there is no module json.no_such;",
            "broken_shapes:Square": "importing broken_shapes fails (OSError: no luck)",
            "wrong_shapes:Square": "importing wrong_shapes fails (SyntaxError",
            "needy_shapes:Square": "fails (ModuleNotFoundError: No module named 'no_such_library')",
            f"{here}:Sqare": f"{here} has no Sqare; did you mean Square?",
            f"{here}:Square.sides": f"{here}.Square has no sides",
            "json:circle": "json has no circle; name one that it defines; a module of your",
            f"{here}:NOT_CALLABLE": "that is something of type int; name a class or a function",
        }.items():
            with subtests.test(path), pytest.raises(UserError) as error:
                shapes().get(path)
            text = str(error.value)
            assert text.startswith(f"drawing.shape is {path!r}; ")
            assert expected in text and "\n" not in text

    def test_modules_of_the_working_directory(self, tmp_path):
        """Also where Python does not look there by itself, as in an installed command."""
        (tmp_path / "my_shapes.py").write_text("from my_sizes import SIZE", encoding="utf-8")
        (tmp_path / "my_sizes.py").write_text("SIZE = int", encoding="utf-8")
        script = (
            "from dbsl_tf.common.import_path import import_attribute; "
            "print(import_attribute('my_shapes:SIZE'))"
        )
        shown = subprocess.run(
            [sys.executable, "-P", "-c", script],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "<class 'int'>" in shown.stdout


class TestMake:
    def test_options_are_keyword_arguments(self):
        assert shapes().make("square", {"side": 3}, ["area"]).area() == 9
        assert shapes().make(f"{__name__}:Square", {}, ["area"]).area() == 1

    def test_options_that_are_not_taken_are_one_line(self, subtests):
        for options, expected in (
            ({"sides": 3}, "unexpected keyword argument 'sides'"),
            ({"side": -1}, "side must be above 0, got -1"),
            ({"side": "a"}, "not supported"),
        ):
            with subtests.test(options=options), pytest.raises(UserError) as error:
                shapes().make("square", options)
            assert str(error.value).startswith(f"drawing.options is {options}, which square ")
            assert expected in str(error.value)

    def test_what_is_returned_must_have_the_methods(self):
        with pytest.raises(UserError) as error:
            shapes().make("dict", {}, ["items", "area"])
        assert str(error.value) == (
            "drawing.shape is 'dict'; that returns something of type dict, which has no method "
            "area; return an object with items and area"
        )


def test_examples():
    for module in (registry, import_path):
        results = doctest.testmod(module)
        assert results.attempted and not results.failed


def test_without_tensorflow():
    script = "import sys, dbsl_tf.common.registry; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
