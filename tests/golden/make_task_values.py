#!/usr/bin/env python3
"""make_task_values.py MODEL OUT.json [ITEMS] -- scores tests/golden/tasks (the first ITEMS of each
file) with lm-evaluation-harness on a Hugging Face folder (float32, transformers, CPU): for every task
and number of shots what it says of the task and each item's log-likelihoods or text.  Its own yaml
files are used, with the local files in place of the data sets.

task_values.json is of the demo (0.4.13); task_values_smollm2.json, of 12 items each, of the weights
that transformers reads from the GGUF file, with the tokenizer that `export` writes (0.4.9.1)."""
import json
import pathlib
import re
import shutil
import sys
import tempfile

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

HERE = pathlib.Path(__file__).parent / "tasks"
TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"
YAML = {"arc_easy": "arc/arc_easy.yaml", "arc_challenge": "arc/arc_challenge.yaml",
        "hellaswag": "hellaswag/hellaswag.yaml", "piqa": "piqa/piqa.yaml",
        "winogrande": "winogrande/default.yaml", "triviaqa": "triviaqa/default.yaml",
        "nq_open": "nq_open/nq_open.yaml"}
SPLITS = {"arc_easy": "test", "arc_challenge": "test"}


def local(text, name, files):
    """The yaml under a name of its own, reading local files."""
    text = re.sub(r"(?m)^(task|dataset_path|dataset_name|include|tag|\"?task_alias\"?):.*\n(?:  *- .*\n)*",
                  "", text)
    if name in ("arc_challenge",):
        text = local((TASKS / YAML["arc_easy"]).read_text(), "", files).split("\ndataset_path")[0]
    return (f"{text}\ntask: own_{name}\ndataset_path: json\n"
            f"dataset_kwargs:\n  data_files:\n" +
            "".join(f"    {split}: {path}\n" for split, path in files.items()))


def scored(name):
    """The lines of a file that are scored."""
    lines = (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    return lines[:int(sys.argv[3])] if len(sys.argv) > 3 else lines


def main():
    model, out = sys.argv[1:3]
    work = pathlib.Path(tempfile.mkdtemp())
    names = []
    for name, path in YAML.items():
        for helper in (TASKS / path).parent.glob("*.py"):
            shutil.copy(helper, work / helper.name)
        split = SPLITS.get(name, "validation")
        files = {"train": HERE / f"{name}_pool.jsonl", split: work / f"{name}.jsonl"}
        files[split].write_text("".join(scored(name)), encoding="utf-8")
        if split == "test":
            files["validation"] = files["train"]
        (work / f"{name}.yaml").write_text(local((TASKS / path).read_text(), name, files))
        names.append(f"own_{name}")
    template = (TASKS / "mmlu/default/_default_template_yaml").read_text()
    subjects = []
    for subject in ("anatomy", "world_religions", "sociology"):
        files = {}
        pool = (HERE / "mmlu_pool.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        for split, rows in (("test", scored("mmlu")), ("dev", pool)):
            files[split] = work / f"mmlu_{subject}_{split}.jsonl"
            files[split].write_text("".join(r for r in rows if json.loads(r)["subject"] == subject),
                                    encoding="utf-8")
        about = subject.replace("_", " ")
        text = local(template, f"mmlu_{subject}", files)
        text += ("description: \"The following are multiple choice questions (with answers) about "
                 f"{about}.\\n\\n\"\n")
        (work / f"mmlu_{subject}.yaml").write_text(text)
        subjects.append(f"own_mmlu_{subject}")
    (work / "mmlu.yaml").write_text("group: own_mmlu\ntask:\n" + "".join(f"  - {s}\n" for s in subjects) +
                                    "aggregate_metric_list:\n  - metric: acc\n    weight_by_size: true\n")
    lm = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=8)
    values = {"lm_eval": lm_eval.__version__}
    for shots in (0, 3):
        got = lm_eval.simple_evaluate(model=lm, tasks=names + ["own_mmlu"], num_fewshot=shots,
                                      task_manager=TaskManager(include_path=str(work)))
        one = {"results": {}, "items": {}}
        for task, result in got["results"].items():
            one["results"][task[4:]] = {k.split(",")[0]: v for k, v in result.items()
                                        if isinstance(v, float)}
        for task, samples in got["samples"].items():
            rows = sorted(samples, key=lambda s: s["doc_id"])
            one["items"][task[4:]] = [
                [round(float(r[0]), 6) for r in s["filtered_resps"]]
                if isinstance(s["filtered_resps"][0], (tuple, list))
                else s["filtered_resps"][0].strip()  # as 0.4.13 does; 0.4.9.1 leaves the end
                for s in rows]
        values[str(shots)] = one
        pathlib.Path(out).write_text(json.dumps(values, indent=0, ensure_ascii=False) + "\n")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
