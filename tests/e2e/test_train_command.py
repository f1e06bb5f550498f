"""train, eval and predict, as a user types them, on a net and data small enough to be done at once."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from threading import Timer

import jsonschema
import numpy as np
import pytest

from netc.loading import load_file
from tests.command import CHECKOUT, Command, spawned

TINY = """
net Tiny {
  input x: [N, 1, 2, 2]
  y = x -> flatten -> dense(8) -> relu -> dense(3)
  output y
}

train Tiny {
  data npz("data.npz")
  target label: int[N]
  loss [y, label] -> softmax_xent
  metric [y, label] -> accuracy, top(2)
  optimizer sgd(lr=0.1, momentum=0.9)
  batch 10
  epochs 3
}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net and its data: the class is the largest of the first three pixels."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(1).random((200, 1, 2, 2), np.float32)
    np.savez("data.npz", x=x, y=x.reshape(200, 4)[:, :3].argmax(1))
    Path("tiny.net").write_text(TINY)
    return tmp_path


def records(run: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl, without the times, which differ from run to run."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_run_says_what_it_does_and_leaves_its_folder(netc: Command) -> None:
    done = netc("train", "tiny.net")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["Tiny", "into", "runs/Tiny"]
    assert any(line.startswith("parameters  67: 67 trained") for line in lines)
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/3", "2/3", "3/3"]
    assert all(" accuracy " in line and "validation: loss " in line and " lr 0.1" in line for line in epochs)
    assert lines[-2].startswith("test: loss ")
    assert "runs/Tiny" in lines[-1]
    run = Path("runs/Tiny")
    assert {p.name for p in run.iterdir()} == {
        "model.safetensors", "state.safetensors", "spec.net", "report.json", "metrics.jsonl", "result.json",
        "net.svg", "curves.svg", "run.json",
    }  # fmt: skip
    assert (run / "spec.net").read_text() == TINY
    assert len(records(run)) == 3
    schema = json.loads((CHECKOUT / "netc" / "analyze" / "report.schema.json").read_text())
    report = json.loads((run / "report.json").read_text())
    jsonschema.validate(report, schema)
    (compiled,) = load_file("tiny.net").nets.values()
    assert report["nets"][0]["totals"]["params"] == compiled.facts.params
    assert netc("train", "tiny.net").out.splitlines()[0].split()[-1] == "runs/Tiny-2"
    assert records(Path("runs/Tiny-2")) == records(run)  # the seed decides everything


def test_a_machine_without_graphviz_trains_and_says_what_is_missing(
    netc: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("empty").mkdir()
    monkeypatch.setenv("PATH", str(Path("empty").resolve()))
    monkeypatch.setattr("netc.draw.picture.WHEEL", "a_wheel_that_is_not_there")
    done = netc("train", "tiny.net", "--set", "train.epochs=1")
    assert done.code == 0
    assert done.err.startswith("warning: the run has no net.svg: drawing needs Graphviz: ")
    assert done.err.count("\n") == 1
    assert "net.svg" not in done.out
    run = {p.name for p in Path("runs/Tiny").iterdir()}
    assert "net.svg" not in run
    assert {"model.safetensors", "result.json", "curves.svg"} <= run


def test_settings_from_outside_go_before_the_file(netc: Command) -> None:
    done = netc("train", "tiny.net", "--set", "train.epochs=1", "--set", "train.batch=20", "--out", "here")
    assert done.code == 0
    assert "epoch 1/1" in done.out
    assert "batch 20" in done.out
    assert len(records(Path("here"))) == 1


def test_eval_repeats_the_test_and_predict_agrees_with_it(netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=40")
    result = json.loads(Path("runs/Tiny/result.json").read_text())
    found = json.loads(netc("eval", "runs/Tiny", "--json").out)
    assert found["schema"] == "netc.eval/1"
    assert found["examples"] == 40
    assert found["metrics"] == pytest.approx(result)
    assert netc("eval", "runs/Tiny/model.safetensors", "--part", "train").out.startswith("Tiny on ")
    x = np.load("data.npz")["x"]
    np.save("three.npy", x[:3])
    np.save("one.npy", x[3, 0])
    told = netc("predict", "runs/Tiny", "three.npy", "one.npy", "--top", "2")
    assert [line.split(":")[0] for line in told.out.splitlines()] == [
        "three.npy[0]", "three.npy[1]", "three.npy[2]", "one.npy",
    ]  # fmt: skip
    np.savez("all.npz", x=x)
    found = json.loads(netc("predict", "runs/Tiny", "all.npz", "--json", "--top", "3").out)
    classes = [one["classes"] for one in found["inputs"]]
    right = [c[0]["class"] for c in classes] == np.load("data.npz")["y"]
    assert right.mean() > 0.9
    assert all(sum(c["probability"] for c in each) == pytest.approx(1) for each in classes)


def test_numbers_of_another_scale_are_told(netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=1")
    x = np.load("data.npz")["x"][:3]
    np.save("same.npy", x)
    np.save("large.npy", x * 255)
    np.save("dark.npy", np.uint8(x * 3))  # bytes are scaled by 255
    done = netc("predict", "runs/Tiny", "same.npy", "large.npy", "dark.npy")
    assert done.code == 0
    warnings = done.err.splitlines()
    assert [line.split()[1] for line in warnings] == ["large.npy", "dark.npy"]
    assert "trained on numbers up to" in warnings[0]


def test_images_are_read_by_the_size_of_the_net(netc: Command) -> None:
    from PIL import Image

    netc("train", "tiny.net", "--set", "train.epochs=40")
    Image.fromarray(np.array([[0, 255], [0, 0]], np.uint8)).save("two.png")
    Image.fromarray(np.full((6, 4, 3), 9, np.uint8)).save("large.png")
    assert netc("predict", "runs/Tiny", "two.png").out.startswith("two.png: 1 (")
    done = netc("predict", "runs/Tiny", "large.png")
    assert done.code == 1
    assert "large.png: is 6x4 pixels, and the net takes 2x2; --resize fits it" in done.err
    assert netc("predict", "runs/Tiny", "large.png", "--resize").code == 0


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda: np.save("in.npy", np.zeros((3, 5))),
            "in.npy: an array of 3x5 is 3 examples of 5, and the net takes 1x2x2",
        ),
        (lambda: np.save("in.npy", np.float32(3)), "in.npy"),
        (lambda: np.save("in.npy", np.array(["a"])), "numbers were expected"),
        (lambda: np.save("in.npy", np.array([None]), allow_pickle=True), "cannot be read"),
        (lambda: np.save("in.npy", np.full((1, 1, 2, 2), np.nan)), "not a finite"),
        (lambda: Path("in.npy").write_bytes(b"\x93NUMPY"), "cannot be read"),
        (lambda: Path("in.npz").write_bytes(b"PK"), "cannot be read"),
        (lambda: np.savez("in.npz", a=np.zeros(3), b=np.zeros(3)), "one array is wanted"),
        (lambda: Path("in.png").write_bytes(b"no picture"), "cannot be read as an image"),
    ],
)
def test_wrong_inputs_are_one_line(write: object, said: str, netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=1")
    assert callable(write)
    write()
    (name,) = Path().glob("in.*")
    done = netc("predict", "runs/Tiny", name)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_predict_says_of_a_net_that_it_is_no_classifier(netc: Command) -> None:
    numbers = TINY.replace("int[N]", "[N, 1]").replace("dense(3)", "dense(1)")
    numbers = numbers.replace("softmax_xent", "mse").replace("  metric [y, label] -> accuracy, top(2)\n", "")
    Path("numbers.net").write_text(numbers)
    np.savez("data.npz", x=np.zeros((20, 1, 2, 2), np.float32), y=np.ones((20, 1), np.float32))
    assert netc("train", "numbers.net", "--set", "train.epochs=1").code == 0
    np.save("in.npy", np.zeros((1, 2, 2)))
    done = netc("predict", "runs/Tiny", "in.npy")
    assert (done.code, done.out) == (2, "")
    assert "runs/Tiny: Tiny tells no classes" in done.err
    assert "in.npy" not in done.err


def test_a_run_that_ended_before_its_first_epoch_says_so(netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "run")
    for name in ("model.safetensors", "state.safetensors", "metrics.jsonl", "result.json", "curves.svg"):
        Path("run", name).unlink()
    np.save("in.npy", np.zeros((1, 2, 2)))
    told = "error: run: the run ended before its first epoch did, so it has no model; "
    resumed = ["train", "--resume", "run"]
    for command in (["eval", "run"], ["predict", "run", "in.npy"], resumed, [*resumed, "tiny.net"]):
        done = netc(*command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(told)
    assert netc("train", "tiny.net", "--out", "run").err == "error: run is not empty: name another by --out\n"


def test_a_run_can_go_on(netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=4", "--out", "whole")
    netc("train", "tiny.net", "--set", "train.epochs=2", "--out", "halves")
    done = netc("train", "tiny.net", "--set", "train.epochs=4", "--resume", "halves")
    assert done.code == 0
    assert "after epoch 2" in done.out.splitlines()[0]
    assert records(Path("halves")) == records(Path("whole"))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_finished_is_kept(sent: signal.Signals, code: int, here: Path, netc: Command) -> None:
    with spawned(
        "train", here / "tiny.net", "--set", "train.epochs=1000000", "--out", here / "run"
    ) as process:
        assert process.stdout
        assert process.stderr
        seen = 0
        while seen < 2:
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            seen += line.startswith(b"epoch")
        process.send_signal(sent)
        last = Timer(60, process.kill)  # a signal that is lost fails the test and does not hang it
        last.start()
        process.stdout.read()
        said = process.stderr.read().decode()
        last.cancel()
    assert process.returncode == code
    assert "is kept in" in said
    assert "Traceback" not in said
    done = records(here / "run")
    assert [r["epoch"] for r in done] == list(range(1, len(done) + 1))
    assert len(done) >= 2
    assert not list((here / "run").glob("*.partial"))
    assert netc("eval", "run", "--data", "data.npz").code == 0


def test_a_loss_that_is_no_number_ends_the_run(netc: Command) -> None:
    done = netc("train", "tiny.net", "--set", "train.optimizer=sgd(lr=1e30)", "--out", "run")
    assert done.code == 1
    assert "the learning rate" in done.err


def test_data_that_are_missing_or_do_not_fit(netc: Command) -> None:
    np.savez("other.npz", x=np.zeros((20, 5), np.float32), y=np.zeros(20, int))
    for data, said in (("no.npz", "there is no such file"), ("other.npz", "the net takes 1x2x2")):
        done = netc("train", "tiny.net", "--data", data)
        assert (done.code, done.out) == (1, "")
        assert said in done.err
    assert not Path("runs").exists()
    Path("tiny.net").write_text(TINY.replace('  data npz("data.npz")\n', ""))
    done = netc("train", "tiny.net")
    assert done.code == 2
    assert "give --data PATH" in done.err
    assert netc("train", "tiny.net", "--data", "data.npz").code == 0


def test_data_of_a_file_lie_beside_the_file(netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert netc("train", "../tiny.net", "--set", "train.epochs=1").code == 0


def test_a_run_knows_where_its_data_are(
    netc: Command, here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`eval` and `--resume` find them from any folder, where a path of the file or one of --data led to them."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "by-file")
    Path("data.npz").rename("moved.npz")
    assert netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "by-option").code == 1
    netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "by-option", "--data", "moved.npz")
    result = {run: json.loads((here / run / "result.json").read_text()) for run in ("by-file", "by-option")}
    monkeypatch.chdir(elsewhere)
    done = netc("eval", here / "by-option", "--json")
    assert json.loads(done.out)["metrics"] == pytest.approx(result["by-option"])
    assert netc("eval", here / "by-file").code == 1
    (here / "moved.npz").rename(here / "data.npz")
    done = netc("eval", here / "by-file/model.safetensors", "--json")
    assert json.loads(done.out)["metrics"] == pytest.approx(result["by-file"])
    (here / "by-file/run.json").write_text('{"schema": "netc.run/1", "base": 3, "data": null}')
    done = netc("eval", here / "by-file")
    assert (done.code, done.out) == (2, "")
    assert "run.json: cannot be read" in done.err


def test_a_model_that_is_alone_has_its_data_beside_itself(netc: Command) -> None:
    netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "run")
    Path("alone").mkdir()
    Path("run/model.safetensors").rename("alone/model.safetensors")
    assert netc("eval", "alone/model.safetensors").code == 1
    Path("data.npz").rename("alone/data.npz")
    assert netc("eval", "alone/model.safetensors").code == 0


def test_a_run_goes_on_without_its_file(netc: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    said = ("--set", "train.batch=20", "--set", "train.seed=5")
    netc("train", "tiny.net", *said, "--set", "train.epochs=4", "--out", "whole")
    netc("train", "tiny.net", *said, "--set", "train.epochs=2", "--out", "halves")
    Path("tiny.net").unlink()
    done = netc("train", "--resume", "halves", "--set", "train.epochs=4")
    assert (done.code, done.err) == (0, "")
    assert "batch 20" in done.out  # what was set for the first half holds for the second
    assert records(Path("halves")) == records(Path("whole"))
    assert netc("eval", "halves").code == 0
    assert netc("train").code == 2
    Path("empty").mkdir()
    done = netc("train", "--resume", "empty")
    assert (done.code, done.out) == (1, "")
    assert "there is no such file" in done.err


AUGMENT = "train.augment=shift((1, 0)) -> rotate(15) -> elastic(2, 1) -> erase(1, p=0.3)"


def test_augmented_training_repeats_itself_and_goes_on_as_if_it_had_not_stopped(netc: Command) -> None:
    netc("train", "tiny.net", "--set", AUGMENT, "--set", "train.epochs=4", "--out", "whole")
    done = netc("train", "tiny.net", "--set", AUGMENT, "--set", "train.epochs=2", "--out", "halves")
    assert "shift(pixels=(1, 0)) -> rotate(degrees=15) -> elastic(alpha=2, sigma=1)" in done.out
    netc("train", "--resume", "halves", "--set", "train.epochs=4")
    assert records(Path("halves")) == records(Path("whole"))
    assert (
        Path("halves/model.safetensors").read_bytes()[-268:]
        == (
            Path("whole/model.safetensors").read_bytes()[-268:]  # 67 numbers
        )
    )
    netc("train", "tiny.net", "--set", "train.epochs=4", "--out", "plain")
    assert records(Path("plain")) != records(Path("whole"))


def test_digits_are_learned_from_augmented_pictures(netc: Command) -> None:
    chain = "train.augment=shift(1) -> rotate(10) -> scale(0.1)"
    netc("train", "digits", "--set", chain, "--set", "train.epochs=6", "--out", "run")
    assert json.loads(Path("run/result.json").read_text())["accuracy"] > 0.93
    found = json.loads(netc("eval", "run", "--tta", "4", "--json").out)
    assert found["metrics"]["accuracy"] > 0.93


def test_eval_and_predict_average_over_views(netc: Command) -> None:
    netc(
        "train", "tiny.net", "--set", "train.augment=shift((1, 0))", "--set", "train.epochs=20", "--out", "a"
    )
    plain, seen, again = (json.loads(netc("eval", "a", "--json", "--tta", n).out) for n in ("1", "6", "6"))
    assert seen == again
    assert seen["views"] == 6
    assert seen["metrics"].keys() == plain["metrics"].keys()
    assert seen["metrics"]["loss"] != pytest.approx(plain["metrics"]["loss"], rel=1e-3)
    assert ", each seen 6 times: loss " in netc("eval", "a", "--tta", "6").out
    np.save("in.npy", np.load("data.npz")["x"][:5])
    one, many = (netc("predict", "a", "in.npy", "--tta", n).out for n in ("1", "6"))
    assert one != many
    assert one == netc("predict", "a", "in.npy").out
    netc("train", "tiny.net", "--set", "train.epochs=1", "--out", "b")
    for command in (("eval", "b"), ("predict", "b", "in.npy")):
        done = netc(*command, "--tta", "2")
        assert (done.code, done.out) == (2, "")
        assert "the train block of Tiny has no `augment`" in done.err


PICTURES = """
net Pictures {
  input x: [N, 3, 6, 6]
  y = x -> conv(4, 3) -> relu -> gap -> flatten -> dense(2)
  output y
}

train Pictures {
  data folder("pictures")
  target label: int[N]
  loss [y, label] -> softmax_xent
  optimizer adam(lr=0.05)
  augment crop(2, border=reflect) -> flip
  batch 8
  epochs 5
}
"""


def test_pictures_of_named_classes_from_training_to_prediction(netc: Command) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 150)):
        Path("pictures", name).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(low, low + 100, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(f"pictures/{name}/{i}.png")
    Path("pictures.net").write_text(PICTURES)
    done = netc("train", "pictures.net", "--out", "run")
    assert "pictures: 43 to learn from, 5 for validation, 12 for the test" in done.out
    assert json.loads(Path("run/result.json").read_text())["accuracy"] == 1
    told = netc("predict", "run", "pictures/dark/0.png", "pictures/light/0.png", "--top", "1").out
    assert [line.split()[1] for line in told.splitlines()] == ["dark", "light"]
    found = json.loads(netc("predict", "run", "pictures/light/0.png", "--json").out)["inputs"][0]
    assert (found["classes"][0]["class"], found["classes"][0]["name"]) == (1, "light")
    Path("pictures/dark").rename("pictures/shadow")
    for command in (("eval", "run"), ("train", "--resume", "run", "--set", "train.epochs=6")):
        done = netc(*command)
        assert done.code != 0
        assert "classes" in done.err
        assert "shadow" in done.err


def test_a_table_from_training_to_its_figures(netc: Command) -> None:
    x, y = (np.load("data.npz")[name] for name in "xy")
    rows = [",".join([str(label), *map(str, row)]) for row, label in zip(x.reshape(200, 4), y, strict=True)]
    Path("table.csv").write_text("\n".join(["label,a,b,c,d", *rows]))
    set_data = ("--set", 'train.data=csv("table.csv")')
    assert netc("train", "tiny.net", *set_data, "--out", "by-table").code == 0
    netc("train", "tiny.net", "--out", "by-arrays")
    results = [json.loads(Path(run, "result.json").read_text()) for run in ("by-table", "by-arrays")]
    assert results[0] == pytest.approx(results[1])
    assert netc("eval", "by-arrays", "--data", "table.csv").code == 0
    Path("table.csv").write_text("\n".join(["label,a,b,c,d", *rows[:50], "1,2,x,4,5"]))
    done = netc("eval", "by-table")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: table.csv: line 52, column 3 (`b`): `x` is no finite number\n"


TEXTS = """
net Texts {
  input text: int[N, 6]
  y = text -> embedding(20, 4) -> conv(8, 3) -> relu -> gap -> flatten -> dense(2)
  output y
}

train Texts {
  data npz("texts.npz")
  target label: int[N]
  loss [y, label] -> softmax_xent
  metric [y, label] -> accuracy
  optimizer adam(lr=0.01)
  batch 10
  epochs 2
}
"""


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.float64])
def test_numbers_of_words_from_training_to_prediction(kind: type, netc: Command) -> None:
    words = np.random.default_rng(1).integers(0, 20, (60, 6)).astype(kind)
    Path("texts.net").write_text(TEXTS)
    np.savez("texts.npz", x=words, y=(words == 7).any(axis=1).astype(int))
    np.savetxt("texts.csv", np.c_[words, (words == 7).any(axis=1)], "%d", delimiter=",")
    trained = netc("train", "texts.net")
    assert (trained.code, trained.err) == (0, "")
    from_table = netc("train", "texts.net", "--data", "texts.csv", "--out", "other")
    assert (from_table.code, from_table.err) == (0, "")
    assert records(Path("other")) == records(Path("runs/Texts"))
    np.save("one.npy", words[0])
    assert netc("predict", "runs/Texts", "one.npy").out.startswith("one.npy: ")


def test_fractions_are_no_words(netc: Command) -> None:
    Path("texts.net").write_text(TEXTS)
    words = np.arange(120.0).reshape(20, 6) % 20
    words[3, 2] = 1.5
    np.savez("texts.npz", x=words, y=np.arange(20) % 2)
    done = netc("train", "texts.net")
    assert done.code == 1
    assert "holds 1.5, and the net takes whole numbers" in done.err
    np.savetxt("texts.csv", np.c_[words, np.arange(20) % 2], "%g", delimiter=",")
    done = netc("train", "texts.net", "--data", "texts.csv")
    assert (done.code, done.err.strip()) == (
        1,
        "error: texts.csv: line 4, column 3: 1.5, where the net takes whole numbers",
    )
    np.save("one.npy", words[3])
    Path("texts.net").write_text(TEXTS.replace('npz("texts.npz")', 'csv("texts.csv", scale=2)'))
    done = netc("train", "texts.net")
    assert (done.code, "scale=2 would divide" in done.err) == (1, True)


def test_a_folder_that_holds_something_is_left_alone(netc: Command) -> None:
    Path("run").mkdir()
    Path("run/mine").write_text("mine")
    done = netc("train", "tiny.net", "--out", "run")
    assert done.code == 2
    assert "run is not empty" in done.err
    assert [p.name for p in Path("run").iterdir()] == ["mine"]


def test_what_is_no_run_is_no_run(netc: Command) -> None:
    Path("x.safetensors").write_bytes(b"no")
    done = netc("eval", "x.safetensors")
    assert done.code == 1
    assert "no safetensors file" in done.err
    Path("empty").mkdir()
    assert netc("eval", "empty").code == 1
    assert netc("train", "tiny.net", "--resume", "empty").code == 1
